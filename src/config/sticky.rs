//! The cookie by which clients are bound to backends.

use super::choice::choose;
use super::{ConfigError, ConfigErrorKind};
use crate::syntax::is_token;
use std::str::FromStr;
use std::time::Duration;

/// The shortest secret: 128 bits, if its bytes are random.
const MIN_SECRET_BYTES: usize = 16;

/// A cookie that binds clients to backends.
#[derive(Clone, PartialEq, Eq)]
pub struct StickyCookie {
    name: String,
    secret: Option<Vec<u8>>,
    attributes: CookieAttributes,
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
            attributes: CookieAttributes::default(),
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

    /// The same cookie with these attributes.
    ///
    /// # Errors
    /// `SameSite=None` without `Secure`, which browsers drop.
    pub fn with_attributes(mut self, attributes: CookieAttributes) -> Result<Self, ConfigError> {
        if attributes.same_site == SameSite::None && attributes.secure != SecureAttribute::On {
            let remedy = "add --sticky-secure on, or use lax";
            return Err(ConfigError::new("browsers drop such a cookie", remedy)
                .with_kind(ConfigErrorKind::Conflict)
                .with_flag("--sticky-same-site")
                .with_value("none"));
        }
        self.attributes = attributes;
        Ok(self)
    }

    /// The attributes of the cookie.
    #[must_use]
    pub const fn attributes(&self) -> &CookieAttributes {
        &self.attributes
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

/// Attributes of a cookie (RFC 6265, section 4.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CookieAttributes {
    /// `Secure`.
    pub secure: SecureAttribute,
    /// `SameSite`.
    pub same_site: SameSite,
    /// `Max-Age`, in whole seconds; `None`: until the browser is closed.
    pub max_age: Option<Duration>,
}

/// Condition for the attribute `Secure`: return by https alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecureAttribute {
    /// If the client came by https.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Policy for requests that other sites cause (RFC 6265bis, section 4.1.2.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// Only when the user follows a link.
    #[default]
    Lax,
    /// No.
    Strict,
    /// Yes.
    None,
}

impl CookieAttributes {
    /// Returns the attributes after the value in `Set-Cookie`, for a client that came by https or
    /// not.
    #[must_use]
    pub fn text(&self, is_https: bool) -> String {
        let secure = match self.secure {
            SecureAttribute::On => true,
            SecureAttribute::Off => false,
            SecureAttribute::Auto => is_https,
        };
        let mut text = "Path=/; HttpOnly".to_owned();
        text.push_str(if secure { "; Secure" } else { "" });
        text.push_str(match self.same_site {
            SameSite::Lax => "; SameSite=Lax",
            SameSite::Strict => "; SameSite=Strict",
            SameSite::None => "; SameSite=None",
        });
        if let Some(max_age) = self.max_age {
            text.push_str(&format!("; Max-Age={}", max_age.as_secs()));
        }
        text
    }
}

impl SecureAttribute {
    const ALL: [(Self, &str); 3] = [(Self::Auto, "auto"), (Self::On, "on"), (Self::Off, "off")];

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

impl SameSite {
    const ALL: [(Self, &str); 3] = [
        (Self::Lax, "lax"),
        (Self::Strict, "strict"),
        (Self::None, "none"),
    ];

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lax => "lax",
            Self::Strict => "strict",
            Self::None => "none",
        }
    }
}

impl FromStr for SecureAttribute {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        choose(text, "setting", &Self::ALL)
    }
}

impl FromStr for SameSite {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        choose(text, "setting", &Self::ALL)
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
    fn attributes_follow_the_settings() {
        let defaults = CookieAttributes::default();
        assert_eq!(defaults.text(false), "Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(
            defaults.text(true),
            "Path=/; HttpOnly; Secure; SameSite=Lax"
        );
        let embedded = CookieAttributes {
            secure: SecureAttribute::On,
            same_site: SameSite::None,
            max_age: Some(Duration::from_secs(60)),
        };
        let text = "Path=/; HttpOnly; Secure; SameSite=None; Max-Age=60";
        assert_eq!(embedded.text(false), text);
        let off = CookieAttributes {
            secure: SecureAttribute::Off,
            ..embedded
        };
        assert!(!off.text(true).contains("Secure"));
        let cookie = StickyCookie::new("lb").unwrap();
        assert!(cookie.clone().with_attributes(embedded).is_ok());
        assert_eq!(
            cookie.with_attributes(off).unwrap_err().to_string(),
            "--sticky-same-site 'none': browsers drop such a cookie; \
             add --sticky-secure on, or use lax"
        );
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
