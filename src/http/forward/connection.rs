//! The `Connection` field of a message that is sent.

/// The `Connection` field of a message that is sent on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConnectionOption {
    /// Nothing: an HTTP/1.1 connection persists.
    #[default]
    Implied,
    /// `Connection: close`: this is the last message on it.
    Close,
    /// `Connection: keep-alive`: it persists although the client speaks HTTP/1.0.
    KeepAlive,
    /// `Connection: Upgrade`: the `Upgrade` field is passed on and meant.
    Upgrade,
}

impl ConnectionOption {
    /// The field line.
    pub(in crate::http) const fn line(self) -> &'static [u8] {
        match self {
            Self::Implied => b"",
            Self::Close => b"Connection: close\r\n",
            Self::KeepAlive => b"Connection: keep-alive\r\n",
            Self::Upgrade => b"Connection: Upgrade\r\n",
        }
    }
}
