//! Owns last values on disk: SQLite in a file of the data directory, written by a thread of its
//! own, so that a slow disk delays acknowledgements and nothing else.
//!
//! A write-ahead log makes a batch all there or not there at all, also after `kill -9`. What a
//! machine that loses its power may forget is the choice of [`Fsync`]; the file stays readable with
//! each. redb was the other candidate: its commits without fsync are not on disk at all before the
//! next one with it, and after an error it has to be opened again.

use super::notice::{Notice, Notifier};
use crate::broker::{Batch, Change};
use crate::codec::Payload;
use rusqlite::{Connection, ErrorCode, params};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread;

const FILE: &str = "last-values.sqlite";
/// The layout of the file, in SQLite's `user_version`.
const VERSION: i64 = 1;
const JSON: i64 = 0;
const PICKLE: i64 = 1;
/// The log is cut back to this many bytes when it has been written over into the file.
const MAX_IDLE_LOG_BYTES: i64 = 16 << 20;

/// When writes are forced to the disk. All survive the end of the process at any moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Before every acknowledgement: survives a loss of power too.
    Always,
    /// When the log is written over into the file: a loss of power may cost the newest values.
    #[default]
    Checkpoint,
    /// Never: the system decides; a loss of power may cost values and damage the file.
    Never,
}

/// The store could not be opened or read.
#[derive(Debug)]
pub struct StoreError(String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

/// An open store.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    database: Connection,
}

impl Store {
    /// Opens the store of a directory, which is made if it is missing.
    ///
    /// # Errors
    /// The directory cannot be written, another broker has it, or the file is of another version.
    pub fn open(directory: &Path, fsync: Fsync) -> Result<Self, StoreError> {
        fs::create_dir_all(directory).map_err(|error| {
            StoreError(format!(
                "cannot make the data directory {}: {error}",
                directory.display()
            ))
        })?;
        let path = directory.join(FILE);
        let database = open_database(&path, fsync).map_err(|error| describe(&path, &error))?;
        let version: i64 = database
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|error| describe(&path, &error))?;
        if version != VERSION {
            let path = path.display();
            return Err(StoreError(format!(
                "{path} has layout {version}, this broker reads layout {VERSION}"
            )));
        }
        Ok(Self { path, database })
    }

    /// Hands every stored value to `restore`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn load(&self, mut restore: impl FnMut(&str, Payload)) -> Result<(), StoreError> {
        self.each(&mut restore)
            .map_err(|error| describe(&self.path, &error))
    }

    fn each(&self, restore: &mut impl FnMut(&str, Payload)) -> rusqlite::Result<()> {
        let mut all = self
            .database
            .prepare("SELECT topic, form, value FROM last_values")?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            let topic: String = row.get(0)?;
            let form: i64 = row.get(1)?;
            let value: Vec<u8> = row.get(2)?;
            let payload = match form {
                JSON => Payload::Json(value.into()),
                _ => Payload::Pickle(value.into()),
            };
            restore(&topic, payload);
        }
        Ok(())
    }

    /// Stores a batch: all of it, or nothing.
    ///
    /// # Errors
    /// The disk is full, or fails.
    pub fn save(&mut self, batch: &Batch) -> Result<(), StoreError> {
        save(&mut self.database, batch).map_err(|error| describe(&self.path, &error))
    }
}

fn open_database(path: &Path, fsync: Fsync) -> rusqlite::Result<Connection> {
    let database = Connection::open(path)?;
    database.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "journal_size_limit", MAX_IDLE_LOG_BYTES)?;
    let synchronous = match fsync {
        Fsync::Always => "FULL",
        Fsync::Checkpoint => "NORMAL",
        Fsync::Never => "OFF",
    };
    database.pragma_update(None, "synchronous", synchronous)?;
    let tables: i64 =
        database.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if tables == 0 {
        database.execute_batch(&format!(
            "BEGIN IMMEDIATE;
             CREATE TABLE last_values (
                 key TEXT PRIMARY KEY NOT NULL,
                 topic TEXT NOT NULL,
                 form INTEGER NOT NULL,
                 value BLOB NOT NULL
             ) WITHOUT ROWID;
             PRAGMA user_version = {VERSION};
             COMMIT;"
        ))?;
    }
    Ok(database)
}

fn save(database: &mut Connection, batch: &Batch) -> rusqlite::Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let transaction = database.transaction()?;
    {
        let mut set = transaction.prepare_cached(
            "INSERT OR REPLACE INTO last_values (key, topic, form, value) VALUES (?1, ?2, ?3, ?4)",
        )?;
        let mut clear = transaction.prepare_cached("DELETE FROM last_values WHERE key = ?1")?;
        for (key, change) in batch {
            match change {
                Change::Set { text, payload } => {
                    let (form, value) = match payload {
                        Payload::Json(value) => (JSON, value),
                        Payload::Pickle(value) => (PICKLE, value),
                    };
                    set.execute(params![&**key, &**text, form, &value[..]])?;
                }
                Change::Clear => {
                    clear.execute(params![&**key])?;
                }
            }
        }
    }
    transaction.commit()
}

fn describe(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path.display();
    StoreError(match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("{path} is in use by another broker")
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            format!("{path} is damaged, or no file of lb-broker: {error}")
        }
        _ => format!("{path}: {error}"),
    })
}

/// The thread that stores.
#[derive(Debug)]
pub(super) struct StoreThread {
    batches: Sender<Batch>,
}

impl StoreThread {
    pub(super) fn start(mut store: Store, notifier: Notifier) -> io::Result<Self> {
        let (batches, received) = channel::<Batch>();
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                let mut was_failing = false;
                for batch in received {
                    let outcome = store.save(&batch).map_err(|error| error.to_string());
                    // One line when it begins, and one when it is over.
                    match &outcome {
                        Err(error) if !was_failing => {
                            eprintln!("lb-broker: last values cannot be stored: {error}");
                        }
                        Ok(()) if was_failing => {
                            eprintln!("lb-broker: last values are stored again")
                        }
                        _ => {}
                    }
                    was_failing = outcome.is_err();
                    notifier.tell(Notice::Stored(outcome));
                }
            })?;
        Ok(Self { batches })
    }

    /// Hands over a batch. One is on its way at a time, so the channel stays short.
    pub(super) fn save(&self, batch: Batch) {
        // The thread ends only with its sender.
        let _ = self.batches.send(batch);
    }
}
