//! Configuration files of tests.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Numbers the files of this process.
static FILES: AtomicUsize = AtomicUsize::new(0);

/// A file that is removed with its test.
pub(crate) struct TempFile(PathBuf);

impl TempFile {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        Self::with_end(name, ".toml", text)
    }

    /// A file whose name ends so.
    pub(crate) fn with_end(name: &str, end: &str, text: &str) -> Self {
        let (process, number) = (std::process::id(), FILES.fetch_add(1, Ordering::Relaxed));
        let file = format!("lb-{process}-{number}-{name}{end}");
        let path = std::env::temp_dir().join(file);
        fs::write(&path, text).unwrap();
        Self(path)
    }

    /// Has other text from now on.
    pub(crate) fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
