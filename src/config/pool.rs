//! Backends, strategy and affinity.

use super::settings::{Scope, Section};
use super::{
    BackendSpec, ConfigError, ConfigErrorKind, LoadBound, StickyCookie, StrategySpec,
    parse_cookie_name, secret, strategy,
};
use std::path::PathBuf;

static SECTION: Section = Section {
    title: "Backends",
    scope: Scope::Pool,
};

settings! {
    /// Backends, strategy and affinity.
    #[derive(Clone, Debug)]
    pub(crate) struct PoolSettings in draft.pool, section SECTION;

    /// Servers to balance over, separated by commas: at least one
    ///
    /// HOST is a name, an IPv4 address or an IPv6 address in brackets; a bare PORT is on this
    /// machine, as is a UNIX socket, written unix:PATH. WEIGHT, from 1 to 256, is the share
    /// relative to the others, 1 unless given. MAX limits its requests in flight. The flag can be
    /// repeated.
    "backends" <"HOST:PORT[=WEIGHT[/MAX]],..."> backends: Vec<BackendSpec> = Vec::new();

    /// Strategy
    "strategy" <"NAME"> strategy: StrategySpec = StrategySpec::default(), with { doc: strategy::doc };

    /// Load limit of a backend under a hashing strategy, in percent of a fair share, or off
    /// [default: 125]
    ///
    /// Of the requests in flight, by weight; a backend may always have eight. A key whose backend
    /// is at the limit goes to the next on the ring. Off: it stays, however busy its backend is.
    "hash-bound" <"PERCENT|off"> hash_bound: Option<LoadBound> = None;

    /// Cookie that brings a browser back to its backend
    ///
    /// The first response sets it. As long as its backend may be picked, later requests go there,
    /// whatever the strategy. Its value names no address and cannot be forged.
    "sticky" <"COOKIE"> sticky: Option<String> = None,
        read |text| parse_cookie_name(text).map(Some), with { http_only: true };

    /// File with the secret that signs the sticky cookie
    ///
    /// With the same secret, cookies are valid across restarts and among several lb. Without it,
    /// each start makes up its own.
    "sticky-secret" <"FILE"> sticky_secret: Option<PathBuf> = None, with { requires: Some("sticky"), http_only: true };
}

impl PoolSettings {
    /// The strategy, with its load bound.
    pub(super) fn strategy(&self) -> Result<StrategySpec, ConfigError> {
        let mut strategy = self.strategy.clone();
        match self.hash_bound {
            Some(bound) if !strategy.set_load_bound(bound) => {
                let remedy = "give it with a strategy such as ip-hash, or not at all";
                Err(ConfigError::new("the strategy does not hash", remedy)
                    .with_kind(ConfigErrorKind::Conflict)
                    .with_flag("--hash-bound"))
            }
            _ => Ok(strategy),
        }
    }

    /// The sticky cookie, with its secret read.
    pub(super) fn sticky(&self) -> Result<Option<StickyCookie>, ConfigError> {
        let Some(name) = &self.sticky else {
            return Ok(None);
        };
        let cookie = StickyCookie::new(name)?;
        let Some(path) = &self.sticky_secret else {
            return Ok(Some(cookie));
        };
        let signed = |key: &[u8]| cookie.with_secret(key);
        secret::read("--sticky-secret", path, signed).map(Some)
    }
}
