//! What is allowed and probably not meant.

use super::reader::Reader;
use super::route;
use super::section::Sections;
use crate::config::{Config, ListenerConfig};
use crate::ids::PoolId;

/// A line for each, with its place.
pub(super) fn of(config: &Config, sections: &Sections, reader: &Reader<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    for (section, (id, pool)) in sections.pools.iter().zip(config.pool_ids()) {
        if !is_used(config, id) {
            let place = reader.place(section.at);
            warnings.push(format!(
                "{place}: pool {} is used by no listener and no route; remove it, or name it in one",
                pool.name()
            ));
        }
    }
    for (section, listener) in sections.listeners.iter().zip(config.listeners()) {
        let is_open = |ip: std::net::IpAddr| ip.is_unspecified();
        let tcp = listener
            .addresses()
            .iter()
            .filter_map(|spec| spec.address.tcp());
        for address in tcp.filter(|address| is_open(address.ip())) {
            let place = reader.place(section.place_of("listen"));
            warnings.push(format!(
                "{place}: {address} listens on all addresses without TLS; \
                 listen on one address, or put a proxy with TLS in front"
            ));
        }
    }
    warnings.extend(route::shadowed(sections, config, reader));
    warnings
}

/// Whether any request can reach a pool.
fn is_used(config: &Config, pool: PoolId) -> bool {
    let mut used = config.listeners().iter().flat_map(ListenerConfig::pools);
    used.any(|used| used == pool)
}
