//! Instants as values.
//!
//! Owns the type; the shell's clock makes them, so that the rules can be run a day in a second.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Milliseconds since 1970 by a clock that was set once, at the start of the process, and then
/// only ran forward: deadlines outlive a restart, and no step of the wall clock fires them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    /// Time from `earlier` to here; nothing if that was later.
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    pub(crate) fn plus(self, span: Duration) -> Moment {
        Moment(self.0.saturating_add(millis(span)))
    }

    pub(crate) fn minus(self, span: Duration) -> Moment {
        Moment(self.0.saturating_sub(millis(span)))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// An observation and the moment at which it was asked for.
///
/// An observation asked for before the act it is about proves nothing, and an old one proves
/// little, so the value is only reached through one of the two questions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen<T> {
    value: T,
    asked_at: Moment,
}

impl<T> Seen<T> {
    pub(crate) fn new(value: T, asked_at: Moment) -> Self {
        Self { value, asked_at }
    }

    pub(crate) fn asked_at(&self) -> Moment {
        self.asked_at
    }

    /// The value, unless it is older than `limit`.
    pub(crate) fn fresh(&self, now: Moment, limit: Duration) -> Option<&T> {
        (now.since(self.asked_at) <= limit).then_some(&self.value)
    }

    /// The value, if it was asked for after `moment`.
    pub(crate) fn after(&self, moment: Moment) -> Option<&T> {
        (self.asked_at > moment).then_some(&self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_proves_nothing_about_what_came_later() {
        let seen = Seen::new("absent", Moment(1_000));
        assert_eq!(seen.after(Moment(999)), Some(&"absent"));
        assert_eq!(seen.after(Moment(1_000)), None);
        assert_eq!(
            seen.fresh(Moment(4_000), Duration::from_secs(3)),
            Some(&"absent")
        );
        assert_eq!(seen.fresh(Moment(4_001), Duration::from_secs(3)), None);
    }

    #[test]
    fn moments_do_not_wrap() {
        assert_eq!(Moment(5).since(Moment(9)), Duration::ZERO);
        assert_eq!(Moment(5).minus(Duration::from_secs(1)), Moment(0));
        assert_eq!(Moment(5).plus(Duration::MAX), Moment(u64::MAX));
    }
}
