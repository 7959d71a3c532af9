//! One server goes bad and recovers: in time, without lost requests, for every ailment and every
//! strategy.

use super::*;
use crate::strategy::registry::ENTRIES;

/// Duration of slow start here.
const SLOW_START: Duration = Duration::from_secs(3);
/// From one check to the next, by default.
const INTERVAL: Duration = Duration::from_secs(2);
/// Checks that must pass after they failed, by default.
const RISE: u32 = 2;

const AILMENTS: [Condition; 5] = [
    Condition::Dead,
    Condition::Hung,
    Condition::Unplugged,
    Condition::Sick {
        passes_checks: true,
    },
    Condition::Sick {
        passes_checks: false,
    },
];

#[test]
fn whatever_ails_a_server_it_is_out_and_back_in_time_under_every_strategy() {
    for entry in ENTRIES {
        let name = entry.usage();
        for ailment in AILMENTS {
            if is_left_to_checks(&name, ailment) {
                continue;
            }
            let _story = Told(format!("{name}: {ailment:?}"));
            let strategy = name.parse().expect("a strategy");
            suffer(
                Chaos::calm(strategy, CheckKind::HTTP, SLOW_START, Rng::new(1)),
                ailment,
            );
        }
    }
}

/// Returns whether only checks may eject for it: where the target decides on the backend, failures
/// follow the target.
fn is_left_to_checks(strategy: &str, ailment: Condition) -> bool {
    strategy.starts_with("uri-")
        && matches!(
            ailment,
            Condition::Sick {
                passes_checks: true
            }
        )
}

/// Names the story that a panic is about.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// Returns how long after its recovery a server gets requests at the latest.
fn seen_after(ailment: Condition) -> Duration {
    match ailment {
        Condition::Well => Duration::ZERO,
        // No check sees it: it sits its cooldown out, the third, and then has its trial.
        Condition::Sick {
            passes_checks: true,
        } => Duration::from_secs(4 + 1),
        Condition::Sick {
            passes_checks: false,
        } => INTERVAL * RISE,
        Condition::Dead | Condition::Hung | Condition::Unplugged => INTERVAL * RISE,
    }
}

fn suffer(mut chaos: Chaos, ailment: Condition) {
    chaos.live_for(Duration::from_secs(3));
    let asked = chaos.ledger.sent;
    let victim = (0..MACHINES).max_by_key(|n| asked[*n]).expect("a machine");

    chaos.become_of(victim, ailment);
    chaos.live_for(INTERVAL * 2);
    let state = chaos.shadow.state(victim);
    assert!(state.is_out(), "{state:?} after two intervals");

    chaos.become_of(victim, Condition::Well);
    let (failed, sent) = (chaos.ledger.failed(), chaos.ledger.sent[victim]);
    chaos.live_for(seen_after(ailment) + SLOW_START);
    let state = chaos.shadow.state(victim);
    assert!(chaos.ledger.sent[victim] > sent, "it is picked again");
    assert_eq!(state.word(), "healthy", "it has its whole share again");
    assert_eq!(chaos.ledger.failed(), failed, "nobody pays for it");
    chaos.leave();
}
