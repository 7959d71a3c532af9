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
//! config.strategy = RoundRobin::ENTRY.spec();
//! config.set_limits(Limits { max_retries: 0, ..Limits::default() })?;
//! # Ok::<(), lb::config::ConfigError>(())
//! ```

#[macro_use]
mod settings;

mod backend;
mod choice;
mod config_error;
mod draft;
mod duration;
mod ejection;
mod forward;
mod health;
mod heartbeats;
mod limits;
mod listener;
mod monitor;
mod number;
mod output;
mod pool;
mod secret;
mod sender;
mod sticky;
mod strategy;
mod suggestion;
mod target;
mod timeouts;
mod traffic;
mod workers;

pub use crate::address::{
    Address, AddressError, BackendAddress, Host, HostPort, Network, SocketPath,
};
pub use crate::health::{CheckKind, HttpCheckSettings};
pub use crate::http::{ForwardOptions, ForwardedFor};
pub use crate::proxy_protocol::ProxyVersion;
pub use crate::strategy::{LoadBound, StrategySpec};
pub use backend::{BackendSpec, Weight};
pub use choice::{AccessLogFormat, Mode};
pub use config_error::{ConfigError, ConfigErrorKind};
pub use duration::HumanDuration;
pub use ejection::EjectionPolicy;
pub use health::Health;
pub use heartbeats::Heartbeats;
pub(crate) use internal::*;
pub use limits::Limits;
pub use listener::ListenerSpec;
pub use monitor::{AddressKind, MAX_TARGETS, MonitorConfig, Plan};
pub use sender::{MAX_BALANCERS, SenderConfig};
pub use sticky::{CookieAttributes, SameSite, SecureAttribute, StickyCookie};
pub use target::{Question, ServiceSpec, Target};
pub use timeouts::Timeouts;
pub use traffic::FileMode;
pub use workers::Workers;

use crate::http::is_authority;
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// The default listener: this machine alone, port 8080.
pub const DEFAULT_LISTENER: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080));

/// The most backends of one balancer.
pub const MAX_BACKENDS: usize = 4096;

/// Everything a balancer needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// The unit that is balanced: requests or connections. Default HTTP.
    pub mode: Mode,
    /// The strategy. Default least response time.
    pub strategy: StrategySpec,
    /// On how many threads it works. Default one.
    pub workers: Workers,
    /// Format of the access log. Default off.
    pub access_log: AccessLogFormat,
    /// Version of the PROXY header at the start of each backend connection, in both modes. These
    /// connections are then not shared. Default none.
    pub send_proxy: Option<ProxyVersion>,
    /// Header fields that carry data of the client to backends, in HTTP mode.
    pub forward: ForwardOptions,
    /// True if a request that comes without `X-Request-Id` is given one. Default yes.
    pub request_id: bool,
    /// Settings of the heartbeat receiver. Default none.
    pub heartbeats: Option<Heartbeats>,
    /// Networks of proxies in front whose PROXY and forwarding fields are trusted. Default none.
    pub trusted_proxies: Vec<Network>,
    /// True if a request that waits in the queue is dropped when its client closes. Default yes.
    pub abort_on_close: bool,
    /// Permissions of the UNIX sockets listened on; `None`: those the umask leaves. Default `None`.
    pub listen_mode: Option<FileMode>,
    host: Option<String>,
    sticky: Option<StickyCookie>,
    listeners: Vec<ListenerSpec>,
    backends: Vec<BackendSpec>,
    timeouts: Timeouts,
    limits: Limits,
    health: Health,
    ejection: EjectionPolicy,
}

impl Config {
    /// A configuration with these backends, in the order in which ties are broken, and the
    /// default of everything else.
    ///
    /// # Errors
    ///
    /// No backend, more than [`MAX_BACKENDS`], or one address twice.
    pub fn new(backends: impl IntoIterator<Item = BackendSpec>) -> Result<Self, ConfigError> {
        let backends = checked_backends(backends.into_iter().collect())?;
        Ok(Self {
            backends,
            ..Self::empty()
        })
    }

