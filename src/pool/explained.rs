//! Why a backend would be picked now, or would not: the strategy's rating and the pool's own word.
//!
//! For people. It looks and changes nothing, and no pick pays for it.

use super::backend::Backend;
use super::members::Members;
use super::{Cause, State};
use crate::strategy::{Candidate, Rating};
use crate::time::Timestamp;

/// A backend as the pool and its strategy see it at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The strategy's rating.
    pub rating: Rating,
    /// Exchanges in flight there.
    pub in_flight: u32,
    /// Why it may not be picked, or gets less than its share: in words.
    pub note: Option<String>,
}

/// Explains each backend of a `rating`, in its order.
pub(super) fn explain(members: &Members, ratings: Vec<Rating>, now: Timestamp) -> Vec<Explained> {
    let explained = ratings.into_iter().filter_map(|rating| {
        let candidate = members.candidate(rating.backend)?;
        let backend = members.backend(rating.backend)?;
        Some(Explained {
            rating,
            in_flight: candidate.in_flight,
            note: note(candidate, backend, now),
        })
    });
    explained.collect()
}

fn note(candidate: &Candidate, backend: &Backend, now: Timestamp) -> Option<String> {
    let cause = backend.history.changed.map(|(_, cause)| cause);
    let because = |word: &str| match cause {
        Some(cause) => format!("{word}: {cause}"),
        None => word.to_owned(),
    };
    let note = match backend.state {
        State::Ejected { until, .. } if until == Timestamp::NEVER => {
            let what = match cause {
                Some(Cause::HeartbeatsMissing { .. } | Cause::ProcessDead) => "its heartbeats",
                Some(Cause::Operator) => "the operator",
                _ => "its health checks",
            };
            format!("{}; out until {what} bring it back", because("ejected"))
        }
        State::Ejected { until, .. } => {
            let left = until.since(now).as_secs_f64();
            format!("{}; tried again in {left:.1} s", because("ejected"))
        }
        State::Draining => because("draining, gets nothing new"),
        State::Disabled => because("disabled, gets nothing"),
        State::Removed => "removed".to_owned(),
        State::Probation { trial: true, .. } => {
            "on trial: one request is under way there, and decides".to_owned()
        }
        State::Probation { trial: false, .. } => "on trial: the next request goes there".to_owned(),
        _ if candidate.full => {
            let (count, max) = (candidate.in_flight, backend.max_in_flight);
            format!("full: {count} of {max} in flight")
        }
        State::SlowStart { until, .. } => {
            let left = until.since(now).as_secs_f64();
            format!("slow start: its share grows for {left:.1} s more")
        }
        State::Initial | State::Healthy => return None,
    };
    Some(note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Backends;
    use crate::strategy::LeastConnections;

    #[test]
    fn a_note_says_why_a_backend_is_not_picked() {
        let names = ["a", "b", "c", "d"].map(|name| (name.to_owned(), 1));
        let strategy = LeastConnections::ENTRY.spec().build(1);
        let mut pool = Backends::new(names, strategy, 1);
        let now = Timestamp::ZERO;
        let [a, b, c, _] = ["a", "b", "c", "d"].map(|name| pool.find(name).unwrap());
        pool.disable(a, now);
        pool.set_max_in_flight(b, 1);
        let mut leases = Vec::new();
        while pool.candidates()[b.slot()].in_flight == 0 {
            leases.push(pool.pick(0, &[], now).unwrap());
        }
        pool.disable(c, now);
        pool.undrain(c, now);
        let notes: Vec<_> = pool
            .explain_candidates(0, now)
            .into_iter()
            .map(|it| it.note)
            .collect();
        assert_eq!(
            notes[0].as_deref(),
            Some("disabled, gets nothing: by the operator")
        );
        assert_eq!(notes[1].as_deref(), Some("full: 1 of 1 in flight"));
        assert_eq!(
            notes[2].as_deref(),
            Some("on trial: the next request goes there")
        );
        assert_eq!(notes[3], None);
    }
}
