//! Faults of a server, and their times.
//!
//! A [`Fault`] is a kind of misbehaviour over a span of time, perhaps again and again. What all
//! faults of a server make of it at one instant is its [`Condition`]; the engine asks for the
//! next instant at which that can change and never in between.

use crate::time::Timestamp;
use serde::Deserialize;

/// One kind of misbehaviour and its times.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Notation")]
pub struct Fault {
    /// The kind of fault.
    pub kind: FaultKind,
    /// Its beginning. Seconds.
    pub from_s: f64,
    /// Its end; infinity is never. Seconds.
    pub until_s: f64,
    /// If given, it comes again after so long. Seconds.
    pub every_s: Option<f64>,
    /// Duration each time it comes. Seconds.
    pub for_s: f64,
}

/// Kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultKind {
    /// Everything takes `factor` times as long.
    Slow {
        /// Factor on the service time.
        factor: f64,
    },
    /// As slow at first, then steadily less until it is healed: cold caches.
    Warming {
        /// Factor on the service time at first.
        factor: f64,
    },
    /// Requests are taken and not worked on: a hang, or with `every_s` a stall.
    Hang,
    /// Requests get an error at once.
    Fail {
        /// Their share, 0 to 1.
        rate: f64,
        /// After how long. Milliseconds.
        after_ms: f64,
    },
    /// Connections are refused: the server is down, or with `every_s` it flaps.
    Refuse,
}

/// A fault as it is written. One flat table refuses misspelled keys, which nested ones cannot.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Notation {
    kind: String,
    factor: Option<f64>,
    rate: Option<f64>,
    after_ms: Option<f64>,
    from_s: Option<f64>,
    until_s: Option<f64>,
    every_s: Option<f64>,
    for_s: Option<f64>,
}

impl TryFrom<Notation> for Fault {
    type Error = String;

    fn try_from(it: Notation) -> Result<Self, String> {
        let kind = match (it.kind.as_str(), it.factor, it.rate) {
            ("slow", Some(factor), None) => FaultKind::Slow { factor },
            ("warming", Some(factor), None) => FaultKind::Warming { factor },
            ("slow" | "warming", _, _) => return Err(format!("{} has a factor", it.kind)),
            ("fail", None, rate) => FaultKind::Fail {
                rate: rate.unwrap_or(1.0),
                after_ms: it.after_ms.unwrap_or(1.0),
            },
            ("hang", None, None) => FaultKind::Hang,
            ("refuse", None, None) => FaultKind::Refuse,
            ("fail" | "hang" | "refuse", _, _) => {
                return Err(format!("{} has no such number", it.kind));
            }
            _ => return Err("kinds are slow, warming, hang, fail, refuse".to_owned()),
        };
        Ok(Self {
            kind,
            from_s: it.from_s.unwrap_or(0.0),
            until_s: it.until_s.unwrap_or(f64::INFINITY),
            every_s: it.every_s,
            for_s: it.for_s.unwrap_or(0.0),
        })
    }
}

/// Steps in which a server warms up.
const WARMING_STEPS: f64 = 16.0;

/// The condition of a server at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Condition {
    /// The rest of its speed, 0 to 1.
    pub(super) pace: f64,
    /// The share of requests to which it responds with an error, and after how long. Seconds.
    pub(super) fail_rate: f64,
    pub(super) fail_after_s: f64,
    /// True if it refuses connections.
    pub(super) refuses: bool,
}

impl Condition {
    const WELL: Self = Self {
        pace: 1.0,
        fail_rate: 0.0,
        fail_after_s: 0.0,
        refuses: false,
    };

    /// Returns the condition of a server with these `faults` at `now`.
    pub(super) fn at(faults: &[Fault], now: Timestamp) -> Self {
        let now_s = seconds(now);
        let active = faults.iter().filter(|fault| fault.is_active(now_s));
        active.fold(Self::WELL, |condition, fault| {
            fault.worsen(condition, now_s)
        })
    }
}

/// Returns when the condition of a server changes next, if it ever does.
pub(super) fn next_change(faults: &[Fault], now: Timestamp) -> Option<Timestamp> {
    let now_s = seconds(now);
    let times = faults.iter().flat_map(|fault| fault.edges(now_s));
    let next = times.filter(|time| *time > now_s && time.is_finite());
    let next_s = next.min_by(f64::total_cmp)?;
    // Rounded up, so that the change has happened when the clock shows the time.
    Some(Timestamp::from_nanos((next_s * 1e9).ceil() as u64 + 1))
}

fn seconds(time: Timestamp) -> f64 {
    time.as_nanos() as f64 * 1e-9
}

impl Fault {
    fn is_active(&self, now_s: f64) -> bool {
        let phase = self
            .every_s
            .is_none_or(|every_s| (now_s - self.from_s) % every_s < self.for_s);
        now_s >= self.from_s && now_s < self.until_s && phase
    }

