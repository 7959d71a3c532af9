//! Retries: which attempts are repeated, and which never.

use super::super::stage::backend;
use super::health::live;
use super::*;
use crate::config::{CheckKind, Mode};
use crate::pool::Moved;
use std::time::Duration;

#[test]
fn a_pooled_link_that_died_is_replaced_by_a_new_one() {
    let (mut stage, client, link) = warmed_up(Stage::http(1));
    // The end crosses the request: the server writes before it hears of it.
    stage
        .world
        .borrow_mut()
        .wire_mut(client)
        .deliver(GET.as_bytes());
    let events = stage.world.borrow_mut().poll();
    stage.world.borrow_mut().wire_mut(link).end();
    stage.turn(events);
    stage.run();
    let fresh = stage.link();
    assert_ne!(fresh, link);
    assert_eq!(stage.heard(fresh), GET);
    stage.send(fresh, OK);
    assert_eq!(stage.heard(client), OK);
    assert!(stage.log().contains("retries=1 reason=ok"));
    assert_eq!(
        stage.snapshot().backends[0].counters.errors,
        0,
        "nobody's fault"
    );
}

const LATE_408: &str =
    "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// The backend gave up a connection that was idle for too long and says so, while a request is on
/// its way there.
#[test]
fn a_408_for_a_connection_that_was_idle_is_not_passed_on() {
    for cut in [LATE_408.len(), 20] {
        let (mut stage, client, link) = warmed_up(Stage::http(1));
        stage.send(client, GET);
        stage.send(link, &LATE_408[..cut]);
        if cut < LATE_408.len() {
            stage.send(link, &LATE_408[cut..]);
        }
        assert!(stage.is_closed(link));
        let fresh = stage.link();
        assert_ne!(fresh, link);
        assert_eq!(stage.heard(fresh), GET);
        stage.send(fresh, OK);
        assert_eq!(stage.heard(client), OK);
        assert!(stage.log().contains("retries=1 reason=ok"));
        let counters = stage.snapshot().backends[0].counters;
        assert_eq!(counters.errors, 0, "it is alive");
    }
}

#[test]
fn a_408_for_a_request_is_passed_on() {
    // On a new connection, also after one that was given up.
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    stage.send(stage.link(), LATE_408);
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 408 Request Timeout");
    let (mut stage, client, link) = warmed_up(Stage::http(1));
    stage.send(client, GET);
    stage.send(link, LATE_408);
    stage.send(stage.link(), LATE_408);
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 408 Request Timeout");
    assert_eq!(stage.backend_conns().len(), 2);
    // The connection goes on, or the request may not be repeated.
    let kept = LATE_408.replace("Connection: close\r\n", "");
    for (request, response) in [(GET, &kept[..]), (POST, LATE_408)] {
        let (mut stage, client, link) = warmed_up(Stage::http(1));
        stage.send(client, request);
        stage.send(link, response);
        assert_eq!(status(&stage.heard(client)), "HTTP/1.1 408 Request Timeout");
        assert_eq!(stage.backend_conns().len(), 1);
    }
    // The operator wants no retries.
    let mut setup = Setup::new(Mode::Http, 1);
    setup.limits.max_retries = 0;
    let (mut stage, client, link) = warmed_up(setup.raise());
    stage.send(client, GET);
    stage.send(link, LATE_408);
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 408 Request Timeout");
}

#[test]
fn a_post_is_never_sent_twice() {
    let (mut stage, client, link) = warmed_up(Stage::http(1));
    stage.send(client, POST);
    assert_eq!(stage.heard(link), POST);
    stage.reset(link);
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 502 Bad Gateway");
    assert_eq!(stage.backend_conns().len(), 1);
}

#[test]
fn a_post_of_which_nothing_was_sent_may_go_elsewhere() {
    let (mut stage, client, link) = warmed_up(Stage::http(1));
    stage
        .world
        .borrow_mut()
        .wire_mut(client)
        .deliver(POST.as_bytes());
    let events = stage.world.borrow_mut().poll();
    stage.world.borrow_mut().wire_mut(link).reset(false);
    stage.turn(events);
    stage.run();
    assert_eq!(stage.heard(stage.link()), POST);
    assert_eq!(stage.heard(link), "");
}

#[test]
fn refusing_backend_is_followed_by_the_next() {
    for at_once in [true, false] {
        let mut stage = Stage::http(3);
        let dial = if at_once { Dial::Refused } else { Dial::Later };
        stage.dial(0, dial);
        stage.dial(1, dial);
        let client = stage.ask(POST);
        if !at_once {
            stage.refuse(stage.link());
            stage.refuse(stage.link());
        }
        let (link, number) = *stage.backend_conns().last().unwrap();
        assert_eq!(number, 2);
        assert_eq!(stage.heard(link), POST);
        stage.send(link, OK);
        assert_eq!(stage.heard(client), OK);
        assert!(stage.log().contains("retries=2 reason=ok"));
    }
}

