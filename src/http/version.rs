//! The versions of HTTP/1.

/// The minor version of a message; the major version is always 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0: no persistence unless requested, no chunks, `Host` optional.
    Http10,
    /// HTTP/1.1.
    Http11,
}
