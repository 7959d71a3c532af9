//! Starts that fail: one line that names the flag, its value and what would be right, and an
//! exit code that scripts can tell apart.

use crate::support::{Backend, Lb, Refusing, until};
use std::process::{Command, Output};
use std::thread;

/// Must be refused as a mistake, in one line. Returns what it says after `lb: `.
#[track_caller]
fn refusal(output: &Output) -> String {
    line(output, 2)
}

/// Must fail because the system refuses, in one line. Returns what it says after `lb: `.
#[track_caller]
fn failure(output: &Output) -> String {
    line(output, 1)
}

#[track_caller]
fn line(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert_eq!(output.stdout, b"");
    let said = String::from_utf8(output.stderr.clone()).expect("text");
    let line = said
        .strip_prefix("lb: ")
        .and_then(|rest| rest.strip_suffix('\n'));
    let line = line.unwrap_or_else(|| panic!("not a line of lb: {said:?}"));
    assert!(!line.contains('\n'), "{said:?}");
    line.to_owned()
}

#[test]
fn an_address_in_use() {
    let other = Backend::echo().address.to_string();
    let taken = Backend::echo();
    let address = taken.address.to_string();
    let output = Lb::run(&["--listen", &address, "--backends", &other]);
    assert_eq!(
        failure(&output),
        format!(
            "--listen '{address}': the address is in use; \
             stop what listens there or choose another port"
        )
    );
}

#[test]
fn an_address_this_machine_does_not_have() {
    // TEST-NET-1 (RFC 5737): no machine has it.
    let output = Lb::run(&["--listen", "192.0.2.1:8080", "--backends", "5000"]);
    assert_eq!(
        failure(&output),
        "--listen '192.0.2.1:8080': this machine does not have the address; \
         choose one of its own, or *:PORT for all"
    );
}

#[test]
fn a_balancer_that_would_ask_itself() {
    let free = Refusing::new().address.to_string();
    let output = Lb::run(&["--listen", &free, "--backends", &free]);
    assert_eq!(
        refusal(&output),
        format!(
            "--backends '{free}': lb itself listens there; \
             name another server, or listen elsewhere"
        )
    );
}

#[test]
fn every_spelling_of_its_own_address_is_refused() {
    let port = Refusing::new().address.port();
    for (listen, backend) in [
        ("*", "127.0.0.1"),
        ("*", "localhost"),
        ("*", "0.0.0.0"),
        ("*", "127.1.2.3"),
        ("*", "[::ffff:127.0.0.1]"),
        ("127.0.0.1", "localhost"),
        ("127.0.0.1", "0.0.0.0"),
        ("[::1]", "[::]"),
        ("[::]", "[::1]"),
    ] {
        let (listen, backend) = (format!("{listen}:{port}"), format!("{backend}:{port}"));
        for mode in ["http", "tcp"] {
            let args = ["--mode", mode, "--listen", &listen, "--backends", &backend];
            let output = Lb::run(&args);
            let line = refusal(&output);
            assert!(
                line.contains(": lb itself listens there; "),
                "{listen} {line}"
            );
        }
    }
}

#[test]
fn unresolvable_name() {
    // No name below `invalid` ever exists (RFC 6761, section 6.4).
    let output = Lb::run(&["--listen", "0", "--backends", "nobody.invalid:80"]);
    let line = failure(&output);
    let start = "--backends 'nobody.invalid:80': cannot resolve the name: ";
    assert!(line.starts_with(start), "{line}");
    assert!(
        line.ends_with("; check the name, or give an address"),
        "{line}"
    );
}

#[test]
fn a_name_that_cannot_be_resolved_keeps_no_other_backend_down() {
    let backend = Backend::echo();
    let lb = Lb::start(
        &[backend.address],
        &["--backends", "nobody.invalid:80,nobody.invalid:81"],
    );
    for _ in 0..3 {
        assert_eq!(lb.connect().get("/").status, 200);
    }
    let ended = lb.terminate();
    for port in [80, 81] {
        let start = format!("--backends 'nobody.invalid:{port}': cannot resolve the name: ");
        let mut lines = ended.stderr.lines();
        let line = lines.find(|line| line.contains(&start)).expect(&start);
        assert!(
            line.ends_with("; it joins when the name can be resolved"),
            "{line}"
        );
    }
}

