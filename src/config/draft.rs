//! A configuration in the making: values as they were given, before they are checked together.
//!
//! Owns how values become a [`Config`]: which implies which, what must not be combined. Each value
//! alone is the [setting's](super::settings).

use super::admin::AdminSettings;
use super::dns::Dns;
use super::ejection::EjectionPolicy;
use super::forward::ForwardSettings;
use super::health::Health;
use super::heartbeats::HeartbeatSettings;
use super::limits::Limits;
use super::output::OutputSettings;
use super::pool::PoolSettings;
use super::settings::{Setting, setting};
use super::timeouts::Timeouts;
use super::tls::TlsSettings;
use super::traffic::TrafficSettings;
use super::{
    BackendLimit, Config, ConfigError, ConfigErrorKind, DEFAULT_LISTENER, DEFAULT_POOL, Mode,
};
use super::{ListenerConfig, PoolConfig, StrategySpec};
use crate::ids::PoolId;
use crate::strategy::KeySource;

/// Every group of settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(super) pool: PoolSettings,
    pub(super) traffic: TrafficSettings,
    pub(super) tls: TlsSettings,
    pub(super) health: Health,
    pub(super) ejection: EjectionPolicy,
    pub(super) admin: AdminSettings,
    pub(super) heartbeats: HeartbeatSettings,
    pub(super) dns: Dns,
    pub(super) forward: ForwardSettings,
    pub(super) timeouts: Timeouts,
    pub(super) limits: Limits,
    pub(super) output: OutputSettings,
}

/// The values of settings as they were given.
#[derive(Clone, Debug, Default)]
pub struct Given(Vec<(&'static Setting, String)>);

impl Given {
    /// Adds a value; a list takes several.
    pub fn add(&mut self, setting: &'static Setting, value: impl Into<String>) {
        self.0.push((setting, value.into()));
    }

    /// Forgets the values of a setting.
    #[cfg(feature = "file")]
    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(setting, _)| setting.name != name);
    }

    /// Returns whether a setting has a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(setting, _)| setting.name == name)
    }

    /// The values of a setting.
    #[cfg(feature = "file")]
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self
            .0
            .iter()
            .filter(move |(setting, _)| setting.name == name);
        named.map(|(_, value)| value.as_str())
    }

    /// The last value of a setting.
    fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().rev();
        values
            .find(|(setting, _)| setting.name == name)
            .map(|(_, value)| value.as_str())
    }

    /// The configuration with these values, and the default of everything else.
    ///
    /// # Errors
    /// A value is malformed or out of range, or values do not go together.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let draft = self.draft()?;
        self.check_requirements()?;
        match self.conflicts_in(draft.mode(), &draft).into_iter().next() {
            Some(conflict) => Err(conflict),
            None => draft.config(),
        }
    }

    /// The values, each of which is sound by itself, and the defaults of the others.
    pub(super) fn draft(&self) -> Result<Draft, ConfigError> {
        let mut draft = Draft::default();
        for (setting, value) in &self.0 {
            self.set(&mut draft, setting, value)?;
        }
        Ok(draft)
    }

    fn set(&self, draft: &mut Draft, given: &Setting, value: &str) -> Result<(), ConfigError> {
        let named = |error: ConfigError| error.with_flag(given.flag());
        (given.set)(draft, value).map_err(named)?;
        let implied = given.implies.iter().filter(|name| !self.has(name));
        for setting in implied.filter_map(|name| setting(name)) {
            (setting.set)(draft, value).map_err(named)?;
        }
        Ok(())
    }

    /// Checks that the settings are there without which others have no effect.
    pub(super) fn check_requirements(&self) -> Result<(), ConfigError> {
        let required = self.0.iter().filter_map(|(given, _)| given.requires);
        match required.filter(|name| !self.has(name)).find_map(setting) {
            Some(missing) => {
                let usage = format!("{} <{}>", missing.flag(), missing.placeholder);
                let remedy = format!("write {usage} too, or leave the other out");
                Err(
                    ConfigError::new("missing, and another flag needs it", remedy)
                        .with_kind(ConfigErrorKind::Missing)
                        .with_flag(missing.flag()),
                )
            }
            None => Ok(()),
        }
    }

    /// The settings that have no effect in this mode.
    pub(super) fn conflicts_in(&self, mode: Mode, draft: &Draft) -> Vec<ConfigError> {
        let mut conflicts = Vec::new();
        if mode == Mode::Http {
            return conflicts;
        }
        if goes_by_requests(&draft.pool.strategy) {
            let problem = "goes by requests, which tcp mode does not read";
            let remedy = "use ip-hash, ip-maglev or a strategy without a key";
            let error = ConfigError::new(problem, remedy).with_flag("--strategy");
            conflicts.push(error.with_value(self.value("strategy").unwrap_or_default()));
        }
        if draft.limits.backend_max_connections == Some(BackendLimit::Auto) {
            let problem = "learns from responses, which tcp mode does not read";
            let error = ConfigError::new(problem, "give a number, or leave it out");
            let error = error.with_flag("--backend-max-connections");
            conflicts.push(error.with_value(BackendLimit::Auto));
        }
        let mut seen = Vec::new();
        for (setting, _) in &self.0 {
            if setting.http_only && !seen.contains(&setting.name) {
                seen.push(setting.name);
                let remedy = "leave it out, or balance requests with --mode http";
                let error = ConfigError::new("has no effect in tcp mode", remedy);
                conflicts.push(error.with_flag(setting.flag()));
            }
        }
        let conflict = |error: ConfigError| error.with_kind(ConfigErrorKind::Conflict);
        conflicts.into_iter().map(conflict).collect()
    }
}

