//! What is allowed and probably not meant.

use super::reader::Reader;
use super::route;
use super::section::Sections;
use crate::clock::Clock;
use crate::config::{Config, ListenerConfig, ListenerTlsConfig};
use crate::ids::PoolId;
use std::time::Duration;

/// Time before the end of a certificate from which on it is warned of.
const EXPIRY_WARNING: Duration = Duration::from_secs(14 * 24 * 3600);

/// A line for each, with its place.
pub(super) fn of(config: &Config, sections: &Sections, reader: &Reader<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let wall = Clock::start().wall();
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
        let plain = listener.addresses().iter().filter(|spec| !spec.is_tls);
        let tcp = plain.filter_map(|spec| spec.address.tcp());
        for address in tcp.filter(|address| is_open(address.ip())) {
            let place = reader.place(section.place_of("listen"));
            warnings.push(format!(
                "{place}: {address} listens on all addresses without TLS; \
                 listen on one address, or give a certificate by tls-cert"
            ));
        }
        for complaint in listener.tls.iter().flat_map(|tls| complaints(tls, wall)) {
            let place = reader.place(section.place_of("tls-cert"));
            warnings.push(format!("{place}: {complaint}"));
        }
    }
    warnings.extend(route::shadowed(sections, config, reader));
    warnings
}

/// What is wrong with the validity of certificates, one line each.
fn complaints(tls: &ListenerTlsConfig, wall: Duration) -> Vec<String> {
    let certificates = tls.spec.certificates.iter();
    let complaints = certificates.filter_map(|it| {
        let complaint = it.complaint(wall, EXPIRY_WARNING)?;
        let [chain, _] = it.files();
        Some(format!("certificate {} {complaint}", chain.display()))
    });
    complaints.collect()
}

/// Whether any request can reach a pool.
fn is_used(config: &Config, pool: PoolId) -> bool {
    let mut used = config.listeners().iter().flat_map(ListenerConfig::pools);
    used.any(|used| used == pool)
}
