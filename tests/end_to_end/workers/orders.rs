//! Commands of the operator reach all workers: drain, weigh, stop.

use super::{PATIENCE, WHILE, held, open_connections, two_workers};
use crate::support::{Backend, Client, Gate, Lb, stays, until};
use lb::strategy::{NToOne, RoundRobin};
use lb::{Balancer, Running};
use rustix::process::Signal;

#[test]
fn a_backend_is_drained_when_no_worker_has_anything_there() {
    let gate = Gate::default();
    let (first, second) = (held(&gate), Backend::echo());
    let config = two_workers(&[first.address, second.address], |config| {
        config.set_strategy(&NToOne::ENTRY.spec());
    });
    let running = Balancer::bind(&config).unwrap().spawn().unwrap();
    let events = running.events();
    let name = first.address.to_string();
    let mut clients: Vec<_> = (0..8)
        .map(|_| Client::connect(running.addresses()[0]))
        .collect();
    for client in &mut clients {
        client.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    until("all are there", || first.times_received("/held") == 8);
    let open = open_connections(&running);
    assert!(open.iter().all(|open| *open > 0), "{open:?}");

    running.handle().drain(&name).unwrap();
    let mut late: Vec<_> = (0..8)
        .map(|_| Client::connect(running.addresses()[0]))
        .collect();
    for client in &mut late {
        assert_eq!(client.get("/late").text(), "GET /late", "it goes elsewhere");
    }
    let told = || {
        let change = events.recv_timeout(PATIENCE).expect("a change");
        (change.name == name).then(|| change.to.word())
    };
    let told_of_first: Vec<_> = std::iter::from_fn(|| Some(told()))
        .flatten()
        .take(1)
        .collect();
    assert_eq!(told_of_first, ["draining"]);
    stays("it is not drained", WHILE, || {
        events.try_iter().all(|change| change.name != name)
    });
    gate.open();
    for client in &mut clients {
        assert_eq!(client.receive().text(), "held");
    }
    let drained = std::iter::from_fn(|| Some(told())).flatten().next();
    assert_eq!(drained, Some("disabled"));
    let snapshot = running.stop().unwrap().snapshot;
    assert_eq!(snapshot.totals.exchanges, 16);
    let picks: Vec<_> = snapshot.backends.iter().map(|b| b.picks).collect();
    assert_eq!(picks, [8, 8]);
}

#[test]
fn weights_and_orders_hold_for_all_workers() {
    let [first, second] = [Backend::echo(), Backend::echo()];
    let config = two_workers(&[first.address, second.address], |config| {
        config.set_strategy(&RoundRobin::ENTRY.spec());
    });
    let running = Balancer::bind(&config).unwrap().spawn().unwrap();
    let weighed = running.handle().set_weight(&first.address.to_string(), 3);
    assert!(weighed.is_ok(), "{weighed:?}");
    let mut clients: Vec<_> = (0..8)
        .map(|_| Client::connect(running.addresses()[0]))
        .collect();
    // Requests at once may come before the message to the other workers.
    until("both know", || {
        let before = picks(&running);
        for client in &mut clients {
            for _ in 0..4 {
                assert_eq!(client.get("/").status, 200);
            }
        }
        let after = picks(&running);
        after[0] - before[0] == 24 && after[1] - before[1] == 8
    });
    let unknown = running.handle().drain("nobody:1").unwrap_err();
    assert_eq!(unknown.to_string(), "there is no backend nobody:1");
    running.stop().unwrap();
}

fn picks(running: &Running) -> Vec<u64> {
    let backends = running.snapshot().expect("it runs").backends;
    backends.iter().map(|backend| backend.picks).collect()
}

#[test]
fn stop_finishes_open_exchanges_of_all_workers() {
    let gate = Gate::default();
    let backend = held(&gate);
    let lb = Lb::start(&[backend.address], &["--workers", "2"]);
    let mut idle: Vec<_> = (0..8).map(|_| lb.connect()).collect();
    let mut busy: Vec<_> = (0..8).map(|_| lb.connect()).collect();
    for client in &mut busy {
        client.send("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    until("the backend is at it", || {
        backend.times_received("/busy") == 8
    });
    until("all are accepted", || {
        lb.signal(Signal::USR1);
        lb.stderr().contains("connections  16 accepted")
    });
    lb.signal(Signal::TERM);
    for client in &mut idle {
        client.assert_closed();
    }
    gate.open();
    for client in &mut busy {
        let answer = client.receive();
        assert_eq!(
            (answer.status, answer.field("connection")),
            (200, Some("close"))
        );
        client.assert_closed();
    }
    let ended = lb.wait();
    assert_eq!(ended.code, Some(0));
    let said = ended.stderr;
    assert!(said.contains("connections  16 accepted, 0 open"), "{said}");
    assert!(said.contains("exchanges    8 (2xx 8)"), "{said}");
}
