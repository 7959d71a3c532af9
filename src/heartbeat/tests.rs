//! Sender, network and detector together, on a clock that is moved by hand.

use super::*;
use crate::strategy::{BackendId, Rng};
use crate::time::Timestamp;
use std::time::Duration;

const BACKEND: BackendId = BackendId::new(0, 0);
const INTERVAL: Duration = Duration::from_secs(1);
const TEN_MINUTES: Duration = Duration::from_secs(600);
const START: Timestamp = Timestamp::from_nanos(1_000_000_000);

/// Effects of a network on datagrams.
#[derive(Clone, Copy)]
struct Network {
    /// The share that is lost.
    loss: f64,
    /// Delay of arrivals, as a part of the interval: this much, give or take as much.
    jitter: f64,
    /// The time from one heartbeat to the next varies by this part.
    irregularity: f64,
}

const GOOD: Network = Network {
    loss: 0.0,
    jitter: 0.0,
    irregularity: 0.0,
};
const BAD: Network = Network {
    loss: 0.05,
    jitter: 0.3,
    irregularity: 0.0,
};

fn fraction(rng: &mut Rng) -> f64 {
    (rng.next() >> 11) as f64 / (1_u64 << 53) as f64
}

fn heartbeat(sent_at: Duration) -> Heartbeat {
    Heartbeat {
        name: SenderName::new("web1").unwrap(),
        address: None,
        interval: INTERVAL,
        load: None,
        process: None,
        sent_at,
    }
}

/// Returns the arrivals from a sender that lives until `death`, in order: time and heartbeat.
fn arrivals(network: Network, death: Timestamp, rng: &mut Rng) -> Vec<(Timestamp, Duration)> {
    let mut rhythm = SendSchedule::new(INTERVAL, START);
    let (mut arrivals, mut last) = (Vec::new(), None);
    // How far the host is behind its rhythm, for one heartbeat and its repetitions.
    let mut behind = Duration::ZERO;
    while rhythm.next() < death {
        let now = rhythm.next();
        if let Some(SendDue::Fresh(stamp)) = rhythm.due(now.since(Timestamp::ZERO), now) {
            last = Some(stamp);
            behind = INTERVAL.mul_f64(network.irregularity * fraction(rng));
        }
        let late = INTERVAL.mul_f64(2.0 * network.jitter * fraction(rng));
        let is_lost = fraction(rng) < network.loss && now > START;
        let is_sent = now + behind < death;
        arrivals.extend(
            last.filter(|_| is_sent && !is_lost)
                .map(|l| (now + behind + late, l)),
        );
    }
    arrivals.sort();
    arrivals
}

/// Lets time pass up to `now`. Returns when the backend is found to be missing, if it is.
fn pass(detector: &mut Detector, now: Timestamp) -> Option<Timestamp> {
    while let Some(at) = detector.next_look().filter(|at| *at <= now) {
        let found = detector.look(at);
        if found
            .iter()
            .any(|(_, f)| matches!(f, HeartbeatFinding::Missing { .. }))
        {
            return Some(at);
        }
    }
    None
}

/// One sender's life of ten minutes. Returns how long after its death it is missed, or when it
/// was missed before.
fn live(network: Network, seed: u64) -> Result<Duration, Timestamp> {
    let mut rng = Rng::new(seed);
    let death = START + TEN_MINUTES + INTERVAL.mul_f64(fraction(&mut rng));
    let mut detector = Detector::new(START);
    for (now, sent_at) in arrivals(network, death, &mut rng) {
        if let Some(at) = pass(&mut detector, now) {
            return Err(at);
        }
        let heard = detector.hear(BACKEND, &heartbeat(sent_at), None, now);
        heard.expect("nothing is refused");
    }
    let missed = pass(&mut detector, death + INTERVAL * 60);
    Ok(missed.expect("it is missed").since(death))
}

/// Recordings must not put off the moment at which silence is noticed.
#[test]
fn the_dead_are_missed_however_often_their_last_word_is_repeated() {
    let mut detector = Detector::new(START);
    let at = |ms| START + Duration::from_millis(ms);
    for second in 0..20 {
        let heartbeat = heartbeat(Duration::from_secs(second));
        let heard = detector.hear(BACKEND, &heartbeat, None, at(second * 1_000));
        assert_ne!(heard, Ok((Heard::Stale, None)));
    }
    let last = heartbeat(Duration::from_secs(19));
    for ms in (19_000..23_000).step_by(10) {
        if pass(&mut detector, at(ms)).is_some() {
            return;
        }
        let heard = detector.hear(BACKEND, &last, None, at(ms));
        assert_eq!(heard, Ok((Heard::Stale, None)));
    }
    panic!("it is not missed within four intervals");
}

/// Many lives. Returns the longest time until one is missed, in intervals.
fn longest(network: Network, seeds: u64) -> f64 {
    let missed = (0..seeds).map(|seed| match live(network, seed) {
        Ok(after) => after.div_duration_f64(INTERVAL),
        Err(at) => panic!("seed {seed}: a false alarm after {:?}", at.since(START)),
    });
    missed.fold(0.0, f64::max)
}

/// `LB_SIM_SEEDS=N` tries more.
fn seeds(usual: u64) -> u64 {
    let asked = std::env::var("LB_SIM_SEEDS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn no_false_alarm_in_ten_minutes_and_the_dead_are_missed_within_four_intervals() {
    for (network, bound) in [
        (GOOD, 3.1),
        (BAD, 4.0),
        (Network { loss: 0.0, ..BAD }, 4.0),
        (Network { jitter: 0.0, ..BAD }, 4.0),
        (
            Network {
                irregularity: 0.3,
                jitter: 0.0,
                ..BAD
            },
            4.0,
        ),
    ] {
        let longest = longest(network, seeds(24));

        assert!(longest <= bound, "{longest} intervals");
    }
}
