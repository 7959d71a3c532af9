//! Log lines about heartbeats, besides state changes of backends, and their rate.
//!
//! However much comes in, the lines are few: a backend's first heartbeat is one; a reason to refuse
//! is one a minute, with its count since; an unknown backend is one for each name, for the first
//! [`MAX_UNKNOWN`] names. [`HeartbeatCounts`] has everything.

use super::refusal::{HeartbeatCounts, HeartbeatRefusal};
use crate::address::ClientAddress;
use crate::time::Timestamp;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// Unknown backends that are logged.
pub const MAX_UNKNOWN: usize = 32;
/// From one line about a reason to refuse to the next.
const PAUSE: Duration = Duration::from_secs(60);

/// Something people should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeartbeatEvent {
    /// A backend is watched by its heartbeats from now on.
    First {
        /// The configured name of the backend.
        backend: String,
        /// The name of the sender.
        name: String,
        /// From one heartbeat to the next.
        interval: Duration,
    },
    /// Heartbeats were refused.
    Refused {
        /// The reason.
        refusal: HeartbeatRefusal,
        /// Number of refusals for that reason since the last event.
        count: u64,
        /// Source of the last one.
        from: ClientAddress,
        /// Which backend it was for, if that is what is wrong with it.
        backend: Option<String>,
    },
}

impl Display for HeartbeatEvent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::First {
                backend,
                name,
                interval,
            } => {
                let seconds = interval.as_secs_f64();
                write!(
                    f,
                    "{backend} sends heartbeats, as {name}, every {seconds} s"
                )
            }
            Self::Refused {
                refusal,
                count,
                from,
                backend,
            } => {
                write!(f, "heartbeat from {from} refused: {refusal}")?;
                if let Some(backend) = backend {
                    write!(f, ": {backend}")?;
                }
                match count {
                    0 | 1 => Ok(()),
                    more => write!(f, " ({more} since the last line)"),
                }
            }
        }
    }
}

/// Counts of refusals, and the part that was logged.
#[derive(Debug, Default)]
pub struct RefusalLog {
    /// By the order of [`HeartbeatRefusal::ALL`].
    pauses: [PauseOf; HeartbeatRefusal::ALL.len()],
    unknown: Vec<String>,
}

/// The pause after a line about one reason.
#[derive(Debug, Default)]
struct PauseOf {
    ends_at: Timestamp,
    /// The count at the last line.
    told: u64,
}

impl RefusalLog {
    /// A heartbeat was refused. Counts it, and returns the event for the log, if there is to be
    /// one.
    pub fn refuse(
        &mut self,
        counts: &mut HeartbeatCounts,
        refusal: HeartbeatRefusal,
        from: ClientAddress,
        backend: Option<String>,
        now: Timestamp,
    ) -> Option<HeartbeatEvent> {
        let counted = counts.refuse(refusal);
        let count = match &backend {
            Some(name) => self.is_new(name).then_some(1)?,
            None => {
                let pause = self.pauses.get_mut(refusal as usize);
                let pause = pause.filter(|pause| now >= pause.ends_at)?;
                pause.ends_at = now + PAUSE;
                counted - std::mem::replace(&mut pause.told, counted)
            }
        };
        Some(HeartbeatEvent::Refused {
            refusal,
            count,
            from,
            backend,
        })
    }

    fn is_new(&mut self, unknown: &str) -> bool {
        let is_new = self.unknown.len() < MAX_UNKNOWN && !self.unknown.iter().any(|u| u == unknown);
        if is_new {
            self.unknown.push(unknown.to_owned());
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn reason_is_logged_once_a_minute_with_its_count() {
        let (mut complaints, mut counts) = (RefusalLog::default(), HeartbeatCounts::default());
        let mut told = Vec::new();
        for second in 0..150 {
            let refusal = HeartbeatRefusal::WrongTag;
            let notice =
                complaints.refuse(&mut counts, refusal, ClientAddress::Unix, None, at(second));
            told.extend(notice.map(|notice| notice.to_string()));
        }
        assert_eq!(
            told,
            [
                "heartbeat from unix: refused: signed with another key",
                "heartbeat from unix: refused: signed with another key (60 since the last line)",
                "heartbeat from unix: refused: signed with another key (60 since the last line)",
            ]
        );
        assert_eq!(counts.of(HeartbeatRefusal::WrongTag), 150);
    }

    #[test]
    fn unknown_backend_is_logged_once_up_to_a_limit() {
        let (mut complaints, mut counts) = (RefusalLog::default(), HeartbeatCounts::default());
        let mut told = 0;
        for nth in 0..100 {
            for _ in 0..2 {
                let name = Some(format!("b{nth}:1"));
                let from = ClientAddress::Unix;
                let refusal = HeartbeatRefusal::UnknownBackend;
                let notice = complaints.refuse(&mut counts, refusal, from, name, at(nth));
                told += usize::from(notice.is_some());
            }
        }
        assert_eq!(told, MAX_UNKNOWN);
        assert_eq!(counts.of(HeartbeatRefusal::UnknownBackend), 200);
    }
}