/// Returns whether the key of a strategy is part of a request.
fn goes_by_requests(strategy: &StrategySpec) -> bool {
    match strategy.key_source() {
        KeySource::None | KeySource::ClientAddress => false,
        KeySource::Target | KeySource::Header(_) | KeySource::Cookie(_) => true,
    }
}

impl Draft {
    /// The mode of a listener.
    pub(super) const fn mode(&self) -> Mode {
        self.traffic.mode
    }

    /// One listener and one pool with these settings.
    fn config(&self) -> Result<Config, ConfigError> {
        let pool = self.pool(DEFAULT_POOL)?;
        self.process(vec![self.listener(PoolId::FIRST)?], vec![pool])
    }

    /// A balancer of these listeners and pools, with the settings of the process.
    pub(super) fn process(
        &self,
        listeners: Vec<ListenerConfig>,
        pools: Vec<PoolConfig>,
    ) -> Result<Config, ConfigError> {
        let mut config = Config::of(listeners, pools)?;
        config.admin = self.admin.clone().admin()?;
        config.workers = self.traffic.workers;
        self.output.give(&mut config)?;
        config.dns = self.dns.clone().checked()?;
        config.heartbeats = self.heartbeats.heartbeats()?;
        config.timeouts = self.timeouts.checked()?;
        config.limits = self.limits.checked()?;
        Ok(config)
    }

    /// A listener of `pool` with these settings.
    pub(super) fn listener(&self, pool: PoolId) -> Result<ListenerConfig, ConfigError> {
        let addresses = match self.traffic.listen.as_slice() {
            [] => vec![DEFAULT_LISTENER.into()],
            addresses => addresses.to_vec(),
        };
        let mut listener = ListenerConfig::new(addresses)?;
        listener.mode = self.traffic.mode;
        listener.forward = self.forward.options();
        listener.request_id = self.forward.request_id;
        listener
            .trusted_proxies
            .clone_from(&self.forward.trusted_proxies);
        listener.abort_on_close = self.traffic.abort_on_close;
        listener.listen_mode = self.traffic.listen_mode;
        listener.pool = pool;
        listener.set_tls(self.tls.of_listener(self.traffic.mode)?)?;
        listener.timeouts = self.timeouts.checked()?;
        listener.limits = self.limits.checked()?;
        Ok(listener)
    }

    /// A pool with these settings.
    pub(super) fn pool(&self, name: &str) -> Result<PoolConfig, ConfigError> {
        // With an admin interface, a file or services, backends may come later.
        let is_followed = self.pool.backends_file.is_some() || !self.pool.services.is_empty();
        let may_be_empty = is_followed || !self.admin.listen.is_empty();
        let mut pool = match may_be_empty && self.pool.backends.is_empty() {
            true => PoolConfig::without_backends(name)?,
            false => PoolConfig::new(name, self.pool.backends.iter().cloned())?,
        };
        pool.strategy = self.pool.strategy()?;
        pool.send_proxy = self.forward.send_proxy;
        pool.backends_file.clone_from(&self.pool.backends_file);
        pool.services.clone_from(&self.pool.services);
        pool.discover = self.pool.discover;
        pool.set_host(self.forward.host.clone())?;
        pool.set_sticky(self.pool.sticky()?);
        pool.set_health(self.health.clone())?;
        pool.set_ejection(self.ejection)?;
        pool.timeouts = self.timeouts.checked()?;
        pool.limits = self.limits.checked()?;
        Ok(pool)
    }
}
