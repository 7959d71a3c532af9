//! The store in a SQLite file: write-ahead log, synced before a commit is acknowledged.
#![allow(
    clippy::disallowed_types,
    reason = "this is the one place that knows SQL"
)]

use super::migrations::migrate;
use super::{MOST_DECISIONS, MOST_EVENTS, MOST_MINUTES, Minute, Receipt, Store, StoreError};
use crate::failpoint::{self, Side};
use crate::fleet::Stored;
use crate::fleet::commit::{Change, Commit, Event};
use crate::fleet::id::{FleetId, ServerId, ServiceName, Term};
use crate::fleet::time::Moment;
use crate::scale::Decision;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;

/// A transaction of another process is waited for this long.
const BUSY: Duration = Duration::from_secs(2);

/// The database of a fleet in a file.
#[derive(Debug)]
pub(crate) struct Sqlite {
    connection: Connection,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(format!("database: {error}"))
    }
}

impl Sqlite {
    /// Opens the file, makes it if it is missing, and brings it to the newest schema.
    pub(crate) fn open(path: &Path, new_id: impl FnOnce() -> FleetId) -> Result<Self, StoreError> {
        refuse_network_disks(path)?;
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        migrate(&mut connection, path)?;
        connection.execute(
            "INSERT INTO meta VALUES ('fleet', ?1), ('next_server', '1') ON CONFLICT DO NOTHING",
            [new_id().as_str()],
        )?;
        Ok(Self { connection })
    }

    fn meta(&self, key: &str) -> Result<String, StoreError> {
        let found: Option<String> = self
            .connection
            .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
                row.get(0)
            })
            .optional()?;
        found.ok_or_else(|| StoreError::Unsuitable(format!("the database has no {key}")))
    }

    fn bodies<T: DeserializeOwned>(&self, sql: &str) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        rows.map(|body| read(&body?)).collect()
    }
}

/// Locks of SQLite are silent on file systems of the network.
fn refuse_network_disks(path: &Path) -> Result<(), StoreError> {
    /// Magic numbers of statfs(2): NFS, SMB, CIFS, SMB2, AFS, FUSE's are not among them.
    const NETWORK: [i64; 5] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x5346_414f];
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let stat = rustix::fs::statfs(folder)
        .map_err(|error| StoreError::Unsuitable(format!("{}: {error}", folder.display())))?;
    if NETWORK.contains(&(stat.f_type as i64)) {
        return Err(StoreError::Unsuitable(format!(
            "{} is on a network file system, where locks cannot be trusted: use a local disk",
            path.display()
        )));
    }
    Ok(())
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body)
        .map_err(|error| StoreError::Unsuitable(format!("a row cannot be read: {error}")))
}

