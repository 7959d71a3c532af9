//! The process is stopped for longer than its timeouts, as by a debugger or a frozen machine: peers
//! that did their part meanwhile are not blamed for it.

use crate::support::{Backend, Client, Lb, stays, until};
use rustix::process::Signal;
use std::time::Duration;

/// The timeout at stake, and how long the process is stopped.
const TIMEOUT: &str = "3s";
const STOPPED: Duration = Duration::from_millis(3_500);
/// Time the backend works on a slow request.
const WORK: Duration = Duration::from_millis(500);

fn stop_while(lb: &Lb, meanwhile: impl FnOnce()) {
    lb.signal(Signal::STOP);
    meanwhile();
    stays("the process is stopped", STOPPED, || true);
    lb.signal(Signal::CONT);
}

fn start(backend: &Backend, flags: &[&str]) -> Lb {
    let timeouts = flags.iter().flat_map(|flag| [*flag, TIMEOUT]);
    let args: Vec<_> = ["--client-timeout", "1m"]
        .into_iter()
        .chain(timeouts)
        .collect();
    Lb::start(&[backend.address], &args)
}

#[test]
fn requests_that_arrived_during_a_pause_are_served() {
    let backend = Backend::echo();
    let lb = start(&backend, &["--head-timeout", "--keep-alive-timeout"]);
    // On a busy machine all of that may take longer than one of them has: few, and the last come last.
    let mut idle: Vec<_> = (0..20).map(|_| lb.connect()).collect();
    let mut begun: Vec<_> = (0..20).map(|_| lb.connect()).collect();
    for client in &mut idle {
        assert_eq!(client.get("/first").status, 200);
    }
    for client in &mut begun {
        client.send("GET /late HTTP/1.1\r\n");
    }
    stop_while(&lb, || {
        for client in &mut begun {
            client.send("Host: x\r\n\r\n");
        }
        for client in &mut idle {
            client.send("GET /late HTTP/1.1\r\nHost: x\r\n\r\n");
        }
    });
    for client in begun.iter_mut().chain(&mut idle) {
        assert_eq!(client.receive().text(), "GET /late");
    }
}

#[test]
fn clients_have_the_rest_of_their_time_after_a_pause() {
    let backend = Backend::echo();
    let lb = start(&backend, &["--head-timeout", "--body-timeout"]);
    let mut in_head = lb.connect();
    in_head.send("GET /head HTTP/1.1\r\n");
    let mut in_body = lb.connect();
    in_body.send("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbo");
    stop_while(&lb, || {});
    in_head.send("Host: x\r\n\r\n");
    in_body.send("dy");
    assert_eq!(in_head.receive().text(), "GET /head");
    assert_eq!(in_body.receive().status, 200);
    // A client that goes on sending nothing is late all the same.
    let mut silent = lb.connect();
    silent.send("GET /silent HTTP/1.1\r\n");
    assert_eq!(silent.receive().status, 408);
}

/// Bytes the backend sent during the pause lie in its socket; no other is tried, and it is not
/// ejected, neither by its exchanges nor by the check in progress.
#[test]
fn a_backend_that_responded_during_a_pause_is_not_blamed() {
    let backend = Backend::answering(|request| {
        if request.word(1) == "/slow" {
            stays("the backend works", WORK, || true);
        }
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()
    });
    let flags = ["--first-byte-timeout", "--server-timeout"];
    let timeouts = flags.into_iter().flat_map(|flag| [flag, TIMEOUT]);
    let checks = [
        "--health",
        "http",
        "--health-interval",
        "200ms",
        "--health-timeout",
        "300ms",
    ];
    let args: Vec<_> = timeouts.chain(checks).collect();
    let lb = Lb::start(&[backend.address], &args);
    let mut clients: Vec<Client> = (0..20).map(|_| lb.connect()).collect();
    for client in &mut clients {
        client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    until("the backend is at it", || {
        backend.times_received("/slow") > 0
    });
    stop_while(&lb, || {});
    for client in &mut clients {
        assert_eq!(client.receive().status, 200);
    }
    let ended = lb.terminate().stderr;
    assert!(!ended.contains("ejected"), "{ended}");
    assert!(ended.contains("faults       none"), "{ended}");
}
