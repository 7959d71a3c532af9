//! Signals: how the balancer stops, and what it says of itself.

use crate::support::{Backend, Client, Gate, Lb, Refusing, Stopwatch, Wire, listens, until};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{PipeReader, PipeWriter, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Within this, what is to happen at once has happened.
const SOON: Duration = Duration::from_secs(5);

/// Responds to each request when the gate opens, and to each once only.
fn responds_when_open(gate: &Gate) -> Backend {
    let gate = gate.clone();
    Backend::start(move |mut wire: Wire, _| {
        while wire.read_request().is_some() {
            if gate.wait_and_shut() {
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
            }
        }
    })
}

fn no_longer_listens(lb: &Lb) -> bool {
    !listens(lb.address)
}

#[test]
fn stopping_balancer_finishes_open_exchanges() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let gate = Gate::default();
        let backend = responds_when_open(&gate);
        let lb = Lb::start(&[backend.address], &[]);
        let mut idle = lb.connect();
        let mut busy = lb.connect();
        busy.send("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n");
        until("the backend is at it", || {
            backend.times_received("/busy") == 1
        });
        lb.signal(signal);
        until("connections are refused", || no_longer_listens(&lb));
        idle.assert_closed();
        gate.open();
        let answer = busy.receive();
        assert_eq!(answer.text(), "done");
        assert_eq!(answer.field("connection"), Some("close"));
        busy.assert_closed();
        let ended = lb.wait();
        assert_eq!(ended.code, Some(0));
        assert!(
            ended.stderr.contains("exchanges    1 (2xx 1)"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn response_in_transit_is_delivered_to_its_end() {
    let gate = Gate::default();
    let backend = Backend::start({
        let gate = gate.clone();
        move |mut wire, _| {
            wire.read_request().expect("a request");
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
            assert!(gate.wait());
            wire.send(" half");
        }
    });
    let lb = Lb::start(&[backend.address], &[]);
    let mut client = lb.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut message = client.read_head().expect("a head");
    client
        .read_exact(5, &mut message.body)
        .expect("the first half");
    lb.signal(Signal::TERM);
    until("connections are refused", || no_longer_listens(&lb));
    gate.open();
    client
        .read_exact(5, &mut message.body)
        .expect("the second half");
    assert_eq!(message.text(), "first half");
    client.assert_closed();
    assert_eq!(lb.wait().code, Some(0));
}

#[test]
fn a_tunnel_that_is_open_goes_on_until_it_ends() {
    let backend = Backend::start(|mut wire, _| {
        let (received, _) = wire.read_to_end();
        wire.send(received);
    });
    let lb = Lb::start_tcp(&[backend.address], &[]);
    let mut client = lb.connect();
    client.send("before, ");
    until("it arrives", || backend.times_received("before") == 1);
    lb.signal(Signal::TERM);
    until("connections are refused", || no_longer_listens(&lb));
    client.send("after");
    client.finish();
    assert_eq!(client.read_to_end().0, b"before, after");
    assert_eq!(lb.wait().code, Some(0));
}

#[test]
fn with_nothing_to_finish_it_stops_at_once() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &[]);
    let mut client = lb.connect();
    assert_eq!(client.get("/").status, 200);
    let watch = Stopwatch::start();
    let ended = lb.terminate();
    assert!(watch.elapsed() < SOON);
    assert_eq!(ended.code, Some(0));
    client.assert_closed();
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let backend = responds_when_open(&Gate::default());
    let mut lb = Lb::start(&[backend.address], &[]);
    let mut client = lb.connect();
    client.send("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n");
    until("the backend is at it", || {
        backend.times_received("/busy") == 1
    });
    lb.signal(Signal::TERM);
    until("connections are refused", || no_longer_listens(&lb));
    assert!(!lb.has_ended());
    let watch = Stopwatch::start();
    lb.signal(Signal::TERM);
    let ended = lb.wait();
    assert!(watch.elapsed() < SOON);
    assert_eq!(
        ended.code,
        Some(128 + 15),
        "as shells say of a process that was ended"
    );
}

#[test]
fn the_shutdown_timeout_bounds_how_long_it_waits() {
    let backend = responds_when_open(&Gate::default());
    let lb = Lb::start(&[backend.address], &["--shutdown-timeout", "300ms"]);
    let mut client = lb.connect();
    client.send("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n");
    until("the backend is at it", || {
        backend.times_received("/busy") == 1
    });
    let watch = Stopwatch::start();
    lb.signal(Signal::TERM);
    let answer = client.receive();
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.text().contains("shutting_down"), "{answer:?}");
    client.assert_closed();
    let ended = lb.wait();
    assert_eq!(ended.code, Some(0));
    assert!(watch.elapsed() >= Duration::from_millis(300));
    assert!(watch.elapsed() < SOON);
}

