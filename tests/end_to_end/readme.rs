//! The README says what the program says: its flags, and every strategy. What it and the other
//! pages lead to is there.

use lb::internal::strategy::ENTRIES;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

const README: &str = include_str!("../../README.md");
const PAGES: [&str; 4] = [
    "README.md",
    "CHANGELOG.md",
    "docs/running.md",
    "benches/versus/README.md",
];

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
    for entry in ENTRIES {
        let usage = entry.usage();
        assert!(
            README.contains(&format!("`{usage}`")),
            "not in README.md: {usage}"
        );
    }
}

#[test]
fn no_link_within_the_project_is_dead() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut links = 0;
    for page in PAGES {
        let page = root.join(page);
        let text = fs::read_to_string(&page)?;
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.starts_with("http")) {
            assert!(
                leads_somewhere(&page, target)?,
                "{page:?} leads to {target}"
            );
            links += 1;
        }
    }
    assert!(links > 10, "{links}");
    Ok(())
}

/// Returns whether the file exists, with the heading in it if one is named.
fn leads_somewhere(page: &Path, target: &str) -> io::Result<bool> {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = match file {
        "" => page.to_owned(),
        file => page.with_file_name(file),
    };
    if anchor.is_empty() || !file.exists() {
        return Ok(file.exists());
    }
    let text = fs::read_to_string(&file)?;
    let mut titles = text.lines().filter_map(|line| line.strip_prefix("## "));
    Ok(titles.any(|title| title.to_lowercase().replace(' ', "-") == anchor))
}
