//! Limits at their edges, and clients that use up more than their share.

use crate::support::{Backend, Client, Content, Lb, Pi, Stopwatch, stays, take, until};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Long enough to see that nothing happens.
const WHILE: Duration = Duration::from_millis(200);
/// Within this, a request is served with normal latency even on a busy machine.
const SOON: Duration = Duration::from_secs(5);

/// Within this, a limit is learned from some thousand responses, even on a busy machine.
const FOUND_WITHIN: Duration = Duration::from_secs(120);

/// A head of exactly so many bytes.
fn head_of(bytes: usize) -> String {
    let [before, after] = ["GET / HTTP/1.1\r\nHost: x\r\nX-Fill: ", "\r\n\r\n"];
    let fill = bytes - before.len() - after.len();
    format!("{before}{}{after}", "f".repeat(fill))
}

#[test]
fn a_request_head_may_have_exactly_as_many_bytes_as_allowed() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &["--max-head-bytes", "1024"]);
    let mut client = lb.connect();
    client.send(head_of(1024));
    assert_eq!(client.receive().status, 200);
    client.send(head_of(1025));
    let answer = client.receive();
    assert_eq!(answer.status, 431, "{answer:?}");
    client.assert_closed();
}

#[test]
fn a_request_head_may_have_exactly_as_many_fields_as_allowed() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &["--max-head-fields", "10"]);
    let mut client = lb.connect();
    // Host is one of them.
    let fields = |count: usize| "X-Field: value\r\n".repeat(count - 1);
    assert_eq!(client.get_with("/", &fields(10)).status, 200);
    assert_eq!(client.get_with("/", &fields(11)).status, 431);
    client.assert_closed();
}

#[test]
fn a_target_may_have_exactly_as_many_bytes_as_allowed() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &["--max-target-bytes", "100"]);
    let mut client = lb.connect();
    let target = |bytes: usize| format!("/{}", "t".repeat(bytes - 1));
    assert_eq!(client.get(&target(100)).status, 200);
    assert_eq!(client.get(&target(101)).status, 414);
    client.assert_closed();
}

#[test]
fn a_response_head_beyond_the_limit_is_not_trusted() {
    let backend = Backend::answering(|_| {
        let fill = "f".repeat(2000);
        format!("HTTP/1.1 204 No Content\r\nX-Fill: {fill}\r\n\r\n").into_bytes()
    });
    let lb = Lb::start(&[backend.address], &["--max-head-bytes", "1024"]);
    assert_eq!(lb.connect().get("/").status, 502);
    let lb = Lb::start(&[backend.address], &["--max-head-bytes", "4096"]);
    assert_eq!(lb.connect().get("/").status, 204);
}

#[test]
fn connections_beyond_the_limit_wait_until_one_is_closed() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &["--max-connections", "2"]);
    let mut open = [lb.connect(), lb.connect()];
    for client in &mut open {
        // Connections on which a request is under way do not make room for newcomers.
        assert_eq!(client.get("/in").status, 200);
        client.send("POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na");
    }
    let mut third = lb.connect();
    third.send("GET /third HTTP/1.1\r\nHost: x\r\n\r\n");
    stays("the third waits", WHILE, || {
        backend.times_received("/third") == 0
    });
    open[0].send("b");
    assert_eq!(open[0].receive().status, 200, "the others are served");
    let [_first, second] = open;
    drop(second);
    assert_eq!(third.receive().text(), "GET /third");
}

#[test]
fn no_more_idle_connections_are_kept_than_allowed() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &["--max-idle-per-backend", "0"]);
    let mut client = lb.connect();
    for nth in 1..=5 {
        assert_eq!(client.get("/").status, 200);
        assert_eq!(backend.connections(), nth, "each request has its own");
    }
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &["--max-idle-per-backend", "1"]);
    let mut client = lb.connect();
    for _ in 1..=5 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(backend.connections(), 1, "one is used again");
}

