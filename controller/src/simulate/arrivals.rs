//! Scenarios: how many requests a second come when.

/// How long each lasts.
pub(super) const SECONDS: u64 = 7_200;

/// A scenario.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    rate: fn(f64) -> f64,
}

impl Scenario {
    /// One request a second, to be multiplied.
    pub(super) const fn constant() -> Self {
        Self {
            name: "constant",
            rate: |_| 1.0,
        }
    }

    /// Requests a second at `second`.
    pub(super) fn rate(&self, second: f64) -> f64 {
        (self.rate)(second).max(0.1)
    }
}

/// Between 10 and 150 requests a second: the work of 1 to 15 servers.
pub(super) static SCENARIOS: [Scenario; 8] = [
    Scenario {
        name: "steady",
        rate: |_| 60.0,
    },
    Scenario {
        name: "hover",
        rate: |_| 47.0,
    },
    Scenario {
        name: "step",
        rate: |at| if at < 3_600.0 { 40.0 } else { 120.0 },
    },
    Scenario {
        name: "ramp",
        rate: |at| 20.0 + 120.0 * (at / 5_400.0).min(1.0),
    },
    Scenario {
        name: "spike",
        rate: |at| {
            if (3_600.0..3_720.0).contains(&at) {
                125.0
            } else {
                25.0
            }
        },
    },
    Scenario {
        name: "sine",
        rate: |at| 80.0 + 60.0 * (std::f64::consts::TAU * at / 2_400.0).sin(),
    },
    Scenario {
        name: "saw",
        rate: |at| 10.0 + 130.0 * (at % 1_800.0) / 1_800.0,
    },
    Scenario {
        name: "drop",
        rate: |at| if at < 3_600.0 { 130.0 } else { 20.0 },
    },
];

/// The fewest servers with which at most 1 % of the requests of a steady rate wait longer than
/// `late` (Erlang C): what an oracle that launches in no time would run.
pub(super) fn oracle(rate: f64, service: f64, late: f64) -> u64 {
    let work = rate * service;
    let mut servers = work.floor().max(0.0) as u64 + 1;
    loop {
        let n = servers as f64;
        // Erlang B by its recursion, then C.
        let mut blocked = 1.0;
        for k in 1..=servers {
            blocked = work * blocked / (k as f64 + work * blocked);
        }
        let waits = blocked / (1.0 - work / n * (1.0 - blocked));
        if waits * (-(n / service - rate) * late).exp() <= 0.01 {
            return servers;
        }
        servers += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_stay_in_their_range() {
        for scenario in &SCENARIOS {
            for second in 0..SECONDS {
                let rate = scenario.rate(second as f64);
                assert!(
                    (10.0..=150.0).contains(&rate),
                    "{} at {second}: {rate}",
                    scenario.name
                );
            }
        }
    }

    #[test]
    fn the_oracle_needs_more_than_the_work_and_not_much() {
        assert_eq!(oracle(10.0, 0.1, 0.5), 2);
        let large = oracle(300.0, 0.1, 0.5);
        assert!((31..=34).contains(&large), "{large}");
    }
}
