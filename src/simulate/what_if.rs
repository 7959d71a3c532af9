//! What would have been: the last exchanges of a running balancer, replayed to another strategy or
//! another number of servers.
//!
//! The work of each request is reckoned as [`replay`](super::replay) does from a log, and how fast each
//! server is from its median work beside that of all. Compared are two runs of the simulation, as the
//! pool is and as it might be, so that what the simulation leaves out is left out of both. Whether servers
//! work on one request after the other or on all at once is what comes nearer to what was observed, if
//! the pool as it is is simulated; one that is added is as fast as the median.

use super::scenario::{Recorded, Scenario, ServerGroup};
use super::{Report, Rule, run};
use crate::strategy::{BackendId, StrategySpec};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// An exchange that was served.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    /// The server.
    pub backend: BackendId,
    /// Time of its arrival, on any clock.
    pub arrived_at: Duration,
    /// Time of its dispatch to the server.
    pub dispatched_at: Duration,
    /// Time of the first byte of the response.
    pub responded_at: Duration,
}

/// A pool as it is, or might be.
#[derive(Clone, Debug)]
pub struct Supposed {
    /// Its strategy.
    pub strategy: StrategySpec,
    /// Number of its servers.
    pub servers: usize,
}

/// Times of a run, from arrival to response.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// Mean.
    pub mean: Duration,
    /// Median.
    pub p50: Duration,
    /// 99th percentile.
    pub p99: Duration,
    /// Part of the requests that failed, 0 to 1.
    pub failed: f64,
}

/// How servers work on several requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// On one after the other, as they come.
    InTurn,
    /// On all at once, none slower for the others.
    AtOnce,
}

/// The two runs beside what was observed.
#[derive(Clone, Copy, Debug)]
pub struct WhatIf {
    /// Requests replayed.
    pub requests: usize,
    /// From the first arrival to the last.
    pub span: Duration,
    /// How its servers seem to work.
    pub way: Way,
    /// As it was.
    pub observed: Times,
    /// The simulated pool as it is.
    pub now: Times,
    /// The simulated pool as it might be.
    pub then: Times,
}

/// The fewest exchanges from which anything can be said.
pub const MIN_OBSERVED: usize = 100;
/// The least work that is believed.
const MIN_WORK: Duration = Duration::from_micros(1);
/// Workers of a server that works on all requests at once: more than it will have.
const MANY_WORKERS: usize = 1_024;
/// The seed of both runs: the same chance for both.
const SEED: u64 = 1;

/// Replays exchanges, in any order, to the pool as it is and as it might be; `None` if there are fewer
/// than [`MIN_OBSERVED`].
#[must_use]
pub fn what_if(mut observed: Vec<Observed>, now: &Supposed, then: &Supposed) -> Option<WhatIf> {
    if observed.len() < MIN_OBSERVED {
        return None;
    }
    observed.sort_by_key(|one| one.responded_at);
    let seen = Times::observed(&observed);
    let ways = [Way::InTurn, Way::AtOnce].map(|way| Replay::new(way, &observed));
    let tried = ways.map(|replay| (replay.run(now), replay));
    let distance = |times: &Times| {
        let ratio = times.mean.as_secs_f64().max(1e-9) / seen.mean.as_secs_f64().max(1e-9);
        ratio.ln().abs()
    };
    let nearer =
        |a: &(Times, Replay), b: &(Times, Replay)| distance(&a.0).total_cmp(&distance(&b.0));
    let (as_it_is, replay) = tried.into_iter().min_by(nearer)?;
    let first = observed.iter().map(|one| one.arrived_at).min()?;
    let last = observed.iter().map(|one| one.arrived_at).max()?;
    Some(WhatIf {
        requests: observed.len(),
        span: last - first,
        way: replay.way,
        observed: seen,
        now: as_it_is,
        then: replay.run(then),
    })
}

/// Exchanges made ready to be replayed.
struct Replay {
    way: Way,
    requests: Arc<[Recorded]>,
    speeds: Vec<f64>,
}

impl Replay {
    /// Of exchanges in the order of their responses, of which there is one.
    fn new(way: Way, observed: &[Observed]) -> Self {
        let works = works(way, observed);
        let speeds = speeds(observed, &works);
        let first = observed.iter().map(|one| one.arrived_at).min();
        let first = first.unwrap_or_default();
        let mut requests: Vec<_> = observed
            .iter()
            .zip(&works)
            .map(|(one, work)| Recorded {
                at: one.arrived_at - first,
                work: work.mul_f64(speeds.get(&one.backend).copied().unwrap_or(1.0)),
            })
            .collect();
        requests.sort_by_key(|request| request.at);
        Self {
            way,
            requests: requests.into(),
            speeds: speeds.into_values().collect(),
        }
    }

    fn run(&self, supposed: &Supposed) -> Times {
        let group = |number: usize| ServerGroup {
            speed: self.speeds.get(number).copied().unwrap_or(1.0),
            workers: match self.way {
                Way::InTurn => 1,
                Way::AtOnce => MANY_WORKERS,
            },
            ..ServerGroup::default()
        };
        let scenario = Scenario {
            servers: (0..supposed.servers.max(1)).map(group).collect(),
            ..Scenario::replay(self.requests.clone(), 1)
        };
        let rule = Rule::Strategy(supposed.strategy.clone());
        Times::of(&run(&scenario, &rule, SEED))
    }
}

