//! The settings of a balancer, checked: a [`Config`] that exists is valid.
//!
//! Owns the defaults, the ranges and the notation of every setting, and the words that refuse
//! one ([`ConfigError`]). Knows nothing of the command line beyond the names of its flags, by which
//! settings are called, and opens nothing: whether a name resolves or a port is free shows at
//! start.
//!
//! A setting that every value of its type suits is a public field; others are private and have a
//! setter that checks. A builder that is checked at its end was the other choice: it takes a second
//! type and reports a mistake far from where it was made.
//!
//! ```
//! use lb::config::{Config, Limits};
//! use lb::strategy::RoundRobin;
//!
//! let mut config = Config::new(["127.0.0.1:5000".parse()?, "127.0.0.1:5001=2".parse()?])?;
//! config.set_strategy(&RoundRobin::ENTRY.spec());
//! config.set_limits(Limits { max_retries: 0, ..Limits::default() })?;
//! # Ok::<(), lb::config::ConfigError>(())
//! ```

#[macro_use]
mod settings;

mod admin;
mod backend;
mod backend_limit;
mod choice;
mod config_error;
mod discover;
mod dns;
mod draft;
mod duration;
mod ejection;
#[cfg(feature = "file")]
mod file;
mod forward;
mod health;
mod heartbeats;
mod limits;
mod listener;
mod listener_config;
mod log_target;
mod monitor;
mod number;
mod output;
mod pool;
mod pool_config;
mod route;
mod secret;
mod sender;
mod sticky;
mod strategy;
mod suggestion;
mod target;
mod timeouts;
mod tls;
mod tokens;
mod traffic;
mod workers;

pub use crate::address::{
    Address, AddressError, BackendAddress, Host, HostPort, Network, SocketPath,
};
pub use crate::health::{CheckKind, HttpCheckSettings};
pub use crate::http::{ForwardOptions, ForwardedFor};
pub use crate::ids::PoolId;
pub use crate::proxy_protocol::ProxyVersion;
pub use crate::strategy::{LoadBound, StrategySpec};
pub use crate::telemetry::AccessLogFormat;
pub use admin::Admin;
pub use backend::{BackendSpec, Weight};
pub use backend_limit::BackendLimit;
pub use choice::Mode;
pub use config_error::{ConfigError, ConfigErrorKind};
pub use discover::{Discover, ServiceName};
pub use dns::{Dns, Nameserver};
pub use duration::HumanDuration;
pub use ejection::EjectionPolicy;
#[cfg(feature = "file")]
pub use file::Loaded;
pub use health::Health;
pub use heartbeats::Heartbeats;
pub(crate) use internal::*;
pub use limits::Limits;
pub use listener::ListenerSpec;
pub use listener_config::ListenerConfig;
pub use log_target::{LogFieldName, LogTarget, SyslogAddress};
pub use monitor::{AddressKind, MAX_TARGETS, MonitorConfig, Plan};
pub use pool_config::{DEFAULT_POOL, PoolConfig};
pub(crate) use route::RouteConfig;
pub use sender::{MAX_BALANCERS, SenderConfig};
pub use sticky::{CookieAttributes, SameSite, SecureAttribute, StickyCookie};
pub use target::{Question, ServiceSpec, Target};
pub use timeouts::Timeouts;
pub use tls::ListenerTlsConfig;
pub(crate) use tokens::Access;
pub use tokens::Tokens;
pub use traffic::FileMode;
pub use workers::Workers;

use crate::telemetry::{AccessLogOptions, LogFieldSet};
use listener_config::check_unique;
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::num::NonZeroU32;

/// The default listener: this machine alone, port 8080.
pub const DEFAULT_LISTENER: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080));

/// The most backends of one pool.
pub const MAX_BACKENDS: usize = 4096;

/// The most pools of one balancer.
pub const MAX_POOLS: usize = 1024;

/// Everything a balancer needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// On how many threads it works. Default one.
    pub workers: Workers,
    /// Format of the access log. Default off.
    pub access_log: AccessLogFormat,
    /// Where its lines go. Default standard output.
    pub access_log_to: LogTarget,
    /// The fields of a line; all, if there is none here. Default all.
    pub access_log_fields: Vec<LogFieldName>,
    /// Of so many exchanges that went well one is logged, and every other. Default 1.
    pub access_log_sample: NonZeroU32,
    /// The admin interface. Default none.
    pub admin: Option<Admin>,
    /// Settings of the heartbeat receiver. Default none.
    pub heartbeats: Option<Heartbeats>,
    /// How names of backends are looked up.
    pub dns: Dns,
    limits: Limits,
    timeouts: Timeouts,
    listeners: Vec<ListenerConfig>,
    pools: Vec<PoolConfig>,
    /// The id of each pool: its place, unless the pools were [renumbered](Self::renumber).
    ids: Vec<PoolId>,
}

