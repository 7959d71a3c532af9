//! The subcommands, as they are typed.

use crate::process::{BINARY, Broker};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

fn run(broker: &Broker, arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(arguments)
        .args(["--connect", &broker.address.to_string()])
        .output()
        .unwrap()
}

fn printed(broker: &Broker, arguments: &[&str]) -> String {
    let output = run(broker, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn subcommands_in_every_format() {
    for format in ["json", "xml", "pickle"] {
        let broker = Broker::start(&[]);
        let with = ["--format", format];
        let line = |arguments: &[&str]| printed(&broker, &[arguments, &with].concat());
        line(&["pub", "/weather/temperature", "21.5"]);
        line(&[
            "pub",
            "/weather/station",
            "{\"name\": \"north\", \"id\": 7}",
        ]);
        line(&["pub", "/weather/text", "--text", "21"]);
        line(&["pub", "/weather/word", "not json"]);
        line(&["pub", "/weather/not-kept", "1", "--no-retain"]);
        line(&["pub", "/weather/word2", "1"]);
        line(&["pub", "/weather/word2", "--clear"]);
        let topics = "/weather/station\n/weather/temperature\n/weather/text\n/weather/word\n";
        assert_eq!(line(&["list"]), topics);
        assert_eq!(line(&["get", "weather/temperature"]), "21.5\n");
        assert_eq!(
            line(&["get", "/weather/station"]),
            "{\"name\":\"north\",\"id\":7}\n"
        );
        assert_eq!(line(&["get", "/weather/text"]), "\"21\"\n");
        assert_eq!(line(&["get", "/weather/word"]), "\"not json\"\n");
        let subtree = line(&["sub", "/weather", "--retain-subtree", "--count", "4"]);
        assert!(
            subtree.starts_with("/weather/station\t{\"name\""),
            "{subtree}"
        );
        assert_eq!(subtree.lines().count(), 4);
        assert_eq!(line(&["subscribers", "/weather"]), "");
    }
}

#[test]
fn subscribers_are_listed() {
    let broker = Broker::start(&[]);
    let mut sub = Command::new(BINARY)
        .args([
            "sub",
            "/a",
            "--format",
            "xml",
            "--connect",
            &broker.address.to_string(),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    crate::kit::eventually("the subscription", || {
        printed(&broker, &["subscribers", "/a/b"]).contains("\txml\t/a\n")
    });
    sub.kill().unwrap();
    sub.wait().unwrap();
}

#[test]
fn lines_of_standard_input_are_published() {
    let broker = Broker::start(&[]);
    let mut child = Command::new(BINARY)
        .args([
            "pub",
            "/lines",
            "--lines",
            "--connect",
            &broker.address.to_string(),
        ])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"1\ntwo\n[3]\n")
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(printed(&broker, &["get", "/lines"]), "[3]\n");
}

#[test]
fn failures_have_codes_and_one_line() {
    let mut broker = Broker::start(&[]);
    for (arguments, code, words) in [
        (&["get", "/nothing"][..], 1, "no last value"),
        (&["pub", "/a//b", "1"], 1, "empty segment"),
        (&["pub", "/", "1"], 1, "root"),
        (&["pub", "$broker/uptime", "1"], 1, "broker's own"),
    ] {
        let output = run(&broker, arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            error.starts_with("lb-broker: ") && error.contains(words),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1);
    }
    let (is_well, error) = broker.terminate();
    assert!(is_well, "{error}");
    let output = run(&broker, &["list"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("cannot connect")
    );
    for arguments in [
        &["serve", "--listen", "nonsense"][..],
        &["serve", "--tokens", "/nonexistent"],
    ] {
        let output = Command::new(BINARY).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_broker_that_stops_says_so() {
    let mut broker = Broker::start(&[]);
    let sub = Command::new(BINARY)
        .args(["sub", "/a", "--connect", &broker.address.to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    crate::kit::eventually("the subscription", || {
        printed(&broker, &["subscribers", "/a"]).contains("/a")
    });
    assert!(broker.terminate().0);
    let output = sub.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("the broker stops"), "{error}");
}
