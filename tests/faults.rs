//! Backends that fail, in every way and at every moment, and what the client sees of it.
//!
//! The strategy is `n-to-1`, so that the first backend, the faulty one, is asked first.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::{Backend, Deaf, End, Lb, Pi, Refusing, Stopwatch, Wire, until};

const FIRST: [&str; 2] = ["--strategy", "n-to-1"];

/// Reads the request and answers the first bytes of a response, then closes.
fn breaks_off_after(part: &'static str) -> Backend {
    Backend::start(move |mut wire, _| {
        if wire.read_request().is_some() {
            wire.send(part);
        }
    })
}

/// Reads the request and breaks the connection after the first bytes of a response.
fn resets_after(part: &'static str) -> Backend {
    Backend::start(move |mut wire, _| {
        if wire.read_request().is_some() {
            wire.send(part);
            wire.reset();
        }
    })
}

#[test]
fn a_request_that_never_left_goes_to_the_next_backend_whatever_its_method() {
    let (refusing, good) = (Refusing::new(), Backend::echo());
    let lb = Lb::start(&[refusing.address, good.address], &FIRST);
    assert_eq!(lb.connect().get("/").text(), "GET /");
    let (refusing, good) = (Refusing::new(), Backend::echo());
    let lb = Lb::start(&[refusing.address, good.address], &FIRST);
    assert_eq!(lb.connect().post("/", b"body").text(), "POST /");
}

