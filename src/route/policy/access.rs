//! Networks of clients that a route allows or denies.

use crate::address::Network;
use std::net::IpAddr;

/// Networks that are allowed or denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// If there are any: no other clients than these.
    pub allow: Vec<Network>,
    /// Not these, allowed or not.
    pub deny: Vec<Network>,
}

impl Access {
    /// Whether a client is admitted. One without an address, on a UNIX socket, is in no network.
    #[must_use]
    pub fn admits(&self, client: Option<IpAddr>) -> bool {
        let is_in = |networks: &[Network]| {
            client.is_some_and(|ip| networks.iter().any(|network| network.contains(ip)))
        };
        !is_in(&self.deny) && (self.allow.is_empty() || is_in(&self.allow))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denied_networks_are_taken_out_of_the_allowed_ones() {
        let network = |text: &str| text.parse::<Network>().unwrap();
        let mut access = Access {
            allow: vec![network("10.0.0.0/8"), network("::1/128")],
            deny: vec![network("10.1.0.0/16")],
        };
        let admits = |access: &Access, ip: &str| access.admits(ip.parse().ok());
        assert!(admits(&access, "10.2.0.1") && admits(&access, "::1"));
        assert!(!admits(&access, "10.1.0.1") && !admits(&access, "192.0.2.1"));
        assert!(!access.admits(None));
        access.allow.clear();
        assert!(admits(&access, "192.0.2.1") && !admits(&access, "10.1.0.1"));
        assert!(access.admits(None));
    }
}
