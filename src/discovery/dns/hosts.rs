//! Names that need no server: `/etc/hosts`, and `localhost` (RFC 6761, section 6.3).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hosts(HashMap<String, Vec<IpAddr>>);

impl Hosts {
    /// Reads the text of `/etc/hosts`. Lines that are not understood are left out.
    pub(crate) fn parse(text: &str) -> Self {
        let mut all: HashMap<String, Vec<IpAddr>> = HashMap::new();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            let Some(ip) = words.next().and_then(|ip| ip.parse().ok()) else {
                continue;
            };
            for name in words {
                let of_name = all.entry(name.to_ascii_lowercase()).or_default();
                if !of_name.contains(&ip) {
                    of_name.push(ip);
                }
            }
        }
        Self(all)
    }

    /// The addresses of a name that is known without a server.
    pub(super) fn find(&self, name: &str) -> Option<Vec<IpAddr>> {
        let name = name.trim_end_matches('.');
        let is_local = name == "localhost" || name.ends_with(".localhost");
        if is_local {
            return Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        self.0.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_addresses_of_their_lines() {
        let hosts = Hosts::parse(
            "127.0.0.1 localhost\n10.0.0.1\tWeb web1 # first\n::2 web\nx y\n10.0.0.1 web\n",
        );
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(hosts.find("web"), Some(vec![ip("10.0.0.1"), ip("::2")]));
        assert_eq!(hosts.find("web1."), Some(vec![ip("10.0.0.1")]));
        assert_eq!(hosts.find("first"), None);
        let local = vec![ip("127.0.0.1"), ip("::1")];
        for name in ["localhost", "a.localhost"] {
            assert_eq!(hosts.find(name), Some(local.clone()), "{name}");
        }
    }
}