fn write(row: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(row)
        .map_err(|error| StoreError::Conflict(format!("a row cannot be written: {error}")))
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn natural(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

impl Store for Sqlite {
    fn load(&mut self) -> Result<Stored, StoreError> {
        let term: i64 = self
            .connection
            .query_row("SELECT term FROM leadership", [], |row| row.get(0))?;
        let next_server = self.meta("next_server")?.parse().unwrap_or(1);
        Ok(Stored {
            fleet: FleetId::new(self.meta("fleet")?),
            term: Term(natural(term)),
            next_server: ServerId(next_server),
            servers: self.bodies("SELECT body FROM servers ORDER BY id")?,
            services: self.bodies("SELECT body FROM services ORDER BY name")?,
            pools: self.bodies("SELECT body FROM pools ORDER BY name")?,
        })
    }

    fn lead(&mut self, holder: &str) -> Result<Term, StoreError> {
        let term: i64 = self.connection.query_row(
            "UPDATE leadership SET term = term + 1, holder = ?1, beat = 0 RETURNING term",
            [holder],
            |row| row.get(0),
        )?;
        Ok(Term(natural(term)))
    }

    fn commit(&mut self, term: Term, commit: &Commit) -> Result<Receipt, StoreError> {
        let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
        let current: i64 =
            transaction.query_row("SELECT term FROM leadership", [], |row| row.get(0))?;
        if natural(current) > term.0 {
            return Err(StoreError::Superseded);
        }
        for change in &commit.changes {
            apply(&transaction, change)?;
        }
        let mut first_event = None;
        for event in &commit.events {
            let seq = add_event(&transaction, event)?;
            first_event = first_event.or(Some(seq));
        }
        if let Some(first) = first_event {
            let oldest = number((first + commit.events.len() as u64).saturating_sub(MOST_EVENTS));
            transaction
                .prepare_cached("DELETE FROM events WHERE seq < ?1")?
                .execute([oldest])?;
        }
        failpoint::pass(Side::Within, "commit");
        transaction.commit()?;
        Ok(Receipt {
            first_event: first_event.unwrap_or_default(),
            _private: (),
        })
    }

    fn probe(&mut self, term: Term) -> Result<(), StoreError> {
        let changed = self.connection.execute(
            "UPDATE leadership SET beat = beat + 1 WHERE term <= ?1",
            [number(term.0)],
        )?;
        if changed == 1 {
            Ok(())
        } else {
            Err(StoreError::Superseded)
        }
    }

    fn events(&mut self, after: u64, limit: u64) -> Result<Vec<(u64, Event)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, body FROM events WHERE seq > ?1 ORDER BY seq DESC LIMIT ?2",
        )?;
        let rows = statement.query_map([number(after), number(limit)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })?;
        let mut events = Vec::new();
        for row in rows {
            let (seq, body) = row?;
            events.push((natural(seq), read(&body)?));
        }
        events.reverse();
        Ok(events)
    }

    fn decisions(
        &mut self,
        service: &ServiceName,
        limit: u64,
    ) -> Result<Vec<(Moment, Decision)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT at, body FROM decisions WHERE service = ?1 ORDER BY seq DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![service.as_str(), number(limit)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })?;
        let mut decisions = Vec::new();
        for row in rows {
            let (at, body) = row?;
            decisions.push((Moment(natural(at)), read(&body)?));
        }
        Ok(decisions)
    }

    fn add_minute(&mut self, service: &ServiceName, minute: Minute) -> Result<(), StoreError> {
        let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
        transaction.execute(
            "INSERT OR REPLACE INTO load_history VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                service.as_str(),
                number(minute.at.0),
                number(minute.want),
                number(minute.serving),
                minute.load
            ],
        )?;
        let oldest = minute.at.0.saturating_sub(MOST_MINUTES * 60_000);
        transaction.execute(
            "DELETE FROM load_history WHERE service = ?1 AND at <= ?2",
            params![service.as_str(), number(oldest)],
        )?;
        Ok(transaction.commit()?)
    }

    fn minutes(&mut self, service: &ServiceName, since: Moment) -> Result<Vec<Minute>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT at, want, serving, load FROM load_history
             WHERE service = ?1 AND at >= ?2 ORDER BY at",
        )?;
        let rows = statement.query_map(params![service.as_str(), number(since.0)], |row| {
            Ok(Minute {
                at: Moment(natural(row.get(0)?)),
                want: natural(row.get(1)?),
                serving: natural(row.get(2)?),
                load: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn add_event(transaction: &Transaction<'_>, event: &Event) -> Result<u64, StoreError> {
    let kind = write(&event.kind)?;
    transaction
        .prepare_cached(
            "INSERT INTO events (at, kind, service, server, body) VALUES (?1,?2,?3,?4,?5)",
        )?
        .execute(params![
            number(event.at.0),
            kind.trim_matches('"'),
            event.service.as_ref().map(ServiceName::as_str),
            event.server.map(|id| number(id.0)),
            write(event)?
        ])?;
    Ok(natural(transaction.last_insert_rowid()))
}

/// A row that is to replace version N - 1 must find it.
fn expect_one(changed: usize, what: &str, version: u64) -> Result<(), StoreError> {
    if changed == 1 {
        return Ok(());
    }
    Err(StoreError::Conflict(format!(
        "{what} is not at version {}",
        version.saturating_sub(1)
    )))
}

fn apply(transaction: &Transaction<'_>, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::Server(row) => {
            let changed = transaction
                .prepare_cached(
                    "INSERT INTO servers SELECT ?1,?2,?3,?4,?5,?6,?7,?8,?9
                     WHERE ?8 = 1 OR EXISTS (SELECT 1 FROM servers WHERE id = ?1)
                     ON CONFLICT (id) DO UPDATE SET service = ?2, state = ?3, token = ?4,
                     handle = ?5, address = ?6, since = ?7, version = ?8, body = ?9
                     WHERE version = ?8 - 1",
                )?
                .execute(params![
                    number(row.id.0),
                    row.service.as_str(),
                    row.phase().word(),
                    row.token.as_str(),
                    row.handle.as_ref().map(|it| it.as_str()),
                    row.address.map(|it| it.to_string()),
                    number(row.since.0),
                    number(row.version),
                    write(row)?
                ])?;
            expect_one(changed, &row.name(), row.version)?;
        }
        Change::Service(row) => {
            let changed = transaction
                .prepare_cached(
                    "INSERT INTO services SELECT ?1,?2,?3,?4,?5,?6
                     WHERE ?5 = 1 OR EXISTS (SELECT 1 FROM services WHERE name = ?1)
                     ON CONFLICT (name) DO UPDATE SET health = ?2, want = ?3, since = ?4,
                     version = ?5, body = ?6 WHERE version = ?5 - 1",
                )?
                .execute(params![
                    row.name.as_str(),
                    row.health.word(),
                    number(row.wanted() as u64),
                    number(row.since.0),
                    number(row.version),
                    write(row)?
                ])?;
            expect_one(changed, row.name.as_str(), row.version)?;
        }
        Change::Pool(row) => {
            transaction
                .prepare_cached(
                    "INSERT INTO pools VALUES (?1,?2,?3)
                     ON CONFLICT (name) DO UPDATE SET revision = ?2, body = ?3",
                )?
                .execute(params![
                    row.name.as_str(),
                    number(row.revision.0),
                    write(row)?
                ])?;
        }
        Change::ForgetServer(id) => {
            transaction.execute("DELETE FROM servers WHERE id = ?1", [number(id.0)])?;
        }
        Change::ForgetService(name) => {
            transaction.execute("DELETE FROM services WHERE name = ?1", [name.as_str()])?;
        }
        Change::Term(term) => {
            transaction.execute("UPDATE leadership SET term = ?1", [number(term.0)])?;
        }
        Change::NextServer(id) => {
            transaction.execute(
                "UPDATE meta SET value = ?1 WHERE key = 'next_server'",
                [id.to_string()],
            )?;
        }
        Change::Decision(service, at, decision) => {
            transaction
                .prepare_cached(
                    "INSERT INTO decisions (service, at, want, body) VALUES (?1,?2,?3,?4)",
                )?
                .execute(params![
                    service.as_str(),
                    number(at.0),
                    number(decision.want as u64),
                    write(decision)?
                ])?;
            let newest = natural(transaction.last_insert_rowid());
            transaction.execute(
                "DELETE FROM decisions WHERE seq <= ?1",
                [number(newest.saturating_sub(MOST_DECISIONS))],
            )?;
        }
    }
    Ok(())
}
