//! Sticky sessions: a cookie that brings a browser back to the backend it began with, on top of
//! any strategy.
//!
//! The value is a keyed hash (HMAC-SHA-256, RFC 2104) of the backend's name: it names no address,
//! cannot be made up without the secret, and stays good as long as name and secret do. Values are
//! computed once; a request costs one comparison a backend.

use super::BackendId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write as _;

/// Bytes of the hash that are used: 128 bits cannot be guessed.
const VALUE_BYTES: usize = 16;

/// Which cookie value stands for which backend.
#[derive(Debug)]
pub struct Sticky {
    cookie: String,
    /// For clients that came by http, and by https.
    attributes: [String; 2],
    /// Keyed with the secret, which it does not show.
    mac: Option<Hmac<Sha256>>,
    values: Vec<Binding>,
}

#[derive(Debug)]
struct Binding {
    backend: BackendId,
    value: String,
    /// The field lines that set the cookie for clients that came by http, and by https.
    lines: [Vec<u8>; 2],
}

/// For the whole site, out of reach of scripts, and not sent along from other sites.
const DEFAULT_ATTRIBUTES: &str = "Path=/; HttpOnly; SameSite=Lax";

impl Sticky {
    /// Binds each backend, named by its name, to a value of `cookie`.
    pub fn new<'a>(
        cookie: &str,
        secret: &[u8],
        backends: impl IntoIterator<Item = (BackendId, &'a str)>,
    ) -> Self {
        let mut sticky = Self {
            cookie: cookie.to_owned(),
            attributes: [DEFAULT_ATTRIBUTES, DEFAULT_ATTRIBUTES].map(str::to_owned),
            // A key of any length is taken; there is nothing to fail.
            mac: Hmac::new_from_slice(secret).ok(),
            values: Vec::new(),
        };
        for (backend, name) in backends {
            sticky.bind(backend, name);
        }
        sticky
    }

    /// The same with other attributes of the cookie: for clients that came by http, and by https.
    #[must_use]
    pub fn with_attributes(mut self, attributes: [String; 2]) -> Self {
        for binding in &mut self.values {
            binding.lines = cookie_lines(&self.cookie, &binding.value, &attributes);
        }
        self.attributes = attributes;
        self
    }

    /// Binds a backend that was added to the value of its name.
    pub fn bind(&mut self, backend: BackendId, name: &str) {
        let value = self.mac.as_ref().map(|mac| keyed_hash(mac, name));
        let value = value.unwrap_or_default();
        let lines = cookie_lines(&self.cookie, &value, &self.attributes);
        self.values.push(Binding {
            backend,
            value,
            lines,
        });
    }

    /// Forgets a backend that was removed.
    pub fn unbind(&mut self, backend: BackendId) {
        self.values.retain(|binding| binding.backend != backend);
    }

    /// The name of the cookie.
    #[must_use]
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// The backend a value stands for; `None` if the value is not ours.
    #[must_use]
    pub fn backend(&self, value: &[u8]) -> Option<BackendId> {
        let found = self.values.iter().find(|b| b.value.as_bytes() == value);
        found.map(|binding| binding.backend)
    }

    /// The field line that binds a browser, which came by https or not, to a backend; its CRLF
    /// included.
    #[must_use]
    pub fn line(&self, backend: BackendId, is_https: bool) -> &[u8] {
        let found = self.values.iter().find(|b| b.backend == backend);
        let [http, https] = match found {
            Some(binding) => &binding.lines,
            None => return b"",
        };
        if is_https { https } else { http }
    }
}

fn cookie_lines(cookie: &str, value: &str, attributes: &[String; 2]) -> [Vec<u8>; 2] {
    let line = |attributes| format!("Set-Cookie: {cookie}={value}; {attributes}\r\n");
    attributes.each_ref().map(|it| line(it).into_bytes())
}

fn keyed_hash(mac: &Hmac<Sha256>, name: &str) -> String {
    let mut mac = mac.clone();
    mac.update(name.as_bytes());
    let mut text = String::new();
    for byte in mac.finalize().into_bytes().iter().take(VALUE_BYTES) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: BackendId = BackendId::new(0, 0);
    const B: BackendId = BackendId::new(1, 0);

    fn value(sticky: &Sticky, backend: BackendId) -> Vec<u8> {
        let line = String::from_utf8(sticky.line(backend, false).to_vec()).unwrap();
        let rest = line.strip_prefix("Set-Cookie: lb=").unwrap();
        rest.split(';').next().unwrap().as_bytes().to_vec()
    }

    #[test]
    fn a_value_leads_back_and_survives_a_change_of_the_pool() {
        let before = Sticky::new("lb", b"secret", [(A, "a:1"), (B, "b:1")]);
        let after = Sticky::new("lb", b"secret", [(A, "b:1")]);
        assert_eq!(before.backend(&value(&before, B)), Some(B));
        assert_eq!(after.backend(&value(&before, B)), Some(A));
        assert_eq!(after.backend(&value(&before, A)), None);
    }

    #[test]
    fn a_backend_that_comes_has_a_value_and_one_that_goes_has_none() {
        let whole = Sticky::new("lb", b"secret", [(A, "a:1"), (B, "b:1")]);
        let mut changed = Sticky::new("lb", b"secret", [(A, "a:1")])
            .with_attributes(["Path=/x", "Path=/x; Secure"].map(str::to_owned));
        changed.bind(B, "b:1");
        assert_eq!(value(&changed, B), value(&whole, B));
        assert!(changed.line(B, false).ends_with(b"; Path=/x\r\n"));
        assert!(changed.line(B, true).ends_with(b"; Path=/x; Secure\r\n"));
        changed.unbind(A);
        assert_eq!(changed.backend(&value(&whole, A)), None);
        assert_eq!(changed.line(A, false), b"");
        assert!(!format!("{changed:?}").contains("secret"));
    }

    #[test]
    fn a_value_names_nothing_and_cannot_be_made_up() {
        let ours = Sticky::new("lb", b"secret", [(A, "10.0.0.7:80")]);
        let theirs = Sticky::new("lb", b"guess", [(A, "10.0.0.7:80")]);
        let made = value(&ours, A);
        assert_eq!(made.len(), 32);
        assert!(made.iter().all(u8::is_ascii_hexdigit));
        assert_eq!(ours.backend(&value(&theirs, A)), None);
        assert_eq!(ours.backend(b""), None);
    }

    #[test]
    fn known_value() {
        // HMAC-SHA-256, key "Jefe" (RFC 4231, section 4.3), cut to 16 bytes.
        assert_eq!(
            keyed_hash(
                &Hmac::new_from_slice(b"Jefe").unwrap(),
                "what do ya want for nothing?"
            ),
            "5bdcc146bf60754e6a042426089575c7"
        );
    }
}
