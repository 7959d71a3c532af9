//! The cookie by which clients are bound to backends.

use super::ConfigError;
use crate::syntax::is_token;

/// The shortest secret: 128 bits, if its bytes are random.
const MIN_SECRET_BYTES: usize = 16;

/// A cookie that binds clients to backends.
#[derive(Clone, PartialEq, Eq)]
pub struct StickyCookie {
    name: String,
    secret: Option<Vec<u8>>,
}

impl StickyCookie {
    /// A cookie of this name, with a secret that is made up at each start.
    ///
    /// # Errors
    ///
    /// The name cannot be one of a cookie.
    pub fn new(name: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            name: parse_cookie_name(name)?,
            secret: None,
        })
    }

    /// The same cookie with a secret of at least 16 bytes: its values are then good across
    /// restarts and among balancers. `None` if the secret is shorter.
    #[must_use]
    pub fn with_secret(mut self, secret: &[u8]) -> Option<Self> {
        if secret.len() < MIN_SECRET_BYTES {
            return None;
        }
        self.secret = Some(secret.to_vec());
        Some(self)
    }

    /// The name of the cookie.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The secret, if one was given.
    #[must_use]
    pub fn secret(&self) -> Option<&[u8]> {
        self.secret.as_deref()
    }
}

impl std::fmt::Debug for StickyCookie {
    /// Keeps the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StickyCookie({})", self.name)
    }
}

/// Checks the name of a cookie: a token (RFC 6265, section 4.1.1).
///
/// # Errors
///
/// It is empty, or has a character that no cookie name has.
pub fn parse_cookie_name(text: &str) -> Result<String, ConfigError> {
    if is_token(text) {
        return Ok(text.to_owned());
    }
    let remedy = "use letters, digits, - and _, as in lb_backend";
    Err(ConfigError::new("not the name of a cookie", remedy).with_value(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tokens() {
        assert_eq!(
            StickyCookie::new("lb_backend").unwrap().name(),
            "lb_backend"
        );
        for bad in ["", "a b", "a=b", "a;b", "\u{e9}"] {
            assert!(StickyCookie::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_long_and_stays_one() {
        let cookie = StickyCookie::new("lb").unwrap();
        assert!(cookie.clone().with_secret(b"short").is_none());
        let cookie = cookie.with_secret(b"0123456789abcdef").unwrap();
        assert_eq!(cookie.secret(), Some(&b"0123456789abcdef"[..]));
        assert!(!format!("{cookie:?}").contains("0123"));
    }
}
