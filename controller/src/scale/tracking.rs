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

/// Busiest that a server should be on average, unless it is said.
pub(crate) const UTILISATION: f64 = 0.9;
/// Servers beyond the work, in square roots of it, for each part of a server that is to be idle.
const STAFFING: f64 = 8.5;
/// Short means that count at once, in seconds.
const SHORT: [u64; 3] = [5, 10, 20];
/// By how many standard deviations of its own noise a short mean must stand out.
const SIGMAS: f64 = 4.0;
/// Backlog, in seconds of work of the whole service, that is not worth a server.
const BACKLOG: f64 = 5.0;
/// Seconds within which a longer one is to be worked off.
const WORK_OFF: f64 = 20.0;
/// Seconds for which a backlog goes on growing before new servers serve.
const AHEAD: f64 = 30.0;
/// The want does not fall below its greatest value within this time.
const STABLE: Duration = Duration::from_secs(120);
/// By how many standard deviations of the measured work the want must be too great before it falls:
/// at the edge between two numbers, noise alone would change it for ever.
const HYSTERESIS: f64 = 3.0;
/// Squared coefficient of variation that service times are taken to have: that of exponential ones.
const VARIATION: f64 = 1.0;
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
    /// Busiest that a server should be on average, below 1: less is dearer, and fewer wait.
    pub(crate) utilisation: f64,
}

/// What the policy remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub(super) window: Window,
    /// Greatest recent wants, each greater than all after it.
    greatest: VecDeque<(Moment, usize)>,
    service_seconds: Option<f64>,
    /// What the arrivals were last found to need, a backlog left out.
    steady: usize,
}

/// Work that arrives, in servers.
struct Work {
    /// By the rate of arrivals.
    steady: f64,
    /// More for a while, to work a backlog off.
    backlog: f64,
}

impl Memory {
    /// An operator's word counts as a want that was just computed, and ends those before it.
    pub(super) fn overrule(&mut self, now: Moment, want: usize) {
        self.steady = want;
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
            None if memory.window.last().is_none() => match self.work_by_loads(loads, counts) {
                Some(work) => {
                    reasons.push(format!("load of {} servers: {work:.2}", loads.len()));
                    let backlog = 0.0;
                    Work {
                        steady: work,
                        backlog,
                    }
                }
                None => return keep(counts, "no load and no traffic is known"),
            },
            None => return keep(counts, "traffic is not known freshly enough"),
        };
        let staffed = self.staff(work.steady);
        reasons.push(format!(
            "max({0:.2} / {1}, {0:.2} + {2:.2} x sqrt) = {staffed:.2} servers",
            work.steady,
            self.utilisation,
            self.beyond()
        ));
        let noise = HYSTERESIS * self.noise(&work, memory);
        let needed = whole(staffed);
        let keeps = whole(self.staff(work.steady + noise)).min(memory.steady);
        if keeps > needed {
            reasons.push(format!(
                "{keeps} is not too many: the work may be {noise:.2} more"
            ));
        }
        let steady = memory.greatest(now, counts.clamp(needed.max(keeps)));
        memory.steady = steady;
        if steady > needed.max(keeps) {
            reasons.push(format!("{steady} was wanted within {} s", STABLE.as_secs()));
        }
        // What a backlog adds is given back as soon as it is gone.
        let total = counts.clamp(steady.max(whole(staffed + work.backlog)));
        let most = (counts.want * 2).max(counts.want + 4);
        let want = total.min(most);
        if want < total {
            reasons.push(format!("at most {most} in one step"));
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
    ) -> Option<Work> {
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
        let waiting = memory.window.queued(now) * seconds / self.concurrency;
        let mut backlog = 0.0;
        if waiting > BACKLOG * counts.serving.max(1) as f64 {
            let grows = AHEAD * (work - counts.serving as f64).max(0.0);
            backlog = (waiting + grows) / WORK_OFF;
            reasons.push(format!(
                "backlog of {waiting:.1} s, {grows:.1} s more to come, adds {backlog:.2}"
            ));
        }
        Some(Work {
            steady: work,
            backlog,
        })
    }

    /// Work by what agents report: the sum, not the mean, of their loads. A server that says nothing
    /// counts as idle for growing and as busy for shrinking.
    fn work_by_loads(&self, loads: &[Option<f64>], counts: Counts) -> Option<f64> {
        if loads.iter().all(Option::is_none) {
            return None;
        }
        let known: f64 = loads.iter().flatten().sum();
        let unknown = loads.iter().filter(|load| load.is_none()).count() as f64;
        let grows = |work: f64| (work / self.utilisation).ceil() as usize > counts.want;
        Some(if grows(known) { known } else { known + unknown })
    }

    /// Servers for a work that varies.
    fn staff(&self, work: f64) -> f64 {
        (work / self.utilisation).max(work + self.beyond() * work.sqrt())
    }

    /// Servers beyond the work, in square roots of it.
    fn beyond(&self) -> f64 {
        STAFFING * (1.0 - self.utilisation)
    }

    /// Standard deviation of the measured work: that of a compound Poisson sum, whose variance is the
    /// number of arrivals times the mean square of what each takes. A service time that is given
    /// adds none of its own.
    fn noise(&self, work: &Work, memory: &Memory) -> f64 {
        let seconds = self.service_seconds.or(memory.service_seconds);
        let per_arrival = seconds.unwrap_or(0.0) / self.concurrency;
        let square = match self.service_seconds {
            Some(_) => 1.0,
            None => 1.0 + VARIATION,
        };
        (work.steady * per_arrival * square / LENGTH.as_secs_f64()).sqrt()
    }
}

fn whole(servers: f64) -> usize {
    (servers - 1e-9).ceil().max(0.0) as usize
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

fn keep(counts: Counts, why: &str) -> Decision {
    Decision {
        want: counts.clamp(counts.want),
        reasons: vec![why.to_owned()],
    }
}

#[cfg(test)]
mod tests;
