//! A file of log lines that others may rename, as logrotate does.
//!
//! Looks once a second, between two lines, whether the file at its path is still the one that it
//! writes to, and makes a new one if not; no signal is needed. As long as none can be made, it goes on
//! with the old one.

use rustix::fs::{FileType, fstat};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The permissions of a new file: logs have addresses and targets in them.
const MODE: u32 = 0o640;

/// A file that is appended to.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    look_at: Instant,
    /// Whether the last byte written was the end of a line.
    is_between_lines: bool,
}

impl LogFile {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// It cannot be written to.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        Ok(Self {
            file: append(&path)?,
            path,
            look_at: Instant::now() + LOOK_INTERVAL,
            is_between_lines: true,
        })
    }

    fn look(&mut self) {
        let now = Instant::now();
        if now < self.look_at {
            return;
        }
        self.look_at = now + LOOK_INTERVAL;
        if !self.is_in_place()
            && let Ok(new) = append(&self.path)
        {
            self.file = new;
        }
    }

    /// Returns whether the path still leads to the file.
    fn is_in_place(&self) -> bool {
        let own = fstat(&self.file);
        let there = std::fs::metadata(&self.path);
        match (own, there) {
            (Ok(own), Ok(there)) => own.st_dev == there.dev() && own.st_ino == there.ino(),
            // What is no regular file, such as a pipe that was removed, is not made anew.
            (Ok(own), Err(_)) => FileType::from_raw_mode(own.st_mode) != FileType::RegularFile,
            (Err(_), _) => true,
        }
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_between_lines {
            self.look();
        }
        let written = self.file.write(bytes)?;
        if let Some(last) = written.checked_sub(1) {
            self.is_between_lines = bytes.get(last) == Some(&b'\n');
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(MODE).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn text(path: &PathBuf) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_renamed_file_is_made_anew_between_two_lines() {
        let folder = std::env::temp_dir();
        let path = folder.join(format!("lb-{}-log-file", std::process::id()));
        let rotated = folder.join(format!("lb-{}-log-file.1", std::process::id()));
        let mut log = LogFile::open(path.clone()).unwrap();
        log.write_all(b"first\nsecond ").unwrap();
        fs::rename(&path, &rotated).unwrap();
        log.look_at = Instant::now();
        log.write_all(b"half\n").unwrap();
        assert_eq!(text(&rotated), "first\nsecond half\n");
        log.write_all(b"third\n").unwrap();
        assert_eq!(text(&path), "third\n");
        // And not before it is time to look.
        fs::remove_file(&path).unwrap();
        log.write_all(b"lost\n").unwrap();
        assert!(!path.exists());
        log.look_at = Instant::now();
        log.write_all(b"fourth\n").unwrap();
        assert_eq!(text(&path), "fourth\n");
        fs::remove_file(&path).unwrap();
        fs::remove_file(&rotated).unwrap();
    }
}