/// The work of each exchange: from when its server could begin with it to its response.
fn works(way: Way, observed: &[Observed]) -> Vec<Duration> {
    let mut last_responses: HashMap<BackendId, Duration> = HashMap::new();
    let work = |one: &Observed| {
        let before = last_responses.insert(one.backend, one.responded_at);
        let free_at = match way {
            Way::InTurn => before.unwrap_or_default(),
            Way::AtOnce => Duration::ZERO,
        };
        let began = free_at.max(one.dispatched_at);
        one.responded_at.saturating_sub(began).max(MIN_WORK)
    };
    observed.iter().map(work).collect()
}

/// How fast each server is, 1 being the median of all.
fn speeds(observed: &[Observed], works: &[Duration]) -> BTreeMap<BackendId, f64> {
    let mut of_each: BTreeMap<BackendId, Vec<Duration>> = BTreeMap::new();
    for (one, work) in observed.iter().zip(works) {
        of_each.entry(one.backend).or_default().push(*work);
    }
    let median = |times: &mut Vec<Duration>| {
        let middle = times.len() / 2;
        times.select_nth_unstable(middle).1.as_secs_f64()
    };
    let whole = median(&mut works.to_vec());
    let each = of_each.iter_mut();
    each.map(|(id, works)| (*id, (whole / median(works).max(1e-6)).clamp(0.01, 100.0)))
        .collect()
}

impl Times {
    fn of(report: &Report) -> Self {
        Self {
            mean: report.mean(),
            p50: report.percentile(0.5),
            p99: report.percentile(0.99),
            failed: report.failure_share(),
        }
    }

    fn observed(observed: &[Observed]) -> Self {
        let times = observed.iter();
        let mut times: Vec<_> = times
            .map(|one| one.responded_at.saturating_sub(one.arrived_at))
            .collect();
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(rank).copied().unwrap_or_default()
        };
        let sum: Duration = times.iter().sum();
        Self {
            mean: sum / u32::try_from(times.len().max(1)).unwrap_or(u32::MAX),
            p50: at(50),
            p99: at(99),
            failed: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Servers that are asked in turn, one of them `factor` times slower, each with work of 4 ms.
    fn in_turn(servers: u64, count: u64, gap_ms: u64, factor: u64) -> Vec<Observed> {
        let mut free_at = vec![Duration::ZERO; servers as usize];
        let exchange = |number: u64| {
            let server = (number % servers) as usize;
            let arrived_at = Duration::from_millis(1_000 + number * gap_ms);
            let work = Duration::from_millis(if server == 0 { 4 * factor } else { 4 });
            let responded_at = free_at[server].max(arrived_at) + work;
            free_at[server] = responded_at;
            Observed {
                backend: BackendId::new(server as u16, 0),
                arrived_at,
                dispatched_at: arrived_at,
                responded_at,
            }
        };
        (0..count).map(exchange).collect()
    }

    fn supposed(strategy: &str, servers: usize) -> Supposed {
        let strategy = strategy.parse().unwrap();
        Supposed { strategy, servers }
    }

    #[test]
    fn the_pool_as_it_is_comes_out_as_it_was() {
        let observed = in_turn(4, 4_000, 2, 1);
        let now = supposed("round-robin", 4);
        let told = what_if(observed, &now, &now).unwrap();
        assert_eq!(told.requests, 4_000);
        assert_eq!(told.span, Duration::from_millis(3_999 * 2));
        let four = Duration::from_millis(4);
        assert_eq!(told.way, Way::InTurn);
        assert_eq!((told.observed.p50, told.observed.p99), (four, four));
        for simulated in [told.now.p50, told.now.p99, told.then.p99] {
            assert!(simulated.abs_diff(four) < four / 100, "{told:?}");
        }
    }

    #[test]
    fn another_strategy_leaves_the_slow_server_alone() {
        let observed = in_turn(4, 4_000, 4, 3);
        let told = what_if(
            observed,
            &supposed("round-robin", 4),
            &supposed("least-rt", 4),
        );
        let told = told.unwrap();
        let twelve = Duration::from_millis(12);
        assert!(told.now.p99.abs_diff(twelve) < twelve / 10, "{told:?}");
        assert!(told.then.p99 < told.now.p99, "{told:?}");
        assert!(told.then.mean < told.now.mean * 3 / 4, "{told:?}");
    }

    #[test]
    fn servers_that_work_on_all_at_once_are_told_from_those_that_do_not() {
        let arrived = |number: u64| Duration::from_millis(1_000 + number);
        let exchange = |number: u64| Observed {
            backend: BackendId::new(0, 0),
            arrived_at: arrived(number),
            dispatched_at: arrived(number),
            responded_at: arrived(number) + Duration::from_millis(20 + number % 7 * 3),
        };
        let now = supposed("least-conn", 1);
        let told = what_if((0..2_000).map(exchange).collect(), &now, &now).unwrap();
        assert_eq!(told.way, Way::AtOnce);
        assert!(
            told.now.p99.abs_diff(told.observed.p99) < told.observed.p99 / 20,
            "{told:?}"
        );
    }

    #[test]
    fn fewer_servers_queue() {
        let told = what_if(
            in_turn(4, 4_000, 2, 1),
            &supposed("least-conn", 4),
            &supposed("least-conn", 2),
        );
        let told = told.unwrap();
        assert!(told.then.mean >= told.now.mean, "{told:?}");
        let few = in_turn(4, MIN_OBSERVED as u64 - 1, 2, 1);
        let now = supposed("least-conn", 4);
        assert!(what_if(few, &now, &now).is_none());
    }
}
