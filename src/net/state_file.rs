//! Keeps a text over restarts, written by a thread of its own so that no loop waits for a disk.
//!
//! The newest text is what counts: one that was not written yet is replaced. A file is replaced
//! whole, by a rename, so that a crash leaves the old text or the new one. When the owner ends, the
//! last text is written first.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// The owner's end. Dropped, it waits until the last text is written.
#[derive(Debug)]
pub(crate) struct StateFile {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    slot: Mutex<Slot>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Slot {
    text: Option<Vec<u8>>,
    has_ended: bool,
    /// Why the last write failed, until it is taken.
    failure: Option<String>,
}

impl Shared {
    /// What a thread that panicked has left is whole: every change is one assignment.
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateFile {
    /// Begins to keep texts in the file at `path`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn at(path: PathBuf) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = thread::Builder::new().name("lb-state".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || keep(&shared, &path)
        })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Writes this text, sooner or later.
    pub(crate) fn write(&self, text: Vec<u8>) {
        self.shared.lock().text = Some(text);
        self.shared.changed.notify_one();
    }

    /// Takes why the last write failed, if one did.
    pub(crate) fn take_failure(&self) -> Option<String> {
        self.shared.lock().failure.take()
    }
}

impl Drop for StateFile {
    fn drop(&mut self) {
        self.shared.lock().has_ended = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn keep(shared: &Shared, path: &Path) {
    loop {
        let mut slot = shared.lock();
        while slot.text.is_none() && !slot.has_ended {
            slot = shared
                .changed
                .wait(slot)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let Some(text) = slot.text.take() else {
            return;
        };
        drop(slot);
        if let Err(error) = replace(path, &text) {
            let failure = format!("{}: cannot be written: {error}", path.display());
            shared.lock().failure = Some(failure);
        }
    }
}

/// Replaces a file whole.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = File::create(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    // The rename itself is on the disk when the directory is.
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// What a state file keeps; empty if there is none.
///
/// # Errors
/// There is one that cannot be read.
pub(crate) fn read_state(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_text_is_kept_whole() {
        let path = std::env::temp_dir().join(format!("lb-state-{}", std::process::id()));
        assert_eq!(read_state(&path).unwrap(), b"");
        let file = StateFile::at(path.clone()).unwrap();
        for number in 0..100 {
            file.write(format!("text {number}").into_bytes());
        }
        drop(file);
        assert_eq!(read_state(&path).unwrap(), b"text 99");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_failure_is_told_once() {
        let file = StateFile::at(PathBuf::from("/nonexistent/lb/state")).unwrap();
        file.write(b"text".to_vec());
        let failure = (0..10_000).find_map(|_| {
            thread::yield_now();
            std::thread::sleep(std::time::Duration::from_millis(1));
            file.take_failure()
        });
        assert!(
            failure
                .unwrap()
                .starts_with("/nonexistent/lb/state: cannot be written")
        );
        assert_eq!(file.take_failure(), None);
    }
}