impl Config {
    /// One pool of these backends, in the order in which ties are broken, one listener, and the
    /// default of everything else.
    ///
    /// # Errors
    ///
    /// No backend, more than [`MAX_BACKENDS`], or one address twice.
    pub fn new(backends: impl IntoIterator<Item = BackendSpec>) -> Result<Self, ConfigError> {
        let pool = PoolConfig::new(DEFAULT_POOL, backends)?;
        Ok(Self::one_of_each(pool))
    }

    /// One pool without backends, which are added to the balancer as it runs: by
    /// [`Handle::add`](crate::Handle::add). Until then requests wait in the queue. The rest is the
    /// default.
    #[must_use]
    pub fn empty() -> Self {
        Self::one_of_each(PoolConfig::empty())
    }

    fn one_of_each(pool: PoolConfig) -> Self {
        Self::of_parts(vec![ListenerConfig::default()], vec![pool])
    }

    /// These listeners and pools, and the default of everything else.
    ///
    /// # Errors
    ///
    /// No listener or no pool, more than [`MAX_POOLS`], an address or a name twice, or a listener
    /// of a pool that is not there.
    pub fn of(listeners: Vec<ListenerConfig>, pools: Vec<PoolConfig>) -> Result<Self, ConfigError> {
        check_pools(&pools)?;
        check_listeners(&listeners, pools.len())?;
        Ok(Self::of_parts(listeners, pools))
    }

    fn of_parts(listeners: Vec<ListenerConfig>, pools: Vec<PoolConfig>) -> Self {
        Self {
            workers: Workers::default(),
            access_log: AccessLogFormat::default(),
            access_log_to: LogTarget::default(),
            access_log_fields: Vec::new(),
            access_log_sample: NonZeroU32::MIN,
            admin: None,
            heartbeats: None,
            dns: Dns::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            listeners,
            ids: (0..pools.len() as u16).map(PoolId::new).collect(),
            pools,
        }
    }

    /// What is written of the access log.
    pub(crate) fn access_log_options(&self) -> AccessLogOptions {
        AccessLogOptions {
            format: self.access_log,
            fields: LogFieldSet::of(self.access_log_fields.iter().map(|it| it.place())),
            one_of: self.access_log_sample,
        }
    }

    /// The listeners: at least one.
    #[must_use]
    pub fn listeners(&self) -> &[ListenerConfig] {
        &self.listeners
    }

    /// The same, to change their settings.
    pub fn listeners_mut(&mut self) -> &mut [ListenerConfig] {
        &mut self.listeners
    }

    /// The pools: at least one. Each is known by its place, as [`PoolId`].
    #[must_use]
    pub fn pools(&self) -> &[PoolConfig] {
        &self.pools
    }

    /// The same, to change their settings.
    pub fn pools_mut(&mut self) -> &mut [PoolConfig] {
        &mut self.pools
    }

    /// The pools with their ids.
    pub fn pool_ids(&self) -> impl Iterator<Item = (PoolId, &PoolConfig)> {
        self.ids.iter().copied().zip(&self.pools)
    }

    /// The pool with this id.
    pub(crate) fn pool(&self, id: PoolId) -> Option<&PoolConfig> {
        let mut pools = self.pool_ids();
        pools.find(|(own, _)| *own == id).map(|(_, pool)| pool)
    }

    /// Keeps what `earlier` has counted for its routes, for those that are the same.
    pub(crate) fn keep_counts(&mut self, earlier: &Self) {
        let known: Vec<_> = earlier.listeners.iter().flat_map(|it| &it.routes).collect();
        let routes = self.listeners.iter_mut().flat_map(|it| &mut it.routes);
        for route in routes.filter(|route| route.policy.is_some()) {
            if let Some(same) = known.iter().find(|known| **known == route) {
                route.policy.clone_from(&same.policy);
            }
        }
    }

    /// Gives the pools these ids, in their order: those under which a running balancer knows them.
    /// Listeners and routes follow. For a configuration whose pools have their places as ids.
    pub(crate) fn renumber(&mut self, ids: Vec<PoolId>) {
        let new = |pool: PoolId| ids.get(usize::from(pool.number())).copied().unwrap_or(pool);
        for listener in &mut self.listeners {
            listener.pool = new(listener.pool);
            for route in &mut listener.routes {
                route.target.renumber(new);
            }
        }
        self.ids = ids;
    }

    /// Limits of the whole process.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Timeouts of the whole process.
    #[must_use]
    pub const fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }
}

/// Settings of all listeners and pools at once.
impl Config {
    /// Has one listener on each of these addresses instead, with the settings of the first.
    ///
    /// # Errors
    ///
    /// No address, or one twice; port 0 may be given any number of times.
    pub fn set_listeners(
        &mut self,
        listeners: impl IntoIterator<Item = ListenerSpec>,
    ) -> Result<(), ConfigError> {
        let addresses = ListenerConfig::new(listeners)?.addresses;
        self.listeners.truncate(1);
        for listener in &mut self.listeners {
            listener.addresses.clone_from(&addresses);
        }
        Ok(())
    }

