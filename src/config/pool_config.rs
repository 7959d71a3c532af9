//! A pool of backends: its members, strategy, health checks and limits.

use super::{BackendAddress, BackendSpec, ConfigError, EjectionPolicy, Health, Limits};
use super::{Discover, ServiceName};
use super::{MAX_BACKENDS, ProxyVersion, StickyCookie, StrategySpec, Timeouts};
use crate::health::CheckTransport;
use crate::http::is_authority;
use std::collections::HashSet;
use std::path::PathBuf;

/// The name of a pool that was given none.
pub const DEFAULT_POOL: &str = "default";

/// Backends with one strategy, and what holds for all of them.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The strategy. Default least response time.
    pub strategy: StrategySpec,
    /// Version of the PROXY header at the start of each backend connection, in both modes. These
    /// connections are then not shared. Default none.
    pub send_proxy: Option<ProxyVersion>,
    /// File with backends that is followed while the balancer runs: a JSON or TOML list. Default
    /// none.
    pub backends_file: Option<PathBuf>,
    /// Services whose servers are backends, by their SRV records. Default none.
    pub services: Vec<ServiceName>,
    /// What the name of a host stands for. Default the first of its addresses.
    pub discover: Discover,
    name: String,
    backends: Vec<BackendSpec>,
    host: Option<String>,
    sticky: Option<StickyCookie>,
    health: Health,
    ejection: EjectionPolicy,
    pub(super) timeouts: Timeouts,
    pub(super) limits: Limits,
}

impl PoolConfig {
    /// A pool of these backends, in the order in which ties are broken, with the default of
    /// everything else.
    ///
    /// # Errors
    ///
    /// Not a name (up to 64 letters, digits, `-`, `_` and `.`), no backend, more than
    /// [`MAX_BACKENDS`], or one address twice.
    pub fn new(
        name: &str,
        backends: impl IntoIterator<Item = BackendSpec>,
    ) -> Result<Self, ConfigError> {
        check_pool_name(name)?;
        Ok(Self {
            name: name.to_owned(),
            backends: checked_backends(backends.into_iter().collect())?,
            ..Self::empty()
        })
    }

    /// A pool without backends, which are added as the balancer runs, with the default of
    /// everything else.
    ///
    /// # Errors
    ///
    /// Not a name, as for [`new`](Self::new).
    pub fn without_backends(name: &str) -> Result<Self, ConfigError> {
        check_pool_name(name)?;
        Ok(Self {
            name: name.to_owned(),
            ..Self::empty()
        })
    }

    /// A pool without backends, called [`DEFAULT_POOL`], with the default of everything else.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            strategy: StrategySpec::default(),
            send_proxy: None,
            backends_file: None,
            services: Vec::new(),
            discover: Discover::default(),
            name: DEFAULT_POOL.to_owned(),
            backends: Vec::new(),
            host: None,
            sticky: None,
            health: Health::default(),
            ejection: EjectionPolicy::default(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The backends, in the order in which ties are broken: none twice.
    #[must_use]
    pub fn backends(&self) -> &[BackendSpec] {
        &self.backends
    }

    /// Leaves out backends that are not to be kept.
    pub(crate) fn retain_backends(&mut self, keep: impl FnMut(&BackendSpec) -> bool) {
        self.backends.retain(keep);
    }

    /// The `Host` sent to backends; `None`: the client's own.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The cookie that binds clients to backends, if any does.
    #[must_use]
    pub const fn sticky(&self) -> Option<&StickyCookie> {
        self.sticky.as_ref()
    }

    /// The health checks of backends.
    #[must_use]
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// Returns the policy for ejecting backends by the outcomes of exchanges.
    #[must_use]
    pub const fn ejection(&self) -> &EjectionPolicy {
        &self.ejection
    }

    /// Timeouts of backends. Those of clients are the listener's.
    #[must_use]
    pub const fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Limits on backends. Those on clients are the listener's.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
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

    /// Binds clients to backends by a cookie, or does not.
    pub fn set_sticky(&mut self, cookie: Option<StickyCookie>) {
        self.sticky = cookie;
    }

    /// Checks the health of backends like this instead.
    ///
    /// # Errors
    ///
    /// A value outside the range that [`Health`] gives for it; a UNIX socket that is to be pinged.
    pub fn set_health(&mut self, health: Health) -> Result<(), ConfigError> {
        let is_unix = |spec: &&BackendSpec| matches!(spec.address, BackendAddress::Unix(_));
        if let Some(check) = health.check
            && check.transport() == CheckTransport::Echo
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

    /// Ejects backends by this policy instead.
    ///
    /// # Errors
    ///
    /// A value outside the range that [`EjectionPolicy`] gives for it.
    pub fn set_ejection(&mut self, ejection: EjectionPolicy) -> Result<(), ConfigError> {
        self.ejection = ejection.checked()?;
        Ok(())
    }
}

/// Checks the name of a pool: letters, digits, `-`, `_` and `.`, up to 64.
///
/// # Errors
///
/// It is empty, longer, or has another character.
pub(super) fn check_pool_name(name: &str) -> Result<(), ConfigError> {
    const MAX_BYTES: usize = 64;
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=MAX_BYTES).contains(&name.len()) && name.bytes().all(may_stand) {
        return Ok(());
    }
    let remedy = "use up to 64 letters, digits, -, _ and .";
    Err(ConfigError::new("not a name for a pool", remedy).with_value(name))
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
