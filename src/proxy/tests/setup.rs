//! The settings of a proxy under test, and how it is made.
//!
//! Settings are the defaults but for health: without checks and slow start, unless a test sets
//! them.

use super::super::{Listener, ListenerTls, MemberRules, Parts, Proxy};
use super::network::{Shared, SimNetwork, SimPipes};
use super::stage::{Stage, backend};
use super::world::World;
use crate::address::Network;
use crate::config::{AccessLogFormat, Health, Limits, Mode, Timeouts};
use crate::http::{ForwardOptions, ForwardPolicy, ForwardedFor, HeadParser, LoopToken};
use crate::pool::{Backends, ConnectSpec, EjectionPolicy, Pool, PoolId, PoolLimits, Pools};
use crate::proxy_protocol::ProxyVersion;
use crate::strategy::{RoundRobin, Sticky, StrategySpec};
use crate::telemetry::{AccessLog, Metrics};
use crate::time::Timestamp;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Settings of a proxy.
pub(super) struct Setup {
    pub(super) mode: Mode,
    pub(super) backends: usize,
    pub(super) abort_on_close: bool,
    /// Of each backend; the others are those of backends 100, 200 and so on.
    pub(super) addresses: usize,
    pub(super) timeouts: Timeouts,
    pub(super) limits: Limits,
    pub(super) health: Health,
    pub(super) ejection: EjectionPolicy,
    pub(super) strategy: StrategySpec,
    /// The cookie that binds clients, if one does.
    pub(super) sticky: Option<&'static str>,
    pub(super) trusted_proxies: Vec<Network>,
    pub(super) forward: ForwardOptions,
    pub(super) accepts_proxy: bool,
    pub(super) send_proxy: Option<ProxyVersion>,
    pub(super) tls: Option<ListenerTls>,
    /// Decides what the strategy leaves to chance, and when backends are checked.
    pub(super) seed: u64,
}

impl Setup {
    pub(super) fn new(mode: Mode, backends: usize) -> Self {
        Self {
            mode,
            backends,
            // Simulated clients end their side and still read.
            abort_on_close: false,
            addresses: 1,
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            health: Health {
                check: None,
                ..Health::default()
            },
            ejection: EjectionPolicy {
                slow_start: Duration::ZERO,
                ..EjectionPolicy::default()
            },
            strategy: RoundRobin::ENTRY.spec(),
            sticky: None,
            trusted_proxies: Vec::new(),
            forward: SILENT,
            accepts_proxy: false,
            send_proxy: None,
            tls: None,
            seed: 0,
        }
    }

    fn forward_policy(&self) -> ForwardPolicy {
        let policy = ForwardPolicy::new(self.forward, "http", 80)
            .with_trusted_proxies(self.trusted_proxies.clone());
        match self.forward.loop_token {
            true => policy.with_loop_token(LoopToken::new(self.seed)),
            false => policy,
        }
    }

    pub(super) fn raise(self) -> Stage {
        let now = Timestamp::from_nanos(1_000_000_000);
        let world: Shared = Rc::new(RefCell::new(World::default()));
        let strategy = self.strategy.build(self.seed);
        let addresses: Vec<_> = (0..self.backends).map(backend).collect();
        let names = addresses.iter().map(|address| (address.to_string(), 1));
        let mut backends = Backends::new(names, strategy, self.seed);
        backends.set_policy(self.ejection);
        let affinity = self.sticky.map(|cookie| affinity(cookie, &backends));
        let connect = ConnectSpec {
            addresses: addresses
                .iter()
                .map(|address| {
                    let others = (1..self.addresses).map(|nth| backend(100 * nth));
                    let addresses = std::iter::once(*address).chain(others);
                    addresses.map(Into::into).collect()
                })
                .collect(),
            send_proxy: self.send_proxy,
            ..ConnectSpec::default()
        };
        let limits = PoolLimits::new(&self.limits, &self.timeouts);
        let listener = Listener {
            mode: self.mode,
            accepts_proxy: self.accepts_proxy,
            forward: self.forward_policy(),
            tls: self.tls,
            timeouts: self.timeouts,
            limits: self.limits,
            abort_on_close: self.abort_on_close,
            gives_request_ids: true,
            pool: PoolId::FIRST,
            routes: None,
            is_closing: false,
        };
        let parts = Parts {
            network: SimNetwork(Rc::clone(&world)),
            pipes: SimPipes::new(&world),
            listeners: vec![listener],
            pools: Pools::new(Pool::new(backends, affinity, connect, limits)),
            parser: HeadParser::new(self.limits.head()),
            request_ids: None,
            rules: MemberRules::default(),
            health: vec![self.health],
            seed: self.seed,
            metrics: Metrics::new(now),
            access_log: AccessLog::new(AccessLogFormat::Text),
        };
        Stage {
            proxy: Proxy::new(parts, now),
            world,
            now,
        }
    }
}

/// An affinity cookie with a value for each backend.
fn affinity(cookie: &str, backends: &Backends) -> Sticky {
    let ids = backends.candidates().iter().map(|c| c.id);
    let named = ids.map(|id| (id, backends.name(id).unwrap()));
    let attributes = ["Path=/; HttpOnly; SameSite=Lax", "Path=/; Secure"];
    Sticky::new(cookie, b"secret", named).with_attributes(attributes.map(str::to_owned))
}

/// Requests are passed on as they came, so that scenarios can be read.
const SILENT: ForwardOptions = ForwardOptions {
    x_forwarded_for: ForwardedFor::Leave,
    x_forwarded_host: false,
    x_forwarded_proto: false,
    x_forwarded_port: false,
    forwarded: false,
    via: false,
    date: false,
    loop_token: false,
};
