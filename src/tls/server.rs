//! The TLS of a listener: certificates, versions and tickets of the sessions that it begins.
//!
//! Shared by all workers, so that a ticket of one resumes at another. What is built is immutable; new
//! certificates replace it as a whole, for handshakes that begin from then on. Tickets outlive that,
//! because their keys are not the certificates'.

use super::session::Session;
use super::store::Store;
use super::{ServerSpec, Version, provider};
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, ProducesTickets, UnbufferedServerConnection};
use rustls::version::{TLS12, TLS13};
use std::fmt::{self, Debug, Display, Formatter};
use std::sync::{Arc, PoisonError, RwLock};

/// The TLS of a listener.
pub struct Server {
    current: RwLock<Arc<Current>>,
    tickets: Arc<dyn ProducesTickets>,
}

struct Current {
    spec: ServerSpec,
    config: Arc<ServerConfig>,
}

impl Debug for Server {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

/// TLS cannot be set up: the library refuses the settings, or the system gives no random bytes.
#[derive(Debug)]
pub struct SetupError(rustls::Error);

impl Display for SetupError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl From<rustls::Error> for SetupError {
    fn from(error: rustls::Error) -> Self {
        Self(error)
    }
}

impl Server {
    /// Sessions like this. Those that were begun `before` may be resumed.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(spec: ServerSpec, before: Option<&Self>) -> Result<Self, SetupError> {
        let tickets = match before {
            Some(before) => Arc::clone(&before.tickets),
            None => rustls::crypto::ring::Ticketer::new()?,
        };
        let current = Current::new(spec, &tickets)?;
        Ok(Self {
            current: RwLock::new(Arc::new(current)),
            tickets,
        })
    }

    /// Begins sessions like this from now on.
    ///
    /// # Errors
    /// TLS cannot be set up; nothing has changed.
    pub fn replace(&self, spec: ServerSpec) -> Result<(), SetupError> {
        let new = Arc::new(Current::new(spec, &self.tickets)?);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = new;
        Ok(())
    }

    /// Begins a session; `None` if the system gives no random bytes.
    #[must_use]
    pub fn accept(&self) -> Option<Session> {
        let config = Arc::clone(&self.current().config);
        let conn = UnbufferedServerConnection::new(config).ok()?;
        Some(Session::from(conn))
    }

    /// What its sessions are like now.
    #[must_use]
    pub fn spec(&self) -> ServerSpec {
        self.current().spec.clone()
    }

    fn current(&self) -> Arc<Current> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }
}

impl Current {
    fn new(spec: ServerSpec, tickets: &Arc<dyn ProducesTickets>) -> Result<Self, SetupError> {
        let versions = match spec.min_version {
            Version::Tls12 => &[&TLS13, &TLS12][..],
            Version::Tls13 => &[&TLS13],
        };
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(versions)?;
        let store = Store::new(&spec.certificates, spec.is_strict);
        let mut config = builder
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(store));
        config.alpn_protocols.clone_from(&spec.protocols);
        config.ticketer = Arc::clone(tickets);
        // One is enough: a client that opens several connections gets one on each.
        config.send_tls13_tickets = 1;
        // A session is resumed by its ticket, which costs no memory here.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self {
            spec,
            config: Arc::new(config),
        })
    }
}
