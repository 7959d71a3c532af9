//! The `lb` command as a shell sees it: exit code, stdout, stderr.

use std::io;
use std::process::{Command, Output};

fn lb(args: &[&str]) -> io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_lb")).args(args).output()
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