#[test]
fn sigusr1_prints_the_table() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &[]);
    let before = lb.usage().open_fds();
    for nth in 1..=3 {
        lb.assert_serves();
        // One descriptor more: the connection to the backend is kept.
        until("the client is gone", || lb.usage().open_fds() == before + 1);
        let tables = lb.stderr().matches("uptime ").count();
        lb.signal(Signal::USR1);
        let mut table = String::new();
        until("the table is printed", || {
            let said = lb.stderr();
            table = said
                .split("uptime ")
                .nth(tables + 1)
                .unwrap_or_default()
                .to_owned();
            table.contains("\nbackend ") && table.ends_with("\n\n")
        });
        let connections = format!("connections  {nth} accepted, 0 open\n");
        assert!(table.contains(&connections), "{table}");
        assert!(table.contains("\nturns        "), "{table}");
        let row = table.lines().find(|line| line.starts_with("127.0.0.1:"));
        let row: Vec<_> = row.expect("a row").split_whitespace().collect();
        let picks = nth.to_string();
        let address = backend.address.to_string();
        assert_eq!(row[..4], [&*address, "healthy", &picks, "100.0%"]);
    }
    assert_eq!(lb.terminate().code, Some(0));
}

#[test]
fn quiet_balancer_prints_nothing() {
    let backend = Backend::echo();
    // Without a start line the address has to be known before.
    let free = Refusing::new().address;
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["--quiet", "--listen", &free.to_string(), "--backends"]);
    command
        .arg(backend.address.to_string())
        .stderr(Stdio::piped());
    let process = command.spawn().expect("lb starts");
    until("it listens", || listens(free));
    assert_eq!(Client::connect(free).get("/").status, 200);
    kill_process(Pid::from_child(&process), Signal::TERM).expect("a process");
    let output = process.wait_with_output().expect("a process");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn stop_logs_open_connections_and_its_timeout() {
    let gate = Gate::default();
    let backend = responds_when_open(&gate);
    let lb = Lb::start(&[backend.address], &["--shutdown-timeout", "20s"]);
    let mut busy = lb.connect();
    busy.send("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n");
    until("the backend has the request", || {
        backend.times_received("/busy") == 1
    });
    lb.signal(Signal::TERM);
    until("it tells what is open", || {
        lb.stderr().contains(
            "lb: stopping: 1 client connection open, 1 exchange in flight; waits 20s at most",
        )
    });
    gate.open();
    assert_eq!(busy.receive().text(), "done");
    assert_eq!(lb.wait().code, Some(0));
}

#[test]
fn a_signal_without_meaning_says_so_and_does_no_harm() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &[]);
    lb.signal(Signal::HUP);
    let line = "lb: SIGHUP has no effect without a configuration file";
    until("it says so", || lb.stderr().contains(line));
    lb.assert_serves();
    assert_eq!(lb.terminate().code, Some(0));
}

#[test]
fn a_stderr_that_is_not_read_blocks_no_signal() {
    let backend = Backend::echo();
    let address = Refusing::new().address;
    // Full from the start and never read.
    let (_reader, stderr) = full_pipe();
    let mut lb = Command::new(env!("CARGO_BIN_EXE_lb"))
        .args(["--listen", &address.to_string()])
        .args(["--backends", &backend.address.to_string()])
        .stderr(stderr)
        .spawn()
        .expect("it starts");
    let pid = Pid::from_child(&lb);
    until("it listens", || listens(address));
    let mut client = Client::connect(address);
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.receive().status, 200);
    for signal in [Signal::USR1, Signal::HUP, Signal::USR1, Signal::TERM] {
        kill_process(pid, signal).expect("it lives");
    }
    let watch = Stopwatch::start();
    until("it has ended", || lb.try_wait().unwrap().is_some());
    assert!(watch.elapsed() < SOON, "{:?}", watch.elapsed());
    assert_eq!(lb.wait().unwrap().code(), Some(0));
}

/// A pipe that has no room.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("a mode");
    while writer.write(&[b'x'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).expect("a mode");
    (reader, writer)
}
