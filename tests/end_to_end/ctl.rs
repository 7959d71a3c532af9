//! `lb ctl`, against a real lb: what it shows, what it changes, how it fails.

use crate::support::{Admin, Backend, Lb, Refusing, TempFile, until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};

/// A balancer, and commands to it.
struct Steered {
    lb: Lb,
    admin: Admin,
    backend: Backend,
}

/// The end of a command.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().expect("no signal"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

fn ctl(admin: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command
        .arg("ctl")
        .args(args)
        .env("LB_ADMIN", admin)
        .env_remove("LB_ADMIN_TOKEN_FILE");
    command
}

impl Steered {
    fn start(args: &[&str]) -> Self {
        let backend = Backend::echo();
        let lb = Lb::start(
            &[backend.address],
            &[&["--admin", "127.0.0.1:0"], args].concat(),
        );
        let admin = Admin::of(&lb);
        Self { lb, admin, backend }
    }

    fn name(&self) -> String {
        self.backend.address.to_string()
    }

    fn run(&self, args: &[&str]) -> Said {
        let address = self.admin.0.to_string();
        ctl(&address, args).output().unwrap().into()
    }

    #[track_caller]
    fn done(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(
            (said.code, said.err.as_str()),
            (0, ""),
            "{args:?}: {said:?}"
        );
        said.out
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        let out = self.done(&[args, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("{args:?}: {out}"))
    }
}

#[test]
fn every_page_is_shown_as_a_table_and_as_json() {
    let steered = Steered::start(&["--workers", "2"]);
    let name = steered.name();
    for _ in 0..5 {
        steered.lb.assert_serves();
    }
    until("all are counted", || {
        steered.json(&["backends"])["backends"][0]["responses"]["2xx"] == 5
    });
    let page = steered.done(&["backends"]);
    let row = page.lines().find(|line| line.starts_with(&name)).unwrap();
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!(cells[1..6], ["healthy", "1", "0", "5", "0"], "{page}");
    let status = steered.done(&["status"]);
    let first = format!("lb {}, up ", env!("CARGO_PKG_VERSION"));
    assert!(
        status.starts_with(&first) && status.contains("2 workers"),
        "{status}"
    );
    assert_eq!(steered.json(&["status"])["pools"][0]["name"], "default");
    assert!(steered.done(&["pools"]).contains("least-rt  "));
    assert_eq!(
        steered.json(&["workers"])["workers"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(steered.done(&["workers"]).lines().count(), 3);
    let address = steered.lb.address.to_string();
    assert!(steered.done(&["listeners"]).contains(&address));
    assert!(steered.done(&["routes"]).starts_with("no routes"));
    assert!(steered.done(&["explain"]).contains(&name));
    steered.lb.assert_serves();
    until("a pick is shown", || {
        steered.done(&["picks"]).contains(&name)
    });
    assert!(steered.done(&["metrics"]).ends_with("# EOF\n"));
    for page in [
        "status",
        "pools",
        "backends",
        "routes",
        "listeners",
        "workers",
        "explain",
    ] {
        let shown = steered.done(&[page]);
        assert!(
            shown.lines().all(|line| line.chars().count() <= 100),
            "{shown}"
        );
    }
}

#[test]
fn backends_are_steered() {
    let steered = Steered::start(&[]);
    let name = steered.name();
    let state = |of: &str| steered.admin.backend(of);
    let other = Backend::echo();
    let other = other.address.to_string();
    let flags = [
        "add",
        other.as_str(),
        "--name",
        "two",
        "--weight",
        "3",
        "--warm",
    ];
    assert_eq!(steered.done(&flags), "two is added\n");
    assert_eq!(state("two")["weight"], 3);
    assert_eq!(
        steered.done(&["drain", &name]),
        format!("{name} is disabled\n")
    );
    assert_eq!(state(&name)["operator"]["admit"], "drain");
    let page = steered.done(&["backends"]);
    assert!(page.contains("operator: admit drain"), "{page}");
    assert_eq!(
        steered.done(&["undrain", &name]),
        format!("{name} is probation\n")
    );
    steered.done(&["disable", &name]);
    assert_eq!(state(&name)["operator"]["admit"], "off");
    steered.done(&["enable", &name]);
    steered.done(&["weight", "two", "9"]);
    steered.done(&["max-connections", "two", "4"]);
    assert_eq!(state("two")["weight"], 9);
    assert_eq!(state("two")["max_in_flight"], 4);
    steered.done(&["max-connections", "two", "default"]);
    assert_eq!(state("two")["max_in_flight"], Value::Null);
    assert_eq!(steered.done(&["health", "two", "down"]), "two is ejected\n");
    steered.done(&["health", "two", "auto"]);
    let said = steered.done(&["strategy", "p2c"]);
    assert_eq!(said, "picks by p2c; before by least-rt\n");
    assert_eq!(steered.done(&["clear-learned"]), "learns anew\n");
    steered.done(&["remove", "two", "--drain", "0s"]);
    until("it is gone", || state("two").is_null());
    let events = steered.done(&["events"]);
    for words in [
        "two  add (by admin)",
        "two  weight 9 (by admin)",
        "strategy p2c",
    ] {
        assert!(events.contains(words), "{words}: {events}");
    }
    let after = steered.json(&["pools"])["seq"].as_u64().unwrap() - 1;
    let last = steered.done(&["events", "--after", &after.to_string(), "--json"]);
    let last: Value = serde_json::from_str(&last).unwrap();
    assert_eq!(last["seq"], after + 1);
}

#[test]
fn sets_are_declared_and_fenced() {
    let steered = Steered::start(&[]);
    let server = Backend::echo();
    let set = |term: u64| {
        json!({"fleet": "prod", "term": term, "revision": 1, "backends": [
            {"name": "w1", "address": server.address.to_string(), "weight": 2}]})
    };
    let file = TempFile::with_end("set", ".json", &set(2).to_string());
    let said = steered.done(&["set", "put", "web", file.path()]);
    assert_eq!(said, "term 2, revision 1 is in force: 1 changes\n");
    let page = steered.done(&["set", "get", "web"]);
    assert!(
        page.starts_with("fleet prod, term 2, revision 1\n"),
        "{page}"
    );
    assert!(page.contains("w1"), "{page}");
    let mut older = ctl(&steered.admin.0.to_string(), &["set", "put", "web", "-"]);
    let older = older
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut older = older.spawn().unwrap();
    let mut stdin = older.stdin.take().unwrap();
    stdin.write_all(set(1).to_string().as_bytes()).unwrap();
    drop(stdin);
    let said = Said::from(older.wait_with_output().unwrap());
    assert_eq!(said.code, 1, "{said:?}");
    let there = "; in force: fleet prod, term 2, revision 1\n";
    assert!(said.err.ends_with(there), "{said:?}");
    steered.done(&["set", "delete", "web"]);
    until("it is gone", || steered.admin.backend("w1").is_null());
    file.write("{");
    let said = steered.run(&["set", "put", "web", file.path()]);
    assert!(said.code == 1 && said.err.contains("EOF"), "{said:?}");
    // All that could be picked is of the set from now on.
    steered.done(&["remove", &steered.name(), "--drain", "0s"]);
    let mut whole = set(3);
    file.write(&whole.to_string());
    steered.done(&["set", "put", "web", file.path()]);
    until("it is the only one", || {
        steered.admin.pool()["backends"].as_array().unwrap().len() == 1
    });
    whole["revision"] = json!(2);
    whole["backends"] = json!([]);
    file.write(&whole.to_string());
    let said = steered.run(&["set", "put", "web", file.path()]);
    assert!(
        said.code == 1
            && said
                .err
                .ends_with("--force puts it in force all the same\n"),
        "{said:?}"
    );
    steered.done(&["set", "put", "web", file.path(), "--force"]);
}

#[test]
fn failures_name_the_remedy() {
    let steered = Steered::start(&[]);
    let refusing = Refusing::new();
    let nobody = refusing.address.to_string();
    let said = Said::from(ctl(&nobody, &["status"]).output().unwrap());
    assert_eq!(said.code, 3, "{said:?}");
    assert!(
        said.err.contains("is lb running with --admin there?"),
        "{said:?}"
    );
    let said = Said::from(ctl("unix:/nowhere/lb.sock", &["status"]).output().unwrap());
    assert!(
        said.code == 3 && said.err.contains("is lb running"),
        "{said:?}"
    );
    // What listens there is no lb, or is one that takes clients.
    let other = steered.backend.address.to_string();
    let said = Said::from(ctl(&other, &["pools"]).output().unwrap());
    assert!(
        said.code == 1 && said.err.contains("not the admin interface"),
        "{said:?}"
    );
    let hanging = Backend::start(|mut wire, _| {
        let _ = wire.read_to_end();
    });
    let silent = hanging.address.to_string();
    let said = Said::from(
        ctl(&silent, &["pools", "--timeout", "50ms"])
            .output()
            .unwrap(),
    );
    assert!(said.code == 3, "{said:?}");
    for (args, code, words) in [
        (&["drain", "nobody"][..], 1, "there is no backend nobody"),
        (&["pools", "--watch=0s", "--pool"], 2, "--pool"),
        (
            &["drain", "x", "--watch"],
            1,
            "this command changes something",
        ),
        (&["weight", "x", "heavy"], 2, "whole number"),
        (&["weight", "x", "0"], 1, "a weight is from 1 to 256"),
        (
            &["backends", "--pool", "other"],
            1,
            "there is no pool other",
        ),
        (&["reload"], 1, "start it with --config FILE"),
        (&["drin", "x"], 2, "did you mean drain?"),
        (&["set", "putt"], 2, "did you mean put?"),
        (&["events", "--folow"], 2, "did you mean --follow?"),
        (&[], 2, "lb ctl --help lists them"),
        (&["drain"], 2, "<BACKEND>"),
        (&["strategy", "best"], 1, "best"),
        (&["set", "get", "web"], 1, "web has declared no set"),
        (
            &["status", "--token-file", "/nowhere"],
            1,
            "--token-file /nowhere",
        ),
    ] {
        let said = steered.run(args);
        assert_eq!(said.code, code, "{args:?}: {said:?}");
        assert!(
            said.err.starts_with("lb: ") && said.err.contains(words),
            "{args:?}: {said:?}"
        );
    }
    steered.done(&["remove", &steered.name(), "--drain", "0s"]);
    until("nothing is left", || {
        steered.admin.pool()["backends"] == json!([])
    });
    let said = steered.run(&["status"]);
    assert!(
        said.code == 1 && said.err.starts_with("lb: not ready: "),
        "{said:?}"
    );
    assert!(said.out.contains("default"), "{said:?}");
}

#[test]
fn a_token_is_read_from_the_file_of_lb_itself() {
    let tokens = "read only-to-look-around\nand-to-change-things\n";
    let tokens = TempFile::with_end("tokens", "", tokens);
    let reading = TempFile::with_end("reading", "", "read only-to-look-around\n");
    let socket = std::env::temp_dir().join(format!("lb-ctl-{}.sock", std::process::id()));
    let address = format!("unix:{}", socket.display());
    let backend = Backend::echo();
    let flags = [
        "--admin",
        address.as_str(),
        "--admin-token-file",
        tokens.path(),
    ];
    let lb = Lb::start(&[backend.address], &flags);
    let name = backend.address.to_string();
    let run = |args: &[&str], file: Option<&TempFile>| {
        let mut command = ctl(&address, args);
        if let Some(file) = file {
            command.env("LB_ADMIN_TOKEN_FILE", file.path());
        }
        Said::from(command.output().unwrap())
    };
    let said = run(&["pools"], None);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.err.contains("give its file by --token-file"),
        "{said:?}"
    );
    assert_eq!(run(&["pools"], Some(&reading)).code, 0);
    let said = run(&["drain", &name], Some(&reading));
    assert!(
        said.code == 1 && said.err.contains("this token may read"),
        "{said:?}"
    );
    let said = run(&["drain", &name], Some(&tokens));
    assert_eq!(said.code, 0, "{said:?}");
    drop(lb);
    let _ = std::fs::remove_file(socket);
}

/// A command that goes on, whose lines are read as they come.
struct Running(Child, BufReader<std::process::ChildStdout>);

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        Self(child, BufReader::new(out))
    }

