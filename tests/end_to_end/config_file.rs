//! `lb --config`, `lb check` and `lb config`, as commands.

use crate::support::{Backend, Client, Lb, TempFile};
use std::process::{Output, Stdio};

fn text(output: &Output) -> (Option<i32>, String, String) {
    let [stdout, stderr] = [&output.stdout, &output.stderr];
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
    (output.status.code(), text(stdout), text(stderr))
}

#[test]
fn a_file_is_checked_and_every_error_told() {
    let wrong = TempFile::new("wrong", "worker = 1\n[pool.web]\nbackends = [\"a\"]\n");
    let (code, stdout, stderr) = text(&Lb::run(&["check", wrong.path()]));
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let path = wrong.path();
    assert_eq!(
        stderr,
        format!(
            "lb: {path}:1:1: worker: unknown key; did you mean workers?\n\
             lb: {path}:3:13: pool.web.backends 'a': the port is missing; \
             write HOST:PORT, as in 127.0.0.1:5000\n"
        )
    );
    let (code, _, again) = text(&Lb::run(&["--config", path]));
    assert_eq!((code, again), (Some(1), stderr), "it does not start either");

    let right = TempFile::new("right", "[pool.web]\nbackends = [\"a:1\"]\n");
    let (code, stdout, stderr) = text(&Lb::run(&["check", right.path()]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(
        stdout,
        format!("{}: ok: listeners 1, pools 1, backends 1\n", right.path())
    );
}

#[test]
fn the_default_file_passes_the_check() {
    let (code, default, _) = text(&Lb::run(&["config", "--default"]));
    assert_eq!(code, Some(0));
    let file = TempFile::new("default", &default);
    assert_eq!(Lb::run(&["check", file.path()]).status.code(), Some(0));
    let (code, effective, _) = text(&Lb::run(&["config", "--effective", file.path()]));
    assert_eq!(code, Some(0));
    assert!(effective.contains("[pool.web]\n"), "{effective}");
}

#[test]
fn a_balancer_runs_by_its_file_and_flags_override_it() {
    let backend = Backend::echo();
    let config = format!(
        "access-log = \"json\"\n[[listener]]\nlisten = \"127.0.0.1:0\"\n\
         [pool.web]\nbackends = [\"{}\"]\n",
        backend.address
    );
    let file = TempFile::new("run", &config);
    let flags = ["--config", file.path(), "--access-log", "off"];
    let lb = Lb::spawn(Lb::command(&[], &flags).stdout(Stdio::null()));
    assert_eq!(Client::connect(lb.address).get("/").status, 200);
    let said = lb.terminate().stderr;
    let note = format!(
        "lb: --access-log off overrides access-log at {}:1:14\n",
        file.path()
    );
    assert!(said.contains(&note), "{said}");
}
