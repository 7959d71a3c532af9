//! The `lb` command as a shell sees it: exit code, stdout, stderr.

use std::io;
use std::process::{Command, Output};

fn lb(args: &[&str]) -> io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_lb")).args(args).output()
}

/// The same, for a command that is known to start.
fn run(args: &[&str]) -> Output {
    lb(args).unwrap()
}

#[test]
fn a_mistake_is_one_line_on_stderr_and_exit_code_2() -> io::Result<()> {
    let output = lb(&["--strategy", "fastest", "--backends", "5000"])?;
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stdout, b"");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "lb: --strategy 'fastest': unknown strategy; \
         use one of n-to-1, round-robin, least-conn, least-rt, random, p2c, \
         ip-hash, uri-hash, header-hash, cookie-hash, ip-maglev, uri-maglev, \
         header-maglev, cookie-maglev\n"
    );
    Ok(())
}

#[test]
fn no_arguments_is_a_mistake() -> io::Result<()> {
    let output = lb(&[])?;
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "lb: --backends: no backend given; name at least one, as in --backends 127.0.0.1:5000\n"
    );
    Ok(())
}

#[test]
fn help_version_and_lists_go_to_stdout_and_succeed() -> io::Result<()> {
    for (arg, start) in [
        ("--help", "A small, fast TCP and HTTP load balancer."),
        ("-h", "A small, fast TCP and HTTP load balancer\n"),
        ("--version", "lb "),
        ("--strategy=list", "n-to-1  "),
    ] {
        let output = lb(&[arg])?;
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(output.stderr, b"");
        let page = String::from_utf8_lossy(&output.stdout);
        assert!(page.starts_with(start), "{arg}: {page}");
    }
    Ok(())
}

#[test]
fn shells_complete_what_the_help_lists() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success(), "{shell}");
        let script = String::from_utf8(output.stdout).unwrap();
        for word in ["backends-file", "strategy", "monitor", "completions"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let output = run(&["completions", "tcsh"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let folder = std::env::temp_dir().join(format!("lb-man-{}", std::process::id()));
    let path = folder.to_str().unwrap();
    let missing = run(&["man", path]);
    assert_eq!(missing.status.code(), Some(1));
    let said = String::from_utf8(missing.stderr).unwrap();
    assert!(said.contains("name a folder"), "{said}");
    std::fs::create_dir(&folder).unwrap();
    assert!(run(&["man", path]).status.success());
    for (page, text) in [
        ("lb.1", "backends\\-file"),
        ("lb-check.1", "FILE"),
        ("lb-man.1", "DIR"),
    ] {
        let manual = std::fs::read_to_string(folder.join(page)).unwrap();
        assert!(
            manual.starts_with(".ie") && manual.contains(text),
            "{page}: {manual}"
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_configuration_of_the_package_is_sound() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/lb.toml");
    assert_eq!(run(&["check", file]).status.code(), Some(0));
}