#[test]
fn idle_pooled_connection_is_closed() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &["--pool-idle-timeout", "200ms"]);
    let before = lb.usage().open_fds();
    let mut client = lb.connect();
    assert_eq!(client.get("/").status, 200);
    until("the pool is empty", || lb.usage().open_fds() == before + 1);
    assert_eq!(client.get("/").status, 200);
    assert_eq!(backend.connections(), 2);
}

#[test]
fn silent_client_is_closed_in_time() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &["--client-timeout", "300ms"]);
    let watch = Stopwatch::start();
    lb.connect().assert_closed();
    let mut client = lb.connect();
    assert_eq!(client.get("/").status, 200);
    client.assert_closed();
    assert!(watch.elapsed() >= Duration::from_millis(600));
    assert!(watch.elapsed() < SOON);
}

/// The time for a head runs from its first byte: dripping does not extend it.
#[test]
fn a_head_that_drips_is_refused_in_time() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &["--client-timeout", "300ms"]);
    let mut client = lb.connect();
    let watch = Stopwatch::start();
    client.set_patience(Duration::from_millis(20));
    client.send("GET / HTTP/1.1\r\nX-Drip: ");
    let answer = loop {
        assert!(watch.elapsed() < SOON, "it goes on for ever");
        match client.try_receive() {
            Ok(answer) => break answer,
            // Fails once the balancer has closed: its response is then still to be read.
            Err(_) => drop(client.try_send(b"d")),
        }
    };
    assert_eq!(answer.status, 408, "{answer:?}");
    assert!(watch.elapsed() >= Duration::from_millis(300));
    assert_eq!(backend.connections(), 0);
}

#[test]
fn a_body_that_stops_coming_is_refused_in_time() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &["--client-timeout", "300ms"]);
    let mut client = lb.connect();
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this");
    let answer = client.receive();
    assert_eq!(answer.status, 408, "{answer:?}");
    client.assert_closed();
}

/// A thousand that idle, one that never reads and one that drips its head: no other client may
/// notice, and when all are still, so is the balancer.
#[test]
fn idle_and_slow_clients_cost_the_others_nothing() {
    let backend = Backend::answering(|request| match request.word(1) {
        "/much" => {
            let mut content = Content::default();
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 65536000\r\n\r\n";
            let mut answer = head.as_bytes().to_vec();
            (0..1000).for_each(|_| answer.extend_from_slice(content.next(usize::MAX)));
            answer
        }
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
    });
    let lb = Lb::start(&[backend.address], &[]);
    let _idle: Vec<_> = (0..1000).map(|_| lb.connect()).collect();
    let mut never_reads = lb.connect();
    never_reads.send("GET /much HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut drips = lb.connect();
    drips.send("GET /drip HTTP/1.1\r\nHost: x\r\nX-Drip: ");

    let mut client = lb.connect();
    let watch = Stopwatch::start();
    for nth in 0..200 {
        drips.send("d");
        assert_eq!(client.get("/").status, 200, "request {nth}");
    }
    assert!(watch.elapsed() < SOON, "{:?}", watch.elapsed());

    assert_quiet(&lb);
    drips.send("\r\n\r\n");
    assert_eq!(drips.receive().status, 200);
    assert_eq!(never_reads.receive().message.body.len(), 65_536_000);
}

/// Watches for a second that next to no CPU time is used.
fn assert_quiet(lb: &Lb) {
    let mut last = (lb.usage().cpu_time(), Stopwatch::start());
    until("it comes to rest", || {
        let now = lb.usage().cpu_time();
        if now != last.0 {
            last = (now, Stopwatch::start());
        }
        last.1.elapsed() > WHILE
    });
    let before = lb.usage().cpu_time();
    stays("it rests", Duration::from_secs(1), || {
        lb.usage().cpu_time() - before <= Duration::from_millis(20)
    });
}

#[test]
fn an_idle_tunnel_costs_nothing() {
    let backend = Backend::start(|mut wire, _| {
        wire.send("hello");
        wire.read_to_end();
    });
    let lb = Lb::start_tcp(&[backend.address], &[]);
    let mut clients: Vec<_> = (0..100).map(|_| lb.connect()).collect();
    for client in &mut clients {
        let mut greeting = Vec::new();
        client.read_exact(5, &mut greeting).expect("a greeting");
    }
    // Ended on one side only: the end is not to be reported over and over.
    clients
        .iter_mut()
        .take(50)
        .for_each(|client| client.finish());
    assert_quiet(&lb);
}

/// One client that asks as fast as it can does not keep another waiting.
#[test]
fn a_flood_of_pipelined_requests_leaves_room_for_others() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &[]);
    let request = "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut flood: Vec<Client> = (0..4).map(|_| lb.connect()).collect();
    for client in &mut flood {
        client.send(request.repeat(1000));
    }
    let watch = Stopwatch::start();
    assert_eq!(lb.connect().get("/").text(), "GET /");
    let waited = watch.elapsed();
    for client in &mut flood {
        for _ in 0..1000 {
            assert_eq!(client.receive().text(), "GET /flood");
        }
    }
    let all = watch.elapsed();
    assert!(waited < all / 2, "waited {waited:?} of {all:?}");
}