#[test]
fn when_all_refuse_the_client_gets_a_503() {
    for at_once in [true, false] {
        let mut stage = Stage::http(2);
        let dial = if at_once { Dial::Refused } else { Dial::Later };
        stage.dial(0, dial);
        stage.dial(1, dial);
        let client = stage.ask(GET);
        if !at_once {
            stage.refuse(stage.link());
            stage.refuse(stage.link());
        }
        let heard = stage.heard(client);
        assert_eq!(status(&heard), "HTTP/1.1 503 Service Unavailable");
        assert!(heard.contains("Retry-After: 1\r\n"), "{heard}");
        assert_eq!(stage.reason(), "connect_failed");
        assert!(!stage.is_closed(client));
    }
}

#[test]
fn a_shortage_of_descriptors_is_no_fault_of_a_backend() {
    let mut stage = Stage::http(2);
    stage.dial(0, Dial::Shortage);
    let client = stage.ask(GET);
    assert_eq!(
        status(&stage.heard(client)),
        "HTTP/1.1 503 Service Unavailable"
    );
    assert_eq!(stage.reason(), "overloaded");
    assert!(stage.backend_conns().is_empty());
    assert_eq!(stage.snapshot().backends[0].counters.errors, 0);
}

#[test]
fn a_full_backlog_is_waited_for() {
    is_waited_for(Dial::NoRoom, 2);
}

/// However long it lasts, up to the queue timeout.
#[test]
fn a_local_port_is_waited_for() {
    is_waited_for(Dial::NoPort, 8);
}

fn is_waited_for(shortage: Dial, seconds: usize) {
    let mut stage = Stage::http(1);
    stage.dial(0, shortage);
    let clients = [stage.ask(GET), stage.ask(GET)];
    for _ in 0..seconds * 50 {
        stage.pass(Duration::from_millis(20));
    }
    assert!(clients.iter().all(|client| stage.heard(*client).is_empty()));
    stage.dial(0, Dial::AtOnce);
    stage.pass(Duration::from_millis(20));
    for client in clients {
        let asked = stage.backend_conns();
        let asked = asked
            .iter()
            .find(|(wire, _)| !stage.heard(*wire).is_empty());
        let (wire, _) = *asked.expect("the backend is asked");
        stage.send(wire, OK);
        assert_eq!(stage.heard(client), OK);
    }
    let backend = &stage.snapshot().backends[0];
    assert_eq!(backend.counters.errors, 0);
    assert_eq!(backend.picks, 2, "tries are not counted");
    assert!(stage.log().contains("retries=0"), "{}", stage.log());
}

/// Also where all backends are ejected, and tried all the same.
#[test]
fn an_ejected_backend_whose_backlog_is_full_is_waited_for() {
    for others in [Dial::NoRoom, Dial::Refused] {
        let mut setup = Setup::new(Mode::Http, 2);
        setup.health.check = Some(CheckKind::TCP);
        let mut stage = setup.raise();
        stage.dial(0, Dial::Refused);
        stage.dial(1, Dial::Refused);
        live(&mut stage, Duration::from_secs(4), |_| None);
        let backends = stage.snapshot().backends;
        assert!(backends.iter().all(|backend| backend.state == "ejected"));
        stage.dial(0, Dial::NoRoom);
        stage.dial(1, others);
        let client = stage.ask(POST);
        for _ in 0..50 {
            stage.pass(Duration::from_millis(20));
        }
        assert_eq!(stage.heard(client), "", "it waits");
        stage.dial(0, Dial::AtOnce);
        for _ in 0..5 {
            stage.pass(Duration::from_millis(20));
        }
        let mut open = stage.backend_conns().into_iter();
        let asked = open.find(|(wire, _)| stage.heard(*wire) == POST);
        stage.send(asked.expect("the backend is asked").0, OK);
        assert_eq!(stage.heard(client), OK);
    }
}

#[test]
fn a_backend_with_room_comes_before_a_full_backlog() {
    let mut stage = Stage::http(2);
    stage.dial(0, Dial::NoRoom);
    for _ in 0..4 {
        let client = stage.ask(POST);
        let asked = stage.backend_conns();
        let asked = asked
            .iter()
            .find(|(wire, _)| !stage.heard(*wire).is_empty());
        let (wire, number) = *asked.expect("a backend is asked");
        assert_eq!(number, 1);
        stage.send(wire, OK);
        assert_eq!(stage.heard(client), OK);
    }
}

/// As by TCP: what accepts no connection for the connect timeout is not there.
#[test]
fn a_backlog_that_stays_full_is_unreachable() {
    let mut stage = Stage::http(1);
    stage.dial(0, Dial::NoRoom);
    let client = stage.ask(GET);
    for _ in 0..170 {
        stage.pass(Duration::from_millis(20));
    }
    assert_eq!(
        status(&stage.heard(client)),
        "HTTP/1.1 503 Service Unavailable"
    );
    assert_eq!(stage.reason(), "connect_failed");
    stage.dial(0, Dial::AtOnce);
    stage.seconds(2);
    let client = stage.ask(GET);
    let wire = stage.link();
    stage.send(wire, OK);
    assert_eq!(stage.heard(client), OK);
}

