//! Requests and connections are spread as if one had spread them.

use super::{CLIENTS, REQUESTS_EACH, ask_many, open_connections, two_workers};
use crate::support::{Backend, Client, Lb, Pi, until};
use lb::Balancer;

/// How unevenly connections may be spread over two workers: see `net/allotment.rs`.
const SLACK: u64 = 3;

fn spread(counts: &[u64]) -> u64 {
    counts.iter().max().unwrap() - counts.iter().min().unwrap()
}

#[test]
fn requests_spread_over_backends_as_with_one_worker() {
    let pi: Vec<_> = (0..8)
        .map(|nth| Pi::start(&format!("pi-{nth}"), &["--term-us", "1000"]))
        .collect();
    let even = CLIENTS * REQUESTS_EACH / 8;
    for (strategy, least, most) in [
        // Each worker takes turns of its own, so each may be in the middle of one.
        ("round-robin", even - 2, even + 2),
        ("least-conn", even / 3, even * 2),
        // It learns while it goes: no server may starve, and none may be buried.
        ("least-rt", even / 5, even * 2),
    ] {
        let args = ["--strategy", strategy, "--workers", "2"];
        let lb = Lb::start(&Pi::addresses(&pi), &args);
        let served = ask_many(lb.address);
        for server in 0..8 {
            let share = *served.get(&format!("pi-{server}")).unwrap_or(&0);
            assert!((least..=most).contains(&share), "{strategy}: {served:?}");
        }
        let said = lb.terminate().stderr;
        assert!(said.contains("(http, 2 workers)"), "{said}");
        let total = CLIENTS * REQUESTS_EACH;
        assert!(
            said.contains(&format!("exchanges    {total} (2xx {total})")),
            "{said}"
        );
    }
}

#[test]
fn connections_are_spread_evenly_and_stay_where_they_are() {
    let backend = Backend::echo();
    let config = two_workers(&[backend.address], |_| {});
    let running = Balancer::bind(&config).unwrap().spawn().unwrap();
    for count in [4, 100] {
        let mut clients: Vec<_> = (0..count)
            .map(|_| Client::connect(running.addresses()[0]))
            .collect();
        until("all are accepted", || {
            open_connections(&running).iter().sum::<u64>() == count
        });
        let open = open_connections(&running);
        assert!(spread(&open) <= SLACK + count / 2 / 8, "{open:?}");
        for client in &mut clients {
            assert_eq!(client.get("/").status, 200);
        }
        drop(clients);
        until("all are closed", || {
            open_connections(&running).iter().all(|open| *open == 0)
        });
    }
    assert_eq!(running.stop().unwrap().snapshot.totals.exchanges, 104);
}
