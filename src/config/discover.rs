//! What the names of backends stand for.

use super::choice::choose;
use super::{ConfigError, Host};
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// What the name of a host among the backends stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Discover {
    /// One backend, at the first of its addresses that can be connected to.
    #[default]
    FirstAddress,
    /// A backend at each of its addresses.
    AllAddresses,
}

impl Discover {
    /// Every meaning.
    pub const ALL: [Self; 2] = [Self::FirstAddress, Self::AllAddresses];

    /// The word for it, as in `--discover WORD`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstAddress => "first-address",
            Self::AllAddresses => "all-addresses",
        }
    }
}

impl FromStr for Discover {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        choose(
            text,
            "meaning of a name",
            &Self::ALL.map(|it| (it, it.name())),
        )
    }
}

/// The name of a service, whose SRV records (RFC 2782) say where its servers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceName(String);

impl FromStr for ServiceName {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text.parse() {
            Ok(Host::Name(name)) => Ok(Self(name)),
            Ok(Host::Ip(_)) | Err(_) => {
                let remedy = "write it without a port, as in _http._tcp.example.com";
                Err(ConfigError::new("not the name of a service", remedy).with_value(text))
            }
        }
    }
}

impl Display for ServiceName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_a_name_without_a_port() {
        let name: ServiceName = "_HTTP._tcp.Web.example".parse().unwrap();
        assert_eq!(name.to_string(), "_http._tcp.web.example");
        for text in ["web.example:80", "10.0.0.1", "", "a b"] {
            let refusal = text.parse::<ServiceName>().unwrap_err().to_string();
            assert_eq!(
                refusal,
                format!(
                    "'{text}': not the name of a service; \
                     write it without a port, as in _http._tcp.example.com"
                )
            );
        }
    }
}
