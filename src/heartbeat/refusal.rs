//! Reasons for refusing a heartbeat, and their counts.
//!
//! Everything that comes in and is not used is counted under exactly one of these words.

use std::fmt::{self, Display, Formatter};

/// The reason for refusing a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HeartbeatRefusal {
    /// It is no heartbeat, or cut off, or has a value that none can have.
    Malformed,
    /// It is of another version of the protocol.
    Version,
    /// It has no tag, though a key was given.
    Untagged,
    /// It was signed with another key, or changed on its way.
    WrongTag,
    /// It was sent more than a minute ago, or from now, by our wall clock: it was recorded, or one
    /// of the clocks is wrong.
    Clock,
    /// It is for none of the backends, or could be for several.
    UnknownBackend,
    /// There are as many connections for heartbeats as there may be.
    Connections,
}

impl HeartbeatRefusal {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Malformed,
        Self::Version,
        Self::Untagged,
        Self::WrongTag,
        Self::Clock,
        Self::UnknownBackend,
        Self::Connections,
    ];

    /// Returns the reason in one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::Untagged => "unsigned",
            Self::WrongTag => "wrong_key",
            Self::Clock => "clock",
            Self::UnknownBackend => "unknown_backend",
            Self::Connections => "connections",
        }
    }

    /// Returns the reason in a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Malformed => "not a heartbeat",
            Self::Version => "another version of the protocol",
            Self::Untagged => "without a tag; the sender needs --key",
            Self::WrongTag => "signed with another key",
            Self::Clock => "sent a minute or more from now; compare the clocks",
            Self::UnknownBackend => "for no backend, or for more than one",
            Self::Connections => "too many connections",
        }
    }
}

impl Display for HeartbeatRefusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// Counts of heartbeats by their fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeartbeatCounts {
    /// Taken.
    pub taken: u64,
    /// Not newer than the last one that was taken: a repetition, a straggler or a recording.
    pub stale: u64,
    /// Refused, by the order of [`HeartbeatRefusal::ALL`].
    pub(crate) refused: [u64; HeartbeatRefusal::ALL.len()],
}

impl HeartbeatCounts {
    /// Returns how often this was the reason to refuse one.
    #[must_use]
    pub fn of(&self, refusal: HeartbeatRefusal) -> u64 {
        self.refused.get(refusal as usize).copied().unwrap_or(0)
    }

    /// Returns how many were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.iter().sum()
    }

    /// One more was refused. Returns how many that makes of this kind.
    pub fn refuse(&mut self, refusal: HeartbeatRefusal) -> u64 {
        let count = self.refused.get_mut(refusal as usize);
        count.map_or(0, |count| {
            *count += 1;
            *count
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_counted_on_its_own() {
        let mut counts = HeartbeatCounts::default();
        for (nth, refusal) in HeartbeatRefusal::ALL.into_iter().enumerate() {
            for _ in 0..=nth {
                counts.refuse(refusal);
            }
        }
        for (nth, refusal) in HeartbeatRefusal::ALL.into_iter().enumerate() {
            assert_eq!(counts.of(refusal), nth as u64 + 1, "{refusal}");
        }
        assert_eq!(counts.refused(), 28);
    }
}
