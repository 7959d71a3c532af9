//! What a reload changes: a pure function of the configuration in effect and the new one.
//!
//! Pools are the same by name, listeners by address, backends by address within their pool. What is
//! the same stays, with all that was learned of it.

use crate::address::Address;
use crate::balancer::blueprint::{BoundListener, specs};
use crate::balancer::discovery::is_followed;
use crate::config::{AccessLogFormat, BackendSpec, PoolConfig};
use crate::config::{Config, ConfigError, ConfigErrorKind, ListenerConfig, ListenerSpec};
use crate::ids::PoolId;
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;

/// What is in effect.
pub(super) struct Present<'a> {
    pub(super) config: &'a Config,
    pub(super) bound: &'a [BoundListener],
    /// Ids of pools that have left and in which exchanges still are.
    pub(super) leaving: &'a [PoolId],
}

/// What changes. Pools of the new configuration have ids that tell them from all others.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Of each address of each listener of the new configuration.
    pub(super) listeners: Vec<ListenerPlan>,
    /// Listeners to remove, by number.
    pub(super) closing: Vec<u16>,
    /// Of each pool of the new configuration.
    pub(super) pools: Vec<PoolChange>,
    /// Pools to remove.
    pub(super) leaving: Vec<PoolId>,
    /// What changes, one line each.
    pub(super) lines: Vec<String>,
}

/// What becomes of an address of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListenerPlan {
    /// It keeps its socket.
    Stays(BoundListener),
    /// It is to be bound under this number.
    New(u16),
}

/// What becomes of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PoolChange {
    New,
    Stays(PoolDifference),
}

/// What differs in a pool that stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PoolDifference {
    pub(super) added: Vec<BackendSpec>,
    /// By name.
    pub(super) removed: Vec<String>,
    pub(super) weights: Vec<(String, u32)>,
    pub(super) limits: Vec<(String, Option<NonZeroU32>)>,
    pub(super) strategy: bool,
    pub(super) health: bool,
    pub(super) sticky: bool,
}

/// What `new` changes, whose pools get the ids under which they are known from now on.
///
/// # Errors
/// What cannot change while lb runs: each of it.
pub(super) fn plan(present: &Present<'_>, new: &mut Config) -> Result<Plan, Vec<ConfigError>> {
    let mut errors = fixed(present.config, new);
    errors.extend(discovered(present.config, new));
    let mut plan = Plan::default();
    plan.pools_of(present, new);
    plan.listeners_of(present, new, &mut errors);
    match errors.is_empty() {
        true => Ok(plan),
        false => Err(errors),
    }
}

/// Refuses a change that lb cannot make while it runs.
fn needs_upgrade(setting: &str, value: impl ToString) -> ConfigError {
    let problem = "cannot change while lb runs";
    let remedy = "needs an upgrade: send SIGUSR2, or restart lb";
    ConfigError::new(problem, remedy)
        .with_kind(ConfigErrorKind::Conflict)
        .with_flag(format!("--{setting}"))
        .with_value(value.to_string())
}

