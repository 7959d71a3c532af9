//! The order of the modules: each imports those above it in [`LAYERS`] and no others, so there are
//! no cycles, and the ground knows nothing of settings.

use std::fs;
use std::path::{Path, PathBuf};

/// All modules of `src`, from the ground up, but for `lib` and those of the binary.
const LAYERS: &[&str] = &[
    // The ground.
    "time",
    "clock",
    "ids",
    "syntax",
    "plural",
    "error",
    "address",
    "proxy_protocol",
    "timers",
    // Pure parts.
    "http",
    "transport",
    "tls",
    "strategy",
    "shared",
    "route",
    "health",
    "heartbeat",
    "telemetry",
    // Settings, and what is built by them.
    "config",
    "pool",
    // What-if questions of the admin interface are answered by it.
    "simulate",
    "discovery",
    "proxy",
    "control",
    "net",
    "worker",
    "monitor",
    "balancer",
];

/// Modules of the binary, which use the library from outside.
const BINARY: &[&str] = &["main", "cli", "command", "signals", "stderr"];

/// The files that make up modules, without tests.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name == "tests" {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

/// The code of a file in front of its tests, without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("\nmod tests {").next().unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules that some code names as `crate::NAME`.
fn imports(code: &str) -> Vec<&str> {
    let named = code.split("crate::").skip(1);
    named
        .map(|rest| {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let name = &rest[..end];
            assert!(!name.is_empty(), "one import a line: {:.60}", rest);
            name
        })
        .collect()
}

#[test]
fn modules_import_only_those_below_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 100, "{} files in {root:?}", files.len());
    for path in files {
        let first = path.strip_prefix(&root).unwrap().iter().next().unwrap();
        let module = Path::new(first).file_stem().unwrap().to_str().unwrap();
        if BINARY.contains(&module) || ["lib", "layers"].contains(&module) {
            continue;
        }
        let own = LAYERS.iter().position(|it| *it == module);
        let own = own.unwrap_or_else(|| panic!("give {module} its place among the layers"));
        for import in imports(&code(&path)) {
            // What is not a module is an item of the crate's root or a macro.
            let other = LAYERS.iter().position(|it| *it == import);
            assert!(
                other.is_none_or(|other| other <= own),
                "{path:?}: {module} must not import {import}"
            );
        }
    }
}

#[test]
fn imports_are_found() {
    let code = "use crate::pool::Pool;\nfn f(x: crate::time::Timestamp) {}\nuse super::a;";
    assert_eq!(imports(code), ["pool", "time"]);
}
