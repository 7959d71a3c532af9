//! Discovery: backends that are not written in the configuration but found while lb runs, in a
//! file or by the names of the DNS.
//!
//! Owns what a file says, what is wanted of each pool, and the difference to what the pool has.
//! Pure: texts, answers and `now` come in, [`Change`]s come out. Files, sockets and the balancer
//! are its caller's.
//!
//! Invariant: what cannot be read, or is not answered, changes nothing. Backends of others (flags,
//! the operator, the sets of programs) are never touched.

mod backends_file;
mod dns;
mod event;
mod membership;

pub(crate) use backends_file::{FileBackend, read_backends};
pub(crate) use dns::{
    Act, Hosts, Name, NameEvent, Names, QueryId, Resolver, ResolverConf, Service,
};
pub use event::DiscoveryEvent;
pub(crate) use membership::{Change, Membership, Outcome, Wanted};