/// Settings of the process that cannot change.
fn fixed(old: &Config, new: &Config) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let mut check = |setting, is_same: bool, value: String| {
        if !is_same {
            errors.push(needs_upgrade(setting, value));
        }
    };
    let shown = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    check(
        "workers",
        old.workers == new.workers,
        new.workers.get().to_string(),
    );
    let (was, is) = (old.limits(), new.limits());
    check(
        "max-connections",
        was.max_connections == is.max_connections,
        shown(is.max_connections.map(|n| n.to_string())),
    );
    check(
        "max-memory",
        was.max_memory == is.max_memory,
        shown(is.max_memory.map(|n| n.to_string())),
    );
    let is_logged = |config: &Config| config.access_log != AccessLogFormat::Off;
    check(
        "access-log",
        is_logged(old) == is_logged(new),
        new.access_log.name().to_owned(),
    );
    check(
        "access-log-to",
        old.access_log_to == new.access_log_to || !is_logged(new),
        new.access_log_to.to_string(),
    );
    let admin = |config: &Config| config.admin.as_ref().map(|it| it.listeners().to_vec());
    let addresses = |all: Vec<Address>| {
        let all: Vec<_> = all.iter().map(ToString::to_string).collect();
        all.join(",")
    };
    check(
        "admin",
        admin(old) == admin(new),
        shown(admin(new).map(addresses)),
    );
    let state = |config: &Config| config.admin.as_ref().and_then(|it| it.state.clone());
    check(
        "state",
        state(old) == state(new),
        shown(state(new).map(|path| path.display().to_string())),
    );
    let heartbeats = |config: &Config| config.heartbeats.as_ref().map(|it| it.address);
    check(
        "heartbeat-listen",
        heartbeats(old) == heartbeats(new),
        shown(heartbeats(new).map(|address| address.to_string())),
    );
    let pools = new.pools().iter();
    let changed = pools.filter(|pool| {
        let same = old.pools().iter().find(|it| it.name() == pool.name());
        same.is_some_and(|same| same.send_proxy != pool.send_proxy)
    });
    errors.extend(changed.map(|pool| {
        // Connections that are kept for the next request began without, or with, a header.
        let error = needs_upgrade("send-proxy", format!("of pool {}", pool.name()));
        error.with_kind(ConfigErrorKind::Conflict)
    }));
    errors
}

/// Settings of discovery, which goes on as it began: of the process, and of each pool that has any.
fn discovered(old: &Config, new: &Config) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    if old.dns != new.dns {
        errors.push(needs_upgrade("nameservers", "with dns-hold"));
    }
    let followed = |config: &Config, pool: &PoolConfig| -> Vec<BackendSpec> {
        let names = pool.backends().iter();
        let names = names.filter(|it| is_followed(&config.dns, pool.discover, it));
        names.cloned().collect()
    };
    let none = PoolConfig::empty();
    let of = |config: &'_ Config, name: &str| -> PoolConfig {
        let found = config.pools().iter().find(|it| it.name() == name);
        found.unwrap_or(&none).clone()
    };
    let pools = old.pools().iter().chain(new.pools());
    let mut names: Vec<_> = pools.map(PoolConfig::name).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let (was, is) = (of(old, name), of(new, name));
        for (setting, is_same) in [
            ("backends-file", was.backends_file == is.backends_file),
            ("srv", was.services == is.services),
            ("discover", followed(old, &was) == followed(new, &is)),
        ] {
            if !is_same {
                errors.push(needs_upgrade(setting, format!("of pool {name}")));
            }
        }
    }
    errors
}

/// The lowest numbers that are not `taken`.
fn vacant(taken: HashSet<u16>) -> impl Iterator<Item = u16> {
    (0..=u16::MAX).filter(move |number| !taken.contains(number))
}

impl Plan {
    /// Returns whether pools are added.
    pub(super) fn has_new_pools(&self) -> bool {
        self.pools.contains(&PoolChange::New)
    }

    fn pools_of(&mut self, present: &Present<'_>, new: &mut Config) {
        let old: HashMap<&str, (PoolId, &PoolConfig)> = present
            .config
            .pool_ids()
            .map(|(id, pool)| (pool.name(), (id, pool)))
            .collect();
        let known = old.values().map(|(id, _)| id).chain(present.leaving);
        let mut vacant = vacant(known.map(|id| id.number()).collect());
        let mut ids = Vec::new();
        for pool in new.pools() {
            match old.get(pool.name()) {
                Some((id, was)) => {
                    ids.push(*id);
                    let difference = self.difference(was, pool);
                    self.pools.push(PoolChange::Stays(difference));
                }
                None => {
                    ids.push(PoolId::new(vacant.next().unwrap_or(u16::MAX)));
                    self.lines.push(format!("pool {} added", pool.name()));
                    self.pools.push(PoolChange::New);
                }
            }
        }
        for (id, pool) in present.config.pool_ids() {
            if !ids.contains(&id) {
                self.leaving.push(id);
                self.lines.push(format!("pool {} removed", pool.name()));
            }
        }
        new.renumber(ids);
        new.keep_counts(present.config);
    }

