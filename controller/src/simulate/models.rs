//! Models of what others do: rules over the utilisation of the servers. They are ours, written
//! from the documentation of these systems, on a fleet without budgets.

use super::arrivals::{SECONDS, Scenario, oracle};
use super::queue::{Queue, Worker};
use super::random::Random;
use super::{LATE_SECONDS, Outcome, SERVICE_SECONDS, Setting};
use crate::scale::UTILISATION;
use std::collections::VecDeque;

/// A policy to compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Model {
    /// By the utilisation that it is to keep below.
    Tracking(f64),
    MeanLoad,
    /// Kubernetes: ratio to a target, every 15 s, 10 % tolerance, the greatest of 300 s downwards.
    Hpa(f64),
    /// AWS target tracking at 60 %: out after 3 minutes above, in after 15 more than 10 % below.
    Aws,
}

impl Model {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(target) = text
            .strip_prefix("hpa-")
            .and_then(|it| it.parse::<u8>().ok())
            && (10..=95).contains(&target)
        {
            return Ok(Self::Hpa(f64::from(target) / 100.0));
        }
        if let Some(percent) = text
            .strip_prefix("tracking-")
            .and_then(|it| it.parse::<u8>().ok())
            && (30..=98).contains(&percent)
        {
            return Ok(Self::Tracking(f64::from(percent) / 100.0));
        }
        match text {
            "tracking" => Ok(Self::Tracking(UTILISATION)),
            "mean-load" => Ok(Self::MeanLoad),
            "aws" => Ok(Self::Aws),
            _ => Err(format!(
                "there is no policy {text}: tracking, tracking-80, mean-load, hpa-60, aws"
            )),
        }
    }
}

/// What the rule has seen.
struct Seen {
    /// Utilisation of each second.
    utilisation: VecDeque<f64>,
    recommended: VecDeque<(u64, u64)>,
}

impl Seen {
    fn mean(&self, seconds: usize) -> f64 {
        let recent = self.utilisation.iter().rev().take(seconds);
        recent.sum::<f64>() / seconds.min(self.utilisation.len()).max(1) as f64
    }

    fn hpa(&mut self, second: u64, serving: u64, want: u64, target: f64) -> u64 {
        if !second.is_multiple_of(15) {
            return want;
        }
        let ratio = self.mean(15) / target;
        let new = if (ratio - 1.0).abs() <= 0.1 {
            want
        } else {
            (serving as f64 * ratio).ceil() as u64
        };
        let new = new.min((want * 2).max(want + 4)).max(1);
        self.recommended.push_back((second, new));
        while self
            .recommended
            .front()
            .is_some_and(|(at, _)| second - at > 300)
        {
            self.recommended.pop_front();
        }
        let greatest = self
            .recommended
            .iter()
            .map(|(_, it)| *it)
            .max()
            .unwrap_or(new);
        if new >= want { new } else { greatest.min(want) }
    }

    fn aws(&self, second: u64, serving: u64, want: u64) -> u64 {
        const TARGET: f64 = 0.6;
        if !second.is_multiple_of(60) {
            return want;
        }
        let minute = |nth: usize| {
            let seconds: Vec<f64> = self
                .utilisation
                .iter()
                .rev()
                .skip(nth * 60)
                .take(60)
                .copied()
                .collect();
            (seconds.len() == 60).then(|| seconds.iter().sum::<f64>() / 60.0)
        };
        let last = minute(0).unwrap_or(TARGET);
        let needed = ((serving as f64 * last / TARGET).ceil() as u64).max(1);
        let all = |count: usize, holds: fn(f64) -> bool| {
            (0..count).all(|nth| minute(nth).is_some_and(holds))
        };
        // Launches under way count as capacity: no more before they serve.
        if all(3, |it| it > TARGET) && serving >= want {
            needed.max(want)
        } else if all(15, |it| it < TARGET * 0.9) {
            needed.min(want)
        } else {
            want
        }
    }
}

pub(super) fn run(model: Model, scenario: &Scenario, setting: Setting) -> Outcome {
    let mut queue = Queue::new(setting.seed);
    let mut random = Random::new(setting.seed ^ 0xfee1);
    let first = oracle(
        scenario.rate(0.0) * setting.factor,
        SERVICE_SECONDS,
        LATE_SECONDS,
    ) + 1;
    let mut want = first;
    let mut number = 0_u64;
    let mut name = || {
        number += 1;
        format!("{number:06}")
    };
    for _ in 0..want {
        queue.workers.insert(name(), Worker::default());
    }
    let mut coming: Vec<f64> = Vec::new();
    let mut seen = Seen {
        utilisation: VecDeque::new(),
        recommended: VecDeque::new(),
    };
    let (mut outcome, mut busy) = (Outcome::default(), 0.0);
    for second in 1..=SECONDS {
        let at = second as f64;
        let ready = coming.iter().filter(|it| **it <= at).count();
        coming.retain(|it| *it > at);
        for _ in 0..ready {
            queue.workers.insert(name(), Worker::default());
        }
        queue.run_until(at, scenario, setting.factor);
        let serving = queue.workers.values().filter(|it| !it.drains).count() as u64;
        let now_busy = queue.busy_seconds();
        seen.utilisation
            .push_back(((now_busy - busy) / serving.max(1) as f64).clamp(0.0, 1.0));
        if seen.utilisation.len() > 900 {
            seen.utilisation.pop_front();
        }
        let before = want;
        want = match model {
            Model::Hpa(target) => seen.hpa(second, serving, want, target),
            Model::Aws | Model::Tracking(_) | Model::MeanLoad => seen.aws(second, serving, want),
        };
        outcome.changes += u64::from(want != before);
        let have = serving + coming.len() as u64;
        for _ in have..want {
            let takes = random.log_normal(setting.launch);
            coming.push(at + takes);
        }
        // What is on its way is called off first.
        let surplus = have.saturating_sub(want) as usize;
        let called_off = surplus.min(coming.len());
        coming.truncate(coming.len() - called_off);
        let left = surplus - called_off;
        let live = queue.workers.values_mut().rev().filter(|it| !it.drains);
        live.take(left).for_each(|worker| worker.drains = true);
        queue
            .workers
            .retain(|_, worker| !worker.drains || worker.is_busy());
        busy = queue.busy_seconds();
        account(
            &mut outcome,
            scenario,
            setting,
            second,
            (queue.workers.len() + coming.len()) as u64,
        );
    }
    (outcome.requests, outcome.late) = (queue.arrivals, queue.late);
    outcome
}

/// Counts one second of servers, and of those that the oracle would run.
pub(super) fn account(
    outcome: &mut Outcome,
    scenario: &Scenario,
    setting: Setting,
    second: u64,
    servers: u64,
) {
    let rate = scenario.rate(second as f64) * setting.factor;
    outcome.server_seconds += servers as f64;
    outcome.oracle_seconds += oracle(rate, SERVICE_SECONDS, LATE_SECONDS) as f64;
    if second.is_multiple_of(60) {
        outcome.servers.push(servers);
        outcome.rates.push(rate);
    }
}
