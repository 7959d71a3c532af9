//! Routes that never get a request: an earlier one with the same host and path takes all that they
//! fit.

use super::super::reader::Reader;
use super::super::section::Sections;
use crate::config::{Config, Mode};
use crate::route::{Conditions, HeaderCondition};
use std::collections::HashMap;

/// A line for each route that never gets a request, because an earlier one takes all.
pub(in crate::config::file) fn shadowed(
    sections: &Sections,
    config: &Config,
    reader: &Reader<'_>,
) -> Vec<String> {
    let mut lines = Vec::new();
    let mut is_live = vec![false; sections.routes.len()];
    for (number, listener) in config.listeners().iter().enumerate() {
        let label = sections
            .listeners
            .get(number)
            .and_then(|it| it.label.as_deref());
        let mut earlier: HashMap<_, Vec<&Conditions>> = HashMap::new();
        let routes = sections.routes.iter().zip(&mut is_live);
        let routes = routes.filter(|(route, _)| route.is_of(label));
        for (route, is_live) in routes.filter(|_| listener.mode == Mode::Http) {
            for pattern in &route.patterns {
                let place = (&pattern.host, &pattern.path);
                let earlier = earlier.entry(place).or_default();
                *is_live |= !earlier
                    .iter()
                    .any(|one| takes_all(one, &pattern.conditions));
                earlier.push(&pattern.conditions);
            }
        }
    }
    for (route, _) in sections
        .routes
        .iter()
        .zip(is_live)
        .filter(|(_, is_live)| !is_live)
    {
        let place = reader.place(route.at);
        lines.push(format!(
            "{place}: the route never gets a request, as an earlier one has the same host and \
             path; remove it, or move it up"
        ));
    }
    lines
}

/// Whether every request that meets `later` meets `earlier` as well.
fn takes_all(earlier: &Conditions, later: &Conditions) -> bool {
    let has_method = |method| earlier.methods.contains(method);
    let is_asked = |own: &HeaderCondition| {
        later.headers.iter().any(|other| {
            own.name.eq_ignore_ascii_case(&other.name)
                && (own.value.is_none() || own.value == other.value)
        })
    };
    (earlier.methods.is_empty()
        || !later.methods.is_empty() && later.methods.iter().all(has_method))
        && earlier.headers.iter().all(is_asked)
        && (earlier.clients.is_empty()
            || !later.clients.is_empty()
                && later
                    .clients
                    .iter()
                    .all(|client| earlier.clients.contains(client)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(methods: &[&str], headers: &[(&str, Option<&str>)]) -> Conditions {
        let bytes = |text: &str| text.as_bytes().into();
        Conditions {
            methods: methods.iter().map(|method| bytes(method)).collect(),
            headers: headers
                .iter()
                .map(|(name, value)| HeaderCondition {
                    name: bytes(name),
                    value: value.map(bytes),
                })
                .collect(),
            clients: Vec::new(),
        }
    }

    #[test]
    fn conditions_that_ask_for_more_are_met_less_often() {
        let any = conditions(&[], &[]);
        let get = conditions(&["GET"], &[]);
        let both = conditions(&["GET", "POST"], &[]);
        let named = conditions(&["GET"], &[("X-A", None)]);
        let valued = conditions(&["GET"], &[("x-a", Some("1")), ("X-B", None)]);
        for (earlier, later) in [
            (&any, &any),
            (&any, &valued),
            (&both, &get),
            (&get, &named),
            (&named, &valued),
        ] {
            assert!(takes_all(earlier, later), "{earlier:?} {later:?}");
        }
        for (earlier, later) in [
            (&get, &any),
            (&get, &both),
            (&named, &get),
            (&valued, &named),
        ] {
            assert!(!takes_all(earlier, later), "{earlier:?} {later:?}");
        }
        let mut inside = any.clone();
        inside.clients = vec!["10.0.0.0/8".parse().unwrap()];
        assert!(takes_all(&any, &inside) && takes_all(&inside, &inside));
        assert!(!takes_all(&inside, &any));
    }
}
