//! Names and numbers of things, each a type of its own.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub(crate) struct $name(String);

        impl $name {
            pub(crate) fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            #[allow(dead_code, reason = "not every name is read as text")]
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// Identity of this fleet, made once with its database: tells its units from another fleet's.
    FleetId
}
name! {
    /// A service of the specification.
    ServiceName
}
name! {
    /// A pool of lb.
    PoolName
}
name! {
    /// One lb, by the address of its admin API.
    LbName
}
name! {
    /// Names one incarnation of a server at its provider. A launch is idempotent by it.
    Token
}
name! {
    /// The provider's own name for a unit.
    Handle
}
name! {
    /// Digest of a service's template: servers with another one are of an old version.
    TemplateId
}

/// A slot of a service, kept over its incarnations. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ServerId(pub(crate) u64);

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of a leadership; a higher one wins at every lb and agent.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub(crate) struct Term(pub(crate) u64);

/// Number of a set within its pool; grows with each change of the set.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub(crate) struct Revision(pub(crate) u64);

impl Token {
    /// The token of an incarnation: the same again after a crash between planning and launching.
    pub(crate) fn of(
        fleet: &FleetId,
        service: &ServiceName,
        server: ServerId,
        incarnation: u32,
    ) -> Self {
        Self(format!("{fleet}-{service}-{server}-{incarnation}"))
    }

    /// The slot and incarnation that a token of this fleet names.
    pub(crate) fn parse(&self, fleet: &FleetId) -> Option<(ServiceName, ServerId, u32)> {
        let rest = self.0.strip_prefix(fleet.as_str())?.strip_prefix('-')?;
        let (rest, incarnation) = rest.rsplit_once('-')?;
        let (service, server) = rest.rsplit_once('-')?;
        let server = ServerId(server.parse().ok()?);
        Some((ServiceName::new(service), server, incarnation.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_fleet_service_slot_and_incarnation() {
        let fleet = FleetId::new("f00d42");
        let service = ServiceName::new("web-api");
        let token = Token::of(&fleet, &service, ServerId(7), 3);
        assert_eq!(token.as_str(), "f00d42-web-api-7-3");
        assert_eq!(token.parse(&fleet), Some((service, ServerId(7), 3)));
        assert_eq!(token.parse(&FleetId::new("beef")), None);
        assert_eq!(Token::new("f00d42-x").parse(&fleet), None);
    }
}
