//! Backends, strategy and affinity.

use super::settings::{Scope, Section, optional, within};
use super::{
    BackendSpec, ConfigError, ConfigErrorKind, CookieAttributes, Discover, LoadBound, SameSite,
    SecureAttribute, ServiceName, StickyCookie, StrategySpec, parse_cookie_name, secret, strategy,
};
use std::path::PathBuf;
use std::time::Duration;

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

    /// File with backends, followed while lb runs: a JSON or TOML list
    ///
    /// As ["10.0.0.1:80", {"address": "10.0.0.2:80", "weight": 3}] in JSON, or [[backend]] in TOML.
    /// What is in it becomes the pool within a second or so, beside the backends named otherwise; a
    /// file that is empty, broken or not there changes nothing. Requests wait in the queue until
    /// there is a backend.
    "backends-file" <"FILE"> backends_file: Option<PathBuf> = None;

    /// Services whose servers are backends, by their SRV records, separated by commas
    ///
    /// As in _http._tcp.example.com. Hosts of the lowest priority are used, with the weights of their
    /// records; those of the next stand in when the records name no other. The flag can be repeated.
    "srv" <"NAME,..."> services: Vec<ServiceName> = Vec::new();

    /// Meaning of a host's name: first-address or all-addresses
    ///
    /// One backend at the first of its addresses that can be connected to, or one at each. Either
    /// way the name is looked up again when its records end.
    "discover" <"first-address|all-addresses"> discover: Discover = Discover::FirstAddress;

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
    /// The first response sets it. As long as its backend may be picked, later requests go there
    /// under every strategy. Its value names no address and cannot be forged.
    "sticky" <"COOKIE"> sticky: Option<String> = None,
        read |text| parse_cookie_name(text).map(Some), with { http_only: true };

    /// File with the secret that signs the sticky cookie
    ///
    /// With the same secret, cookies are valid across restarts and among several lb. Without it,
    /// each start makes up its own.
    "sticky-secret" <"FILE"> sticky_secret: Option<PathBuf> = None, with { requires: Some("sticky"), http_only: true };

    /// Secure attribute of the sticky cookie: auto, on or off
    ///
    /// auto sets it where the client came by https, so that browsers return the cookie by https
    /// alone.
    "sticky-secure" <"auto|on|off"> sticky_secure: SecureAttribute = SecureAttribute::Auto,
        with { requires: Some("sticky"), http_only: true };

    /// SameSite attribute of the sticky cookie: lax, strict or none
    ///
    /// none, for pages that other sites embed, takes --sticky-secure on: browsers drop it else.
    "sticky-same-site" <"lax|strict|none"> sticky_same_site: SameSite = SameSite::Lax,
        with { requires: Some("sticky"), http_only: true };

    /// Lifetime of the sticky cookie [default: until the browser is closed]
    "sticky-max-age" <"TIME"> sticky_max_age: Option<Duration> = None,
        check optional(within(Duration::from_secs(1)..=MAX_AGE)),
        with { requires: Some("sticky"), http_only: true };
}

/// The longest lifetime of a cookie that browsers grant (RFC 6265bis, section 5.5).
const MAX_AGE: Duration = Duration::from_secs(400 * 24 * 3600);

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
        let cookie = StickyCookie::new(name)?.with_attributes(CookieAttributes {
            secure: self.sticky_secure,
            same_site: self.sticky_same_site,
            max_age: self.sticky_max_age,
        })?;
        let Some(path) = &self.sticky_secret else {
            return Ok(Some(cookie));
        };
        let signed = |key: &[u8]| cookie.with_secret(key);
        secret::read("--sticky-secret", path, signed).map(Some)
    }
}
