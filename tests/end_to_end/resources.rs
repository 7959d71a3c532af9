//! Resources are given back: after every kind of load, descriptors and memory are what they were
//! before.

use crate::support::{Backend, Client, Lb, Refusing, Stopwatch, until};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Clients at once, in each round.
const CLIENTS: usize = 50;
/// The pool empties soon, so that it does not count.
const SHORT_POOL: [&str; 2] = ["--pool-idle-timeout", "100ms"];
/// Memory the allocator may hold more after five rounds than after one.
const SLACK_KIB: u64 = 2 * 1024;
/// Descriptors that are kept on purpose: pipes for bulk bytes, two each.
const KEPT_PIPE_FDS: usize = 64;

/// Puts the same load on a balancer again and again. After each round all descriptors must be
/// back but `kept`, and after the first no more memory may be held.
fn assert_gives_back(lb: &Lb, kept: usize, load: impl Fn(Client) + Sync) {
    let before = lb.usage().open_fds();
    let mut after_first = None;
    for round in 0..5 {
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| load(lb.connect()));
            }
        });
        until(
            &format!("descriptors come back after round {round}"),
            || lb.usage().open_fds() <= before + kept,
        );
        let held = lb.usage().rss_kib();
        let first = *after_first.get_or_insert(held);
        assert!(
            held < first + SLACK_KIB,
            "{first} KiB, then {held} in round {round}"
        );
    }
}

#[test]
fn after_requests_on_kept_connections() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &SHORT_POOL);
    assert_gives_back(&lb, 0, |mut client| {
        for _ in 0..10 {
            assert_eq!(client.get("/").status, 200);
        }
    });
}

#[test]
fn after_bulk() {
    const BYTES: usize = 1_000_000;
    let backend = Backend::answering(|_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\n");
        [head.as_bytes(), &[b'x'; BYTES]].concat()
    });
    let lb = Lb::start(&[backend.address], &SHORT_POOL);
    assert_gives_back(&lb, KEPT_PIPE_FDS, |mut client| {
        assert_eq!(client.post("/", &[b'y'; BYTES]).message.body.len(), BYTES);
    });
}

#[test]
fn after_clients_that_leave_in_the_middle() {
    let backend = Backend::start(|mut wire, _| {
        wire.read_request();
        let _ = wire.try_send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n");
        while wire.try_send(&[b'x'; 10_000]).is_ok() {}
    });
    let lb = Lb::start(&[backend.address], &SHORT_POOL);
    assert_gives_back(&lb, KEPT_PIPE_FDS, |mut client| {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        client.read_head().expect("a head");
        client.into_wire().reset();
    });
    assert_gives_back(&lb, KEPT_PIPE_FDS, |mut client| {
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\npart");
    });
    assert_gives_back(&lb, KEPT_PIPE_FDS, |mut client| client.send("GET / HT"));
    assert_gives_back(&lb, KEPT_PIPE_FDS, drop);
}

#[test]
fn after_backends_that_fail() {
    let backend = Backend::start(|mut wire, nth| {
        wire.read_request();
        match nth % 3 {
            0 => {}
            1 => drop(wire.try_send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart")),
            _ => wire.reset(),
        }
    });
    let refusing = Refusing::new();
    let lb = Lb::start(&[backend.address, refusing.address], &SHORT_POOL);
    assert_gives_back(&lb, 0, |mut client| {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        let _ = client.try_receive();
    });
}

/// Nothing can come any more from a client that has ended its sending side, so its connection ends
/// with its last response.
#[test]
fn at_once_after_a_refused_client_that_has_finished() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &[]);
    let before = lb.usage().open_fds();
    let mut client = lb.connect();
    client.send("GET / HT");
    client.finish();
    assert_eq!(client.receive().status, 400);
    client.assert_closed();
    let watch = Stopwatch::start();
    until("it is let go", || lb.usage().open_fds() == before);
    assert!(
        watch.elapsed() < Duration::from_secs(1),
        "{:?}",
        watch.elapsed()
    );
}

#[test]
fn after_refused_requests() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &SHORT_POOL);
    assert_gives_back(&lb, 0, |mut client| {
        client.send("this is no request\r\n\r\n");
        assert_eq!(client.receive().status, 400);
    });
}

#[test]
fn after_tunnels_however_they_end() {
    let backend = Backend::start(|mut wire, nth| {
        let mut question = Vec::new();
        let _ = wire.read_exact(4, &mut question);
        let _ = wire.try_send(&[b'x'; 200_000]);
        match nth % 3 {
            0 => wire.reset(),
            1 => wire.finish(),
            _ => drop(wire.read_to_end()),
        }
    });
    let lb = Lb::start_tcp(&[backend.address], &[]);
    assert_gives_back(&lb, KEPT_PIPE_FDS, |mut client| {
        client.send("ping");
        client.finish();
        client.read_to_end();
    });
    assert_gives_back(&lb, KEPT_PIPE_FDS, |mut client| {
        client.send("ping");
        client.into_wire().reset();
    });
    assert_gives_back(&lb, KEPT_PIPE_FDS, drop);
}

/// An allocation for which the address space has no room would end the process.
#[test]
fn a_small_address_space_is_shared_out_and_not_exceeded() {
    /// Their bodies take 60 MB, and buffers may have half of the space at most.
    const CLIENTS: usize = 1_000;
    const LIMIT_KIB: usize = 96 * 1024;
    let backend = Backend::echo();
    // However slow the machine is, no body may be given up before all have come.
    let script = format!(
        "ulimit -v {LIMIT_KIB}; exec '{}' --listen 127.0.0.1:0 --health none --backends {} \
         --max-connections 3000 --backend-max-connections 1 --client-timeout 10m --min-body-rate 1",
        env!("CARGO_BIN_EXE_lb"),
        backend.address
    );
    let mut command = Command::new("sh");
    let mut lb = Lb::spawn(command.args(["-c", &script]).stdout(Stdio::null()));
    let request = [
        &b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65000\r\n\r\n"[..],
        &[b'x'; 60_000],
    ]
    .concat();
    for _ in 0..2 {
        let mut clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let mut client = lb.connect();
                // It may be turned away before it has sent all.
                let _ = client.try_send(&request);
                client
            })
            .collect();
        let mut last = clients.pop().expect("a client");
        let answer = last.receive();
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.text().contains("overloaded"), "{answer:?}");
        drop(clients);
        until("it serves again", || lb.connect().get("/").status == 200);
    }
    assert!(!lb.has_ended(), "{}", lb.stderr());
}

/// Threads share a heap: one reserved for each would leave no room for connections, while most of
/// the space is unused.
#[test]
fn a_small_address_space_is_not_reserved_by_threads() {
    const LIMIT_KIB: u64 = 208 * 1024;
    let backend = Backend::echo();
    let script = format!(
        "ulimit -v {LIMIT_KIB}; exec '{}' --listen 127.0.0.1:0 --backends {} --workers 2 \
         --access-log text",
        env!("CARGO_BIN_EXE_lb"),
        backend.address
    );
    let mut command = Command::new("sh");
    let lb = Lb::spawn(command.args(["-c", &script]).stdout(Stdio::null()));
    let clients: Vec<_> = (0..20).map(|_| lb.connect()).collect();
    for mut client in clients {
        assert_eq!(client.get("/").status, 200);
    }
    let taken = lb.usage().address_space_kib();
    assert!(taken < 64 * 1024, "{taken} KiB of {LIMIT_KIB}");
}