#[test]
fn backends_that_break_off_are_tried_a_bounded_number_of_times() {
    let mut stage = Stage::http(9);
    let client = stage.ask(GET);
    for _ in 0..9 {
        let link = stage.link();
        if !stage.is_closed(link) {
            stage.reset(link);
        }
    }
    let asked: Vec<usize> = stage
        .backend_conns()
        .iter()
        .map(|(_, number)| *number)
        .collect();
    assert_eq!(asked.len(), 3, "the first and two more");
    assert!(asked[0] != asked[1] && asked[1] != asked[2] && asked[0] != asked[2]);
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 502 Bad Gateway");
    assert_eq!(stage.reason(), "backend_gone");
}

#[test]
fn nothing_is_repeated_where_that_is_not_allowed() {
    let mut setup = Setup::new(Mode::Http, 3);
    setup.limits.max_retries = 0;
    let mut stage = setup.raise();
    let client = stage.ask(GET);
    stage.reset(stage.link());
    assert_eq!(stage.backend_conns().len(), 1);
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 502 Bad Gateway");
}

#[test]
fn partial_response_is_not_followed_by_another() {
    let mut stage = Stage::http(2);
    let client = stage.ask(GET);
    stage.send(
        stage.link(),
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
    );
    stage.reset(stage.link());
    assert_eq!(stage.backend_conns().len(), 1);
    assert!(stage.heard(client).ends_with("abc"));
    assert!(stage.is_closed(client));
}

#[test]
fn part_of_a_head_has_not_reached_the_client() {
    let mut stage = Stage::http(2);
    let client = stage.ask(GET);
    stage.send(stage.link(), "HTTP/1.1 200 OK\r\nContent-");
    stage.reset(stage.link());
    stage.send(stage.link(), OK);
    assert_eq!(stage.heard(client), OK);
    assert_eq!(stage.backend_conns().len(), 2);
}

#[test]
fn tunnel_is_retried_with_the_bytes_of_the_client() {
    let mut stage = Stage::tcp(2);
    stage.dial(0, Dial::Later);
    stage.dial(1, Dial::Later);
    let client = stage.ask("hello");
    stage.refuse(stage.link());
    stage.establish(stage.link());
    assert_eq!(stage.backend_conns().len(), 2);
    assert_eq!(stage.heard(stage.link()), "hello");
    stage.send(stage.link(), "hi");
    assert_eq!(stage.heard(client), "hi");
}

#[test]
fn a_second_address_follows_a_connect_timeout_and_is_remembered() {
    let mut setup = Setup::new(crate::config::Mode::Http, 1);
    setup.addresses = 2;
    let mut stage = setup.raise();
    stage.dial(0, Dial::Later);
    let client = stage.ask(GET);
    assert_eq!(stage.backend_conns().len(), 1);
    stage.seconds(5);
    let conns = stage.backend_conns();
    assert_eq!(
        conns.iter().map(|(_, number)| *number).collect::<Vec<_>>(),
        [0, 100]
    );
    assert!(stage.is_closed(conns[0].0));
    stage.send(conns[1].0, OK);
    assert_eq!(stage.heard(client), OK);
    assert_eq!(stage.snapshot().totals.exchanges, 1);
    stage.end(conns[1].0);
    stage.send(client, GET);
    let (third, number) = *stage.backend_conns().last().unwrap();
    assert_eq!(number, 100, "the address that worked comes first");
    stage.send(third, OK);
    assert_eq!(stage.heard(client), OK);
}

/// Says that the only backend is at the addresses of these numbers now.
fn move_to(stage: &mut Stage, numbers: &[usize]) {
    let id = stage.proxy.pools().find(&backend(0).to_string()).unwrap();
    let moved = Moved {
        backend: id,
        address: backend(numbers[0]).to_string(),
        addresses: numbers.iter().map(|nth| backend(*nth).into()).collect(),
    };
    let now = stage.now;
    assert_eq!(stage.proxy.backends().move_backend(moved, now), Ok(true));
    stage.run();
}

#[test]
fn connection_still_connecting_when_its_backend_moves_serves_once() {
    let mut stage = Stage::http(1);
    stage.dial(0, Dial::Later);
    let client = stage.ask(GET);
    let old = stage.link();
    move_to(&mut stage, &[7, 8]);
    stage.establish(old);
    stage.send(old, OK);
    assert_eq!(stage.heard(client), OK);
    assert!(stage.is_closed(old), "kept for the next request");
    stage.send(client, GET);
    let (new, number) = *stage.backend_conns().last().unwrap();
    assert_eq!(number, 7);
    stage.send(new, OK);
    assert_eq!(stage.heard(client), OK);
    assert!(!stage.is_closed(new));
}

#[test]
fn connection_refused_after_its_backend_has_moved_is_made_to_the_new_address() {
    let mut stage = Stage::http(1);
    stage.dial(0, Dial::Later);
    let client = stage.ask(GET);
    let old = stage.link();
    move_to(&mut stage, &[7, 8]);
    stage.refuse(old);
    let (new, number) = *stage.backend_conns().last().unwrap();
    assert_eq!(number, 7, "a round of the new addresses begins");
    stage.send(new, OK);
    assert_eq!(stage.heard(client), OK);
}
