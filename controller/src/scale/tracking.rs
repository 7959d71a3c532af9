//! The default policy: as many servers as the work that arrives needs.
//!
//! The work R is arrivals a second times busy seconds per response, over the concurrency of one
//! server: the number of servers that would be busy without a pause. It does not saturate, so one
//! decision is enough where rules over a utilisation, which ends at 1, need several. Beyond it come
//! servers for what varies: the square-root staffing of Halfin and Whitt (1981).

use super::window::{LENGTH, Window};
use super::{Counts, Decision};
use crate::fleet::time::Moment;
use std::collections::VecDeque;
use std::time::Duration;

/// Busiest that a server should be on average.
const UTILISATION: f64 = 0.85;
/// Servers beyond the work, in square roots of it.
const STAFFING: f64 = 0.85;
/// Short means that count at once, in seconds.
const SHORT: [u64; 3] = [5, 10, 20];
/// By how many standard deviations of its own noise a short mean must stand out.
const SIGMAS: f64 = 4.0;
/// Backlog, in seconds of work of the whole service, that is not worth a server.
const BACKLOG: f64 = 5.0;
/// Seconds within which a longer one is to be worked off.
const WORK_OFF: f64 = 30.0;
/// The want does not fall below its greatest value within this time.
const STABLE: Duration = Duration::from_secs(300);
/// Responses that a measured service time must rest on.
const ENOUGH: f64 = 20.0;
/// Samples older than this say nothing.
const FRESH: Duration = Duration::from_secs(4);

/// Settings of the policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tracking {
    /// Requests that a server works on at the same time.
    pub(crate) concurrency: f64,
    /// Busy seconds of a response; `None`: measured.
    pub(crate) service_seconds: Option<f64>,
}

/// What the policy remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub(super) window: Window,
    /// Greatest recent wants, each greater than all after it.
    greatest: VecDeque<(Moment, usize)>,
    service_seconds: Option<f64>,
}

impl Memory {
    /// An operator's word counts as a want that was just computed, and ends those before it.
    pub(super) fn overrule(&mut self, now: Moment, want: usize) {
        self.greatest.clear();
        self.greatest.push_back((now, want));
    }

    fn greatest(&mut self, now: Moment, want: usize) -> usize {
        while self
            .greatest
            .back()
            .is_some_and(|(_, before)| *before <= want)
        {
            self.greatest.pop_back();
        }
        self.greatest.push_back((now, want));
        while self
            .greatest
            .front()
            .is_some_and(|(at, _)| now.since(*at) > STABLE)
        {
            self.greatest.pop_front();
        }
        self.greatest.front().map_or(want, |(_, want)| *want)
    }
}

impl Tracking {
    pub(super) fn decide(
        &self,
        now: Moment,
        counts: Counts,
        loads: &[Option<f64>],
        memory: &mut Memory,
    ) -> Decision {
        let mut reasons = Vec::new();
        let work = match self.work(now, counts, memory, &mut reasons) {
            Some(work) => work,
            None if memory.window.last().is_none() => match work_by_loads(loads, counts) {
                Some(work) => {
                    reasons.push(format!("load of {} servers: {work:.2}", loads.len()));
                    work
                }
                None => return keep(counts, "no load and no traffic is known"),
            },
            None => return keep(counts, "traffic is not known freshly enough"),
        };
        let staffed = (work / UTILISATION).max(work + STAFFING * work.sqrt());
        let needed = counts.clamp((staffed - 1e-9).ceil() as usize);
        reasons.push(format!(
            "max({work:.2} / {UTILISATION}, {work:.2} + {STAFFING} x sqrt) = {staffed:.2} servers"
        ));
        let most = (counts.want * 2).max(counts.want + 4);
        let growing = needed.min(most);
        if growing < needed {
            reasons.push(format!("at most {most} in one step"));
        }
        let want = memory.greatest(now, growing);
        if want > growing {
            reasons.push(format!("{want} was wanted within {} s", STABLE.as_secs()));
        }
        Decision { want, reasons }
    }

    /// The work that arrives, in servers.
    fn work(
        &self,
        now: Moment,
        counts: Counts,
        memory: &mut Memory,
        reasons: &mut Vec<String>,
    ) -> Option<f64> {
        let window = &memory.window;
        if now.since(window.last()?) > FRESH {
            return None;
        }
        let (responses, response_seconds, busy_seconds) = window.work();
        if responses >= ENOUGH {
            // A server that works on one request at a time is busy for just as long as that takes;
            // for others the duration of a response is what is known.
            let measured = if self.concurrency <= 1.0 {
                busy_seconds
            } else {
                response_seconds
            } / responses;
            memory.service_seconds = Some(measured);
        }
        let seconds = self.service_seconds.or(memory.service_seconds)?;
        let (rate, over) = rate(&memory.window, now)?;
        let work = rate * seconds / self.concurrency;
        reasons.push(format!(
            "{rate:.1} requests/s over {over:.0} s x {seconds:.4} s / {} = {work:.2}",
            self.concurrency
        ));
        let backlog = memory.window.queued(now) * seconds / self.concurrency;
        if backlog > BACKLOG * counts.serving.max(1) as f64 {
            let more = backlog / WORK_OFF;
            reasons.push(format!("backlog of {backlog:.1} s adds {more:.2}"));
            return Some(work + more);
        }
        Some(work)
    }
}

/// The rate of the last minute, or a shorter one that its own noise does not explain.
fn rate(window: &Window, now: Moment) -> Option<(f64, f64)> {
    let (long, over) = window.rate(now, LENGTH)?;
    let mut best = (long, over);
    for seconds in SHORT {
        let Some((short, over)) = window.rate(now, Duration::from_secs(seconds)) else {
            continue;
        };
        // Arrivals in a span are Poisson: their deviation is the root of their number.
        let noise = (long.max(1.0) / over).sqrt();
        if short > long + SIGMAS * noise && short > best.0 {
            best = (short, over);
        }
    }
    Some(best)
}

