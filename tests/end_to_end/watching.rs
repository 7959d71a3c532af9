//! `lb ping`, `lb monitor` and `--health ping` as a shell sees them.

use crate::support::{Backend, Deaf, Lb, Pi, Refusing, stays, until};
use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Often enough not to wait for.
const FAST: [&str; 2] = ["--interval", "50ms"];

/// The message of lb where neither kind of socket is allowed.
const NOT_ALLOWED: &str = "this user may not send echo requests; allow its group to \
    (sysctl -w net.ipv4.ping_group_range='0 2147483647'), \
    or give lb the capability CAP_NET_RAW (setcap cap_net_raw+ep FILE)\n";

/// A `lb ping` or `lb monitor` that runs; it is killed with the value.
struct Watcher {
    process: Child,
    said: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Watcher {
    fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
        let mut process = command
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("lb starts");
        let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let said = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&said);
        let reader = thread::spawn(move || {
            for line in lines {
                let line = line.expect("text") + "\n";
                shared.lock().unwrap().push_str(&line);
            }
        });
        Self {
            process,
            said,
            reader: Some(reader),
        }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    fn until_it_says(&self, text: &str) {
        until(text, || self.said().contains(text));
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("a process");
    }

    /// Waits for its end. Returns its exit code and all it said.
    fn end(mut self) -> (Option<i32>, String) {
        until("it ends", || self.process.try_wait().unwrap().is_some());
        let code = self.process.wait().unwrap().code();
        let reader = self.reader.take().expect("a reader");
        reader.join().expect("its output is text");
        (code, self.said())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn monitor(targets: &[SocketAddr], args: &[&str]) -> Output {
    let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    Lb::run(&[&["monitor"], &FAST[..], args, &targets].concat())
}

/// The cells of a target's row in the table at the end.
fn row(said: &str, target: &str) -> Vec<String> {
    let mut lines = said.lines().rev();
    let line = lines.find(|line| line.starts_with(target)).expect("a row");
    line.split("  ")
        .map(|cell| cell.trim().to_owned())
        .filter(|cell| !cell.is_empty())
        .collect()
}

/// Returns whether this machine lets us exchange echo messages.
fn may_ping() -> bool {
    let open = |kind| Socket::new(Domain::IPV4, kind, Some(Protocol::ICMPV4));
    open(Type::DGRAM).or_else(|_| open(Type::RAW)).is_ok()
}

#[test]
fn machine_is_up_by_echo_or_the_missing_right_is_named() {
    let hosts = ["127.0.0.1", "127.9.8.7"];
    let output = Lb::run(&[&["ping", "--count", "3"], &FAST[..], &hosts].concat());
    if !may_ping() {
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stderr(&output), format!("lb: {NOT_ALLOWED}"));
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = stdout(&output);
    for host in hosts {
        assert!(said.contains(&format!("Z {host} check 3: ")), "{said}");
        assert!(said.contains(&format!("Z {host} is up\n")), "{said}");
        assert_eq!(row(&said, host)[..5], [host, "up", "3", "3", "0.0%"]);
    }
}

#[test]
fn backends_are_checked_by_echo_or_the_missing_right_is_named() {
    let service = Refusing::new();
    let args = ["--health", "ping", "--health-interval", "20ms"];
    if !may_ping() {
        let output = Lb::command(&[service.address], &args).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            stderr(&output),
            format!("lb: --health 'ping': {NOT_ALLOWED}")
        );
        return;
    }
    let lb = Lb::start(&[service.address], &args);
    // The machine replies; that is no sign of the service.
    stays("no check fails", Duration::from_millis(300), || {
        !lb.stderr().contains("health check failed")
    });
    let sockets = lb.usage().open_sockets();
    assert!(sockets <= 8, "{sockets} sockets: checks leave theirs open");
}

#[test]
fn a_service_goes_down_and_comes_back() {
    let pi = Pi::start("before", &[]);
    let address = pi.address;
    let target = format!("http://{address}/ping");
    let args = [&["monitor", &target, "--expect-body", "pong"], &FAST[..]];
    let watcher = Watcher::start(&args.concat());
    watcher.until_it_says(&format!("Z {target} is up\n"));
    drop(pi);
    watcher.until_it_says(&format!("Z {target} is down: unreachable (3 in a row, "));
    let _pi = Pi::start_at(address.port(), "after", &[]);
    watcher.until_it_says(&format!("Z {target} is up again, after "));
    watcher.signal(Signal::TERM);
    let (code, said) = watcher.end();
    assert_eq!(code, Some(0), "{said}");
    let row = row(&said, &target);
    assert_eq!((row[1].as_str(), row[9].as_str()), ("up", "1"), "{said}");
}

#[test]
fn the_exit_code_tells_whether_all_are_up() {
    let (up, refusing, deaf) = (Backend::echo(), Refusing::new(), Deaf::new());
    let quick = ["--count", "3", "--timeout", "200ms"];
    let output = monitor(&[up.address], &quick);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let all = [up.address, refusing.address, deaf.address];
    let output = monitor(&all, &quick);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = stdout(&output);
    assert!(!said.contains("1970-"), "the time of the wall: {said}");
    for (target, reason) in [(&all[1], "unreachable"), (&all[2], "no response in time")] {
        let line = format!("Z {target} is down: {reason} (3 in a row, ");
        assert!(said.contains(&line), "{said}");
        let cells = row(&said, &target.to_string());
        assert_eq!(cells[1..5], ["down", "3", "0", "100.0%"]);
    }
    assert_eq!(row(&said, &up.address.to_string())[1], "up");
}

#[test]
fn pages_are_judged_by_status_and_body() {
    let pi = Pi::start("pi", &[]);
    for (args, reason) in [
        (&["--http", "/ping", "--expect-body", "pong"][..], None),
        (&["--http", "/nothing-here"], Some("status 400")),
        (
            &["--http", "/ping", "--expect-status", "204"],
            Some("status 200"),
        ),
        (
            &["--http", "/ping", "--expect-body", "no"],
            Some("unexpected body"),
        ),
    ] {
        let args = [args, &["--count", "1", "--fall", "1"]].concat();
        let output = monitor(&[pi.address], &args);
        assert_eq!(output.status.success(), reason.is_none(), "{output:?}");
        if let Some(reason) = reason {
            let line = format!("check 1: {reason}\n");
            assert!(stdout(&output).contains(&line), "{output:?}");
        }
    }
}

#[test]
fn quiet_tells_changes_and_the_table() {
    let (up, down) = (Backend::echo(), Refusing::new());
    let output = monitor(&[up.address, down.address], &["--quiet", "--count", "3"]);
    let said = stdout(&output);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].ends_with(" is up"), "{said}");
    assert!(lines[1].contains(" is down: "), "{said}");
    assert_eq!((lines[2], lines.len()), ("", 6), "{said}");
}

