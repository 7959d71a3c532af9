//! Which servers are asked and how: `resolv.conf(5)`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The port of DNS.
pub(crate) const PORT: u16 = 53;
/// Servers that are asked at most.
const MAX_SERVERS: usize = 8;
/// Domains that are searched at most.
const MAX_SEARCH: usize = 8;

/// The servers, and how they are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResolverConf {
    /// At least one.
    pub(crate) servers: Vec<SocketAddr>,
    /// Domains that complete a name, in order.
    pub(crate) search: Vec<String>,
    /// A name with as many dots is tried as it is first.
    pub(crate) ndots: usize,
    /// Time for a server to reply.
    pub(crate) timeout: Duration,
    /// Rounds over all servers.
    pub(crate) attempts: usize,
    /// Whether the servers take turns.
    pub(crate) rotates: bool,
}

impl Default for ResolverConf {
    fn default() -> Self {
        Self {
            // As of the system's resolver where nothing is configured.
            servers: vec![SocketAddr::new(IpAddr::from([127, 0, 0, 1]), PORT)],
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(2),
            attempts: 2,
            rotates: false,
        }
    }
}

impl ResolverConf {
    /// Reads the text of `/etc/resolv.conf`. What it does not say, or says in a way that is not
    /// understood, is the default, as the system's resolver does.
    pub(crate) fn parse(text: &str) -> Self {
        let mut conf = Self::default();
        let mut servers = Vec::new();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => servers.extend(words.next().and_then(server)),
                Some("search" | "domain") => conf.search = words.map(domain).collect(),
                Some("options") => words.for_each(|word| conf.option(word)),
                _ => {}
            }
        }
        servers.truncate(MAX_SERVERS);
        conf.search.retain(|domain| !domain.is_empty());
        conf.search.truncate(MAX_SEARCH);
        if !servers.is_empty() {
            conf.servers = servers;
        }
        conf
    }

    fn option(&mut self, word: &str) {
        let (name, value) = word.split_once(':').unwrap_or((word, ""));
        let number = value.parse::<u64>();
        match (name, number) {
            ("ndots", Ok(number)) => self.ndots = number.min(15) as usize,
            ("timeout", Ok(number)) => self.timeout = Duration::from_secs(number.clamp(1, 30)),
            ("attempts", Ok(number)) => self.attempts = number.clamp(1, 5) as usize,
            ("rotate", _) => self.rotates = true,
            _ => {}
        }
    }

    /// The same, with these servers if there are any.
    pub(crate) fn with_servers(mut self, servers: &[SocketAddr]) -> Self {
        if !servers.is_empty() {
            self.servers = servers.iter().copied().take(MAX_SERVERS).collect();
        }
        self
    }

    /// The full names that a name may stand for, in the order in which they are tried.
    pub(super) fn candidates(&self, name: &str) -> Vec<String> {
        if let Some(absolute) = name.strip_suffix('.') {
            return vec![absolute.to_owned()];
        }
        let searched = self.search.iter();
        let searched = searched.map(|domain| format!("{name}.{domain}"));
        let as_it_is = || std::iter::once(name.to_owned());
        match name.matches('.').count() >= self.ndots {
            true => as_it_is().chain(searched).collect(),
            false => searched.chain(as_it_is()).collect(),
        }
    }
}

/// A server; an address with a zone (`fe80::1%eth0`) is left out.
fn server(text: &str) -> Option<SocketAddr> {
    let ip: IpAddr = text.parse().ok()?;
    Some(SocketAddr::new(ip, PORT))
}

fn domain(text: &str) -> String {
    text.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_obeyed_and_the_rest_is_the_default() {
        let conf = ResolverConf::parse(
            "# by hand\nnameserver 10.0.0.1\nnameserver ::1 ; second\nnameserver fe80::1%eth0\n\
             nameserver x\nsearch Svc.Cluster.Local. cluster.local\n\
             options ndots:5 timeout:1 attempts:3 rotate edns0 ndots:x\nnonsense\n",
        );
        let expected = ResolverConf {
            servers: vec!["10.0.0.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()],
            search: vec!["svc.cluster.local".to_owned(), "cluster.local".to_owned()],
            ndots: 5,
            timeout: Duration::from_secs(1),
            attempts: 3,
            rotates: true,
        };
        assert_eq!(conf, expected);
        assert_eq!(ResolverConf::parse(""), ResolverConf::default());
        let other = ["127.0.0.1:5353".parse().unwrap()];
        assert_eq!(conf.with_servers(&other).servers, other);
    }

    #[test]
    fn a_name_is_completed_by_its_dots() {
        let conf = ResolverConf {
            search: vec!["a.example".to_owned(), "example".to_owned()],
            ndots: 2,
            ..ResolverConf::default()
        };
        for (name, expected) in [
            ("web", &["web.a.example", "web.example", "web"][..]),
            ("web.b", &["web.b.a.example", "web.b.example", "web.b"]),
            (
                "web.b.c",
                &["web.b.c", "web.b.c.a.example", "web.b.c.example"],
            ),
            ("web.", &["web"]),
        ] {
            assert_eq!(conf.candidates(name), expected, "{name}");
        }
    }
}
