//! The keys of a route.

/// Those that say what it fits.
pub(super) const PATTERN_KEYS: [&str; 7] = [
    "listener",
    "host",
    "path",
    "path-exact",
    "method",
    "header",
    "client",
];

/// Those that say what it leads to, of which it has one.
pub(super) const TARGET_KEYS: [&str; 5] = ["pool", "split", "redirect", "respond", "reject"];

/// What forwards a request.
const FORWARDING: &[&str] = &["pool", "split"];

/// The keys that go with others, of which one is there.
pub(super) const DEPENDENT_KEYS: [(&str, &[&str]); 30] = [
    ("status", &["redirect"]),
    ("body", &["respond"]),
    ("body-file", &["respond"]),
    ("fields", &["respond"]),
    ("split-cookie", &["split"]),
    ("strip-prefix", FORWARDING),
    ("add-prefix", FORWARDING),
    ("request-set", FORWARDING),
    ("request-append", FORWARDING),
    ("request-remove", FORWARDING),
    ("response-set", FORWARDING),
    ("response-append", FORWARDING),
    ("response-remove", FORWARDING),
    ("server-timeout", FORWARDING),
    ("first-byte-timeout", FORWARDING),
    ("queue-timeout", FORWARDING),
    ("body-timeout", FORWARDING),
    ("tunnel-timeout", FORWARDING),
    ("max-retries", FORWARDING),
    ("max-body-bytes", FORWARDING),
    ("max-concurrent", FORWARDING),
    ("basic-auth-realm", &["basic-auth-file"]),
    ("rate-limit-burst", &["rate-limit"]),
    ("rate-limit-by", &["rate-limit"]),
    ("cors-origins", FORWARDING),
    ("cors-methods", &["cors-origins"]),
    ("cors-headers", &["cors-origins"]),
    ("cors-expose", &["cors-origins"]),
    ("cors-max-age", &["cors-origins"]),
    ("cors-credentials", &["cors-origins"]),
];

/// The keys that go with any target.
pub(super) const POLICY_KEYS: [&str; 5] = [
    "allow",
    "deny",
    "rate-limit",
    "basic-auth-file",
    "error-pages",
];

/// Those of a route of connections, besides a rejection.
pub(super) const TCP_KEYS: [&str; 4] = ["listener", "client", "pool", "split"];

/// All keys.
pub(super) fn all() -> impl Iterator<Item = &'static str> + Clone {
    let dependent = DEPENDENT_KEYS.iter().map(|(key, _)| *key);
    let others = PATTERN_KEYS.into_iter().chain(TARGET_KEYS);
    others.chain(POLICY_KEYS).chain(dependent)
}
