//! How far a handshake is, and what it has agreed on.

/// The version of TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// What a handshake has agreed on, as far as it has.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// `None`: not yet.
    pub version: Option<Version>,
    /// True if an earlier session was resumed.
    pub is_resumed: bool,
    /// The certificate that the peer has shown, in DER.
    pub peer_certificate: Option<&'a [u8]>,
}

impl Version {
    /// As it is written in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}

/// How far a handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// It waits for the peer.
    UnderWay,
    /// Both sides have finished it.
    Done,
}