    /// Balances requests or connections.
    pub fn set_mode(&mut self, mode: Mode) {
        for listener in &mut self.listeners {
            listener.mode = mode;
        }
    }

    /// Picks backends by this strategy.
    pub fn set_strategy(&mut self, strategy: &StrategySpec) {
        for pool in &mut self.pools {
            pool.strategy = strategy.clone();
        }
    }

    /// Binds clients to backends by a cookie.
    pub fn set_sticky(&mut self, cookie: &StickyCookie) {
        for pool in &mut self.pools {
            pool.set_sticky(Some(cookie.clone()));
        }
    }

    /// Sends this `Host` to backends, or the client's own.
    ///
    /// # Errors
    ///
    /// As [`PoolConfig::set_host`].
    pub fn set_host(&mut self, host: Option<&str>) -> Result<(), ConfigError> {
        let mut pools = self.pools.iter_mut();
        pools.try_for_each(|pool| pool.set_host(host.map(str::to_owned)))
    }

    /// Checks the health of backends like this instead.
    ///
    /// # Errors
    ///
    /// As [`PoolConfig::set_health`].
    pub fn set_health(&mut self, health: &Health) -> Result<(), ConfigError> {
        let mut pools = self.pools.iter_mut();
        pools.try_for_each(|pool| pool.set_health(health.clone()))
    }

    /// Ejects backends by this policy instead.
    ///
    /// # Errors
    ///
    /// As [`PoolConfig::set_ejection`].
    pub fn set_ejection(&mut self, ejection: EjectionPolicy) -> Result<(), ConfigError> {
        let mut pools = self.pools.iter_mut();
        pools.try_for_each(|pool| pool.set_ejection(ejection))
    }

    /// Waits this long instead.
    ///
    /// # Errors
    ///
    /// A timeout that is zero or longer than 30 days.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), ConfigError> {
        self.timeouts = timeouts.checked()?;
        for listener in &mut self.listeners {
            listener.timeouts = timeouts;
        }
        for pool in &mut self.pools {
            pool.timeouts = timeouts;
        }
        Ok(())
    }

    /// Allows this much instead.
    ///
    /// # Errors
    ///
    /// A limit outside the range that [`Limits`] gives for it.
    pub fn set_limits(&mut self, limits: Limits) -> Result<(), ConfigError> {
        self.limits = limits.checked()?;
        for listener in &mut self.listeners {
            listener.limits = limits;
        }
        for pool in &mut self.pools {
            pool.limits = limits;
        }
        Ok(())
    }
}

fn check_pools(pools: &[PoolConfig]) -> Result<(), ConfigError> {
    if pools.is_empty() {
        let remedy = "add one, as in [pool.web] with backends = [\"127.0.0.1:5000\"]";
        return Err(
            ConfigError::new("there is no pool", remedy).with_kind(ConfigErrorKind::Missing)
        );
    }
    if pools.len() > MAX_POOLS {
        let problem = format!("{} pools are too many", pools.len());
        return Err(ConfigError::new(
            problem,
            format!("give at most {MAX_POOLS}"),
        ));
    }
    let mut seen = HashSet::new();
    match pools.iter().find(|pool| !seen.insert(pool.name())) {
        Some(twice) => {
            Err(ConfigError::new("two pools have this name", "rename one").with_value(twice.name()))
        }
        None => Ok(()),
    }
}

fn check_listeners(listeners: &[ListenerConfig], pools: usize) -> Result<(), ConfigError> {
    if listeners.is_empty() {
        let remedy = format!("add one, as in [[listener]] with listen = \"{DEFAULT_LISTENER}\"");
        return Err(
            ConfigError::new("there is no listener", remedy).with_kind(ConfigErrorKind::Missing)
        );
    }
    let is_known = |pool: PoolId| usize::from(pool.number()) < pools;
    let mut pools = listeners.iter().flat_map(ListenerConfig::pools);
    if pools.any(|pool| !is_known(pool)) {
        let remedy = "name one of the pools";
        return Err(ConfigError::new(
            "a listener has a pool that is not there",
            remedy,
        ));
    }
    check_unique(listeners.iter().flat_map(|listener| &listener.addresses))
}

/// Items for the command, the benches and the tests: the notation of settings and their table.
pub(crate) mod internal {
    pub use super::choice::{parse_forwarded_for, parse_proxy_version, parse_switch};
    pub use super::draft::Given;
    #[cfg(feature = "file")]
    pub use super::file::{default_file, load, parse, schema};
    pub use super::health::{NO_CHECK, parse_check_kind};
    pub use super::heartbeats::parse_heartbeat_address;
    pub use super::number::parse_number;
    pub use super::secret::read as read_secret;
    pub use super::settings::{Scope, Section, Setting, Value, check_range, setting, settings};
    pub use super::sticky::parse_cookie_name;
    pub use super::strategy::{parse_load_bound, parse_strategy};
    pub use super::suggestion::nearest;
}

#[cfg(test)]
mod tests;
