//! Requests that were caught by a backend that dies or hangs, and which backend serves them in the
//! end.

use super::super::super::{AdminCommand, Message};
use super::health::{checked, live, state};
use super::*;
use crate::config::CheckKind;
use std::time::Duration;

const PONG: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\npong";

/// The links on which a request of a client has come and no response has begun.
fn asked(stage: &Stage) -> Vec<(WireId, usize)> {
    let links = stage.backend_conns().into_iter();
    let world = stage.world.borrow();
    let is_asked = |wire| {
        let wire = world.wire(wire);
        !wire.is_closed() && wire.taken.starts_with(GET.as_bytes())
    };
    links.filter(|(wire, _)| is_asked(*wire)).collect()
}

/// Two backends that hang and are known to, and a client that waits for one of them.
fn both_hang() -> (Stage, WireId, WireId, usize) {
    let mut stage = checked(2, CheckKind::HTTP);
    live(&mut stage, Duration::from_secs(9), |_| None);
    assert_eq!((state(&stage, 0), state(&stage, 1)), ("ejected", "ejected"));
    let client = stage.ask(GET);
    live(&mut stage, Duration::from_secs(6), |_| None);
    let caught = asked(&stage);
    assert_eq!(caught.len(), 1, "there is nobody to turn to: it waits");
    let (link, number) = caught[0];
    (stage, client, link, number)
}

#[test]
fn where_all_hang_a_get_waits_for_the_one_it_is_at() {
    let (mut stage, client, link, _) = both_hang();
    stage.send(link, OK);
    assert_eq!(stage.heard(client), OK);
}

#[test]
fn request_at_an_ejected_backend_is_redispatched_to_the_first_that_recovers() {
    let (mut stage, client, link, hung) = both_hang();
    let well = move |number| (number != hung).then_some(PONG);
    live(&mut stage, Duration::from_secs(3), well);
    assert!(stage.is_closed(link));
    let (link, number) = asked(&stage)[0];
    assert_ne!(number, hung);
    stage.send(link, OK);
    assert_eq!(stage.heard(client), OK);
}

#[test]
fn disabling_a_hanging_backend_redispatches_its_requests() {
    for order in [AdminCommand::Drain, AdminCommand::Disable] {
        let mut stage = checked(2, CheckKind::HTTP);
        let client = stage.ask(GET);
        let hung = asked(&stage)[0].1;
        let (name, now) = (format!("10.0.0.1:{}", 5000 + hung), stage.now);
        assert!(
            stage
                .proxy
                .backends()
                .execute(&name.as_str().into(), order, now)
                .is_some()
        );
        let well = move |number| (number != hung).then_some(PONG);
        live(&mut stage, Duration::from_secs(4), well);
        let (link, number) = asked(&stage)[0];
        assert_ne!(number, hung);
        stage.send(link, OK);
        assert_eq!(stage.heard(client), OK);
        let to = |stage: &Stage, number| {
            let links = stage.backend_conns().into_iter();
            links.filter(|(_, to)| *to == number).count()
        };
        let (at_hung, at_other) = (to(&stage, hung), to(&stage, number));
        live(&mut stage, Duration::from_secs(9), |_| Some(PONG));
        assert!(to(&stage, number) > at_other, "the other is checked on");
        let left = "nobody checks what is unwanted and has nothing to finish";
        assert_eq!(to(&stage, hung), at_hung, "{left}");
    }
}

#[test]
fn connections_that_are_refused_use_up_no_retries() {
    let mut stage = Stage::http(5);
    for number in 0..3 {
        stage.dial(number, Dial::Refused);
    }
    let client = stage.ask(GET);
    let (link, number) = *stage.backend_conns().last().unwrap();
    assert_eq!((stage.heard(link).as_str(), number), (GET, 3));
    stage.reset(link);
    let (link, number) = *stage.backend_conns().last().unwrap();
    assert_eq!((stage.heard(link).as_str(), number), (GET, 4));
    stage.send(link, OK);
    assert_eq!(stage.heard(client), OK);
    assert!(stage.log().contains("retries=4 reason=ok"));
}

#[test]
fn hang_found_by_the_first_worker_redispatches_in_all_workers() {
    let mut stage = Stage::http(2);
    let client = stage.ask(GET);
    let (link, hung) = asked(&stage)[0];
    let backend = stage.proxy.traffic.pools.first().backends.candidates()[hung].id;
    stage.proxy.backends().receive(
        Message::Silent(crate::pool::PoolId::FIRST, backend),
        stage.now,
    );
    stage.run();
    assert!(stage.is_closed(link));
    let (link, number) = asked(&stage)[0];
    assert_ne!(number, hung);
    stage.send(link, OK);
    assert_eq!(stage.heard(client), OK);
}
