//! Failures that are the request's or the client's, and those that are the backend's.

use super::health::{ERROR, checked, live, state, told};
use super::*;
use crate::config::{CheckKind, Mode};
use crate::strategy::{LeastConnections, Random, RoundRobin};
use std::time::Duration;

const PONG: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\npong";

/// Sends `request` on a connection of its own and answers it by what `answer` says to the number of
/// the backend. Returns that number.
fn serve(stage: &mut Stage, request: &str, answer: impl Fn(usize) -> &'static str) -> usize {
    let client = stage.ask(request);
    let number = respond(stage, answer);
    stage.end(client);
    number
}

fn respond(stage: &mut Stage, answer: impl Fn(usize) -> &'static str) -> usize {
    let open = stage.backend_conns();
    let asked = open.iter().find(|(wire, _)| !stage.heard(*wire).is_empty());
    let (wire, number) = *asked.expect("a backend is asked");
    stage.send(wire, answer(number));
    number
}

/// No backend is out.
fn are_all_in(stage: &Stage, backends: usize) -> bool {
    (0..backends).all(|number| state(stage, number) != "ejected")
}

const BAD: &str = "GET /bad HTTP/1.1\r\nHost: x\r\n\r\n";
const BAD_POST: &str = "POST /bad HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn a_request_that_always_fails_ejects_nobody() {
    for spec in [
        RoundRobin::ENTRY.spec(),
        LeastConnections::ENTRY.spec(),
        Random::ENTRY.spec(),
    ] {
        for bad in [BAD, BAD_POST] {
            for good_between in 1..4 {
                let mut setup = Setup::new(Mode::Http, 3);
                setup.strategy = spec.clone();
                let mut stage = setup.raise();
                for _ in 0..100 {
                    serve(&mut stage, bad, |_| ERROR);
                    for _ in 0..good_between {
                        serve(&mut stage, GET, |_| OK);
                    }
                    stage.pass(Duration::from_millis(10));
                }
                let why = told(&mut stage).concat();
                assert!(are_all_in(&stage, 3), "{good_between} between: {why}");
            }
        }
    }
}

/// A user whose requests always fail, on a new connection and for another page each time, behind a
/// proxy that gives all users one address.
#[test]
fn a_key_whose_requests_always_fail_ejects_nobody() {
    for spec in [
        "header-hash:X-User",
        "cookie-hash:user",
        "header-maglev:X-User",
    ] {
        let mut setup = Setup::new(Mode::Http, 3);
        setup.strategy = spec.parse().unwrap();
        let mut stage = setup.raise();
        let by = |user: &str, path: &str| {
            let keys = format!("Host: x\r\nX-User: {user}\r\nCookie: user={user}\r\n");
            GET.replace("Host: x\r\n", &keys).replace("/a", path)
        };
        for nth in 0..100 {
            serve(&mut stage, &by("bad", &format!("/bad/{nth}")), |_| ERROR);
            for user in 0..6 {
                serve(&mut stage, &by(&format!("u{user}"), "/good"), |_| OK);
            }
            stage.pass(Duration::from_millis(10));
        }
        assert!(are_all_in(&stage, 3), "{spec}: {:?}", told(&mut stage));
        // A backend that fails for all of its users is found.
        let bad = serve(&mut stage, &by("u1", "/good"), |_| ERROR);
        let mut failed = 1;
        for nth in 0..60 {
            let user = format!("u{}", nth % 12);
            let failing = |number| if number == bad { ERROR } else { OK };
            failed += usize::from(serve(&mut stage, &by(&user, "/good"), failing) == bad);
        }
        assert_eq!(state(&stage, bad), "ejected", "{spec}: {failed} failed");
    }
}

