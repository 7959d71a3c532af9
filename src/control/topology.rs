//! Listeners and routes as JSON: where requests come in, and which pool they are led to. As they were
//! configured; the addresses are those that were bound.

use crate::address::Address;
use crate::config::{Config, Mode, RouteConfig};
use crate::ids::PoolId;
use crate::route::{Conditions, HostPattern, PathPattern, Pattern, Rejection, Target};
use serde_json::{Value, json};

/// Listeners and routes of a running lb.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topology {
    pub(crate) listeners: Vec<Value>,
    pub(crate) routes: Vec<Value>,
}

impl Topology {
    /// That of a configuration whose listeners are `bound` to these addresses, in its order.
    pub(crate) fn of(config: &Config, bound: &[Address]) -> Self {
        let mut all = Self::default();
        let mut bound = bound.iter();
        for (number, listener) in config.listeners().iter().enumerate() {
            let addresses = listener.addresses().iter().zip(bound.by_ref());
            let addresses = addresses.map(|(spec, at)| {
                json!({
                    "address": at.to_string(),
                    "accepts_proxy": spec.accepts_proxy,
                    "tls": spec.is_tls,
                })
            });
            all.listeners.push(json!({
                "id": number,
                "addresses": addresses.collect::<Vec<_>>(),
                "mode": match listener.mode {
                    Mode::Http => "http",
                    Mode::Tcp => "tcp",
                },
                "default_pool": (!listener.routes_only).then(|| name(config, listener.pool)),
            }));
            let routes = listener.routes.iter();
            all.routes
                .extend(routes.map(|it| route(config, number, it)));
        }
        all
    }
}

fn name(config: &Config, pool: PoolId) -> &str {
    config.pool(pool).map_or("", |pool| pool.name())
}

fn route(config: &Config, listener: usize, route: &RouteConfig) -> Value {
    let pools = route.pools().into_iter();
    let pools: Vec<_> = pools.map(|pool| name(config, pool)).collect();
    let (kind, status) = match &route.target {
        Target::Pool(_) => ("pool", None),
        Target::Split(_) => ("split", None),
        Target::Redirect(redirect) => ("redirect", Some(redirect.status)),
        Target::Respond(fixed) => ("respond", Some(fixed.status)),
        Target::Reject(Rejection::Status(status)) => ("reject", Some(*status)),
        Target::Reject(Rejection::Close) => ("reject", None),
    };
    json!({
        "listener": listener,
        "matches": route.patterns.iter().map(words).collect::<Vec<_>>(),
        "target": kind,
        "status": status,
        "pools": pools,
    })
}

/// A pattern as people write it: `api.example/v1/* [GET]`.
fn words(pattern: &Pattern) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let host = match &pattern.host {
        HostPattern::Exact(host) => text(host),
        HostPattern::Suffix(suffix) => format!("*.{}", text(suffix)),
        HostPattern::Any => String::new(),
    };
    let path = match &pattern.path {
        PathPattern::Exact(path) => text(path),
        PathPattern::Prefix(path) => format!("{}/*", text(path).trim_end_matches('/')),
    };
    let mut all = host + &path;
    let Conditions {
        methods,
        headers,
        clients,
    } = &pattern.conditions;
    let mut conditions: Vec<String> = methods.iter().map(|method| text(method)).collect();
    conditions.extend(headers.iter().map(|header| match &header.value {
        Some(value) => format!("{}: {}", text(&header.name), text(value)),
        None => text(&header.name),
    }));
    conditions.extend(clients.iter().map(ToString::to_string));
    if !conditions.is_empty() {
        all.push_str(&format!(" [{}]", conditions.join(", ")));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::HeaderCondition;

    #[test]
    fn a_pattern_reads_as_it_is_written() {
        let mut pattern = Pattern::default();
        assert_eq!(words(&pattern), "/*");
        pattern.host = HostPattern::Suffix((*b"example.org").into());
        pattern.path = PathPattern::Exact((*b"/v1").into());
        pattern.conditions.methods.push((*b"GET").into());
        pattern.conditions.headers.push(HeaderCondition {
            name: (*b"X-Canary").into(),
            value: Some((*b"1").into()),
        });
        assert_eq!(words(&pattern), "*.example.org/v1 [GET, X-Canary: 1]");
    }
}
