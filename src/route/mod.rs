//! Routes: which pool, redirect or response a request is led to, by host, path, method, header
//! fields and the client's address.
//!
//! Owns how requests are compared with patterns; knows neither pools nor sockets. A route belongs
//! to one listener.
//!
//! Of the routes that fit a request, the most specific is taken: an exact host goes before
//! `*.suffix`, a longer suffix before a shorter one, any host comes last; then an exact path goes
//! before a prefix, and a longer prefix before a shorter one. Of those that are alike in both, the
//! first in the file whose conditions are met is taken. If none of them is, the next less specific
//! path is tried, then the next less specific host.

mod names;
mod normal;
mod policy;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod words;

pub use normal::{Ambiguous, Host, host as normal_host, path as normal_path};
pub use policy::{
    Access, Authentication, BACKEND, BasicAuth, ConcurrencyLimit, Cors, Credentials, ErrorPage,
    FieldEdits, Origins, PathRewrite, Placed, Policy, RateKey, RateLimit, RateLimiter,
    RouteTimeouts, Slot, Verdict, VerificationJob, VerificationQueue, fill_in,
};
pub use table::{MAX_DEPTH, RouteTable};
pub use target::{
    FixedResponse, Redirect, Rejection, Split, SplitCookie, Target, Template, VARIABLES, Variable,
};

use crate::address::Network;
use std::net::IpAddr;

/// What a route fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    /// The host that is asked.
    pub host: HostPattern,
    /// The path that is asked.
    pub path: PathPattern,
    /// What else must hold.
    pub conditions: Conditions,
}

/// Hosts, in their [normal form](normal_host).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This host.
    Exact(Box<[u8]>),
    /// Every host that ends in a dot and this, at any depth.
    Suffix(Box<[u8]>),
    /// Every host, and none.
    #[default]
    Any,
}

/// Paths, in their [normal form](normal_path).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// This path.
    Exact(Box<[u8]>),
    /// This path and all below it: `/a` fits `/a`, `/a/` and `/a/b`, but not `/ab`.
    Prefix(Box<[u8]>),
}

impl Default for PathPattern {
    /// Every path.
    fn default() -> Self {
        Self::Prefix((*b"/").into())
    }
}

/// What must hold of a request besides host and path: all of it. Empty lists hold for every
/// request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// It has one of these methods.
    pub methods: Vec<Box<[u8]>>,
    /// It has each of these fields.
    pub headers: Vec<HeaderCondition>,
    /// Its client is in one of these networks.
    pub clients: Vec<Network>,
}

/// A header field that must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderCondition {
    /// Its name, in any case.
    pub name: Box<[u8]>,
    /// The value it must have; `None`: any.
    pub value: Option<Box<[u8]>>,
}

/// A request, as far as routes look at it.
pub trait Request {
    /// The host, in its normal form.
    fn host(&self) -> &Host<'_>;
    /// The path, in its normal form.
    fn path(&self) -> &[u8];
    /// The method.
    fn method(&self) -> &[u8];
    /// The value of the first field of this name.
    fn field(&self, name: &[u8]) -> Option<&[u8]>;
    /// The client's address; `None` if it has none.
    fn client(&self) -> Option<IpAddr>;
}

impl Conditions {
    /// Whether all conditions are met.
    pub fn are_met(&self, request: &impl Request) -> bool {
        let methods = self.methods.iter().map(Box::as_ref);
        let is_there = |condition: &HeaderCondition| {
            let field = request.field(&condition.name);
            field.is_some_and(|value| condition.value.as_deref().is_none_or(|own| own == value))
        };
        let is_client = |network: &Network| request.client().is_some_and(|ip| network.contains(ip));
        (self.methods.is_empty() || methods.into_iter().any(|method| method == request.method()))
            && self.headers.iter().all(is_there)
            && (self.clients.is_empty() || self.clients.iter().any(is_client))
    }
}
