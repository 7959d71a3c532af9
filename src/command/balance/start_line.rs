//! The one line that says what was started.

use lb::config::{Config, Heartbeats, Mode, PoolConfig};
use std::fmt;
use std::net::SocketAddr;

/// Backends named in the line; a longer list is cut.
const NAMED: usize = 8;

/// The listeners (TCP first), the strategy and the backends.
pub(crate) struct StartLine<'a> {
    config: &'a Config,
    /// Of TCP; the others are where the configuration says.
    addresses: &'a [SocketAddr],
}

impl<'a> StartLine<'a> {
    /// The line of a balancer that listens on `addresses`.
    pub(crate) fn new(config: &'a Config, addresses: &'a [SocketAddr]) -> Self {
        Self { config, addresses }
    }
}

impl fmt::Display for StartLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let specs = self.config.listeners().iter();
        let paths = specs
            .flat_map(|of| of.addresses())
            .map(|spec| &spec.address);
        let paths = paths.filter(|address| address.tcp().is_none());
        let addresses = self.addresses.iter().map(SocketAddr::to_string);
        let listeners = addresses.chain(paths.map(ToString::to_string));
        write!(
            f,
            "lb listens on {} ({}{}), ",
            join(listeners),
            self.modes(),
            match self.config.workers.get() {
                1 => String::new(),
                workers => format!(", {workers} workers"),
            },
        )?;
        match self.config.pools() {
            [pool] => write_backends(pool, f),
            pools => {
                let all: usize = pools.iter().map(|pool| pool.backends().len()).sum();
                let (named, more) = pools.split_at(NAMED.min(pools.len()));
                let names = named.iter().map(|pool| {
                    let (backends, strategy) = (pool.backends().len(), pool.strategy.name());
                    format!("{} ({strategy} over {backends})", pool.name())
                });
                write!(
                    f,
                    "{} pools of {all} backends: {}",
                    pools.len(),
                    join(names)
                )?;
                write_more(more.len(), f)
            }
        }
    }
}

impl StartLine<'_> {
    /// The unit that is balanced: http, tcp, or both.
    fn modes(&self) -> &'static str {
        let has = |mode| self.config.listeners().iter().any(|of| of.mode == mode);
        match (has(Mode::Http), has(Mode::Tcp)) {
            (true, true) => "http and tcp",
            (false, true) => "tcp",
            (_, false) => "http",
        }
    }
}

fn write_backends(pool: &PoolConfig, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let backends = pool.backends();
    let names = backends
        .iter()
        .take(NAMED)
        .map(|spec| spec.address.to_string());
    write!(
        f,
        "{} over {} backend{}{}{}",
        pool.strategy.name(),
        backends.len(),
        if backends.len() == 1 { "" } else { "s" },
        if backends.is_empty() { "" } else { ": " },
        join(names),
    )?;
    write_more(backends.len().saturating_sub(NAMED), f)
}

fn write_more(more: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match more {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

/// Where the admin interface is.
pub(crate) struct AdminLine<'a> {
    config: &'a Config,
    addresses: &'a [SocketAddr],
}

impl<'a> AdminLine<'a> {
    /// The line of a balancer with an admin interface on `addresses`, if it has one.
    pub(crate) fn new(config: &'a Config, addresses: &'a [SocketAddr]) -> Option<Self> {
        config.admin.as_ref()?;
        Some(Self { config, addresses })
    }
}

impl fmt::Display for AdminLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls = self.addresses.iter().map(|at| format!("http://{at}/"));
        let admin = self.config.admin.iter();
        let listeners = admin.flat_map(|admin| admin.listeners());
        let paths = listeners.filter(|address| address.tcp().is_none());
        let all = urls.chain(paths.map(ToString::to_string));
        write!(f, "lb admin interface on {}", join(all))
    }
}

/// The heartbeat listener, and a warning if other machines may send without a key.
pub(crate) struct HeartbeatLine<'a> {
    config: &'a Heartbeats,
    address: SocketAddr,
}

impl<'a> HeartbeatLine<'a> {
    /// The line of a balancer that listens to heartbeats on `address`, if it does.
    pub(crate) fn new(config: &'a Config, address: Option<SocketAddr>) -> Option<Self> {
        let config = config.heartbeats.as_ref()?;
        address.map(|address| Self { config, address })
    }
}

impl fmt::Display for HeartbeatLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        let signed = if self.config.key.is_some() {
            "signed"
        } else {
            "signed or not"
        };
        write!(
            f,
            "lb listens to heartbeats on {address} (UDP and TCP), {signed}"
        )?;
        if self.config.is_open_and_unsigned() {
            write!(
                f,
                "\nlb: warning: whoever reaches {address} can make up heartbeats; \
                 give --heartbeat-key FILE, and --key FILE to the senders"
            )?;
        }
        Ok(())
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(backends: u16) -> String {
        let specs = (0..backends).map(|nth| (5000 + nth).to_string().parse().unwrap());
        let config = Config::new(specs).unwrap();
        let addresses = ["127.0.0.1:8080".parse().unwrap()];
        StartLine::new(&config, &addresses).to_string()
    }

    #[test]
    fn names_listeners_and_backends() {
        let expected = "lb listens on 127.0.0.1:8080 (http), least-rt over 2 backends: ";
        assert!(line(2).starts_with(expected), "{}", line(2));
        assert!(line(1).contains(" over 1 backend: "), "{}", line(1));
    }

    #[test]
    fn warns_where_other_machines_can_send_heartbeats_unsigned() {
        let line = |address: &str, key| {
            let address = address.parse().unwrap();
            let mut config = Config::new(["5000".parse().unwrap()]).unwrap();
            config.heartbeats = Some(Heartbeats { address, key });
            HeartbeatLine::new(&config, Some(address))
                .unwrap()
                .to_string()
        };
        let key = lb::heartbeat::HeartbeatKey::new(&[7; 16]);
        assert_eq!(
            line("0.0.0.0:7000", key),
            "lb listens to heartbeats on 0.0.0.0:7000 (UDP and TCP), signed"
        );
        let open = line("0.0.0.0:7000", None);
        assert!(
            open.contains("\nlb: warning: whoever reaches 0.0.0.0:7000 can"),
            "{open}"
        );
        assert!(!line("127.0.0.1:7000", None).contains("warning"));
    }

    #[test]
    fn a_long_list_is_cut() {
        assert!(line(12).ends_with(" and 4 more"), "{}", line(12));
        assert!(!line(8).contains("more"), "{}", line(8));
    }
}
