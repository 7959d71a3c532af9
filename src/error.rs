//! Everything that can go wrong with one exchange, as one value.
//!
//! A [`Fault`] decides four things: the [`Side`] to blame, whether another backend may be tried,
//! the status of the local reply, and the word in the log. One place keeps them consistent.

use std::io;

/// The side to blame for a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Side {
    /// The client, or the network between it and us.
    Client,
    /// The backend, or the network between it and us.
    Backend,
    /// The balancer itself: its limits, its state.
    Balancer,
}

/// The reason why an exchange did not end with a complete response of the backend delivered to the
/// client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The request was refused before a backend was chosen.
    Refused(Refusal),
    /// The client closed or reset its connection before the exchange was over.
    ClientGone,
    /// The client stopped sending its request body, or stopped reading the response.
    ClientTimeout,
    /// No backend may be picked.
    NoBackend,
    /// The strategy named a backend that does not exist or may not be picked.
    InvalidPick,
    /// Every backend is at its limit, and so is the queue.
    QueueFull,
    /// Every backend was at its limit for as long as a request may wait.
    QueueTimeout,
    /// The backend refused the connection, or the network said it cannot be reached.
    ConnectFailed,
    /// The connection was not established in time.
    ConnectTimeout,
    /// The backend closed or reset the connection before its response was complete.
    BackendGone,
    /// The backend's response cannot be trusted.
    BadResponse,
    /// The backend did not respond, or stopped sending, in time.
    BackendTimeout,
    /// The balancer is at its limit of connections or descriptors.
    Overloaded,
    /// The balancer was stopped before the exchange was over.
    ShuttingDown,
}

/// The reason why a request is refused before a backend is picked. The sections are of RFC 9112 by
/// default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The request line or a header line is not well-formed (sections 2.2, 3, 5).
    BadSyntax,
    /// A line ends with a bare LF, or CR appears without LF (section 2.2).
    BadLineEnd,
    /// `Host` is missing, repeated or malformed (section 3.2).
    BadHost,
    /// `Content-Length` is not one number, or comes with `Transfer-Encoding` (section 6.3).
    BadContentLength,
    /// `Transfer-Encoding` is not exactly one final `chunked` (section 6.1).
    BadTransferEncoding,
    /// A chunk of the body is malformed (section 7.1).
    BadChunk,
    /// A transfer coding that is not implemented (section 6.1).
    UnknownTransferCoding,
    /// The client speaks HTTP/2 (with prior knowledge) or HTTP/0.9 on this port.
    NotHttp1,
    /// A major version other than 1 (RFC 9110, section 15.6.6).
    UnsupportedVersion,
    /// The request target is longer than the limit (section 3).
    TargetTooLong,
    /// The header block has too many bytes or too many fields (RFC 6585, section 5).
    HeadTooLarge,
    /// The request head did not arrive in time (RFC 9110, section 15.5.9).
    HeadTimeout,
    /// An expectation other than `100-continue` (RFC 9110, section 10.1.1).
    ExpectationFailed,
    /// The PROXY header that the listener requires is missing, late or malformed
    /// (`proxy-protocol.txt`, section 2). The client is unknown, so there is no response.
    BadProxyHeader,
    /// The TLS handshake failed, or was not over in time (RFC 8446, section 6.2). The client has an
    /// alert, and no response.
    TlsFailed,
    /// The request has come through this balancer before (RFC 5842, section 7.2; RFC 8586).
    Loop,
    /// `CONNECT` is not served here (RFC 9110, section 9.3.6).
    ConnectMethod,
    /// The host or path can be read in more than one way, so no route can be chosen (RFC 3986,
    /// section 7.3).
    AmbiguousTarget,
    /// The route does not allow this client (RFC 9110, section 15.5.4).
    Denied,
    /// The route asks for credentials, and there are none, or wrong ones (RFC 9110, section 15.5.2).
    Unauthorized,
    /// Too many credentials wait to be verified.
    AuthBusy,
    /// The body is longer than the route allows (RFC 9110, section 15.5.14).
    BodyTooLarge,
    /// The client sends more requests than the route allows in a time (RFC 6585, section 4).
    RateLimited,
    /// As many requests as the route allows at once are under way.
    RouteFull,
    /// The route rejects every request.
    Rejected,
}

