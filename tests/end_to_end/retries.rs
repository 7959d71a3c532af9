//! Requests that are sent again, and those that must not be.
//!
//! The strategy is `n-to-1` where it matters, so that the faulty backend is tried first.

use crate::support::{Backend, Deaf, IN_ORDER, Lb, Pi, Refusing, Stopwatch, until};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

#[test]
fn a_request_that_never_left_goes_to_the_next_backend_whatever_its_method() {
    let (refusing, good) = (Refusing::new(), Backend::echo());
    let lb = Lb::start(&[refusing.address, good.address], &IN_ORDER);
    assert_eq!(lb.connect().get("/").text(), "GET /");
    let (refusing, good) = (Refusing::new(), Backend::echo());
    let lb = Lb::start(&[refusing.address, good.address], &IN_ORDER);
    assert_eq!(lb.connect().post("/", b"body").text(), "POST /");
}

#[test]
fn get_without_a_response_is_sent_to_the_next_backend() {
    for part in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"] {
        for faulty in [Backend::breaking_off(part), Backend::resetting(part)] {
            let good = Backend::echo();
            let lb = Lb::start(&[faulty.address, good.address], &IN_ORDER);
            let mut client = lb.connect();
            let answer = client.get("/again");
            assert_eq!(answer.text(), "GET /again", "after {part:?}");
            assert_eq!(faulty.times_received("GET /again"), 1);
            assert_eq!(client.get("/next").status, 200);
        }
    }
}

#[test]
fn a_get_survives_a_backend_that_closes_at_once() {
    let faulty = Backend::start(|_, _| {});
    let good = Backend::echo();
    let lb = Lb::start(&[faulty.address, good.address], &IN_ORDER);
    let mut client = lb.connect();
    for _ in 0..50 {
        assert_eq!(client.get("/").text(), "GET /");
    }
}

#[test]
fn a_post_that_a_backend_has_seen_is_never_sent_twice() {
    for part in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"] {
        for faulty in [Backend::breaking_off(part), Backend::resetting(part)] {
            let good = Backend::echo();
            let lb = Lb::start(&[faulty.address, good.address], &IN_ORDER);
            let mut client = lb.connect();
            let answer = client.post("/once", b"body");
            assert_eq!(answer.status, 502, "after {part:?}: {answer:?}");
            assert_eq!(faulty.times_received("POST /once"), 1);
            assert_eq!(good.times_received("POST"), 0);
            assert_eq!(
                client.get("/next").status,
                200,
                "the client stays connected"
            );
        }
    }
}

/// A backend that closes at once may have seen the request.
#[test]
fn post_to_a_backend_that_closes_at_once_is_sent_at_most_once() {
    for _ in 0..20 {
        let faulty = Backend::start(|_, _| {});
        let good = Backend::echo();
        let lb = Lb::start(&[faulty.address, good.address], &IN_ORDER);
        let answer = lb.connect().post("/once", b"body");
        let expected = if good.times_received("POST") == 1 {
            200
        } else {
            502
        };
        assert_eq!(answer.status, expected, "{answer:?}");
    }
}

/// The retries of one request are bounded, however many backends there are.
#[test]
fn a_get_is_repeated_as_often_as_is_allowed() {
    for (flag, attempts) in [("0", 1), ("2", 3), ("3", 4)] {
        let faulty: Vec<_> = (0..6).map(|_| Backend::breaking_off("")).collect();
        let addresses: Vec<_> = faulty.iter().map(|backend| backend.address).collect();
        let lb = Lb::start(&addresses, &["--max-retries", flag]);
        assert_eq!(lb.connect().get("/").status, 502);
        let asked: usize = faulty
            .iter()
            .map(|backend| backend.times_received("GET /"))
            .sum();
        assert_eq!(asked, attempts, "with --max-retries {flag}");
    }
}

/// The backend closes after each response without saying so. The next request may meet the closed
/// connection before the balancer knows, at any moment.
#[test]
fn a_get_never_fails_on_a_pooled_connection_that_was_closed() {
    let backend = Backend::breaking_off("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let lb = Lb::start(&[backend.address], &[]);
    let mut client = lb.connect();
    for nth in 0..200 {
        let answer = client.get("/");
        assert_eq!(answer.status, 200, "request {nth}: {answer:?}");
    }
}

#[test]
fn a_connection_seen_to_be_closed_is_not_used_for_a_post() {
    let backend = Backend::breaking_off("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let lb = Lb::start(&[backend.address], &[]);
    let with_client = lb.usage().open_fds() + 1;
    let mut client = lb.connect();
    client.get("/");
    for nth in 0..20 {
        until("the closed connection is dropped", || {
            lb.usage().open_fds() <= with_client
        });
        let answer = client.post("/", b"body");
        assert_eq!(answer.status, 200, "request {nth}: {answer:?}");
    }
}

#[test]
fn a_backend_that_cannot_be_reached_in_time_is_passed_over() {
    let (deaf, good) = (Deaf::new(), Backend::echo());
    let args = [&IN_ORDER[..], &["--connect-timeout", "200ms"]].concat();
    let lb = Lb::start(&[deaf.address, good.address], &args);
    let watch = Stopwatch::start();
    assert_eq!(lb.connect().post("/", b"body").text(), "POST /");
    assert!(watch.elapsed() >= Duration::from_millis(200));

    let lb = Lb::start(&[deaf.address], &["--connect-timeout", "200ms"]);
    let answer = lb.connect().get("/");
    assert_eq!(answer.status, 504, "{answer:?}");
    assert!(answer.text().contains("connect_timeout"), "{answer:?}");
}

#[test]
fn a_server_that_comes_back_is_found_again() {
    let pi = Pi::start_many(1);
    let address = pi[0].address;
    let lb = Lb::start(&[address], &[]);
    lb.assert_serves();
    drop(pi);
    assert_eq!(lb.connect().get("/ping").status, 503);
    let _pi = Pi::start_at(address.port(), "again", &[]);
    until("the server is picked again", || {
        lb.connect().get("/ping").status == 200
    });
}

#[test]
fn killing_one_of_four_servers_fails_no_get() {
    const CLIENTS: usize = 16;
    const REQUESTS_EACH: usize = 100;
    for strategy in ["round-robin", "least-conn", "least-rt"] {
        let mut pi: Vec<_> = (0..4)
            .map(|nth| {
                Pi::start(
                    &format!("pi-{nth}"),
                    &["--term-us", "200", "--threads", "4"],
                )
            })
            .collect();
        let lb = Lb::start(&Pi::addresses(&pi), &["--strategy", strategy]);
        let answered = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut client = lb.connect();
                    for _ in 0..REQUESTS_EACH {
                        let answer = client.get("/5");
                        assert_eq!(answer.status, 200, "{strategy}: {answer:?}");
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            until("a third is answered", || {
                answered.load(Ordering::Relaxed) > CLIENTS * REQUESTS_EACH / 3
            });
            drop(pi.remove(1));
            let so_far = answered.load(Ordering::Relaxed);
            assert!(so_far < CLIENTS * REQUESTS_EACH, "killed too late");
        });
    }
}
