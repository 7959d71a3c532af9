//! Owns refusals: a code for programs and a sentence for people. Knows nothing of formats or
//! connections; the codecs write a refusal down, the session decides if the connection goes on.

use std::borrow::Cow;
use std::fmt;

/// Why a request is refused. The names are part of the protocol: see `PROTOCOL.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The first frame is no announcement.
    Announcement,
    /// The frame is no message of the announced format, or a field is missing or of a wrong type.
    Malformed,
    /// A pickle that names or calls something, or a type that is not carried.
    Unsupported,
    /// A topic with an empty segment, a control character, too many segments or bytes.
    Topic,
    /// A frame or a value over its limit.
    TooLarge,
    /// No token, or one that is not known.
    Unauthorized,
    /// The token gives no right to this topic.
    Forbidden,
    /// Cancels a subscription that does not exist.
    NotSubscribed,
    /// The topic has no last value.
    NoValue,
    /// A limit is reached: connections, subscriptions, topics, retained bytes, a reply longer than
    /// the queue, publications that wait to be stored.
    Limit,
    /// The last value could not be written to the data directory.
    Storage,
    /// The consumer does not read what it is sent.
    Overflow,
    /// No announcement, no whole frame, or no sign of life in time.
    Timeout,
    /// The broker stops.
    Stopping,
}

impl Code {
    /// All of them, in the order of the protocol's page.
    pub const ALL: [Self; 14] = [
        Self::Announcement,
        Self::Malformed,
        Self::Unsupported,
        Self::Topic,
        Self::TooLarge,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotSubscribed,
        Self::NoValue,
        Self::Limit,
        Self::Storage,
        Self::Overflow,
        Self::Timeout,
        Self::Stopping,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Announcement => "announcement",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::Topic => "topic",
            Self::TooLarge => "too-large",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotSubscribed => "not-subscribed",
            Self::NoValue => "no-value",
            Self::Limit => "limit",
            Self::Storage => "storage",
            Self::Overflow => "overflow",
            Self::Timeout => "timeout",
            Self::Stopping => "stopping",
        }
    }
}

/// A refused request: `code` for programs, `text` for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind.
    pub code: Code,
    /// One sentence without a full stop.
    pub text: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with its sentence.
    #[must_use]
    pub fn new(code: Code, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    /// [`Code::Malformed`], the refusal that decoders give most.
    #[must_use]
    pub fn malformed(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Malformed, text)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.text)
    }
}

impl std::error::Error for Refusal {}
