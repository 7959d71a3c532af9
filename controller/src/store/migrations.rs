//! Schemas of the database: numbered, forward only.
//!
//! A migration expands before it contracts, so that version N of the controller runs on schema N
//! and N + 1. The file is copied before it is changed.
#![allow(clippy::disallowed_types, reason = "the store owns the connection")]

use super::StoreError;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::Path;

/// The steps, the first from an empty file.
const STEPS: [&str; 1] = [include_str!("schema/1.sql")];

/// Brings the file to the newest schema. Refuses one that is newer.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let newest = STEPS.len() as i64;
    let current: i64 = connection
        .query_row("SELECT * FROM pragma_user_version", [], |row| row.get(0))
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    if current > newest {
        return Err(StoreError::Unsuitable(format!(
            "{} has schema {current}, and this version knows {newest}: use a newer lb-controller",
            path.display()
        )));
    }
    if current == newest {
        return Ok(());
    }
    if current > 0 {
        let copy = path.with_extension(format!("schema-{current}.backup"));
        connection
            .execute("VACUUM INTO ?1", [copy.to_string_lossy().as_ref()])
            .map_err(|error| {
                StoreError::Unavailable(format!("copy to {}: {error}", copy.display()))
            })?;
    }
    let failed = |error: rusqlite::Error| StoreError::Unavailable(format!("migration: {error}"));
    let transaction =
        Transaction::new(connection, TransactionBehavior::Exclusive).map_err(failed)?;
    for (step, sql) in (current..).zip(STEPS.iter().skip(current as usize)) {
        transaction.execute_batch(sql).map_err(failed)?;
        transaction
            .pragma_update(None, "user_version", step + 1)
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}
