//! Queues of which the mean time is known exactly: the simulation has to find it.
//!
//! Formulas: L. Kleinrock, "Queueing Systems", volume 1, 1975.

use super::written;
use crate::simulate::{Rule, run};
use crate::strategy::Random;

/// The mean time in milliseconds, of one server or of several chosen at random.
fn mean_ms(servers: &str, service: &str, load: f64) -> f64 {
    let scenario = written(&format!(
        "arrivals = {{ kind = \"poisson\", load = {load} }}\n\
         service = {service}\nservers = [{servers}]\nrequests = 120_000"
    ));
    let report = run(&scenario, &Rule::Strategy(Random::ENTRY.spec()), 11);
    assert_eq!(report.failures(), 0);
    report.mean().as_secs_f64() * 1e3
}

fn check(found: f64, expected: f64) {
    assert!(
        (found / expected - 1.0).abs() < 0.05,
        "{found}, not {expected}"
    );
}

const EXPONENTIAL: &str = "{ kind = \"exponential\", mean_ms = 20.0 }";

#[test]
fn one_worker_in_order() {
    // M/M/1: s / (1 - load).
    check(mean_ms("{}", EXPONENTIAL, 0.6), 50.0);
    // Four of them, chosen at random, are four of the same.
    check(mean_ms("{ count = 4 }", EXPONENTIAL, 0.6), 50.0);
    // M/D/1: s (1 + load / (2 (1 - load))).
    check(
        mean_ms("{}", "{ kind = \"constant\", ms = 20.0 }", 0.6),
        35.0,
    );
}

#[test]
fn a_worker_that_is_shared_cares_for_no_distribution() {
    // M/G/1 with processor sharing: s / (1 - load), whatever the sizes.
    let sharing = "{ discipline = \"sharing\" }";
    let bimodal = "{ kind = \"bimodal\", short_ms = 10.0, long_ms = 110.0, long_share = 0.1 }";
    check(mean_ms(sharing, EXPONENTIAL, 0.6), 50.0);
    check(mean_ms(sharing, bimodal, 0.6), 50.0);
}

#[test]
fn four_workers_in_order() {
    // M/M/4 at load 0.8: a request waits with probability 0.5964 (Erlang C).
    let expected = 20.0 + 0.5964 * 20.0 / (4.0 * 0.2);
    check(mean_ms("{ workers = 4 }", EXPONENTIAL, 0.8), expected);
}

#[test]
fn speed_divides_every_time() {
    check(mean_ms("{ speed = 4.0 }", EXPONENTIAL, 0.6), 12.5);
}

#[test]
fn clients_that_wait_never_queue_more_than_they_are() {
    // One client and no thinking: every request finds the server idle.
    let scenario = written(
        "arrivals = { kind = \"clients\", count = 1, think_ms = 0.0 }\n\
         service = { kind = \"constant\", ms = 20.0 }\nservers = [{}]\nrequests = 1_000",
    );
    let report = run(&scenario, &Rule::Oracle, 1);
    assert_eq!(report.requests(), 1_000);
    let millis = |share| report.percentile(share).as_millis();
    assert_eq!((millis(0.0), millis(1.0)), (20, 20));
}