#[test]
fn values_that_mean_nothing() {
    for (args, expected) in [
        (
            ["--listen", "nonsense", "--backends", "5000"],
            "--listen 'nonsense': the port is missing; write HOST:PORT, as in 127.0.0.1:5000",
        ),
        (
            ["--listen", "0", "--backends", "127.0.0.1:99999"],
            "--backends '127.0.0.1:99999': not a port number; give a port from 1 to 65535",
        ),
        (
            ["--backends", "5000", "--max-connections", "0"],
            "--max-connections '0': out of range; give 1 to 1000000",
        ),
        (
            ["--backends", "5000", "--server-timeout", "0s"],
            "--server-timeout '0s': zero would give up before it began; \
             give a longer time, as in 500ms or 3s",
        ),
        (
            ["--backends", "5000", "--client-timeout", "721h"],
            "--client-timeout '721h': longer than 30 days; give at most 720h",
        ),
        (
            ["--backends", "5000", "--mode", "udp"],
            "--mode 'udp': unknown mode; use one of http, tcp",
        ),
    ] {
        assert_eq!(refusal(&Lb::run(&args)), expected);
    }
}

/// Starts `lb` where so many files may be open, and not more.
fn run_with_descriptors(limit: u32, args: &str) -> Output {
    let binary = env!("CARGO_BIN_EXE_lb");
    let script = format!("ulimit -n {limit}; exec '{binary}' --listen 0 {args}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).output().expect("a shell")
}

#[test]
fn too_few_file_descriptors() {
    let output = run_with_descriptors(2000, "--backends 5000 --max-connections 8000");
    assert_eq!(
        failure(&output),
        "--max-connections '8000': needs 16640 file descriptors, and the limit is 2000; \
         raise the limit with ulimit -n 16640, or give at most 680"
    );
    let output = run_with_descriptors(200, "--backends 5000 --max-connections 100");
    assert_eq!(
        failure(&output),
        "--max-connections '100': needs 840 file descriptors, and the limit is 200; \
         raise the limit with ulimit -n 840",
        "no number of connections fits, so none is offered"
    );
}

#[test]
fn the_number_of_connections_that_is_offered_works() {
    let backend = Backend::echo();
    let mut command = Command::new("sh");
    let script = format!(
        "ulimit -n 2000; exec '{}' --listen 0 --max-connections 680 --backends {}",
        env!("CARGO_BIN_EXE_lb"),
        backend.address
    );
    Lb::spawn(command.args(["-c", &script])).assert_serves();
}

#[test]
fn the_default_number_of_connections_follows_the_limit_of_descriptors() {
    let backend = Backend::echo();
    let mut command = Command::new("sh");
    let script = format!(
        "ulimit -n 2000; exec '{}' --listen 0 --backends {}",
        env!("CARGO_BIN_EXE_lb"),
        backend.address
    );
    let lb = Lb::spawn(command.args(["-c", &script]));
    lb.assert_serves();
    let warning = "lb: warning: takes 680 client connections, not 8000: ";
    until("it warns", || lb.stderr().contains(warning));
}

/// Bulk bytes need pipes, which are descriptors as well: they leave room for the clients.
#[test]
fn a_low_limit_of_descriptors_leaves_room_for_what_is_offered() {
    const BYTES: usize = 3_000_000;
    let backend = Backend::answering(|_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\n");
        [head.as_bytes(), &[b'x'; BYTES]].concat()
    });
    let script = format!(
        "ulimit -n 256; exec '{}' --listen 0 --health none --backends {}",
        env!("CARGO_BIN_EXE_lb"),
        backend.address
    );
    let lb = Lb::spawn(Command::new("sh").args(["-c", &script]));
    let warning = "lb: warning: takes 21 client connections, not 8000: ";
    until("it warns", || lb.stderr().contains(warning));
    thread::scope(|scope| {
        for _ in 0..21 {
            scope.spawn(|| {
                let mut client = lb.connect();
                for _ in 0..3 {
                    let answer = client.get("/");
                    assert_eq!((answer.status, answer.message.body.len()), (200, BYTES));
                }
            });
        }
    });
    let output = run_with_descriptors(100, "--backends 5000");
    assert_eq!(
        failure(&output),
        "--max-connections '8000': needs 134 file descriptors, and the limit is 100; \
         raise the limit with ulimit -n 134"
    );
}
