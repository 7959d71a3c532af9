//! Which rule decides, and what it remembers.

use super::schedule::Floor;
use super::tracking::{Memory, Tracking};
use super::{Counts, Decision, Sample};
use crate::fleet::time::Moment;
use std::time::Duration;

/// From one decision by mean load to the next: the interval at which loads are reported.
const MEAN_LOAD_EVERY: Duration = Duration::from_secs(5);

/// A policy of the specification.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Policy {
    /// As many as desired, or as an operator said last; never below a floor that applies.
    Fixed { floors: Vec<Floor> },
    /// One more while the mean load is at the threshold or above it, one fewer below it.
    ///
    /// It has no fixed point above `desired`: work that needs more than threshold x desired
    /// servers makes it grow and shrink for ever. It is there for fleets that were run by it.
    MeanLoad { threshold: f64, floors: Vec<Floor> },
    Tracking {
        settings: Tracking,
        floors: Vec<Floor>,
    },
}

impl Policy {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Fixed { floors } if floors.is_empty() => "fixed",
            Self::Fixed { .. } => "schedule",
            Self::MeanLoad { .. } => "mean-load",
            Self::Tracking { .. } => "tracking",
        }
    }

    fn floors(&self) -> &[Floor] {
        match self {
            Self::Fixed { floors }
            | Self::MeanLoad { floors, .. }
            | Self::Tracking { floors, .. } => floors,
        }
    }
}

/// A policy at work for one service.
#[derive(Clone, Debug)]
pub(crate) struct Scaler {
    policy: Policy,
    memory: Memory,
    loads: Vec<Option<f64>>,
    last: Option<Decision>,
    /// When mean load last decided, and how many were wanted then.
    decided: Option<(Moment, usize)>,
}

