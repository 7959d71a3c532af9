//! Inputs to begin with: `corpus/`, a file for each.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Streams of requests, as a client sends them.
pub fn requests() -> &'static [Vec<u8>] {
    static READ: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    READ.get_or_init(|| read("requests"))
}

/// Responses, as a backend sends them.
pub fn responses() -> &'static [Vec<u8>] {
    static READ: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    READ.get_or_init(|| read("responses"))
}

/// Chunked bodies.
pub fn chunks() -> &'static [Vec<u8>] {
    static READ: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    READ.get_or_init(|| read("chunks"))
}

/// Pickles: messages of a ring in each protocol, and hostile ones.
pub fn pickles() -> &'static [Vec<u8>] {
    static READ: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    READ.get_or_init(|| read("pickle"))
}

/// Datagrams of the Python course.
pub fn course() -> &'static [Vec<u8>] {
    static READ: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    READ.get_or_init(|| read("course"))
}

/// The files of one kind, in the order of their names: a seed means the same everywhere.
fn read(kind: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(kind);
    let files = fs::read_dir(&folder).expect("a corpus");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let inputs = paths.iter().map(|path| fs::read(path).expect("a file"));
    inputs.collect()
}
