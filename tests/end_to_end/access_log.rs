//! The access log as its reader sees it: one line for each exchange, however it ended.

use crate::support::{Backend, Lb, Refusing, Stopwatch, until};
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
/// Far more lines than a pipe holds (64 KiB).
const MANY: usize = 3000;
/// Linux: an open that does not wait for the other end.
const O_NONBLOCK: i32 = 0o4000;

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
fn json_has_every_field() {
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
    let expected = "time client id method host target referer user_agent status bytes_in \
                    bytes_out backend queue_ms connect_ms first_byte_ms total_ms retries reason";
    assert_eq!(keys.join(" "), expected);
    let value = |name| {
        fields
            .iter()
            .find(|(key, _)| *key == name)
            .expect("a field")
            .1
    };
    assert_eq!(value("method"), "GET");
    assert_eq!(value("host"), "\"x\"");
    assert_eq!(value("target"), "\"/t\"");
    assert_eq!(value("status"), "200");
    assert_eq!(value("backend"), backend.address.to_string());
    assert_eq!(value("reason"), "ok");
}

#[test]
fn failed_exchanges_are_logged_with_their_reason() {
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
fn client_that_leaves_is_logged() {
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
fn unread_log_does_not_block_traffic() {
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
        ended.stderr.contains("log lines dropped"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_full_disk_is_reported_once_and_stops_nothing() {
    let backend = Backend::echo();
    let mut command = Lb::command(&[backend.address], &["--access-log", "json"]);
    let full = OpenOptions::new().write(true).open("/dev/full");
    let lb = Lb::spawn(command.stdout(full.expect("a device")));
    let mut client = lb.connect();
    for nth in 0..100 {
        assert_eq!(client.get("/").status, 200, "request {nth}");
    }
    until("it is reported", || lb.stderr().contains("dropping lines"));
    let ended = lb.terminate();
    assert_eq!(ended.code, Some(0));
    let reported = ended.stderr.matches("No space left on device").count();
    assert_eq!(reported, 1, "{}", ended.stderr);
    let dropped = "100 log lines dropped: stdout could not be written";
    assert!(ended.stderr.contains(dropped), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("100 lines dropped"),
        "{}",
        ended.stderr
    );
}

/// A pipe that loses its reader fails as a full disk does, and can be made to work again.
#[test]
fn a_log_that_could_not_be_written_is_written_again() {
    let backend = Backend::echo();
    let path = std::env::temp_dir().join(format!("lb-log-{}.fifo", process::id()));
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo runs").success());
    let read = || {
        let mut options = OpenOptions::new();
        // It must not wait for a writer.
        options.read(true).custom_flags(O_NONBLOCK).open(&path)
    };
    let reader = read().expect("a pipe");
    let writer = OpenOptions::new().write(true).open(&path).expect("a pipe");
    let mut command = Lb::command(&[backend.address], &["--access-log", "text"]);
    let lb = Lb::spawn(command.stdout(writer));
    // It holds the writing end, too.
    drop(command);
    let mut client = lb.connect();
    drop(reader);
    until("it fails", || {
        assert_eq!(client.get("/lost").status, 200);
        lb.stderr()
            .contains("access log cannot be written: Broken pipe")
    });
    let mut reader = read().expect("a pipe");
    until("it works again", || {
        assert_eq!(client.get("/kept").status, 200);
        lb.stderr().contains("access log is written again; ")
    });
    assert_eq!(lb.terminate().code, Some(0));
    let mut log = String::new();
    reader.read_to_string(&mut log).expect("text");
    fs::remove_file(&path).expect("it was there");
    assert!(log.lines().all(|line| line.starts_with("time=")), "{log}");
    assert!(log.ends_with('\n') && log.contains("/kept"), "{log}");
}

#[test]
fn queue_time_is_logged() {
    let backend = Backend::start(|mut wire, _| {
        while wire.read_request().is_some() {
            thread::park_timeout(Duration::from_millis(150));
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let args = ["--access-log", "json", "--backend-max-connections", "1"];
    let log = Logging::start(&[backend.address], &args);
    let mut clients = [log.lb.connect(), log.lb.connect()];
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: pi.example\r\nUser-Agent: probe\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.receive().status, 200);
    }
    let lines = [log.next_object(), log.next_object()];
    assert_eq!(lines[0]["queue_ms"], Value::Null, "{}", lines[0]);
    let millis = |key: &str| lines[1][key].as_f64().expect("a time");
    assert!(millis("queue_ms") >= 50.0, "{}", lines[1]);
    let spent = millis("queue_ms") + millis("first_byte_ms");
    assert!((spent - millis("total_ms")).abs() < 50.0, "{}", lines[1]);
    assert_eq!(lines[1]["host"], "pi.example");
    assert_eq!(lines[1]["user_agent"], "probe");
    assert_eq!(lines[1]["referer"], Value::Null);
}

/// A folder of its own for each test.
fn log_path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("lb-{}-{name}", process::id()))
}

#[test]
fn a_file_is_written_and_made_anew_when_it_is_rotated() {
    let backend = Backend::echo();
    let (path, rotated) = (log_path("access.log"), log_path("access.log.1"));
    let named = path.display().to_string();
    let args = [
        "--access-log",
        "text",
        "--access-log-to",
        &named,
        "--access-log-fields",
        "target,status",
    ];
    let lb = Lb::start(&[backend.address], &args);
    let mut client = lb.connect();
    assert_eq!(client.get("/before").status, 200);
    let text = |path: &PathBuf| fs::read_to_string(path).unwrap_or_default();
    until("a line is there", || {
        text(&path) == "target=\"/before\" status=200\n"
    });
    fs::rename(&path, &rotated).expect("it is there");
    let mut sent = 1;
    until("it is made anew", || {
        assert_eq!(client.get("/after").status, 200);
        sent += 1;
        text(&path).contains("target=\"/after\" status=200\n")
    });
    assert_eq!(lb.terminate().code, Some(0));
    let lines = text(&rotated).lines().count() + text(&path).lines().count();
    assert_eq!(lines, sent, "none is lost");
    fs::remove_file(&path).expect("it is there");
    fs::remove_file(&rotated).expect("it is there");
}

#[test]
fn a_file_that_cannot_be_made_keeps_lb_from_starting() {
    let args = [
        "--backends",
        "127.0.0.1:1",
        "--listen",
        "127.0.0.1:0",
        "--access-log",
        "text",
        "--access-log-to",
        "/no/such/folder/access.log",
    ];
    let output = Lb::run(&args);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    let expected = "lb: --access-log-to '/no/such/folder/access.log': cannot be written to: \
                    No such file or directory (os error 2); name a file in a directory that lb may \
                    write to\n";
    assert_eq!(said, expected);
}

#[test]
fn a_syslog_gets_a_sample_and_all_that_fails_and_holds_nothing_up() {
    let backend = Backend::answering(|request| {
        let status = match request.start.contains("/bad") {
            true => "500 Bad",
            false => "200 OK",
        };
        format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    });
    let path = log_path("syslog");
    let syslog = UnixDatagram::bind(&path).expect("a socket");
    syslog.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let to = format!("syslog:{}", path.display());
    let args = [
        "--access-log",
        "json",
        "--access-log-to",
        &to,
        "--access-log-fields",
        "target",
        "--access-log-fields",
        "status",
        "--access-log-sample",
        "10",
        "--passive",
        "off",
    ];
    let lb = Lb::start(&[backend.address], &args);
    let mut client = lb.connect();
    for nth in 0..20 {
        assert_eq!(client.get(&format!("/{nth}")).status, 200);
    }
    assert_eq!(client.get("/bad").status, 500);
    let next = || {
        let mut bytes = [0; 1024];
        let count = syslog.recv(&mut bytes).expect("a datagram");
        String::from_utf8(bytes[..count].to_vec()).expect("text")
    };
    let head = format!("<134>lb[{}]: ", lb.usage().0);
    for (target, status) in [("/0", 200), ("/10", 200), ("/bad", 500)] {
        let expected = format!("{head}{{\"target\":\"{target}\",\"status\":{status}}}");
        assert_eq!(next(), expected);
    }
    // A daemon that reads no more.
    for nth in 0..MANY {
        assert_eq!(client.get("/bad").status, 500, "request {nth}");
    }
    assert_eq!(lb.terminate().code, Some(0));
    fs::remove_file(&path).expect("it is there");
}
