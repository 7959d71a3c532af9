//! The file with the number of the process, and the signals sent to it.
//!
//! It is replaced whole, so that a reader finds one number or the other, and removed at the end
//! unless another process has written its own by then.

use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The file of this process; removed with the value.
#[derive(Debug)]
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written: in words.
    pub(crate) fn write(path: &Path) -> Result<Self, String> {
        replace(path).map_err(|error| {
            let path = path.display();
            format!("--pid-file '{path}': cannot be written: {error}; name a file in a directory that lb may write to")
        })?;
        Ok(Self(path.to_owned()))
    }
}

/// Writes a file of this process anew if it names another, which was to take its place and failed.
pub(crate) fn restore(path: &Path) {
    if read(path).is_ok_and(|pid| pid == own()) {
        return;
    }
    // A file that cannot be written now is told by what fails to find the process.
    let _ = replace(path);
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if read(&self.0).is_ok_and(|pid| pid == own()) {
            let _ = fs::remove_file(&self.0);
        }
    }
}

fn own() -> Pid {
    rustix::process::getpid()
}

fn replace(path: &Path) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, format!("{}\n", own().as_raw_nonzero()))?;
    fs::rename(&beside, path)
}

fn read(path: &Path) -> Result<Pid, String> {
    let path_shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        format!("--pid-file '{path_shown}': cannot be read: {error}; is lb running with it?")
    })?;
    let pid = text.trim().parse().ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| {
        format!("--pid-file '{path_shown}': holds no process number; give the file of a running lb")
    })
}

/// Sends a signal to the process of a file.
///
/// # Errors
/// The file names none, or there is none: in words.
pub(crate) fn send(path: &Path, signal: Signal) -> Result<(), String> {
    let pid = read(path)?;
    kill_process(pid, signal).map_err(|error| {
        let (path, pid) = (path.display(), pid.as_raw_nonzero());
        format!("--pid-file '{path}': process {pid} cannot be signalled: {error}; is lb running?")
    })
}
