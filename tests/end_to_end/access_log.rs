//! The access log as its reader sees it: one line for each exchange, whatever became of it.

use crate::support::{Backend, Lb, Refusing, Stopwatch, until};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
/// Far more lines than a pipe holds (64 KiB).
const MANY: usize = 3000;

/// A balancer and the lines it writes.
struct Logging {
    lb: Lb,
    lines: Receiver<String>,
}

impl Logging {
    fn start(backends: &[SocketAddr], args: &[&str]) -> Self {
        let mut command = Lb::command(backends, args);
        let mut lb = Lb::spawn(command.stdout(Stdio::piped()));
        let stdout = BufReader::new(lb.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        // Ends with the pipe, or with the test.
        thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .all(|l| sender.send(l).is_ok())
        });
        Self { lb, lines }
    }

    #[track_caller]
    fn next(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line")
    }

    #[track_caller]
    fn next_object(&self) -> Value {
        let line = self.next();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

#[test]
fn json_tells_what_happened() {
    let backend = Backend::echo();
    let log = Logging::start(&[backend.address], &["--access-log", "json"]);
    let mut client = log.lb.connect();
    let sent = "GET /first?a=b HTTP/1.1\r\nHost: x\r\n\r\n";
    client.get("/first?a=b");
    let line = log.next_object();
    assert_eq!(line["client"], client.local_address().to_string());
    assert_eq!(line["method"], "GET");
    assert_eq!(line["target"], "/first?a=b");
    assert_eq!(line["status"], 200);
    assert_eq!(line["bytes_in"], sent.len());
    assert_eq!(line["backend"], backend.address.to_string());
    assert_eq!(line["retries"], 0);
    assert_eq!(line["reason"], "ok");
    let time = |key: &str| {
        line[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key}: {line}"))
    };
    assert!(time("connect_ms") <= time("total_ms"), "{line}");
    assert!(time("first_byte_ms") <= time("total_ms"), "{line}");
    let at = line["time"].as_str().expect("a time");
    assert!(at.starts_with("20") && at.ends_with('Z'), "{at}");

    client.post("/second", b"with a body");
    let line = log.next_object();
    assert_eq!(line["method"], "POST");
    assert_eq!(line["connect_ms"], Value::Null, "it was pooled: {line}");
    let head = "POST /second HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n";
    assert_eq!(line["bytes_in"], head.len() + "with a body".len());
}

#[test]
fn text_has_the_same_fields_and_splits_at_its_spaces() {
    let backend = Backend::echo();
    let log = Logging::start(&[backend.address], &["--access-log", "text"]);
    log.lb.connect().get("/t");
    let line = log.next();
    let fields: Vec<_> = line
        .split(' ')
        .filter_map(|field| field.split_once('='))
        .collect();
    let keys: Vec<_> = fields.iter().map(|(key, _)| *key).collect();
    let expected = "time client id method target status bytes_in bytes_out backend connect_ms \
                    first_byte_ms total_ms retries reason";
    assert_eq!(keys.join(" "), expected);
    let value = |name| {
        fields
            .iter()
            .find(|(key, _)| *key == name)
            .expect("a field")
            .1
    };
    assert_eq!(value("method"), "GET");
    assert_eq!(value("target"), "\"/t\"");
    assert_eq!(value("status"), "200");
    assert_eq!(value("backend"), backend.address.to_string());
    assert_eq!(value("reason"), "ok");
}

#[test]
fn what_did_not_go_well_is_told_too() {
    let refusing = Refusing::new();
    let backend =
        Backend::start(
            |mut wire, _| match wire.read_request().expect("a request").word(1) {
                "/partly" => wire.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nonly"),
                "/lies" => wire.send("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
                _ => {}
            },
        );
    let args = ["--access-log", "json", "--strategy", "n-to-1"];
    let log = Logging::start(&[refusing.address, backend.address], &args);
    let ask = |request: &str| {
        let mut client = log.lb.connect();
        client.send(request);
        client.finish();
        let _ = client.read_to_end();
        log.next_object()
    };
    let line = ask("GET /partly HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(line["status"], 200, "{line}");
    assert_eq!(line["reason"], "backend_gone", "{line}");
    assert_eq!(line["retries"], 1, "the first refused: {line}");
    let line = ask("GET /lies HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(
        (&line["status"], &line["reason"]),
        (&502.into(), &"bad_response".into())
    );
    let line = ask("POST /gone HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
    assert_eq!(
        (&line["status"], &line["reason"]),
        (&502.into(), &"backend_gone".into())
    );
    let line = ask("no request at all\r\n\r\n");
    assert_eq!(
        (&line["status"], &line["reason"]),
        (&400.into(), &"bad_syntax".into())
    );
    assert_eq!(
        (&line["backend"], &line["target"]),
        (&Value::Null, &Value::Null)
    );
    let line = ask("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(
        (&line["status"], &line["reason"]),
        (&400.into(), &"bad_host".into())
    );
}

#[test]
fn a_client_that_leaves_is_told_of() {
    let backend = Backend::start(|mut wire, _| {
        wire.read_to_end();
    });
    let log = Logging::start(&[backend.address], &["--access-log", "json"]);
    let mut client = log.lb.connect();
    client.send("GET /left HTTP/1.1\r\nHost: x\r\n\r\n");
    until("the backend is at it", || {
        backend.times_received("/left") == 1
    });
    client.into_wire().reset();
    let line = log.next_object();
    assert_eq!(line["target"], "/left");
    assert_eq!(line["status"], Value::Null);
    assert_eq!(line["reason"], "client_gone");
}

#[test]
fn a_tunnel_is_one_line() {
    let backend = Backend::start(|mut wire, _| {
        wire.read_to_end();
        wire.send("answer");
    });
    let args = ["--access-log", "json", "--mode", "tcp"];
    let log = Logging::start(&[backend.address], &args);
    let mut client = log.lb.connect();
    client.send("question");
    client.finish();
    client.read_to_end();
    let line = log.next_object();
    assert_eq!(
        (&line["method"], &line["status"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&line["bytes_in"], &line["bytes_out"]),
        (&8.into(), &6.into())
    );
    assert_eq!(line["reason"], "ok");
}

#[test]
fn no_line_is_missing_or_doubled() {
    let backend = Backend::echo();
    let log = Logging::start(&[backend.address], &["--access-log", "json"]);
    let mut client = log.lb.connect();
    for nth in 0..MANY {
        client.get(&format!("/{nth}"));
    }
    for nth in 0..MANY {
        assert_eq!(log.next_object()["target"], format!("/{nth}"));
    }
    assert_eq!(log.lb.terminate().code, Some(0));
    assert!(
        log.lines.recv_timeout(PATIENCE).is_err(),
        "one line too many"
    );
}

#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    let backend = Backend::echo();
    let mut command = Lb::command(&[backend.address], &["--access-log", "json"]);
    let lb = Lb::spawn(command.stdout(Stdio::piped()));
    let mut client = lb.connect();
    for nth in 0..MANY {
        assert_eq!(client.get("/").status, 200, "request {nth}");
    }
    let watch = Stopwatch::start();
    assert_eq!(lb.terminate().code, Some(0));
    assert!(
        watch.elapsed() < Duration::from_secs(8),
        "{:?}",
        watch.elapsed()
    );
}

#[test]
fn a_log_that_was_closed_holds_nothing_up() {
    let backend = Backend::echo();
    let mut command = Lb::command(&[backend.address], &["--access-log", "text"]);
    let mut lb = Lb::spawn(command.stdout(Stdio::piped()));
    drop(lb.stdout.take());
    let mut client = lb.connect();
    for nth in 0..MANY {
        assert_eq!(client.get("/").status, 200, "request {nth}");
    }
    let ended = lb.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stderr.contains("log lines were dropped"),
        "{}",
        ended.stderr
    );
}
