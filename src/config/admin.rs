//! Where lb can be seen and steered, by whom, and what it keeps over a restart.

use super::settings::{Scope, Section};
use super::{ConfigError, ConfigErrorKind, ListenerSpec, Tokens, secret};
use crate::address::Address;
use std::path::PathBuf;

static SECTION: Section = Section {
    title: "Admin interface",
    scope: Scope::Global,
};

settings! {
    /// How lb is seen and steered.
    #[derive(Clone, Debug)]
    pub(crate) struct AdminSettings in draft.admin, section SECTION;

    /// Address of the admin interface: HTTP with JSON, and metrics
    ///
    /// Written as for --listen, unix:PATH included. Backends are added, drained and removed there,
    /// so --backends may be left out. Beyond this machine it takes --admin-token-file. The flag can
    /// be repeated.
    "admin" <"IP:PORT|unix:PATH"> listen: Vec<ListenerSpec> = Vec::new();

    /// File with the tokens that the admin interface asks for
    ///
    /// One a line, of at least 16 bytes; read TOKEN allows reading alone. Clients send
    /// Authorization: Bearer TOKEN.
    "admin-token-file" <"FILE"> tokens: Option<PathBuf> = None, with { requires: Some("admin") };

    /// File that keeps the backends added by programs, and the operator's word, over a restart
    ///
    /// It is made if there is none, and replaced whole with each change.
    "state" <"FILE"> state: Option<PathBuf> = None, with { requires: Some("admin") };
}

/// Where lb is seen and steered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    listeners: Vec<Address>,
    tokens: Option<Tokens>,
    /// The file that keeps sets of backends and the operator's word over a restart.
    pub state: Option<PathBuf>,
}

impl Admin {
    /// An admin interface at these addresses, which asks for `tokens`.
    ///
    /// # Errors
    /// No address, or one that other machines can reach and no tokens.
    pub fn new(listeners: Vec<Address>, tokens: Option<Tokens>) -> Result<Self, ConfigError> {
        const FLAG: &str = "--admin";
        if listeners.is_empty() {
            let remedy = format!("name at least one, as in {FLAG} 127.0.0.1:9090");
            return Err(ConfigError::new("no address given", remedy).with_flag(FLAG));
        }
        let is_open = |address: &&Address| {
            address
                .tcp()
                .is_some_and(|address| !address.ip().is_loopback())
        };
        if tokens.is_none()
            && let Some(open) = listeners.iter().find(is_open)
        {
            let problem = "other machines can reach it, and it asks for no token";
            let remedy = "add --admin-token-file FILE, or listen on 127.0.0.1 or unix:PATH";
            return Err(ConfigError::new(problem, remedy)
                .with_kind(ConfigErrorKind::Conflict)
                .with_flag(FLAG)
                .with_value(open));
        }
        Ok(Self {
            listeners,
            tokens,
            state: None,
        })
    }

    /// The addresses: at least one.
    #[must_use]
    pub fn listeners(&self) -> &[Address] {
        &self.listeners
    }

    /// The tokens that are asked for.
    #[must_use]
    pub const fn tokens(&self) -> Option<&Tokens> {
        self.tokens.as_ref()
    }
}

impl AdminSettings {
    /// The interface, with its tokens read; `None` if there is none.
    pub(super) fn admin(self) -> Result<Option<Admin>, ConfigError> {
        if self.listen.is_empty() {
            return Ok(None);
        }
        if let Some(spec) = self.listen.iter().find(|spec| spec.accepts_proxy) {
            let problem = "the admin interface takes no PROXY header";
            return Err(ConfigError::new(problem, "leave proxy+ out")
                .with_flag("--admin")
                .with_value(spec));
        }
        if let Some(spec) = self.listen.iter().find(|spec| spec.is_tls) {
            let problem = "the admin interface speaks no TLS";
            return Err(ConfigError::new(problem, "leave tls+ out")
                .with_flag("--admin")
                .with_value(spec));
        }
        let read = |path: PathBuf| secret::read("--admin-token-file", &path, Tokens::parse);
        let tokens = self.tokens.map(read).transpose()?;
        let listeners = self.listen.into_iter().map(|spec| spec.address).collect();
        let admin = Admin::new(listeners, tokens)?;
        Ok(Some(Admin {
            state: self.state,
            ..admin
        }))
    }
}
