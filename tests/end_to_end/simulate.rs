//! `lb simulate` as a shell sees it.

use std::io;
use std::process::{Command, Output};

fn simulate(args: &[&str]) -> io::Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.arg("simulate").args(args).output()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn scenarios_are_listed_shown_and_read_back() -> io::Result<()> {
    let list = stdout(&simulate(&["--list"])?);
    assert!(list.contains("\nslow               one of four servers is ten times slower\n"));

    let shown = stdout(&simulate(&["--show", "slow", "hanging"])?);
    assert_eq!(shown.matches("[[scenario]]").count(), 2);
    let file = std::env::temp_dir().join(format!("lb-simulate-{}.toml", std::process::id()));
    std::fs::write(&file, shown)?;
    let read_back = simulate(&["--list", "--scenario", &file.to_string_lossy()])?;
    std::fs::remove_file(&file)?;
    assert_eq!(stdout(&read_back).lines().count(), 2);
    Ok(())
}

#[test]
fn a_run_is_a_table_or_json_and_the_same_every_time() -> io::Result<()> {
    let args = ["slow", "--requests", "2000", "--strategy", "least-rt"];
    let table = simulate(&args)?;
    assert_eq!(
        (table.status.code(), &table.stderr[..]),
        (Some(0), &b""[..])
    );
    assert!(stdout(&table).contains("\n  least-rt "));
    assert_eq!(table.stdout, simulate(&args)?.stdout);

    let json = simulate(&[&args[..], &["--json"]].concat())?;
    let value: serde_json::Value = serde_json::from_slice(&json.stdout)?;
    assert_eq!(value[0]["scenario"], "slow");
    assert_eq!(value[0]["rows"][1]["strategy"], "least-rt");
    assert!(value[0]["rows"][1]["p99_to_oracle"].as_f64() > Some(1.0));
    Ok(())
}

#[test]
fn a_pick_is_explained() -> io::Result<()> {
    let args = ["slow", "--strategy", "least-rt", "--explain", "500"];
    let text = stdout(&simulate(&args)?);
    assert!(text.starts_with("slow: pick 500 of least-rt at "), "{text}");
    assert_eq!(text.matches(" -> s").count(), 1, "{text}");
    assert_eq!(text.matches("slowness").count(), 4, "{text}");
    Ok(())
}

#[test]
fn a_mistake_is_one_line_on_stderr_and_exit_code_2() -> io::Result<()> {
    let output = simulate(&["fast"])?;
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stdout, b"");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "lb: 'fast': unknown scenario; lb simulate --list names them\n"
    );
    Ok(())
}
