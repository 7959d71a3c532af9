//! The distribution of requests: every strategy, through real servers.

use crate::support::{Lb, Pi, ask_at_once, until};
use lb::internal::strategy::ENTRIES;
use lb::strategy::Entry;
use std::collections::{BTreeMap, BTreeSet};

const CLIENTS: usize = 8;
const REQUESTS_EACH: usize = 25;
const REQUESTS: usize = CLIENTS * REQUESTS_EACH;

/// Bounds on the share of each of four servers of equal speed.
fn fair_share(strategy: &str) -> [usize; 2] {
    let even = REQUESTS / 4;
    match strategy {
        "round-robin" => [even, even],
        // Five standard deviations of chance on either side.
        "random" => [even - 30, even + 30],
        // They learn while they go: no server may starve, and none may be buried.
        _ => [even / 5, even * 2],
    }
}

#[test]
fn every_strategy_spreads_the_requests_over_servers_that_are_alike() {
    let pi: Vec<_> = (0..4)
        .map(|nth| Pi::start(&format!("pi-{nth}"), &["--term-us", "1000"]))
        .collect();
    // Those that go by the request alone are not to spread one client's.
    let spreads = |entry: &&Entry| !entry.key.is_keyed() && entry.name != "n-to-1";
    for entry in ENTRIES.iter().copied().filter(spreads) {
        let lb = Lb::start(&Pi::addresses(&pi), &["--strategy", entry.name]);
        let served = ask_at_once(lb.address, CLIENTS, REQUESTS_EACH);
        assert_eq!(served.values().sum::<usize>(), REQUESTS);
        let [least, most] = fair_share(entry.name);
        for server in 0..4 {
            let share = *served.get(&format!("pi-{server}")).unwrap_or(&0);
            assert!(
                (least..=most).contains(&share),
                "{}: pi-{server} is to get {least} to {most}: {served:?}",
                entry.name
            );
        }
    }
}

#[test]
fn every_alias_in_any_case_starts_the_same_strategy() {
    let pi = Pi::start_many(1);
    for entry in ENTRIES {
        for alias in entry.aliases {
            for name in [(*alias).to_owned(), alias.to_uppercase()] {
                let lb = Lb::start(&Pi::addresses(&pi), &["--strategy", &name]);
                let start = format!(" {} over 1 backend: ", entry.name);
                assert!(lb.stderr().contains(&start), "{name}: {}", lb.stderr());
                lb.assert_serves();
            }
        }
    }
}

#[test]
fn n_to_1_sends_everything_to_the_first_that_is_there() {
    let mut pi = Pi::start_many(3);
    let lb = Lb::start(&Pi::addresses(&pi), &["--strategy", "n-to-1"]);
    for first in ["pi-0", "pi-1", "pi-2"] {
        assert_eq!(
            ask_at_once(lb.address, CLIENTS, REQUESTS_EACH),
            BTreeMap::from([(first.to_owned(), REQUESTS)])
        );
        drop(pi.remove(0));
    }
    assert_eq!(lb.connect().get("/1").status, 503);
}

#[test]
fn weights_are_kept_to_exactly_in_turn() {
    let pi = Pi::start_many(2);
    let [light, heavy] = [pi[0].address, pi[1].address];
    let backends = format!("{light},{heavy}=3");
    let lb = Lb::start(&[], &["--strategy", "round-robin", "--backends", &backends]);
    let served = ask_at_once(lb.address, CLIENTS, REQUESTS_EACH);
    assert_eq!(served["pi-0"], REQUESTS / 4, "{served:?}");
    assert_eq!(served["pi-1"], REQUESTS / 4 * 3, "{served:?}");
}

/// Only the bearer of the key differs: the key decides.
#[test]
fn a_key_keeps_to_its_server_and_keys_spread() {
    let pi = Pi::start_many(4);
    for (strategy, target, field) in [
        ("uri-hash", "/{}", ""),
        ("uri-maglev", "/{}", ""),
        ("header-hash:X-Tenant", "/2", "X-Tenant: {}\r\n"),
        ("header-maglev:X-Tenant", "/2", "X-Tenant: {}\r\n"),
        ("cookie-hash:session", "/2", "Cookie: a=b; session={}\r\n"),
        ("cookie-maglev:session", "/2", "Cookie: a=b; session={}\r\n"),
    ] {
        let lb = Lb::start(&Pi::addresses(&pi), &["--strategy", strategy]);
        let served_by = |key: usize| {
            let key = key.to_string();
            let lines = field.replace("{}", &key);
            let answer = lb.connect().get_with(&target.replace("{}", &key), &lines);
            answer.field("x-served-by").expect("a name").to_owned()
        };
        let homes: Vec<_> = (1..=60).map(served_by).collect();
        for (key, home) in (1..).zip(&homes) {
            assert_eq!(&served_by(key), home, "{strategy}: key {key} has moved");
        }
        let distinct: BTreeSet<_> = homes.iter().collect();
        assert_eq!(distinct.len(), 4, "{strategy}: {homes:?}");
    }
}

#[test]
fn a_client_keeps_to_its_server() {
    let pi = Pi::start_many(4);
    for strategy in ["ip-hash", "ip-maglev"] {
        for mode in ["http", "tcp"] {
            let mut args = vec!["--strategy", strategy, "--mode", mode];
            if mode == "http" {
                args.extend(["--max-idle-per-backend", "0"]);
            }
            let lb = Lb::start(&Pi::addresses(&pi), &args);
            let before = lb.usage().open_fds();
            let mut homes = (0..20).map(|_| {
                // One after another: loads are bounded, so what overlaps may go elsewhere.
                until("nothing is open", || lb.usage().open_fds() == before);
                let answer = lb.connect().get("/2");
                answer.field("x-served-by").expect("a name").to_owned()
            });
            let first = homes.next();
            assert!(homes.all(|home| Some(home) == first), "{strategy}, {mode}");
        }
    }
}
