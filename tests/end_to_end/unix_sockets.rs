//! UNIX sockets on both sides.

#![allow(
    clippy::disallowed_types,
    reason = "real sockets are what these tests are about"
)]

use crate::support::{Backend, Content, Lb, Progress, take, until};
use lb::Balancer;
use lb::config::{Config, Workers};
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

/// A path of its own for each test, where nothing is.
fn path(name: &str) -> PathBuf {
    let name = format!("lb-e2e-{}-{name}.sock", std::process::id());
    let path = std::env::temp_dir().join(name);
    let _ = std::fs::remove_file(&path);
    path
}

/// Sends a request and reads to the end of the connection.
fn ask(path: &PathBuf, fields: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let request = format!("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn clients_come_by_a_unix_socket_that_goes_with_the_balancer() {
    let path = path("listener");
    let listen = format!("unix:{}", path.display());
    let backend = Backend::echo();
    // What a process that died leaves behind.
    drop(UnixListener::bind(&path).unwrap());

    let args = [
        "--listen",
        &listen,
        "--forwarded",
        "on",
        "--access-log",
        "text",
    ];
    let mut command = Lb::command(&[backend.address], &args);
    let mut lb = Lb::spawn(command.stdout(Stdio::piped()));
    let stdout = lb.stdout.take();
    assert!(lb.stderr().contains(&listen), "{}", lb.stderr());
    for _ in 0..2 {
        let answer = ask(&path, "");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    assert_eq!(backend.times_received("X-Forwarded-For: unix:\r\n"), 2);
    assert_eq!(backend.times_received("Forwarded: for=unknown;"), 2);
    assert_eq!(backend.times_received("X-Forwarded-Port"), 0);

    lb.terminate();
    assert!(!path.exists(), "the file is left behind");
    let mut log = String::new();
    stdout.unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(log.matches(" client=unix: ").count(), 2, "{log}");
}

#[test]
fn a_socket_has_the_mode_that_was_given() {
    use std::os::unix::fs::PermissionsExt as _;
    for mode in ["600", "0666"] {
        let path = path("mode");
        let listen = format!("unix:{}", path.display());
        let args = [
            "--listen",
            &listen,
            "--listen-mode",
            mode,
            "--backends",
            "1",
        ];
        let lb = Lb::start(&[], &args);
        let bits = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(bits, u32::from_str_radix(mode, 8).unwrap());
        drop(lb);
    }
}

#[test]
fn a_socket_that_is_served_is_not_taken_over() {
    let path = path("served");
    let listener = UnixListener::bind(&path).unwrap();
    let listen = format!("unix:{}", path.display());
    let output = Lb::run(&["--listen", &listen, "--backends", "1"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the path is in use"), "{said}");
    drop(listener);
    std::fs::remove_file(&path).unwrap();
}

/// A backend on a UNIX socket that serves one connection, and hands it to `serve`.
fn backend(path: &PathBuf, serve: impl FnOnce(UnixStream) + Send + 'static) -> String {
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    format!("unix:{}", path.display())
}

/// A body that is long enough to be spliced arrives as it was sent.
#[test]
fn a_backend_may_be_a_unix_socket() {
    const BODY_BYTES: usize = 3_000_000;
    let path = path("backend");
    let address = backend(&path, |mut stream| {
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&Content::first(BODY_BYTES)).unwrap();
    });
    let lb = Lb::start(&[], &["--backends", &address]);
    let answer = lb.connect().get("/");
    assert_eq!(answer.status, 200);
    assert!(answer.message.body == Content::first(BODY_BYTES));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_tunnel_goes_to_a_unix_socket_and_ends_with_it() {
    let path = path("tunnel");
    let address = backend(&path, |mut stream| {
        let mut asked = String::new();
        stream.read_to_string(&mut asked).unwrap();
        stream.write_all(asked.to_uppercase().as_bytes()).unwrap();
    });
    let lb = Lb::start_tcp(&[], &["--backends", &address]);
    let mut client = lb.connect();
    client.send("hello");
    client.finish();
    assert_eq!(client.read_to_end().0, b"HELLO");
    std::fs::remove_file(&path).unwrap();
}

/// By TCP the same clients would wait in the kernel until the server accepts.
#[test]
fn a_backend_whose_backlog_is_full_is_waited_for() {
    const CLIENTS: usize = 24;
    let path = path("backlog");
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(4).unwrap();
    let listener = UnixListener::from(OwnedFd::from(socket));
    let address = format!("unix:{}", path.display());
    let lb = Lb::start(&[], &["--backends", &address]);
    let sent = Progress::default();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|nth| {
                let (lb, sent) = (&lb, sent.clone());
                scope.spawn(move || {
                    let mut client = lb.connect();
                    let method = ["GET", "POST"][nth % 2];
                    client.send(format!(
                        "{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
                    ));
                    sent.add(1);
                    client.receive().status
                })
            })
            .collect();
        until("all have asked", || sent.get() == CLIENTS as u64);
        // The backlog is full for a while.
        take(Duration::from_millis(300));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let mut bytes = [0; 4096];
                    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {
                        let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                        if stream.write_all(ok).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        for client in clients {
            assert_eq!(client.join().unwrap(), 200);
        }
    });
    assert!(!lb.stderr().contains("ejected"), "{}", lb.stderr());
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_backend_that_is_not_there_is_unreachable() {
    let address = format!("unix:{}", path("nobody").display());
    let lb = Lb::start(&[], &["--backends", &address]);
    assert_eq!(lb.connect().get("/").status, 503);
}

/// One worker alone can listen at a path; all serve the connections there.
#[test]
fn clients_of_a_unix_socket_are_spread_over_workers() {
    let path = path("workers");
    let backend = Backend::echo();
    let mut config = Config::new([backend.address.to_string().parse().unwrap()]).unwrap();
    config.workers = Workers::new(2).unwrap();
    let listener = format!("unix:{}", path.display()).parse().unwrap();
    config.set_listeners([listener]).unwrap();
    let running = Balancer::bind(&config).unwrap().spawn().unwrap();
    let clients: Vec<_> = (0..20)
        .map(|_| UnixStream::connect(&path).unwrap())
        .collect();
    let mut open = Vec::new();
    until("all are accepted", || {
        let workers = running.snapshot().unwrap().workers;
        open = workers.iter().map(|w| w.connections_open).collect();
        open.iter().sum::<u64>() == 20
    });
    assert!(open.iter().all(|open| *open >= 7), "{open:?}");
    for _ in 0..4 {
        assert!(ask(&path, "").starts_with("HTTP/1.1 200 OK\r\n"));
    }
    drop(clients);
    running.stop().unwrap();
    assert!(!path.exists());
}
