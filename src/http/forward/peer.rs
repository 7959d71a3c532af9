//! The peer of a request, as far as its listener vouches for it.

/// The other end of the connection that a request came by. One byte, as every request has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Peer {
    /// The client, or a proxy that is not trusted.
    #[default]
    Client,
    /// The same, whose connection a PROXY header describes.
    Announced,
    /// The same, who came by TLS, as a PROXY header says.
    TlsClient,
    /// A trusted proxy: what it says of its client is kept, and said only where it is missing.
    Proxy,
    /// The same, that came by TLS, as a PROXY header says.
    TlsProxy,
}

impl Peer {
    /// The peer of a connection that a PROXY header describes, or that needs none.
    #[must_use]
    pub const fn new(is_trusted_proxy: bool, is_announced: bool, is_tls: bool) -> Self {
        match (is_trusted_proxy, is_tls) {
            (false, false) if is_announced => Self::Announced,
            (false, false) => Self::Client,
            (false, true) => Self::TlsClient,
            (true, false) => Self::Proxy,
            (true, true) => Self::TlsProxy,
        }
    }

    /// Returns whether its forwarding fields are believed.
    #[must_use]
    pub const fn is_trusted_proxy(self) -> bool {
        matches!(self, Self::Proxy | Self::TlsProxy)
    }

    /// Returns whether it came by TLS.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::TlsClient | Self::TlsProxy)
    }
}