impl Scaler {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy,
            memory: Memory::default(),
            loads: Vec::new(),
            last: None,
            decided: None,
        }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Traffic that an lb has seen since its snapshot before.
    pub(crate) fn observe(&mut self, source: &str, at: Moment, sample: Sample) {
        self.memory.window.push(source, at, sample);
    }

    /// Loads from 0 to 1 of the servers that serve, `None` for those that nothing fresh is known
    /// of.
    pub(crate) fn observe_loads(&mut self, _at: Moment, loads: &[Option<f64>]) {
        self.loads.clear();
        self.loads.extend_from_slice(loads);
    }

    pub(crate) fn last(&self) -> Option<&Decision> {
        self.last.as_ref()
    }

    /// An operator has said how many.
    pub(crate) fn overrule(&mut self, now: Moment, want: usize, _counts: Counts) {
        self.memory.overrule(now, want);
    }

    /// How many are wanted now. Without `may_shrink` it is never fewer than before.
    pub(crate) fn decide(&mut self, now: Moment, counts: Counts, may_shrink: bool) -> Decision {
        let mut decision = match &self.policy {
            Policy::Fixed { .. } => Decision {
                want: counts.want,
                reasons: vec!["as desired".to_owned()],
            },
            Policy::MeanLoad { threshold, .. } => self.mean_load(now, counts, *threshold),
            Policy::Tracking { settings, .. } => {
                settings.decide(now, counts, &self.loads, &mut self.memory)
            }
        };
        let floors = self.policy.floors().iter();
        let floor = floors
            .filter(|floor| floor.applies(now))
            .map(|floor| floor.min)
            .max();
        if let Some(floor) = floor.filter(|floor| *floor > decision.want) {
            decision.want = floor;
            decision
                .reasons
                .push(format!("the schedule wants at least {floor} now"));
        } else if let (Policy::Fixed { floors }, None) = (&self.policy, floor)
            && !floors.is_empty()
            && decision.want != counts.desired
        {
            decision.want = counts.desired;
            decision
                .reasons
                .push("the schedule wants no more than desired now".to_owned());
        }
        if decision.want < counts.want && (!may_shrink || counts.is_rolling) {
            decision.want = counts.want;
            decision
                .reasons
                .push("fewer only without holds and rollouts".to_owned());
        }
        decision.want = counts.clamp(decision.want);
        self.last = Some(decision.clone());
        decision
    }

    /// The rule of existing fleets, in its order: launches pending, nothing; at the threshold and
    /// below the maximum, one more; below the threshold and above desired, one fewer; below
    /// desired, all that are missing.
    fn mean_load(&mut self, now: Moment, counts: Counts, threshold: f64) -> Decision {
        let keep = |why: String| Decision {
            want: counts.want,
            reasons: vec![why],
        };
        if counts.want < counts.desired {
            let why = format!("{} wanted and {} desired", counts.want, counts.desired);
            return Decision {
                want: counts.desired,
                reasons: vec![why],
            };
        }
        if counts.coming > 0 {
            return keep(format!("{} launches are pending", counts.coming));
        }
        if let (Some((at, before)), Some(last)) = (self.decided, &self.last)
            && now.since(at) < MEAN_LOAD_EVERY
        {
            // A decision stands until the next interval, followed or not.
            let want = if counts.want == before {
                last.want
            } else {
                counts.want
            };
            return Decision {
                want,
                reasons: last.reasons.clone(),
            };
        }
        let known: Vec<f64> = self.loads.iter().flatten().copied().collect();
        if known.is_empty() || counts.serving != counts.want {
            return keep("no load is known, or not all wanted servers serve".to_owned());
        }
        self.decided = Some((now, counts.want));
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        let silent = self.loads.len() - known.len();
        let mut reasons = vec![format!("mean load {mean:.3} of {} servers", known.len())];
        let want = if mean >= threshold && counts.want < counts.max {
            reasons.push(format!("at or above {threshold}: one more"));
            counts.want + 1
        } else if mean < threshold && counts.want > counts.desired && silent == 0 {
            reasons.push(format!(
                "below {threshold} and more than desired: one fewer"
            ));
            counts.want - 1
        } else {
            reasons.push("as many as now".to_owned());
            counts.want
        };
        Decision { want, reasons }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: Counts = Counts {
        serving: 4,
        coming: 0,
        want: 4,
        min: 2,
        desired: 3,
        max: 5,
        is_rolling: false,
    };

    fn mean_load(loads: &[Option<f64>], counts: Counts) -> usize {
        let mut scaler = Scaler::new(Policy::MeanLoad {
            threshold: 0.6,
            floors: Vec::new(),
        });
        scaler.observe_loads(Moment(0), loads);
        scaler.decide(Moment(100_000), counts, true).want
    }

    #[test]
    fn mean_load_follows_the_table_of_the_fleets_it_comes_from() {
        let of = |load| vec![Some(load); 4];
        assert_eq!(
            mean_load(&of(0.60), COUNTS),
            5,
            "at the threshold: one more"
        );
        assert_eq!(
            mean_load(&of(0.59), COUNTS),
            3,
            "below it and above desired: one fewer"
        );
        let at_desired = Counts {
            desired: 4,
            ..COUNTS
        };
        assert_eq!(mean_load(&of(0.59), at_desired), 4, "not below desired");
        let at_max = Counts { max: 4, ..COUNTS };
        assert_eq!(mean_load(&of(0.99), at_max), 4, "at max: nothing");
        let pending = Counts {
            coming: 1,
            ..COUNTS
        };
        assert_eq!(mean_load(&of(0.99), pending), 4, "launch pending: nothing");
        let below = Counts {
            serving: 1,
            want: 1,
            desired: 4,
            ..COUNTS
        };
        assert_eq!(
            mean_load(&[Some(0.0)], below),
            4,
            "below desired: all that are missing"
        );
    }

    #[test]
    fn a_load_of_zero_counts_and_a_missing_one_does_not() {
        let loads = [Some(0.0), Some(0.9), Some(0.9), Some(0.9)];
        assert_eq!(mean_load(&loads, COUNTS), 5);
        let loads = [None, Some(0.7), Some(0.7), Some(0.7)];
        assert_eq!(mean_load(&loads, COUNTS), 5, "0.7, not 0.525");
        let loads = [None, Some(0.1), Some(0.1), Some(0.1)];
        assert_eq!(mean_load(&loads, COUNTS), 4, "the silent one may be busy");
    }

    #[test]
    fn mean_load_waits_for_new_loads_after_each_step() {
        let mut scaler = Scaler::new(Policy::MeanLoad {
            threshold: 0.6,
            floors: Vec::new(),
        });
        scaler.observe_loads(Moment(0), &[Some(0.9); 4]);
        assert_eq!(scaler.decide(Moment(100_000), COUNTS, true).want, 5);
        let five = Counts {
            serving: 5,
            want: 5,
            max: 9,
            ..COUNTS
        };
        assert_eq!(scaler.decide(Moment(101_000), five, true).want, 5);
        scaler.observe_loads(Moment(0), &[Some(0.9); 5]);
        assert_eq!(scaler.decide(Moment(105_000), five, true).want, 6);
    }

    #[test]
    fn holds_and_rollouts_keep_the_want_from_falling() {
        let decide = |counts, may_shrink| {
            let mut scaler = Scaler::new(Policy::MeanLoad {
                threshold: 0.6,
                floors: Vec::new(),
            });
            scaler.observe_loads(Moment(0), &[Some(0.1); 4]);
            scaler.decide(Moment(100_000), counts, may_shrink).want
        };
        assert_eq!(decide(COUNTS, true), 3);
        assert_eq!(decide(COUNTS, false), 4);
        assert_eq!(
            decide(
                Counts {
                    is_rolling: true,
                    ..COUNTS
                },
                true
            ),
            4
        );
    }
}
