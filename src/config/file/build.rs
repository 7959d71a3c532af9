//! From the sections of a file to a configuration: what must agree is checked here.

use super::reader::Reader;
use super::route;
use super::section::{Reference, Section, Sections, known};
use crate::config::draft::Draft;
use crate::config::{Config, ConfigError, ConfigErrorKind, ListenerConfig, Mode, PoolConfig};
use crate::config::{Scope, setting};
use crate::ids::PoolId;

/// The configuration of these sections; `None` if one of them is at fault, of which the reader
/// knows.
pub(super) fn config(sections: &Sections, reader: &mut Reader<'_>) -> Option<Config> {
    let process = draft(&sections.process, reader);
    if sections.pools.is_empty() {
        if !sections.has_pools {
            let remedy = "add one, as in [pool.web] with backends = [\"127.0.0.1:5000\"]";
            let error = ConfigError::new("missing", remedy);
            reader.error(0, "pool", error.with_kind(ConfigErrorKind::Missing));
        }
        return None;
    }
    let mut listeners = listeners(sections, reader);
    route::build(sections, &mut listeners, reader);
    let modes = |number: usize| modes(&listeners, number);
    let pools = sections.pools.iter().enumerate();
    let pools: Vec<_> = pools
        .map(|(number, section)| pool(section, &modes(number), reader))
        .collect();
    let listeners: Option<Vec<_>> = listeners.into_iter().collect();
    let pools: Option<Vec<_>> = pools.into_iter().collect();
    let config = process?.process(listeners?, pools?);
    config
        .map_err(|error| report(at_fault(sections, &error), error, reader))
        .ok()
}

/// The section that an error of all of them together is reported in: the last that has the setting.
fn at_fault<'a>(sections: &'a Sections, error: &ConfigError) -> &'a Section {
    let name = error.flag().and_then(|flag| flag.strip_prefix("--"));
    let last = match name.and_then(setting).map(|setting| setting.section.scope) {
        Some(Scope::Listener) => sections.listeners.last(),
        Some(Scope::Pool) => sections.pools.last(),
        Some(Scope::Global) | None => None,
    };
    last.unwrap_or(&sections.process)
}

/// The values of a section together.
fn draft(section: &Section, reader: &mut Reader<'_>) -> Option<Draft> {
    if section.is_flawed {
        return None;
    }
    let given = section.given();
    let draft = given.draft().and_then(|draft| {
        given.check_requirements()?;
        Ok(draft)
    });
    draft.map_err(|error| report(section, error, reader)).ok()
}

fn listeners(sections: &Sections, reader: &mut Reader<'_>) -> Vec<Option<ListenerConfig>> {
    if sections.listeners.is_empty() {
        let routes_only = !sections.routes.is_empty();
        let pool = match routes_only {
            true => Some(PoolId::FIRST),
            false => pool_of(sections, None, 0, reader),
        };
        let listener = pool.map(|pool| ListenerConfig {
            pool,
            routes_only,
            ..ListenerConfig::default()
        });
        return vec![listener];
    }
    let each = sections.listeners.iter();
    each.map(|section| listener(section, sections, reader))
        .collect()
}

fn listener(
    section: &Section,
    sections: &Sections,
    reader: &mut Reader<'_>,
) -> Option<ListenerConfig> {
    let draft = draft(section, reader);
    let reads_requests = draft
        .as_ref()
        .is_none_or(|draft| draft.mode() == Mode::Http);
    let routes_only = section.pool.is_none() && reads_requests && has_routes(sections, section);
    let pool = match routes_only {
        true => Some(PoolId::FIRST),
        false => pool_of(sections, section.pool.as_ref(), section.at, reader),
    };
    let draft = draft?;
    for error in section.given().conflicts_in(draft.mode(), &draft) {
        report(section, error, reader);
    }
    let listener = draft.listener(pool?);
    let listener = listener.map_err(|error| report(section, error, reader));
    Some(ListenerConfig {
        routes_only,
        ..listener.ok()?
    })
}

/// Whether there are routes of a listener.
fn has_routes(sections: &Sections, listener: &Section) -> bool {
    sections
        .routes
        .iter()
        .any(|route| route.is_of(listener.label.as_deref()))
}

/// The pool that a listener names, or the only one.
fn pool_of(
    sections: &Sections,
    named: Option<&Reference>,
    at: usize,
    reader: &mut Reader<'_>,
) -> Option<PoolId> {
    let names = sections.pools.iter().map(|pool| pool.name.as_str());
    let (at, error) = match (named, sections.pools.as_slice()) {
        (None, [_]) => return Some(PoolId::FIRST),
        (None, _) => {
            let names: Vec<_> = names.collect();
            let remedy = format!("name one of {}", names.join(", "));
            let error = ConfigError::new("missing, and there are several pools", remedy);
            (at, error.with_kind(ConfigErrorKind::Missing))
        }
        (Some(named), pools) => match pools.iter().position(|pool| pool.name == named.name) {
            Some(number) => return Some(PoolId::new(number as u16)),
            None => {
                let error = ConfigError::new("unknown pool", known(&named.name, names));
                (named.at, error.with_value(&named.name))
            }
        },
    };
    reader.error(at, "listener.pool", error);
    None
}

/// The modes of the listeners of a pool.
fn modes(listeners: &[Option<ListenerConfig>], pool: usize) -> Vec<Mode> {
    let leads_there = |id: PoolId| usize::from(id.number()) == pool;
    let of_pool = |listener: &&ListenerConfig| listener.pools().any(leads_there);
    let listeners = listeners.iter().flatten().filter(of_pool);
    listeners.map(|listener| listener.mode).collect()
}

/// A pool. Of the settings for requests none has an effect if all its listeners are in TCP mode.
fn pool(section: &Section, modes: &[Mode], reader: &mut Reader<'_>) -> Option<PoolConfig> {
    let draft = draft(section, reader)?;
    if !modes.is_empty() && modes.iter().all(|mode| *mode == Mode::Tcp) {
        for error in section.given().conflicts_in(Mode::Tcp, &draft) {
            report(section, error, reader);
        }
    }
    let pool = draft.pool(&section.name);
    pool.map_err(|error| report(section, error, reader)).ok()
}

/// Reports an error that a section's values have together, at the setting it names.
pub(super) fn report(section: &Section, error: ConfigError, reader: &mut Reader<'_>) {
    let name = error.flag().and_then(|flag| flag.strip_prefix("--"));
    let (at, path) = match name {
        Some(name) => (section.place_of(name), section.key(name)),
        None => (section.at, section.path.clone()),
    };
    reader.error(at, &path, error);
}