/// Work by what agents report: the sum, not the mean, of their loads. A server that says nothing
/// counts as idle for growing and as busy for shrinking.
fn work_by_loads(loads: &[Option<f64>], counts: Counts) -> Option<f64> {
    if loads.iter().all(Option::is_none) {
        return None;
    }
    let known: f64 = loads.iter().flatten().sum();
    let unknown = loads.iter().filter(|load| load.is_none()).count() as f64;
    let grows = |work: f64| (work / UTILISATION).ceil() as usize > counts.want;
    Some(if grows(known) { known } else { known + unknown })
}

fn keep(counts: Counts, why: &str) -> Decision {
    Decision {
        want: counts.clamp(counts.want),
        reasons: vec![why.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sample;
    use super::*;

    const COUNTS: Counts = Counts {
        serving: 4,
        coming: 0,
        want: 4,
        min: 1,
        desired: 4,
        max: 40,
        is_rolling: false,
    };

    fn with_traffic(rate: f64, seconds: u64, queued: f64) -> (Memory, Moment) {
        let mut memory = Memory::default();
        for second in 1..=seconds {
            memory.window.push(
                "lb",
                Moment(second * 1_000),
                Sample {
                    span: Duration::from_secs(1),
                    arrivals: rate,
                    responses: rate,
                    response_seconds: rate * 0.1,
                    busy_seconds: rate * 0.1,
                    queued,
                },
            );
        }
        (memory, Moment(seconds * 1_000))
    }

    const TRACKING: Tracking = Tracking {
        concurrency: 1.0,
        service_seconds: None,
    };

    #[test]
    fn staffs_the_work_by_the_square_root() {
        for (rate, want) in [(10.0, 2), (40.0, 6), (100.0, 13), (300.0, 36)] {
            let (mut memory, now) = with_traffic(rate, 60, 0.0);
            let counts = Counts { want: 36, ..COUNTS };
            let decision = TRACKING.decide(now, counts, &[], &mut memory);
            assert_eq!(decision.want, want, "{rate}: {decision:?}");
        }
    }

    #[test]
    fn a_step_shows_within_five_seconds() {
        let (mut memory, now) = with_traffic(20.0, 60, 0.0);
        let before = TRACKING.decide(now, COUNTS, &[], &mut memory).want;
        for second in 61..=65 {
            let sample = Sample {
                span: Duration::from_secs(1),
                arrivals: 60.0,
                responses: 20.0,
                response_seconds: 2.0,
                busy_seconds: 2.0,
                queued: 0.0,
            };
            memory.window.push("lb", Moment(second * 1_000), sample);
        }
        let after = TRACKING.decide(Moment(65_000), COUNTS, &[], &mut memory);
        assert!(before <= 4 && after.want >= 8, "{before} {after:?}");
    }

    #[test]
    fn grows_at_most_twofold_or_by_four() {
        let (mut memory, now) = with_traffic(300.0, 60, 0.0);
        assert_eq!(TRACKING.decide(now, COUNTS, &[], &mut memory).want, 8);
        let one = Counts { want: 1, ..COUNTS };
        let (mut memory, now) = with_traffic(300.0, 60, 0.0);
        assert_eq!(TRACKING.decide(now, one, &[], &mut memory).want, 5);
    }

    #[test]
    fn falls_only_after_five_minutes() {
        let (mut memory, _) = with_traffic(1.0, 60, 0.0);
        memory.overrule(Moment(60_000), 9);
        let mut wants = Vec::new();
        for second in 61..=400_u64 {
            let sample = Sample {
                span: Duration::from_secs(1),
                arrivals: 1.0,
                responses: 1.0,
                response_seconds: 0.1,
                busy_seconds: 0.1,
                queued: 0.0,
            };
            memory.window.push("lb", Moment(second * 1_000), sample);
            let counts = Counts { want: 9, ..COUNTS };
            wants.push(
                TRACKING
                    .decide(Moment(second * 1_000), counts, &[], &mut memory)
                    .want,
            );
        }
        assert_eq!(wants.iter().filter(|want| **want == 9).count(), 300);
        assert_eq!(wants.last(), Some(&1));
    }

    #[test]
    fn a_long_backlog_adds_servers() {
        let (mut memory, now) = with_traffic(20.0, 60, 0.0);
        let without = TRACKING.decide(now, COUNTS, &[], &mut memory).want;
        let (mut memory, now) = with_traffic(20.0, 60, 900.0);
        let with = TRACKING.decide(now, COUNTS, &[], &mut memory).want;
        assert!(with >= without + 3, "{with} {without}");
    }

    #[test]
    fn without_news_nothing_changes() {
        let (mut memory, now) = with_traffic(300.0, 60, 0.0);
        let late = now.plus(Duration::from_secs(10));
        assert_eq!(
            TRACKING.decide(late, COUNTS, &[], &mut memory).want,
            COUNTS.want
        );
        assert_eq!(
            TRACKING
                .decide(now, COUNTS, &[], &mut Memory::default())
                .want,
            COUNTS.want
        );
    }

    #[test]
    fn silence_never_turns_the_direction() {
        let shrinks = work_by_loads(&[Some(0.1), None, None, None], COUNTS);
        assert_eq!(shrinks, Some(3.1));
        let grows = work_by_loads(&[Some(1.0), Some(1.0), Some(1.0), Some(1.0), None], COUNTS);
        assert_eq!(grows, Some(4.0));
        assert_eq!(work_by_loads(&[None, None], COUNTS), None);
    }
}
