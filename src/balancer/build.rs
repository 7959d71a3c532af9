//! From a [`Config`] to the parts of a balancer.
//!
//! Owns which setting goes where. It opens nothing but what events need.

use crate::address::Address;
use crate::balance::{Sticky, Strategy};
use crate::clock::Clock;
use crate::config::{Config, Invalid, StickyCookie};
use crate::http::ForwardPolicy;
use crate::net::{self, SystemNetwork, SystemPipes};
use crate::observe::{AccessLog, Metrics};
use crate::server::{Parts, RequestIds, Server, Settings};
use crate::upstream::{Policy, Upstream};
use mio::{Poll, Waker};
use std::io;
use std::num::NonZeroU32;

pub(super) fn server(
    config: &Config,
    strategy: Box<dyn Strategy>,
    network: SystemNetwork,
    addresses: Vec<Vec<Address>>,
    bound: &[Address],
    clock: Clock,
) -> Server<SystemNetwork> {
    let now = clock.now();
    let settings = Settings {
        mode: config.mode,
        timeouts: *config.timeouts(),
        limits: *config.limits(),
        health: config.health().clone(),
        seed: seed(),
        host: config.host().map(str::to_owned),
        send_proxy: config.send_proxy,
    };
    let backends = config.backends().iter();
    let members = backends.map(|spec| (spec.address.to_string(), spec.weight.get().into()));
    let key_source = strategy.key_source();
    let mut upstream = Upstream::new(members, strategy, seed());
    upstream.set_policy(Policy {
        passive: config.health().passive,
        max_ejected_percent: config.health().max_ejected_percent,
        slow_start: config.health().slow_start,
    });
    limit_backends(&mut upstream, config);
    let sticky = config.sticky().map(|cookie| bindings(cookie, &upstream));
    let policy = |bound: &Address| forward_policy(config, bound);
    let parts = Parts {
        network,
        pipes: SystemPipes::default(),
        forward: bound.iter().map(policy).collect(),
        accepts_proxy: config
            .listeners()
            .iter()
            .map(|spec| spec.accepts_proxy)
            .collect(),
        request_ids: config.request_id.then(|| RequestIds::new(seed())),
        sticky,
        key_source,
        upstream,
        addresses,
        metrics: Metrics::new(now),
        access_log: AccessLog::new(config.access_log),
    };
    let mut server = Server::new(settings, parts, now);
    server.set_wall_clock(clock.wall(), now);
    server
}

/// Gives each backend its value of the sticky cookie.
fn bindings(cookie: &StickyCookie, upstream: &Upstream) -> Sticky {
    let ids = upstream.candidates().iter().map(|c| c.id);
    let named = ids.map(|id| (id, upstream.name(id).unwrap_or_default()));
    match cookie.secret() {
        Some(secret) => Sticky::new(cookie.name(), secret, named),
        None => Sticky::new(cookie.name(), &random_secret(), named),
    }
}

/// Tells the upstream how many exchanges each backend is given at once.
fn limit_backends(upstream: &mut Upstream, config: &Config) {
    let ids: Vec<_> = upstream.candidates().iter().map(|c| c.id).collect();
    for (id, spec) in ids.into_iter().zip(config.backends()) {
        let own = spec.max_connections.map(NonZeroU32::get);
        if let Some(most) = own.or(config.limits().backend_max_connections) {
            upstream.set_max_in_flight(id, most);
        }
    }
}

/// A UNIX socket has no port to tell of.
fn forward_policy(config: &Config, bound: &Address) -> ForwardPolicy {
    let mut options = config.forward;
    options.x_forwarded_port &= bound.tcp().is_some();
    let port = bound.tcp().map_or(0, |address| address.port());
    ForwardPolicy::new(options, "http", port)
}

pub(super) fn events() -> io::Result<(Poll, Waker)> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), net::WAKER)?;
    Ok((poll, waker))
}

pub(super) fn no_events(error: &io::Error) -> Invalid {
    let problem = format!("the system refuses to report events: {error}");
    Invalid::new(problem, "raise the limit of open files (ulimit -n)")
}

/// Nobody can guess it, and it is forgotten at the end of the process.
fn random_secret() -> Vec<u8> {
    (0..4).flat_map(|_| seed().to_le_bytes()).collect()
}

/// Different in every process, so that several balancers do not move in step.
pub(super) fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
