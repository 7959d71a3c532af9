//! The README says what the program says: its flags, and every strategy.

use lb::balance::registry::ENTRIES;
use std::io;
use std::process::Command;

const README: &str = include_str!("../../README.md");

#[test]
fn shows_the_flags_as_the_help_page_does() -> io::Result<()> {
    let mut lb = Command::new(env!("CARGO_BIN_EXE_lb"));
    let output = lb.arg("-h").env_remove("COLUMNS").output()?;
    let page = String::from_utf8_lossy(&output.stdout);
    let from = page.find("Backends:").unwrap_or_default();
    let to = page.find("\n\nExample:").unwrap_or(page.len());
    let flags = page.get(from..to).unwrap_or_default();
    assert!(flags.contains("--backends"), "{page}");
    assert!(README.contains(flags), "README.md does not have:\n{flags}");
    Ok(())
}

#[test]
fn names_every_strategy() {
    for entry in &ENTRIES {
        let usage = entry.usage();
        assert!(
            README.contains(&format!("`{usage}`")),
            "not in README.md: {usage}"
        );
    }
}
