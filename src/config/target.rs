//! Targets of `lb ping` and `lb monitor`, in the user's notation.
//!
//! Owns the notation of machines and services, and the kind of check of each. Resolves nothing.

use super::health::is_target;
use super::{BackendAddress, ConfigError, Host, HttpCheckSettings};
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// A machine or a service that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    name: String,
    question: Question,
}

/// A kind of check, and its destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// An echo of a machine.
    Ping(Host),
    /// A connection to a service.
    Tcp(BackendAddress),
    /// A page of a service.
    Http(BackendAddress, HttpCheckSettings),
}

/// A service: `HOST:PORT`, `unix:PATH`, or a page of it: `http://HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSpec {
    text: String,
    address: BackendAddress,
    /// The page, if the user wrote a URL.
    pub path: Option<String>,
}

impl Target {
    /// A machine, for echo requests.
    #[must_use]
    pub fn machine(host: Host) -> Self {
        Self {
            name: host.to_string(),
            question: Question::Ping(host),
        }
    }

    /// A service, for connections or for requests of a page: the one in its URL, else that of
    /// `http`.
    #[must_use]
    pub fn service(service: ServiceSpec, http: Option<HttpCheckSettings>) -> Self {
        let ServiceSpec {
            text,
            address,
            path,
        } = service;
        let question = match (path, http) {
            (None, None) => Question::Tcp(address),
            (None, Some(http)) => Question::Http(address, http),
            (Some(path), http) => {
                let expected = http.unwrap_or_default();
                Question::Http(address, HttpCheckSettings { path, ..expected })
            }
        };
        Self {
            name: text,
            question,
        }
    }

    /// Returns the name in the user's notation.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the kind of check and its destination.
    #[must_use]
    pub const fn question(&self) -> &Question {
        &self.question
    }
}

impl FromStr for ServiceSpec {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let (address, path) = match text.split_once("://") {
            None => (text.parse()?, None),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
                let (address, path) = url(rest).map_err(|invalid| invalid.with_value(text))?;
                (address, Some(path))
            }
            Some(_) => {
                let remedy = "write HOST:PORT, unix:PATH or http://HOST:PORT/PATH";
                return Err(ConfigError::new("only http:// is known", remedy).with_value(text));
            }
        };
        let name = match path {
            Some(_) => text.to_owned(),
            None => address.to_string(),
        };
        Ok(Self {
            text: name,
            address,
            path,
        })
    }
}

impl Display for ServiceSpec {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Parses the part after `http://`.
fn url(rest: &str) -> Result<(BackendAddress, String), ConfigError> {
    // A fragment is for the client alone (RFC 9110, section 4.2.5); a query needs no path.
    let rest = rest.split('#').next().unwrap_or(rest);
    let (authority, target) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at_checked(at).unwrap_or((rest, "")),
        None => (rest, ""),
    };
    let path = match target.strip_prefix('/') {
        Some(_) => target.to_owned(),
        None => format!("/{target}"),
    };
    if !is_target(&path) {
        return Err(ConfigError::new(
            "not the path of a page",
            "write it as in http://HOST:PORT/ping",
        ));
    }
    let after_brackets = authority.rsplit(']').next().unwrap_or(authority);
    let address = match after_brackets.contains(':') {
        true => authority.parse()?,
        false => format!("{authority}:80").parse()?,
    };
    Ok((BackendAddress::Tcp(address), path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(text: &str) -> (String, Option<String>) {
        let spec: ServiceSpec = text.parse().unwrap();
        (spec.address.to_string(), spec.path)
    }

    fn refused(text: &str) -> String {
        text.parse::<ServiceSpec>().unwrap_err().to_string()
    }

    #[test]
    fn services_are_addresses_or_urls() {
        for (text, address, path) in [
            ("5000", "127.0.0.1:5000", None),
            ("a.example:80", "a.example:80", None),
            ("unix:/run/a", "unix:/run/a", None),
            ("http://a.example", "a.example:80", Some("/")),
            ("HTTP://[::1]/x?y=z", "[::1]:80", Some("/x?y=z")),
            ("http://[::1]:81/", "[::1]:81", Some("/")),
            ("http://a/app#/x", "a:80", Some("/app")),
            ("http://a:81#top", "a:81", Some("/")),
            ("http://a/x?y=/z#/?", "a:80", Some("/x?y=/z")),
            ("http://a?y=z", "a:80", Some("/?y=z")),
            ("http://10.0.0.1:8080/ping", "10.0.0.1:8080", Some("/ping")),
        ] {
            let expected = (address.to_owned(), path.map(str::to_owned));
            assert_eq!(service(text), expected, "{text}");
        }
    }

    #[test]
    fn invalid_target_is_refused_with_a_remedy() {
        assert_eq!(
            refused("https://a.example/"),
            "'https://a.example/': only http:// is known; \
             write HOST:PORT, unix:PATH or http://HOST:PORT/PATH"
        );
        assert_eq!(
            refused("http://a:1/b c"),
            "'http://a:1/b c': not the path of a page; write it as in http://HOST:PORT/ping"
        );
        for text in ["", "a", "http://", "http:///x", "http://u@h/", "http://5/"] {
            assert!(refused(text).contains("; "), "{text}");
        }
    }

    #[test]
    fn the_url_decides_the_page_and_the_flags_the_rest() {
        let expect = HttpCheckSettings {
            path: "/other".to_owned(),
            expect_status: 204,
            expect_body: None,
        };
        let question = |text: &str| {
            let target = Target::service(text.parse().unwrap(), Some(expect.clone()));
            match target.question {
                Question::Http(_, check) => (check.path, check.expect_status),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(question("http://a/x"), ("/x".to_owned(), 204));
        assert_eq!(question("a:80"), ("/other".to_owned(), 204));
        let plain = Target::service("80".parse().unwrap(), None);
        assert!(matches!(plain.question(), Question::Tcp(_)));
        assert_eq!(plain.name(), "127.0.0.1:80");
    }
}
