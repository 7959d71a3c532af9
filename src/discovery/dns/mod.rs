//! Names of the DNS, looked up again as long as lb runs.
//!
//! A stub resolver (RFC 1034, section 5.3.1): it asks recursive servers and follows nothing itself.
//! [`Names`] owns what is known of each name and when it is looked up again; [`Resolver`] owns the
//! questions that are under way. Both are pure: datagrams and `now` come in, [`Act`]s come out.
//!
//! Invariant: a name that once had addresses has addresses, whatever servers say or do not say,
//! until the hold time is over.

mod conf;
mod hosts;
mod lookup;
mod names;
mod resolver;
mod wire;

pub(crate) use conf::ResolverConf;
pub(crate) use hosts::Hosts;
pub(crate) use names::{Name, NameEvent, Names, Service};
pub(crate) use resolver::{Act, QueryId, Resolver};

#[cfg(test)]
mod tests;