/// There is one limit on the bytes of a head, and a field may use all of it.
#[test]
fn long_field_is_limited_by_the_flag_alone() {
    let long = "c".repeat(40_000);
    let response = format!("HTTP/1.1 200 OK\r\nX-Long: {long}\r\nContent-Length: 2\r\n\r\nok");
    let backend = Backend::answering(move |_| response.clone().into_bytes());
    let lb = Lb::start(&[backend.address], &["--max-head-bytes", "65536"]);
    let mut client = lb.connect();
    for name in ["Cookie", "X-Other"] {
        let answer = client.get_with("/", &format!("{name}: {long}\r\n"));
        assert_eq!(answer.status, 200, "{name}");
        assert_eq!(answer.field("x-long"), Some(long.as_str()));
    }
    let answer = client.get_with("/", &format!("Cookie: {}\r\n", "c".repeat(70_000)));
    assert_eq!(answer.status, 431);
}

/// A client that sends its whole body before it reads still gets an early response.
#[test]
fn early_response_reaches_a_client_that_sends_first() {
    const BODY: usize = 20_000_000;
    let backend = Backend::start(|mut wire, _| {
        wire.peek(1);
        wire.send(
            "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    });
    let lb = Lb::start(&[backend.address], &[]);
    for first in [
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY}\r\n\r\n"),
        // A local reply is as early.
        format!("POST / HTTP/1.1\r\nContent-Length: {BODY}\r\n\r\n"),
    ] {
        let mut client = lb.connect();
        client.send(first);
        client.send(vec![b'x'; BODY]);
        let answer = client.receive();
        assert!(matches!(answer.status, 400 | 413), "{answer:?}");
    }
}

/// The table, the log and the backends show that each is given one request at a time.
#[test]
fn a_pool_of_serial_backends_is_found_to_be_serial() {
    let servers: Vec<_> = (0..4)
        .map(|nth| Pi::start(&format!("pi-{nth}"), &["--term-us", "100"]))
        .collect();
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    let lb = Lb::start(&addresses, &["--backend-max-connections", "auto"]);
    let (address, is_over) = (lb.address, AtomicBool::new(false));
    let is_over = &is_over;
    thread::scope(|scope| {
        // One more than there are backends: some requests find theirs idle, and some do not.
        for client in 0..5 {
            scope.spawn(move || {
                let mut wire = Client::connect(address);
                for nth in 0.. {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    let terms = 10 + (nth * 7 + client * 11) % 40;
                    assert_eq!(wire.get(&format!("/{terms}")).status, 200);
                }
            });
        }
        let is_found = |text: &str| text.contains("pool 0 is serial: one request at a time");
        let watch = Stopwatch::start();
        while !is_found(&lb.stderr()) && watch.elapsed() < FOUND_WITHIN {
            take(Duration::from_millis(10));
        }
        is_over.store(true, Ordering::SeqCst);
        assert!(is_found(&lb.stderr()), "{}", lb.stderr());
    });
    let ended = lb.terminate();
    let line = "late binding serial: one request at a time";
    assert!(ended.stderr.contains(line), "{}", ended.stderr);
}
