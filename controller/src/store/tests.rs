//! The contract of a store, held by each.
#![allow(
    clippy::disallowed_types,
    reason = "a test changes the file behind the store's back"
)]

use super::{Memory, Minute, Sqlite, Store, StoreError};
use crate::fleet::Fleet;
use crate::fleet::commit::Commit;
use crate::fleet::id::{FleetId, LbName, ServiceName, Term};
use crate::fleet::input::{Input, Listing};
use crate::fleet::tests::service;
use crate::fleet::time::{Moment, Seen};
use crate::spec::ProviderKind;
use std::path::PathBuf;

fn id() -> FleetId {
    FleetId::new("f1ee7")
}

/// A folder of its own for each test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lb-store-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Commits of a fleet that plans and launches two servers.
fn commits() -> Vec<Commit> {
    let mut fleet = Fleet::load(
        crate::fleet::Stored::empty(id()),
        [service("web", 1, 2, 3)],
        [LbName::new("lb")],
        Moment(1_000),
    );
    let listing = Listing {
        items: Vec::new(),
        complete: true,
        proof: 1,
    };
    let listed = Input::Listed {
        provider: ProviderKind::Process,
        listing: Seen::new(listing, Moment(1_500)),
    };
    let steps = [vec![Input::Tick], vec![listed], vec![Input::Tick]];
    let commits = steps.into_iter().zip(1_u64..);
    commits
        .map(|(inputs, n)| fleet.step(Moment(1_000 + n * 1_000), inputs))
        .collect()
}

fn keeps_the_contract(store: &mut dyn Store) {
    let term = store.lead("one").expect("leads");
    let mut model = Memory::new(id());
    let model_term = model.lead("one").expect("leads");
    for commit in commits() {
        store.commit(term, &commit).expect("is stored");
        model.commit(model_term, &commit).expect("is stored");
    }
    assert_eq!(store.load(), model.load());
    assert_eq!(store.load().expect("rows").servers.len(), 2);
    assert_eq!(store.events(0, 1_000), model.events(0, 1_000));
    let events = store.events(0, 2).expect("events");
    assert_eq!(events.len(), 2);
    let last = events.last().expect("two").0;
    assert_eq!(store.events(last, 10), Ok(Vec::new()));

    let again = commits().remove(1);
    let refused = store.commit(term, &again);
    assert!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "{refused:?}"
    );
    assert_eq!(
        store.load(),
        model.load(),
        "a refused commit leaves nothing behind"
    );
    assert_eq!(store.events(last, 10), Ok(Vec::new()));

    let next = store.lead("two").expect("leads");
    assert_eq!(next, Term(term.0 + 1));
    let refused = store.commit(term, &Commit::default());
    assert_eq!(refused.err(), Some(StoreError::Superseded));

    let web = ServiceName::new("web");
    for minute in [1, 2, 3] {
        let minute = Minute {
            at: Moment(minute * 60_000),
            want: 2,
            serving: 1,
            load: Some(0.5),
        };
        store.add_minute(&web, minute).expect("is stored");
    }
    let minutes = store.minutes(&web, Moment(120_000)).expect("minutes");
    assert_eq!(minutes.len(), 2);
    assert_eq!(minutes.first().and_then(|it| it.load), Some(0.5));
    assert_eq!(
        store.minutes(&ServiceName::new("other"), Moment(0)),
        Ok(Vec::new())
    );
}

#[test]
fn memory_keeps_the_contract() {
    keeps_the_contract(&mut Memory::new(id()));
}

#[test]
fn sqlite_keeps_the_contract() {
    let folder = Folder::new("contract");
    let mut store = Sqlite::open(&folder.0.join("fleet.db"), id).expect("opens");
    keeps_the_contract(&mut store);
}

#[test]
fn sqlite_is_as_it_was_after_a_restart() {
    let folder = Folder::new("restart");
    let path = folder.0.join("fleet.db");
    let mut store = Sqlite::open(&path, id).expect("opens");
    let term = store.lead("one").expect("leads");
    for commit in commits() {
        store.commit(term, &commit).expect("is stored");
    }
    let before = store.load().expect("rows");
    drop(store);
    let mut store = Sqlite::open(&path, || FleetId::new("another")).expect("opens");
    assert_eq!(store.load(), Ok(before));
    assert_eq!(store.lead("two"), Ok(Term(term.0 + 1)));
}

#[test]
fn a_newer_schema_is_refused() {
    let folder = Folder::new("newer");
    let path = folder.0.join("fleet.db");
    drop(Sqlite::open(&path, id).expect("opens"));
    let connection = rusqlite::Connection::open(&path).expect("opens");
    connection
        .pragma_update(None, "user_version", 99)
        .expect("is set");
    drop(connection);
    let error = Sqlite::open(&path, id).expect_err("is newer");
    assert!(error.to_string().contains("schema 99"), "{error}");
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let error =
        Sqlite::open(std::path::Path::new("/nonexistent/fleet.db"), id).expect_err("missing");
    assert!(error.to_string().contains("/nonexistent"), "{error}");
}