    /// A configuration without backends, which are added to the balancer as it runs: by
    /// [`Handle::add`](crate::Handle::add). Until then requests wait in the queue. The rest is the
    /// default.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            mode: Mode::default(),
            strategy: StrategySpec::default(),
            workers: Workers::default(),
            access_log: AccessLogFormat::default(),
            send_proxy: None,
            forward: ForwardOptions::default(),
            request_id: true,
            heartbeats: None,
            trusted_proxies: Vec::new(),
            abort_on_close: true,
            listen_mode: None,
            host: None,
            sticky: None,
            listeners: vec![DEFAULT_LISTENER.into()],
            backends: Vec::new(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            health: Health::default(),
            ejection: EjectionPolicy::default(),
        }
    }

    /// The backends, in the order in which ties are broken: none twice.
    #[must_use]
    pub fn backends(&self) -> &[BackendSpec] {
        &self.backends
    }

    /// The addresses to accept clients on: at least one, none twice. Port 0 asks the system for
    /// a free port.
    #[must_use]
    pub fn listeners(&self) -> &[ListenerSpec] {
        &self.listeners
    }

    /// The `Host` sent to backends; `None`: the client's own.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Returns how long lb waits for what.
    #[must_use]
    pub const fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Returns the limits on connections, heads, queue, retries and bodies.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The health checks of backends.
    #[must_use]
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// Returns when exchanges eject a backend, and how it returns.
    #[must_use]
    pub const fn ejection(&self) -> &EjectionPolicy {
        &self.ejection
    }

    /// Ejects backends by this policy instead.
    ///
    /// # Errors
    ///
    /// A value outside the range that [`EjectionPolicy`] gives for it.
    pub fn set_ejection(&mut self, ejection: EjectionPolicy) -> Result<(), ConfigError> {
        self.ejection = ejection.checked()?;
        Ok(())
    }

    /// Checks the health of backends like this instead.
    ///
    /// # Errors
    ///
    /// A value outside the range that [`Health`] gives for it; a UNIX socket that is to be pinged.
    pub fn set_health(&mut self, health: Health) -> Result<(), ConfigError> {
        let is_unix = |spec: &&BackendSpec| matches!(spec.address, BackendAddress::Unix(_));
        if let Some(check) = health.check
            && check.transport() == crate::health::CheckTransport::Echo
            && let Some(spec) = self.backends.iter().find(is_unix)
        {
            let problem = format!("{} is a UNIX socket, which cannot be pinged", spec.address);
            return Err(ConfigError::new(problem, "check by tcp or http instead")
                .with_flag("--health")
                .with_value(check.name()));
        }
        self.health = health.checked()?;
        Ok(())
    }

    /// The cookie that binds clients to backends, if any does.
    #[must_use]
    pub const fn sticky(&self) -> Option<&StickyCookie> {
        self.sticky.as_ref()
    }

    /// Binds clients to backends by a cookie.
    pub fn set_sticky(&mut self, cookie: StickyCookie) {
        self.sticky = Some(cookie);
    }

    /// Listens on these addresses instead.
    ///
    /// # Errors
    ///
    /// No address, or one twice; port 0 may be given any number of times.
    pub fn set_listeners(
        &mut self,
        listeners: impl IntoIterator<Item = ListenerSpec>,
    ) -> Result<(), ConfigError> {
        self.listeners = checked_listeners(listeners.into_iter().collect())?;
        Ok(())
    }

    /// Sends this `Host` to backends, or the client's own.
    ///
    /// # Errors
    ///
    /// Not a host, or one with a malformed port.
    pub fn set_host(&mut self, host: Option<String>) -> Result<(), ConfigError> {
        if let Some(host) = host.as_ref().filter(|host| !is_authority(host.as_bytes())) {
            let remedy = "write a name or an address, with :PORT or without";
            return Err(ConfigError::new("not a host", remedy)
                .with_flag("--host")
                .with_value(host));
        }
        self.host = host;
        Ok(())
    }

    /// Waits this long instead.
    ///
    /// # Errors
    ///
    /// A timeout that is zero or longer than 30 days.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), ConfigError> {
        self.timeouts = timeouts.checked()?;
        Ok(())
    }

    /// Allows this much instead.
    ///
    /// # Errors
    ///
    /// A limit outside the range that [`Limits`] gives for it.
    pub fn set_limits(&mut self, limits: Limits) -> Result<(), ConfigError> {
        self.limits = limits.checked()?;
        Ok(())
    }
}

fn checked_backends(backends: Vec<BackendSpec>) -> Result<Vec<BackendSpec>, ConfigError> {
    const FLAG: &str = "--backends";
    if backends.is_empty() {
        let remedy = "name at least one, as in --backends 127.0.0.1:5000";
        return Err(ConfigError::new("no backend given", remedy).with_flag(FLAG));
    }
    if backends.len() > MAX_BACKENDS {
        let problem = format!("{} backends are too many", backends.len());
        let remedy = format!("give at most {MAX_BACKENDS}");
        return Err(ConfigError::new(problem, remedy).with_flag(FLAG));
    }
    let mut seen = HashSet::new();
    match backends.iter().find(|spec| !seen.insert(&spec.address)) {
        Some(twice) => Err(ConfigError::new(
            "this backend is given twice",
            "name it once, with =WEIGHT for a larger share",
        )
        .with_flag(FLAG)
        .with_value(&twice.address)),
        None => Ok(backends),
    }
}

fn checked_listeners(listeners: Vec<ListenerSpec>) -> Result<Vec<ListenerSpec>, ConfigError> {
    const FLAG: &str = "--listen";
    if listeners.is_empty() {
        let remedy = format!("name at least one, as in {FLAG} {DEFAULT_LISTENER}");
        return Err(ConfigError::new("no address given", remedy).with_flag(FLAG));
    }
    let mut seen = HashSet::new();
    let is_any_port = |address: &Address| address.tcp().is_some_and(|tcp| tcp.port() == 0);
    let mut addresses = listeners.iter().map(|spec| &spec.address);
    match addresses.find(|address| !is_any_port(address) && !seen.insert(*address)) {
        Some(twice) => Err(
            ConfigError::new("this address is given twice", "name it once")
                .with_flag(FLAG)
                .with_value(twice),
        ),
        None => Ok(listeners),
    }
}

/// Items for the command, the benches and the tests: the notation of settings and their table.
pub(crate) mod internal {
    pub use super::choice::{parse_forwarded_for, parse_proxy_version, parse_switch};
    pub use super::draft::Given;
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
