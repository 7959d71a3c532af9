//! TLS 1.3 and 1.2 (RFC 8446, RFC 5246) over a [`Transport`](crate::transport::Transport).
//!
//! The protocol is rustls's, with ring's cryptography. This module owns what surrounds it:
//!
//! ```text
//! Layer     plain or TLS, what connections hold      Server        settings of a listener
//! TlsStream the contract of a transport              Certificate   files, checked
//! Session   records in, content and records out      store         which one a client is shown
//! Vault     memory shared by a loop's connections
//! ```
//!
//! rustls asks the system for random bytes, and its clock for the age of tickets and certificates:
//! neither decides what is done with a byte that has arrived. Refused: the buffered interface of
//! rustls, by which an idle connection holds 4 KB more; aws-lc-rs instead of ring, which signs RSA in
//! two thirds of the time and takes minutes to build.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod certificate;
#[cfg(feature = "tls")]
mod der;
mod facts;
mod layer;
mod load_error;
#[cfg(feature = "tls")]
mod server;
#[cfg(feature = "tls")]
mod session;
mod spec;
#[cfg(feature = "tls")]
mod store;
#[cfg(feature = "tls")]
mod stream;
// Two conditions, not one of both: the lints know a test by the bare one.
#[cfg(test)]
#[cfg(feature = "tls")]
mod tests;
#[cfg_attr(
    not(feature = "tls"),
    expect(dead_code, reason = "no connection needs it then")
)]
mod vault;

#[cfg(not(feature = "tls"))]
pub use absent::{Certificate, Server, Session, SetupError, TlsStream};
#[cfg(feature = "tls")]
pub use certificate::Certificate;
pub use facts::{Facts, Handshake, Version};
pub use layer::Layer;
pub use load_error::{FileRole, LoadError};
#[cfg(feature = "tls")]
pub use server::{Server, SetupError};
#[cfg(feature = "tls")]
pub use session::Session;
pub use spec::ServerSpec;
#[cfg(feature = "tls")]
pub use stream::TlsStream;
pub use vault::Vault;

/// The cryptography that is used.
#[cfg(feature = "tls")]
fn provider() -> std::sync::Arc<rustls::crypto::CryptoProvider> {
    use std::sync::{Arc, OnceLock};
    static PROVIDER: OnceLock<Arc<rustls::crypto::CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}