    fn difference(&mut self, old: &PoolConfig, new: &PoolConfig) -> PoolDifference {
        let name = new.name();
        let mut line = |text: String| self.lines.push(format!("pool {name}: {text}"));
        let by_name = |pool: &PoolConfig| -> HashMap<String, BackendSpec> {
            let backends = pool.backends().iter();
            backends
                .map(|it| (it.address.to_string(), it.clone()))
                .collect()
        };
        let (were, are) = (by_name(old), by_name(new));
        let mut difference = PoolDifference {
            strategy: old.strategy != new.strategy,
            health: old.health() != new.health(),
            sticky: old.sticky() != new.sticky(),
            ..PoolDifference::default()
        };
        for backend in new.backends() {
            let address = backend.address.to_string();
            let Some(was) = were.get(&address) else {
                line(format!("backend {address} added"));
                difference.added.push(backend.clone());
                continue;
            };
            if was.weight != backend.weight {
                let (from, to) = (was.weight.get(), backend.weight.get());
                line(format!("backend {address}: weight {from} -> {to}"));
                difference.weights.push((address.clone(), to.into()));
            }
            if was.max_connections != backend.max_connections {
                let shown = |max: Option<NonZeroU32>| {
                    max.map_or_else(|| "that of the pool".to_owned(), |max| max.to_string())
                };
                let (from, to) = (shown(was.max_connections), shown(backend.max_connections));
                line(format!("backend {address}: max-connections {from} -> {to}"));
                difference.limits.push((address, backend.max_connections));
            }
        }
        for backend in old.backends() {
            let address = backend.address.to_string();
            if !are.contains_key(&address) {
                line(format!("backend {address} removed"));
                difference.removed.push(address);
            }
        }
        let secret = |pool: &PoolConfig| {
            let cookie = pool.sticky()?;
            Some(cookie.secret().map(<[u8]>::to_vec))
        };
        if let (Some(was), Some(is)) = (secret(old), secret(new))
            && was != is
        {
            line("sticky secret changed".to_owned());
        }
        difference
    }

    fn listeners_of(&mut self, present: &Present<'_>, new: &Config, errors: &mut Vec<ConfigError>) {
        let mut left: Vec<_> = specs(present.config)
            .map(|(of, _)| of)
            .zip(present.bound)
            .collect();
        let mut vacant = vacant(present.bound.iter().map(|it| it.number).collect());
        for (of, spec) in specs(new) {
            let same = left
                .iter()
                .position(|(_, bound)| bound.spec.address == spec.address);
            let Some((was, bound)) = same.map(|index| left.remove(index)) else {
                let number = vacant.next().unwrap_or(u16::MAX);
                self.listeners.push(ListenerPlan::New(number));
                continue;
            };
            self.changes_of(was, of, spec, present, new, errors);
            self.listeners.push(ListenerPlan::Stays(BoundListener {
                spec: spec.clone(),
                ..bound.clone()
            }));
        }
        for (_, bound) in left {
            self.lines
                .push(format!("listener {} removed", bound.address));
            self.closing.push(bound.number);
        }
    }

    /// What changes of a listener that stays, beside its plain settings.
    fn changes_of(
        &mut self,
        was: &ListenerConfig,
        is: &ListenerConfig,
        spec: &ListenerSpec,
        present: &Present<'_>,
        new: &Config,
        errors: &mut Vec<ConfigError>,
    ) {
        let at = &spec.address;
        if was.mode != is.mode {
            errors.push(needs_upgrade("mode", format!("{} of {at}", is.mode.name())));
        }
        if was.listen_mode != is.listen_mode && at.tcp().is_none() {
            errors.push(needs_upgrade("listen-mode", format!("of {at}")));
        }
        let name = |config: &Config, pool| {
            let pool = config.pool(pool);
            pool.map_or_else(String::new, |pool| pool.name().to_owned())
        };
        if was.pool != is.pool && !(was.routes_only && is.routes_only) {
            let (from, to) = (name(present.config, was.pool), name(new, is.pool));
            self.lines
                .push(format!("listener {at}: pool {from} -> {to}"));
        }
        if was.routes != is.routes {
            let (from, to) = (was.routes.len(), is.routes.len());
            let line = format!("listener {at}: routes changed, {from} before, {to} now");
            self.lines.push(line);
        }
    }
}

#[cfg(test)]
mod tests;
