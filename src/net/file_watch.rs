//! Watches files that others write, by the events of their folders.
//!
//! The folder is watched, not the file: a file that is renamed into place is another file, and one
//! that does not exist yet has no events. Events only hasten a look; whoever follows a file also
//! looks from time to time, because network file systems have no events, links lead elsewhere, and
//! a folder may be replaced.

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use std::collections::hash_map::DefaultHasher;
use std::fs::{File, Metadata};
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of events taken at once.
const EVENT_BYTES: usize = 4096;

/// Events of folders.
#[derive(Debug)]
pub(crate) struct FileWatch {
    /// `None` if the system has no room for it.
    inotify: Option<OwnedFd>,
}

impl FileWatch {
    /// A watch whose events have this token.
    pub(crate) fn start(registry: &Registry, token: Token) -> Self {
        let made = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC);
        let inotify = made.ok().filter(|inotify| {
            let descriptor = inotify.as_raw_fd();
            let mut source = SourceFd(&descriptor);
            let registered = registry.register(&mut source, token, Interest::READABLE);
            registered.is_ok()
        });
        Self { inotify }
    }

    /// Watches the folder of a file, again if it is watched already: it may be another by now.
    /// Returns whether events will come.
    pub(crate) fn watch(&self, file: &Path) -> bool {
        let Some(inotify) = &self.inotify else {
            return false;
        };
        let folder = match file.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::ONLYDIR;
        inotify::add_watch(inotify, folder, flags).is_ok()
    }

    /// Takes all events. Which file they are for does not matter: a look costs little.
    pub(crate) fn clear(&self) {
        let mut buffer = [MaybeUninit::uninit(); EVENT_BYTES];
        if let Some(inotify) = &self.inotify {
            let mut events = Reader::new(inotify, &mut buffer);
            while events.next().is_ok() {}
        }
    }
}

/// A file that others write.
#[derive(Debug)]
pub(crate) struct FollowedFile {
    path: PathBuf,
    /// Of the file that was read last.
    seen: Option<Stamp>,
    digest: Option<u64>,
}

/// Tells one content of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What a look at a file found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// The same as before.
    Same,
    /// Another text, or the first.
    Text(Vec<u8>),
    /// It cannot be read: the problem, with its remedy.
    Failed(String),
}

impl FollowedFile {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            seen: None,
            digest: None,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file if it may be another than before; in any case if an event was `touched` off
    /// by it, because two writes within one tick of the clock have the same time.
    pub(crate) fn look(&mut self, touched: bool) -> Look {
        match self.read(touched) {
            Ok(None) => Look::Same,
            Ok(Some(text)) => {
                let mut hasher = DefaultHasher::new();
                text.hash(&mut hasher);
                let digest = Some(hasher.finish());
                match std::mem::replace(&mut self.digest, digest) == digest {
                    true => Look::Same,
                    false => Look::Text(text),
                }
            }
            Err(error) => {
                // The same text is news after a failure.
                (self.seen, self.digest) = (None, None);
                let file = self.path.display();
                Look::Failed(match error.kind() {
                    io::ErrorKind::NotFound => {
                        format!("{file}: does not exist; it is read as soon as it does")
                    }
                    _ => format!("{file}: cannot be read: {error}; name a file that lb may read"),
                })
            }
        }
    }

    fn read(&mut self, touched: bool) -> io::Result<Option<Vec<u8>>> {
        let stamp = Stamp::of(&std::fs::metadata(&self.path)?);
        if !touched && self.seen == Some(stamp) {
            return Ok(None);
        }
        let file = File::open(&self.path)?;
        let opened = file.metadata()?;
        if !opened.is_file() {
            return Err(io::Error::other("not a file"));
        }
        let mut text = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MAX_FILE_BYTES {
            let problem = format!("longer than {MAX_FILE_BYTES} bytes");
            return Err(io::Error::other(problem));
        }
        self.seen = Some(Stamp::of(&opened));
        Ok(Some(text))
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::fs;
    use std::time::Duration;

    /// A folder that is removed with its test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("lb-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_is_read_when_it_is_another() {
        let folder = Folder::new("followed");
        let path = folder.0.join("list");
        let mut file = FollowedFile::new(path.clone());
        let Look::Failed(problem) = file.look(false) else {
            panic!("there is no file");
        };
        assert!(problem.ends_with("does not exist; it is read as soon as it does"));
        fs::write(&path, "one").unwrap();
        assert_eq!(file.look(false), Look::Text(b"one".to_vec()));
        assert_eq!(file.look(false), Look::Same);
        assert_eq!(file.look(true), Look::Same);
        let new = folder.0.join("new");
        fs::write(&new, "two").unwrap();
        fs::rename(&new, &path).unwrap();
        assert_eq!(file.look(false), Look::Text(b"two".to_vec()));
        fs::remove_file(&path).unwrap();
        assert!(matches!(file.look(false), Look::Failed(_)));
        fs::write(&path, "two").unwrap();
        assert_eq!(file.look(false), Look::Text(b"two".to_vec()));
        let mut folder = FollowedFile::new(folder.0.clone());
        assert!(matches!(folder.look(false), Look::Failed(_)));
    }

    #[test]
    fn a_file_that_comes_has_events() {
        let folder = Folder::new("watched");
        let mut poll = Poll::new().unwrap();
        let watch = FileWatch::start(poll.registry(), Token(1));
        let path = folder.0.join("list");
        assert!(watch.watch(&path) && watch.watch(&path));
        assert!(!watch.watch(&folder.0.join("none/list")));
        let mut events = Events::with_capacity(8);
        let mut has_event = |within| {
            poll.poll(&mut events, Some(within)).unwrap();
            !events.is_empty()
        };
        let patience = Duration::from_secs(10);
        fs::write(&path, "one").unwrap();
        assert!(has_event(patience));
        watch.clear();
        let new = folder.0.join("new");
        fs::write(&new, "two").unwrap();
        fs::rename(&new, &path).unwrap();
        assert!(has_event(patience));
        watch.clear();
        assert!(!has_event(Duration::ZERO));
    }
}
