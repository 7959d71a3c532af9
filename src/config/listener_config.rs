//! Listeners that share their settings.

use super::{ConfigError, DEFAULT_LISTENER, FileMode, ForwardOptions, ListenerSpec, Mode};
use super::{ConfigErrorKind, Limits, ListenerTlsConfig, Network, RouteConfig, Timeouts};
use crate::address::Address;
use crate::ids::PoolId;
use std::collections::HashSet;

/// Addresses to accept clients on, their settings, and the pool that serves them.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// The unit that is balanced: requests or connections. Default HTTP.
    pub mode: Mode,
    /// Header fields that carry data of the client to backends, in HTTP mode.
    pub forward: ForwardOptions,
    /// True if a request that comes without `X-Request-Id` is given one. Default yes.
    pub request_id: bool,
    /// Networks of proxies in front whose PROXY and forwarding fields are trusted. Default none.
    pub trusted_proxies: Vec<Network>,
    /// True if a request that waits in the queue is dropped when its client closes. Default yes.
    pub abort_on_close: bool,
    /// Permissions of the UNIX sockets listened on; `None`: those the umask leaves. Default `None`.
    pub listen_mode: Option<FileMode>,
    /// The pool that serves its requests. Default the first.
    pub pool: PoolId,
    /// Routes of requests to other pools and to responses, in HTTP mode. Default none.
    pub(crate) routes: Vec<RouteConfig>,
    /// True if requests that no route fits get a 404 and do not go to `pool`. Default false.
    pub(crate) routes_only: bool,
    /// The TLS of the addresses that speak it. Default none.
    pub(crate) tls: Option<ListenerTlsConfig>,
    pub(super) addresses: Vec<ListenerSpec>,
    pub(super) timeouts: Timeouts,
    pub(super) limits: Limits,
}

impl Default for ListenerConfig {
    /// One listener on [`DEFAULT_LISTENER`].
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            forward: ForwardOptions::default(),
            request_id: true,
            trusted_proxies: Vec::new(),
            abort_on_close: true,
            listen_mode: None,
            pool: PoolId::FIRST,
            routes: Vec::new(),
            routes_only: false,
            tls: None,
            addresses: vec![DEFAULT_LISTENER.into()],
            timeouts: Timeouts::default(),
            limits: Limits::default(),
        }
    }
}

impl ListenerConfig {
    /// Listeners on these addresses, with the default of everything else.
    ///
    /// # Errors
    ///
    /// No address, or one twice; port 0 may be given any number of times.
    pub fn new(addresses: impl IntoIterator<Item = ListenerSpec>) -> Result<Self, ConfigError> {
        let addresses: Vec<_> = addresses.into_iter().collect();
        if addresses.is_empty() {
            let remedy = format!("name at least one, as in --listen {DEFAULT_LISTENER}");
            return Err(ConfigError::new("no address given", remedy).with_flag("--listen"));
        }
        check_unique(addresses.iter())?;
        Ok(Self {
            addresses,
            ..Self::default()
        })
    }

    /// Every pool that its requests may go to.
    pub fn pools(&self) -> impl Iterator<Item = PoolId> {
        let own = Some(self.pool).filter(|_| !self.routes_only);
        own.into_iter()
            .chain(self.routes.iter().flat_map(RouteConfig::pools))
    }

    /// Whether one of its routes asks for credentials.
    pub(crate) fn asks_for_credentials(&self) -> bool {
        let mut policies = self.routes.iter().filter_map(|route| route.policy.as_ref());
        policies.any(|policy| policy.auth.is_some())
    }

    /// Whether clients speak TLS at any of its addresses.
    #[must_use]
    pub const fn speaks_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Speaks TLS at the addresses that are written so, or at all if none is.
    ///
    /// # Errors
    ///
    /// An address is to speak TLS, and there is no certificate.
    pub fn set_tls(&mut self, tls: Option<ListenerTlsConfig>) -> Result<(), ConfigError> {
        let mut marked = self.addresses.iter().filter(|spec| spec.is_tls);
        match (&tls, marked.next()) {
            (None, Some(spec)) => {
                let problem = "is to speak TLS, and there is no certificate";
                let remedy = "name one with --tls-cert FILE --tls-key FILE";
                return Err(ConfigError::new(problem, remedy)
                    .with_kind(ConfigErrorKind::Missing)
                    .with_flag("--listen")
                    .with_value(spec));
            }
            (Some(_), None) => self
                .addresses
                .iter_mut()
                .for_each(|spec| spec.is_tls = true),
            (None, None) | (Some(_), Some(_)) => {}
        }
        self.tls = tls;
        Ok(())
    }

    /// The addresses to accept clients on: at least one. Port 0 asks the system for a free port.
    #[must_use]
    pub fn addresses(&self) -> &[ListenerSpec] {
        &self.addresses
    }

    /// Timeouts of clients. Those of backends are the pool's.
    #[must_use]
    pub const fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Limits on clients. Those on backends are the pool's.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// Checks that no address is listened on twice.
pub(super) fn check_unique<'a>(
    listeners: impl Iterator<Item = &'a ListenerSpec>,
) -> Result<(), ConfigError> {
    let mut seen = HashSet::new();
    let is_any_port = |address: &Address| address.tcp().is_some_and(|tcp| tcp.port() == 0);
    let mut addresses = listeners.map(|spec| &spec.address);
    match addresses.find(|address| !is_any_port(address) && !seen.insert(*address)) {
        Some(twice) => Err(
            ConfigError::new("this address is given twice", "name it once")
                .with_flag("--listen")
                .with_value(twice),
        ),
        None => Ok(()),
    }
}