/// Requests of many clients on the connections of one proxy.
#[test]
fn behind_a_trusted_proxy_failures_follow_the_client_it_names() {
    for field in ["X-Forwarded-For: ", "Forwarded: for="] {
        let mut setup = Setup::new(Mode::Http, 3);
        setup.trusted_proxies = vec!["192.0.2.0/24".parse().unwrap()];
        let mut stage = setup.raise();
        let proxy = stage.client();
        let ask = |stage: &mut Stage, client: u8, path: &str, sick: Option<usize>| {
            let fields = format!("Host: x\r\n{field}203.0.113.{client}\r\n");
            let request = GET.replace("Host: x\r\n", &fields).replace("/a", path);
            stage.send(proxy, request);
            let number = respond(stage, |number| match client == 66 || sick == Some(number) {
                true => ERROR,
                false => OK,
            });
            stage.heard(proxy);
            number
        };
        for nth in 0..60 {
            // Backends take turns, so that all failures in a row are at one of them.
            ask(&mut stage, 66, &format!("/bad/{nth}"), None);
            ask(&mut stage, 1, "/good", None);
            ask(&mut stage, 2, "/good", None);
            stage.pass(Duration::from_millis(10));
        }
        assert!(are_all_in(&stage, 3), "{field}: {:?}", told(&mut stage));
        // Clients that are served elsewhere tell of a broken backend.
        for nth in 0..30 {
            ask(&mut stage, 1 + nth % 2, &format!("/{nth}"), Some(1));
        }
        assert_eq!(state(&stage, 1), "ejected", "{field}");
        assert!(state(&stage, 0) != "ejected" && state(&stage, 2) != "ejected");
    }
}

/// Connections of many clients, told by PROXY headers.
#[test]
fn behind_a_proxy_header_failures_follow_the_client_it_names() {
    for strategy in ["round-robin", "ip-hash"] {
        let mut setup = Setup::new(Mode::Http, 3);
        setup.accepts_proxy = true;
        setup.strategy = strategy.parse().unwrap();
        let mut stage = setup.raise();
        let by = |client: u8, port: u16, path: &str| {
            let request = GET.replace("/a", path);
            format!("PROXY TCP4 203.0.113.{client} 192.0.2.1 {port} 80\r\n{request}")
        };
        for nth in 0..100 {
            for page in 0..3 {
                let bad = by(66, 1000 + nth, &format!("/bad/{nth}/{page}"));
                serve(&mut stage, &bad, |_| ERROR);
            }
            for client in 1..9 {
                serve(&mut stage, &by(client, nth, "/good"), |_| OK);
            }
            stage.pass(Duration::from_millis(10));
        }
        assert!(are_all_in(&stage, 3), "{strategy}: {:?}", told(&mut stage));
        let sick = serve(&mut stage, &by(1, 1, "/good"), |_| ERROR);
        for nth in 0..60 {
            let request = by(1 + nth as u8 % 12, nth, &format!("/{nth}"));
            let failing = |number| if number == sick { ERROR } else { OK };
            serve(&mut stage, &request, failing);
        }
        assert_eq!(state(&stage, sick), "ejected", "{strategy}");
    }
}

/// A client of IPv6 has 2^64 addresses, and takes another for each request.
#[test]
fn a_client_with_many_addresses_ejects_nobody() {
    for (named, trusted) in [(true, "192.0.2.0/24"), (false, "198.51.100.1")] {
        let mut setup = Setup::new(Mode::Http, 3);
        setup.accepts_proxy = !named;
        setup.trusted_proxies = vec![trusted.parse().unwrap(), "192.0.2.1".parse().unwrap()];
        let mut stage = setup.raise();
        let by = |client: &str, path: &str| {
            let request = GET.replace("/a", path);
            match named {
                true => request.replace(
                    "\r\n\r\n",
                    &format!("\r\nX-Forwarded-For: {client}\r\n\r\n"),
                ),
                false => format!("PROXY TCP6 {client} 2001:db8::1 1000 80\r\n{request}"),
            }
        };
        for nth in 0..100 {
            let address = format!("2001:db8:0:66::{nth:x}");
            serve(&mut stage, &by(&address, &format!("/bad/{nth}")), |_| ERROR);
            // The others are three clients, one of them with an IPv4 address written in IPv6.
            for client in ["2001:db8:0:1::1", "2001:db8:0:2::1", "::ffff:203.0.113.9"] {
                serve(&mut stage, &by(client, "/good"), |_| OK);
            }
            stage.pass(Duration::from_millis(10));
        }
        assert!(are_all_in(&stage, 3), "{named}: {:?}", told(&mut stage));
    }
}

