//! Records in an SQLite file, which several processes may share.
//!
//! A connection lives as long as one batch. Two things follow: whoever takes the file away, or puts an older one there, is not
//! written past; and a process that forks between batches has none open, since what a child inherits of one may not be used.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};

use super::{Sink, fork, shown, together};
use crate::types::CallRecord;

/// The steps from no tables to those of today. What is published is never changed: a change is a further step.
const STEPS: [&str; 1] = [include_str!("sqlite/schema-1.sql")];
const INSERT: [&str; 2] = [include_str!("sqlite/insert-calls.sql"), include_str!("sqlite/insert-attempts.sql")];
const READ: &str = include_str!("sqlite/read.sql");
/// How long one process waits for another's batch.
const PATIENCE: Duration = Duration::from_secs(5);

/// A file with the tables `locum_calls` and `locum_attempts`, beside whatever else is in there.
pub(crate) struct Sqlite {
    path: PathBuf,
}

impl Sqlite {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn insert(&self, records: &str) -> rusqlite::Result<Result<(), String>> {
        let mut connection = Connection::open(&self.path)?;
        connection.busy_timeout(PATIENCE)?;
        // Readers and a writer do not wait for each other, and what is committed is on the disk.
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Err(newer) = migrate(&transaction)? {
            return Ok(Err(newer));
        }
        for statement in INSERT {
            transaction.execute(statement, params![records])?;
        }
        transaction.commit()?;
        connection.close().map_err(|(_, error)| error)?;
        Ok(Ok(()))
    }
}

impl Sink for Sqlite {
    fn write(&mut self, records: &[Arc<CallRecord>]) -> Result<(), String> {
        let records = together(records);
        let _still = fork::hold();
        let written = self.insert(&records).map_err(|error| error.to_string());
        written.flatten().map_err(|why| format!("{}: {why}", shown(&self.path)))
    }
}

/// Brings the tables up to date.
fn migrate(transaction: &Transaction<'_>) -> rusqlite::Result<Result<(), String>> {
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS locum_schema (version INTEGER NOT NULL);
         INSERT INTO locum_schema SELECT 0 WHERE NOT EXISTS (SELECT * FROM locum_schema)",
    )?;
    let version: u32 = transaction.query_row("SELECT version FROM locum_schema", [], |row| row.get(0))?;
    let Some(steps) = STEPS.get(version as usize..) else {
        return Ok(Err(super::newer(version as usize, STEPS.len())));
    };
    for step in steps {
        transaction.execute_batch(step)?;
        transaction.execute_batch("UPDATE locum_schema SET version = version + 1")?;
    }
    Ok(Ok(()))
}

/// Hands over what a report needs of each call that began in this time, as JSON; milliseconds since the Unix epoch. Whether the tables
/// are there.
///
/// # Errors
/// Says why the file cannot be read.
pub(crate) fn read(path: &Path, [from, until]: [f64; 2], take: &mut dyn FnMut(&str)) -> Result<bool, String> {
    let _still = fork::hold();
    let mut read = || {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(PATIENCE)?;
        if !connection.table_exists(None, "locum_calls")? {
            return Ok(false);
        }
        let mut statement = connection.prepare(READ)?;
        let mut rows = statement.query(params![from, until])?;
        while let Some(row) = rows.next()? {
            take(row.get_ref(0)?.as_str()?);
        }
        Ok(true)
    };
    read().map_err(|error: rusqlite::Error| error.to_string())
}

/// Whether a file is one of SQLite's.
#[cfg(any(test, feature = "cli"))]
pub(crate) fn is_one(path: &Path) -> bool {
    use std::io::Read as _;
    let mut head = [0; 16];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && &head == b"SQLite format 3\0"
}