#[test]
fn a_get_that_was_not_answered_is_sent_to_the_next_backend() {
    for part in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"] {
        for faulty in [breaks_off_after(part), resets_after(part)] {
            let good = Backend::echo();
            let lb = Lb::start(&[faulty.address, good.address], &FIRST);
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
    let lb = Lb::start(&[faulty.address, good.address], &FIRST);
    let mut client = lb.connect();
    for _ in 0..50 {
        assert_eq!(client.get("/").text(), "GET /");
    }
}

#[test]
fn a_post_that_a_backend_has_seen_is_never_sent_twice() {
    for part in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"] {
        for faulty in [breaks_off_after(part), resets_after(part)] {
            let good = Backend::echo();
            let lb = Lb::start(&[faulty.address, good.address], &FIRST);
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

/// Nobody can tell whether a backend that closes at once has seen the request.
#[test]
fn a_post_to_a_backend_that_closes_at_once_is_seen_at_most_once() {
    for _ in 0..20 {
        let faulty = Backend::start(|_, _| {});
        let good = Backend::echo();
        let lb = Lb::start(&[faulty.address, good.address], &FIRST);
        let answer = lb.connect().post("/once", b"body");
        let expected = if good.times_received("POST") == 1 {
            200
        } else {
            502
        };
        assert_eq!(answer.status, expected, "{answer:?}");
    }
}

#[test]
fn when_all_backends_close_the_client_is_told_so() {
    let faulty = breaks_off_after("");
    let lb = Lb::start(&[faulty.address], &[]);
    let mut client = lb.connect();
    for _ in 0..3 {
        let answer = client.get("/");
        assert_eq!(answer.status, 502, "{answer:?}");
        assert!(answer.text().contains("backend_gone"), "{answer:?}");
    }
}

/// The retries of one request are bounded, however many backends there are.
#[test]
fn a_get_is_repeated_as_often_as_is_allowed() {
    for (flag, attempts) in [("0", 1), ("2", 3), ("3", 4)] {
        let faulty: Vec<_> = (0..6).map(|_| breaks_off_after("")).collect();
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

/// The client must not take a part for the whole.
#[test]
fn a_body_that_breaks_off_is_not_ended_in_order() {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n";
    let in_chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nonly this";
    for part in [length, chunked, in_chunk] {
        for faulty in [breaks_off_after(part), resets_after(part)] {
            let good = Backend::echo();
            let lb = Lb::start(&[faulty.address, good.address], &FIRST);
            let broken = lb.connect().get_broken("/");
            let head = broken.part.expect("a head");
            assert!("only this".starts_with(&head.text()), "{head:?}");
            assert_ne!(broken.end, End::Silent);
            assert_eq!(good.connections(), 0, "what was begun is not repeated");
        }
    }
}

/// A body without a length ends by closing; so if it breaks off, the client must see a break.
#[test]
fn a_body_without_a_length_that_breaks_off_is_not_ended_in_order() {
    let faulty = resets_after("HTTP/1.1 200 OK\r\n\r\nonly this");
    let lb = Lb::start(&[faulty.address], &[]);
    let broken = lb.connect().get_broken("/");
    assert_ne!(broken.end, End::Silent);

    let mut old = lb.connect();
    old.send("GET / HTTP/1.0\r\nHost: x\r\n\r\n");
    let broken = old.try_receive().expect_err("it broke off");
    assert_eq!(broken.end, End::Reset, "{broken:?}");
}

/// The backend closes after each answer without saying so. The next request may meet the closed
/// connection before the balancer knows, at any moment.
#[test]
fn a_get_never_fails_on_a_pooled_connection_that_was_closed() {
    let backend = Backend::start(|mut wire, _| {
        if wire.read_request().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let lb = Lb::start(&[backend.address], &[]);
    let mut client = lb.connect();
    for nth in 0..200 {
        let answer = client.get("/");
        assert_eq!(answer.status, 200, "request {nth}: {answer:?}");
    }
}

#[test]
fn a_connection_seen_to_be_closed_is_not_used_for_a_post() {
    let backend = Backend::start(|mut wire, _| {
        if wire.read_request().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
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
fn bytes_nobody_asked_for_spoil_a_pooled_connection() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    let backend = Backend::start(move |mut wire, _| {
        while wire.read_request().is_some() {
            wire.send([answer, forged].concat());
        }
    });
    let lb = Lb::start(&[backend.address], &[]);
    let mut client = lb.connect();
    for _ in 0..20 {
        assert_eq!(client.get("/").text(), "ok");
    }
}

#[test]
fn a_response_that_cannot_be_trusted_becomes_a_502() {
    for head in [
        "no HTTP at all\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: gzip, chunked\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent Length: 2\r\n\r\nok",
        "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ] {
        let faulty = Backend::answering(|_| head.into());
        let lb = Lb::start(&[faulty.address], &[]);
        let mut client = lb.connect();
        for _ in 0..2 {
            let answer = client.get("/");
            assert_eq!(answer.status, 502, "{head:?}: {answer:?}");
            assert!(answer.text().contains("bad_response"), "{answer:?}");
        }
    }
}

#[test]
fn a_backend_that_does_not_answer_in_time_becomes_a_504() {
    let silent = Backend::start(|mut wire: Wire, _| {
        wire.read_to_end();
    });
    let good = Backend::echo();
    let args = [&FIRST[..], &["--server-timeout", "300ms"]].concat();
    let lb = Lb::start(&[silent.address, good.address], &args);
    let mut client = lb.connect();
    let watch = Stopwatch::start();
    let answer = client.get("/slow");
    assert_eq!(answer.status, 504, "{answer:?}");
    assert!(answer.text().contains("backend_timeout"), "{answer:?}");
    assert!(watch.elapsed() >= Duration::from_millis(300));
    assert!(watch.elapsed() < Duration::from_secs(3));
    assert_eq!(good.times_received("/slow"), 0, "it may still be at work");
}

#[test]
fn a_body_that_stops_coming_is_broken_off_in_time() {
    let stalls = Backend::start(|mut wire, _| {
        if wire.read_request().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
            wire.read_to_end();
        }
    });
    let lb = Lb::start(&[stalls.address], &["--server-timeout", "300ms"]);
    let watch = Stopwatch::start();
    let broken = lb.connect().get_broken("/");
    assert_eq!(broken.part.expect("a head").text(), "only this");
    assert_ne!(broken.end, End::Silent);
    assert!(watch.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_backend_that_cannot_be_reached_in_time_is_passed_over() {
    let (deaf, good) = (Deaf::new(), Backend::echo());
    let args = [&FIRST[..], &["--connect-timeout", "200ms"]].concat();
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
fn when_nobody_can_be_reached_the_client_is_asked_to_come_back() {
    let nobody = [Refusing::new(), Refusing::new()];
    let lb = Lb::start(&[nobody[0].address, nobody[1].address], &[]);
    let mut client = lb.connect();
    for _ in 0..20 {
        let answer = client.get("/");
        assert_eq!(answer.status, 503, "{answer:?}");
        let wait = answer.field("retry-after").expect("a time to wait");
        assert!(wait.parse::<u32>().is_ok(), "{wait}");
        let length = answer.message.content_length();
        assert_eq!(length, Some(answer.message.body.len()));
        let page = answer.text();
        assert!(page.starts_with("503 Service Unavailable\n"), "{page}");
        let content_type = answer.field("content-type");
        assert_eq!(content_type, Some("text/plain; charset=utf-8"));
        assert_eq!(answer.field("connection"), None, "it stays open");
    }
    let answer = client.post("/", b"a body that was read");
    assert_eq!(answer.status, 503);
    assert_eq!(client.get("/").status, 503, "and still stays open");
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