#[test]
fn a_connection_of_which_each_request_fails_ejects_nobody() {
    let mut stage = Stage::http(2);
    let culprit = stage.client();
    for nth in 0..100 {
        stage.send(culprit, GET.replace("/a", &format!("/bad/{nth}")));
        respond(&mut stage, |_| ERROR);
        serve(&mut stage, GET, |_| OK);
        stage.pass(Duration::from_millis(10));
    }
    assert!(are_all_in(&stage, 2), "{:?}", told(&mut stage));
}

#[test]
fn a_broken_backend_is_found_beside_a_client_that_always_fails() {
    let mut stage = Stage::http(3);
    let mut asked = 0;
    for nth in 0..60 {
        serve(&mut stage, BAD, |_| ERROR);
        for _ in 0..3 {
            let broken = |number| if number == 1 { ERROR } else { OK };
            asked += usize::from(serve(&mut stage, GET, broken) == 1);
        }
        if state(&stage, 1) == "ejected" {
            assert!(
                asked <= 12,
                "{asked} requests failed before, in {nth} rounds"
            );
            assert_ne!(state(&stage, 0), "ejected");
            assert_ne!(state(&stage, 2), "ejected");
            return;
        }
    }
    panic!("not found: {:?}", told(&mut stage));
}

#[test]
fn a_backend_that_breaks_under_its_only_client_is_found() {
    let mut setup = Setup::new(Mode::Http, 2);
    setup.strategy = "n-to-1".parse().unwrap();
    let mut stage = setup.raise();
    for _ in 0..10 {
        serve(&mut stage, GET, |_| OK);
    }
    let mut failed = 0;
    while state(&stage, 0) != "ejected" {
        failed += usize::from(serve(&mut stage, GET, |number| [ERROR, OK][number]) == 0);
        assert!(failed <= 5, "{failed} requests failed");
    }
    assert_eq!(serve(&mut stage, GET, |number| [ERROR, OK][number]), 1);
}

/// The numbers of the backends that were sent the request.
fn begun_at(stage: &Stage, request: &str) -> Vec<usize> {
    let conns = stage.backend_conns().into_iter();
    let world = stage.world.borrow();
    let sent = |wire: WireId| world.wire(wire).taken.starts_with(request.as_bytes());
    conns
        .filter(|(wire, _)| sent(*wire))
        .map(|(_, number)| number)
        .collect()
}

#[test]
fn a_request_that_keeps_its_backends_busy_is_begun_twice_at_most() {
    let mut stage = checked(4, CheckKind::HTTP);
    let heavy = GET.replace("/a", "/heavy");
    let client = stage.ask(&heavy);
    for _ in 0..50 {
        let busy = begun_at(&stage, &heavy);
        // A backend with one thread: whoever works on it answers no check.
        let idle = |number| (!busy.contains(&number)).then_some(PONG);
        live(&mut stage, Duration::from_millis(200), idle);
    }
    let busy = begun_at(&stage, &heavy);
    assert_eq!(busy.len(), 2, "{busy:?}: {:?}", told(&mut stage));
    let idle = (0..4).filter(|number| !busy.contains(number));
    for number in idle {
        assert_ne!(state(&stage, number), "ejected");
    }
    // It is answered by the second.
    let mut conns = stage.backend_conns().into_iter();
    let second = conns.find(|(wire, number)| *number == busy[1] && !stage.is_closed(*wire));
    let (second, _) = second.unwrap();
    stage.send(second, OK);
    assert_eq!(stage.heard(client), OK);
}