    /// The next times at which it can change, some of which may be past.
    fn edges(&self, now_s: f64) -> [f64; 5] {
        let none = f64::INFINITY;
        let [mut begins, mut ends, mut step] = [none; 3];
        if let Some(every_s) = self.every_s {
            let nth = ((now_s - self.from_s) / every_s).floor().max(0.0);
            let begun = self.from_s + nth * every_s;
            begins = begun + every_s;
            ends = begun + self.for_s;
        }
        if matches!(self.kind, FaultKind::Warming { .. }) && now_s >= self.from_s {
            let length = (self.until_s - self.from_s) / WARMING_STEPS;
            step = self.from_s + (((now_s - self.from_s) / length).floor() + 1.0) * length;
        }
        [self.from_s, self.until_s, begins, ends, step].map(|edge| {
            // Beyond its end nothing changes any more.
            if edge > self.until_s { none } else { edge }
        })
    }

    fn worsen(&self, condition: Condition, now_s: f64) -> Condition {
        match self.kind {
            FaultKind::Slow { factor } => Condition {
                pace: condition.pace / factor,
                ..condition
            },
            FaultKind::Warming { factor } => {
                let warm = (now_s - self.from_s) / (self.until_s - self.from_s);
                let factor = factor + (1.0 - factor) * warm;
                Condition {
                    pace: condition.pace / factor,
                    ..condition
                }
            }
            FaultKind::Hang => Condition {
                pace: 0.0,
                ..condition
            },
            FaultKind::Fail { rate, after_ms } => Condition {
                fail_rate: rate,
                fail_after_s: after_ms * 1e-3,
                ..condition
            },
            FaultKind::Refuse => Condition {
                refuses: true,
                ..condition
            },
        }
    }

    pub(super) fn is_valid(&self) -> bool {
        let times = self.from_s >= 0.0 && self.until_s > self.from_s;
        let repeats = self
            .every_s
            .is_none_or(|every_s| every_s > self.for_s && self.for_s > 0.0);
        let kind = match self.kind {
            FaultKind::Slow { factor } => factor.is_finite() && factor >= 1.0,
            FaultKind::Warming { factor } => {
                factor.is_finite() && factor >= 1.0 && self.until_s.is_finite()
            }
            FaultKind::Fail { rate, after_ms } => {
                (0.0..=1.0).contains(&rate) && after_ms >= 0.0 && after_ms.is_finite()
            }
            FaultKind::Hang | FaultKind::Refuse => true,
        };
        times && repeats && kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn fault(kind: FaultKind) -> Fault {
        Fault {
            kind,
            from_s: 10.0,
            until_s: 20.0,
            every_s: None,
            for_s: 0.0,
        }
    }

    #[test]
    fn a_fault_begins_and_is_healed() {
        let faults = [fault(FaultKind::Slow { factor: 4.0 })];
        let pace = |seconds| Condition::at(&faults, at(seconds)).pace;
        assert_eq!([9, 10, 19, 20].map(pace), [1.0, 0.25, 0.25, 1.0]);
        assert_eq!(Condition::at(&faults, at(20)), Condition::WELL);
        let first = next_change(&faults, at(0)).unwrap();
        assert!(first >= at(10) && first < at(11));
        let second = next_change(&faults, first).unwrap();
        assert!(second >= at(20) && second < at(21));
        assert_eq!(next_change(&faults, second), None);
    }

    #[test]
    fn a_stall_comes_again_until_it_is_healed() {
        let faults = [Fault {
            every_s: Some(3.0),
            for_s: 1.0,
            ..fault(FaultKind::Hang)
        }];
        let mut now = Timestamp::ZERO;
        let mut seen = Vec::new();
        while let Some(next) = next_change(&faults, now) {
            now = next;
            seen.push((
                now.as_nanos() / 1_000_000_000,
                Condition::at(&faults, now).pace,
            ));
        }
        let expected = [
            (10, 0.0),
            (11, 1.0),
            (13, 0.0),
            (14, 1.0),
            (16, 0.0),
            (17, 1.0),
        ];
        assert_eq!(seen.get(..6), Some(&expected[..]));
        assert_eq!(seen.last(), Some(&(20, 1.0)));
    }

    #[test]
    fn warming_up_is_done_in_steps() {
        let faults = [fault(FaultKind::Warming { factor: 5.0 })];
        let mut now = Timestamp::ZERO;
        let mut paces = vec![];
        while let Some(next) = next_change(&faults, now) {
            now = next;
            paces.push(Condition::at(&faults, now).pace);
        }
        assert_eq!(paces.len(), 17, "{paces:?}");
        assert!(paces.is_sorted(), "{paces:?}");
        assert!((paces[0] - 0.2).abs() < 1e-6 && paces[16] == 1.0);
    }

    #[test]
    fn faults_add_up() {
        let faults = [
            fault(FaultKind::Slow { factor: 2.0 }),
            fault(FaultKind::Slow { factor: 3.0 }),
            fault(FaultKind::Refuse),
        ];
        let condition = Condition::at(&faults, at(15));
        assert!((condition.pace - 1.0 / 6.0).abs() < 1e-12);
        assert!(condition.refuses);
    }
}