#[test]
fn a_signal_shows_the_table_and_another_ends_it() {
    let up = Backend::echo();
    let target = up.address.to_string();
    let watcher = Watcher::start(&["monitor", &target, "--interval", "50ms"]);
    watcher.until_it_says("check 2: ");
    watcher.signal(Signal::USR1);
    watcher.until_it_says("target ");
    let checks = watcher.said().matches("check ").count();
    until("it goes on", || {
        watcher.said().matches("check ").count() > checks + 1
    });
    watcher.signal(Signal::INT);
    let (code, said) = watcher.end();
    assert_eq!((code, said.matches("target ").count()), (Some(0), 2));
}

#[test]
fn monitor_ends_when_its_output_is_closed() {
    let up = Backend::echo();
    let mut watcher = Command::new(env!("CARGO_BIN_EXE_lb"))
        .args(["monitor", &up.address.to_string(), "--interval", "20ms"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(watcher.stdout.take());
    until("it ends", || watcher.try_wait().unwrap().is_some());
    assert_eq!(watcher.wait().unwrap().code(), Some(0));
}

#[test]
fn unresolvable_name_is_refused() {
    let output = Lb::run(&["monitor", "nobody.invalid:80"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    let start = "lb: 'nobody.invalid:80': cannot resolve the name: ";
    assert!(said.starts_with(start), "{said}");
    assert!(
        said.ends_with("; check the name, or give an address\n"),
        "{said}"
    );
}