    /// The first line with these words. A stream that ends, or an end-to-end timeout, fails.
    #[track_caller]
    fn line_with(&mut self, words: &str) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            assert!(self.1.read_line(&mut line).unwrap() > 0, "{words}: {all}");
            if line.contains(words) {
                return line;
            }
            all.push_str(&line);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn events_are_followed_over_a_restart() {
    let backend = Backend::echo();
    let name = backend.address.to_string();
    let socket = std::env::temp_dir().join(format!("lb-follow-{}.sock", std::process::id()));
    let address = format!("unix:{}", socket.display());
    let flags = ["--admin", address.as_str()];
    let first = Lb::start(&[backend.address], &flags);
    let drain = || {
        let said = Said::from(ctl(&address, &["drain", &name]).output().unwrap());
        assert_eq!(said.code, 0, "{said:?}");
    };
    drain();
    let mut following = Running::start(ctl(&address, &["events", "--follow"]));
    following.line_with("drain (by admin)");
    let mut watching = Running::start(ctl(&address, &["pools", "--watch=100ms", "--json"]));
    watching.line_with("boot_id");
    first.terminate();
    let _second = Lb::start(&[backend.address], &flags);
    drain();
    following.line_with("drain (by admin)");
    watching.line_with("\"disabled\":1");
    let _ = std::fs::remove_file(socket);
}
