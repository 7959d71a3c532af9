//! `lb` between clients and servers that people use, which know nothing of it.
//!
//! A tool that is not installed is not tried, and a note says so.

use crate::support::{Content, Lb, Pi};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::thread;

const UPLOAD_BYTES: usize = 5_000_000;

/// A command of a tool, if there is one.
fn tool(name: &str) -> Option<Command> {
    let found = Command::new(name)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if found.is_err() {
        eprintln!("not tried: {name} is not installed");
    }
    found.ok().map(|_| Command::new(name))
}

fn script(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/end_to_end/real_peers").join(name)
}

/// Output of a command. It must succeed.
#[track_caller]
fn printed(command: &mut Command) -> String {
    let output = command.output().expect("a tool that is installed");
    assert!(output.status.success(), "{command:?}: {output:?}");
    text(&output)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The server in `server.py`; it ends with the value.
struct Python {
    process: Child,
    lifeline: Option<ChildStdin>,
    address: SocketAddr,
}

impl Python {
    fn start() -> Option<Self> {
        let mut command = tool("python3")?;
        command.arg(script("server.py"));
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let port: u16 = line.trim().parse().expect("a port");
        Some(Self {
            lifeline: process.stdin.take(),
            process,
            address: (Ipv4Addr::LOCALHOST, port).into(),
        })
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        self.lifeline.take();
        let _ = self.process.wait();
    }
}

/// A balancer over that server, the beginning of its URLs, and a command of `curl`.
fn with_curl() -> Option<(Python, Lb, String)> {
    tool("curl")?;
    let python = Python::start()?;
    let lb = Lb::start(&[python.address], &[]);
    let url = format!("http://{}", lb.address);
    Some((python, lb, url))
}

fn curl() -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20"]);
    command
}

/// The digest of a body by `server.py`.
fn said_of(method: &str, body: &[u8]) -> String {
    format!("{method} {} ", body.len())
}

#[test]
fn curl_keeps_its_connection_whatever_the_framing() {
    let Some((_python, _lb, url)) = with_curl() else {
        return;
    };
    let targets = ["/plain", "/chunked", "/until-close", "/plain"];
    let format = "%{http_code} %{http_version} %{num_connects} %{size_download}\n";
    let mut command = curl();
    command.args(["--write-out", format]);
    for target in targets {
        command.args(["--output", "/dev/null"]);
        command.arg(format!("{url}{target}"));
    }
    let expected = "200 1.1 1 102400\n200 1.1 0 102400\n200 1.1 0 102400\n200 1.1 0 102400\n";
    assert_eq!(printed(&mut command), expected);
}

#[test]
fn curl_asks_for_heads_and_ranges() {
    let Some((_python, _lb, url)) = with_curl() else {
        return;
    };
    let head = printed(curl().arg("--head").arg(format!("{url}/plain")));
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Length: 102400\r\n"), "{head}");
    let range = printed(
        curl()
            .args(["--range", "48-57"])
            .arg(format!("{url}/plain")),
    );
    assert_eq!(range, "0123456789");
    let old = printed(
        curl()
            .arg("--http1.0")
            .args(["--range", "48-57"])
            .arg(format!("{url}/")),
    );
    assert_eq!(old, "0123456789");
}

#[test]
fn curl_uploads_five_megabytes_in_every_way() {
    let Some((_python, _lb, url)) = with_curl() else {
        return;
    };
    let body = Content::first(UPLOAD_BYTES);
    let digests = [
        upload(
            &url,
            &["--data-binary", "@-", "-H", "Expect: 100-continue"],
            "POST",
            &body,
        ),
        upload(
            &url,
            &["--data-binary", "@-", "-H", "Expect:"],
            "POST",
            &body,
        ),
        upload(
            &url,
            &["-T", "-", "-H", "Transfer-Encoding: chunked"],
            "PUT",
            &body,
        ),
        upload(&url, &["-T", "-", "-X", "POST"], "POST", &body),
    ];
    assert!(
        digests.iter().all(|digest| *digest == digests[0]),
        "{digests:?}"
    );
}

/// Sends `body` to the standard input of curl; returns the digest the server found.
#[track_caller]
fn upload(url: &str, args: &[&str], method: &str, body: &[u8]) -> String {
    let mut process = curl()
        .args(args)
        .arg(format!("{url}/"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut stdin = process.stdin.take().expect("a pipe");
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(body).expect("curl reads"));
        process.wait_with_output().expect("ends")
    });
    let said = text(&output);
    assert!(output.status.success(), "{args:?}: {output:?}");
    let digest = said.strip_prefix(&said_of(method, body));
    digest
        .unwrap_or_else(|| panic!("{args:?}: {said}"))
        .to_owned()
}

#[test]
fn python_does_all_it_can_on_one_connection() {
    let Some(python) = Python::start() else {
        return;
    };
    let lb = Lb::start(&[python.address], &[]);
    let mut client = Command::new("python3");
    client.arg(script("client.py"));
    client.arg(lb.address.port().to_string());
    assert_eq!(printed(&mut client), "all is well\n");
}

/// `python3 -m http.server` speaks HTTP/1.0 and closes after each response.
#[test]
fn curl_stays_connected_to_a_server_that_speaks_http_1_0() {
    let (Some(_), Some(mut command)) = (tool("curl"), tool("python3")) else {
        return;
    };
    let mut process = command
        .args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"])
        .arg("--directory")
        .arg(script(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let stdout = process.stdout.take().expect("a pipe");
    let line = BufReader::new(stdout)
        .lines()
        .next()
        .expect("a line")
        .unwrap();
    // "Serving HTTP on 127.0.0.1 port 40000 (http://127.0.0.1:40000/) ..."
    let mut words = line.split(' ').skip_while(|word| *word != "port");
    let port: u16 = words.nth(1).expect("a port").parse().expect("a number");
    let lb = Lb::start(&[SocketAddr::from((Ipv4Addr::LOCALHOST, port))], &[]);
    let url = format!("http://{}/client.py", lb.address);
    let mut command = curl();
    command.args(["--write-out", "\n%{num_connects}\n", &url, &url]);
    let file = std::fs::read_to_string(script("client.py")).unwrap();
    assert_eq!(printed(&mut command), format!("{file}\n1\n{file}\n0\n"));
    process.kill().expect("a process");
    process.wait().expect("a process");
}

#[test]
fn wrk_sees_no_error() {
    let Some(mut wrk) = tool("wrk") else {
        return;
    };
    let pi = Pi::start_many(2);
    let lb = Lb::start(&Pi::addresses(&pi), &[]);
    let url = format!("http://{}/1", lb.address);
    let report = printed(wrk.args(["-t", "1", "-c", "16", "-d", "1s", &url]));
    assert!(report.contains("Requests/sec:"), "{report}");
    assert!(!report.contains("Non-2xx"), "{report}");
    assert!(!report.contains("Socket errors"), "{report}");
}