impl Refusal {
    /// The status that tells the client what it did wrong.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadSyntax
            | Self::BadLineEnd
            | Self::BadHost
            | Self::BadContentLength
            | Self::BadTransferEncoding
            | Self::BadChunk
            | Self::NotHttp1
            | Self::AmbiguousTarget
            | Self::BadProxyHeader
            | Self::TlsFailed => 400,
            Self::Unauthorized => 401,
            Self::Denied | Self::Rejected => 403,
            Self::ConnectMethod => 405,
            Self::HeadTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::ExpectationFailed => 417,
            Self::RateLimited => 429,
            Self::HeadTooLarge => 431,
            Self::UnknownTransferCoding => 501,
            Self::RouteFull | Self::AuthBusy => 503,
            Self::UnsupportedVersion => 505,
            Self::Loop => 508,
        }
    }

    /// One word for logs and counters.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::BadSyntax => "bad_syntax",
            Self::BadLineEnd => "bad_line_end",
            Self::BadHost => "bad_host",
            Self::BadContentLength => "bad_content_length",
            Self::BadTransferEncoding => "bad_transfer_encoding",
            Self::BadChunk => "bad_chunk",
            Self::UnknownTransferCoding => "unknown_transfer_coding",
            Self::NotHttp1 => "not_http1",
            Self::UnsupportedVersion => "unsupported_version",
            Self::TargetTooLong => "target_too_long",
            Self::HeadTooLarge => "head_too_large",
            Self::HeadTimeout => "head_timeout",
            Self::ExpectationFailed => "expectation_failed",
            Self::BadProxyHeader => "bad_proxy_header",
            Self::TlsFailed => "tls_failed",
            Self::ConnectMethod => "connect_method",
            Self::AmbiguousTarget => "ambiguous_target",
            Self::Loop => "loop",
            Self::Denied => "denied",
            Self::Unauthorized => "unauthorized",
            Self::AuthBusy => "auth_busy",
            Self::BodyTooLarge => "body_too_large",
            Self::RateLimited => "rate_limited",
            Self::RouteFull => "route_full",
            Self::Rejected => "rejected",
        }
    }
}

impl Fault {
    /// The side to blame.
    #[must_use]
    pub const fn side(self) -> Side {
        match self {
            Self::Refused(_) | Self::ClientGone | Self::ClientTimeout => Side::Client,
            Self::ConnectFailed
            | Self::ConnectTimeout
            | Self::BackendGone
            | Self::BadResponse
            | Self::BackendTimeout => Side::Backend,
            Self::NoBackend
            | Self::InvalidPick
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::Overloaded
            | Self::ShuttingDown => Side::Balancer,
        }
    }

    /// The status of the local reply, if nothing of a response has been sent yet. `None`: no client
    /// is left to reply to.
    #[must_use]
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::ClientGone
            | Self::Refused(Refusal::BadProxyHeader | Refusal::TlsFailed | Refusal::Rejected) => {
                None
            }
            Self::Refused(refusal) => Some(refusal.status()),
            Self::ClientTimeout => Some(408),
            Self::BackendGone | Self::BadResponse => Some(502),
            Self::NoBackend
            | Self::InvalidPick
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::ConnectFailed
            | Self::Overloaded
            | Self::ShuttingDown => Some(503),
            Self::ConnectTimeout | Self::BackendTimeout => Some(504),
        }
    }

    /// One word for logs and counters.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.word(),
            Self::ClientGone => "client_gone",
            Self::ClientTimeout => "client_timeout",
            Self::NoBackend => "no_backend",
            Self::InvalidPick => "invalid_pick",
            Self::QueueFull => "queue_full",
            Self::QueueTimeout => "queue_timeout",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::BackendGone => "backend_gone",
            Self::BadResponse => "bad_response",
            Self::BackendTimeout => "backend_timeout",
            Self::Overloaded => "overloaded",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

/// Returns whether an error of opening a connection says that the peer accepts no further one at
/// this moment: the backlog of a UNIX socket is full.
pub(crate) fn is_without_room(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Returns whether an error of opening a connection says that all local ports for that address are
/// taken.
pub(crate) fn is_out_of_ports(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

/// Returns whether an error of opening a connection says that this process or machine has no room
/// for one, and so nothing of the peer.
pub(crate) fn is_local_shortage(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    error.kind() == io::ErrorKind::OutOfMemory
        || is_out_of_ports(error)
        || matches!(error.raw_os_error(), Some(ENFILE | EMFILE | ENOBUFS))
}
