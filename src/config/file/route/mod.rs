//! `[[route]]`: what a route fits, and what it leads to.
//!
//! | file | owns |
//! |---|---|
//! | `keys` | the keys of a route, and which go together |
//! | `reader` | reading the values of one route |
//! | `pattern` | what it fits |
//! | `target` | what it leads to |
//! | `policy` | who may send its requests, how many, and for how long |
//! | `edits` | what is changed in its requests and their responses |
//! | `shadow` | routes that never get a request |

mod edits;
mod keys;
mod pattern;
mod policy;
mod reader;
mod shadow;
mod target;

pub(super) use shadow::shadowed;

use super::reader::Reader;
use super::section::{Item, Reference, Sections, items, known, tables};
use crate::config::{ConfigError, ListenerConfig, Mode, RouteConfig};
use crate::ids::PoolId;
use crate::route::{Pattern, Policy, Split, SplitCookie, Target};
use reader::RouteReader;
use std::sync::Arc;
use target::TargetSection;
use toml::de::DeTable;

/// A route as the file has it.
#[derive(Clone, Debug)]
pub(super) struct RouteSection {
    at: usize,
    /// The listeners it is of; empty: all.
    listeners: Vec<Reference>,
    patterns: Vec<Pattern>,
    target: Option<TargetSection>,
    /// What else holds for its requests.
    policy: Option<Arc<Policy>>,
    /// The first key of it that is for requests alone, and where that is.
    of_requests: Option<(String, usize)>,
    /// The section as it is written.
    pub(super) text: String,
}

impl RouteSection {
    /// Reads all routes; errors are the reader's.
    pub(super) fn read_all(item: &Item<'_, '_>, reader: &mut Reader<'_>) -> Vec<Self> {
        let Some(tables) = tables(item.value) else {
            let error = ConfigError::new("not a section", "write [[route]] above its keys");
            reader.error(item.at, "route", error);
            return Vec::new();
        };
        let mut routes = Vec::new();
        for (table, span) in tables {
            routes.push(Self::read(table, span.start, reader));
        }
        routes
    }

    fn read(table: &DeTable<'_>, at: usize, reader: &mut Reader<'_>) -> Self {
        let items = items(table);
        let mut route = RouteReader::new(items, at, reader);
        route.check_keys();
        let text = route.text_of_section();
        let of_requests = route.of_requests();
        let target = route.target();
        let keeps_side = matches!(&target, Some(TargetSection::Split(_, Some(_))));
        // A cookie to set is something to do for a response.
        let policy = route.policy().or(keeps_side.then(Policy::default));
        let policy = policy.map(Arc::new);
        Self {
            at,
            text,
            listeners: route.references("listener"),
            patterns: route.patterns(),
            target,
            policy,
            of_requests,
        }
    }

    /// Whether it is a route of the listener with this name.
    pub(super) fn is_of(&self, listener: Option<&str>) -> bool {
        let is_it = |named: &Reference| Some(named.name.as_str()) == listener;
        self.listeners.is_empty() || self.listeners.iter().any(is_it)
    }

    /// What it leads to, with the pools it names; `None` if there is no such pool.
    fn target(&self, sections: &Sections, reader: &mut Reader<'_>) -> Option<Target> {
        match self.target.as_ref()? {
            TargetSection::Pool(named) => {
                pool(named, "route.pool", sections, reader).map(Target::Pool)
            }
            TargetSection::Split(parts, cookie) => {
                let mut shares = Vec::new();
                for (named, weight) in parts {
                    shares.push((pool(named, "route.split", sections, reader)?, *weight));
                }
                let split = Split::new(shares)?;
                Some(Target::Split(match cookie {
                    None => split,
                    Some(name) => split.with_cookie(SplitCookie {
                        name: name.as_str().into(),
                        values: parts
                            .iter()
                            .map(|(named, _)| named.name.as_str().into())
                            .collect(),
                    }),
                }))
            }
            TargetSection::Redirect(redirect) => Some(Target::Redirect(redirect.clone())),
            TargetSection::Reject(rejection) => Some(Target::Reject(*rejection)),
            TargetSection::Respond(response) => Some(Target::Respond(Arc::new(response.clone()))),
        }
    }
}

/// The pool of this name.
fn pool(
    named: &Reference,
    key: &str,
    sections: &Sections,
    reader: &mut Reader<'_>,
) -> Option<PoolId> {
    let number = sections
        .pools
        .iter()
        .position(|pool| pool.name == named.name);
    if number.is_none() {
        let names = sections.pools.iter().map(|pool| pool.name.as_str());
        let error = ConfigError::new("unknown pool", known(&named.name, names));
        reader.error(named.at, key, error.with_value(&named.name));
    }
    number.map(|number| PoolId::new(number as u16))
}

/// Gives each listener its routes.
pub(super) fn build(
    sections: &Sections,
    listeners: &mut [Option<ListenerConfig>],
    reader: &mut Reader<'_>,
) {
    let labels = sections
        .listeners
        .iter()
        .filter_map(|section| section.label.as_deref());
    for route in &sections.routes {
        let mut is_known = true;
        for named in &route.listeners {
            if labels.clone().all(|label| label != named.name) {
                let remedy = match labels.clone().next() {
                    Some(_) => known(&named.name, labels.clone()),
                    None => format!("write name = \"{}\" in one [[listener]]", named.name),
                };
                let error = ConfigError::new("unknown listener", remedy);
                reader.error(named.at, "route.listener", error.with_value(&named.name));
                is_known = false;
            }
        }
        let Some(target) = route.target(sections, reader) else {
            continue;
        };
        let mut is_used = false;
        for (number, listener) in listeners.iter_mut().enumerate() {
            let label = sections
                .listeners
                .get(number)
                .and_then(|it| it.label.as_deref());
            // A route of all listeners passes over those that do not read requests.
            if let Some(listener) = listener
                && route.is_of(label)
                && (listener.mode == Mode::Http || !route.listeners.is_empty())
            {
                if let (Mode::Tcp, Some((key, at))) = (listener.mode, &route.of_requests) {
                    let remedy = "use listener, client, pool, split, reject = \"close\" alone";
                    let problem = "a listener in tcp mode does not read requests";
                    let key = format!("route.{key}");
                    reader.error(*at, &key, ConfigError::new(problem, remedy));
                }
                is_used = true;
                listener.routes.push(RouteConfig {
                    patterns: route.patterns.clone(),
                    target: target.clone(),
                    policy: route.policy.clone(),
                });
            }
        }
        if !is_used
            && is_known
            && listeners.iter().all(Option::is_some)
            && !route.patterns.is_empty()
        {
            let remedy = "give it a listener in http mode, or name the one in tcp mode";
            let error = ConfigError::new("no listener of it reads requests", remedy);
            reader.error(route.at, "route", error);
        }
    }
}
