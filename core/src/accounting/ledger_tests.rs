//! Records in tables: whole, once, and read as they were written.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;

use serde_json::json;

use super::sqlite::{self, Sqlite};
use super::tests::{Folder, record};
use super::*;
use crate::types::{Attempt, AttemptRecord, Outcome, Usage};

/// One with two attempts, and every member told.
pub(super) fn full(number: usize) -> Arc<CallRecord> {
    let failed = AttemptRecord {
        attempt: Attempt {
            key: Some(2),
            status: Some(503),
            request_id: Some("req-1\0".to_owned()),
            ..Attempt::new("a/big", Outcome::Failed, Duration::ZERO)
        },
        provider: "a".to_owned(),
        depth: 0,
        usage: None,
        usage_is_estimate: false,
    };
    let usage = Usage { input: 300, cached_input: 100, cache_write: 20, output: 50, reasoning: 10 };
    let answered = AttemptRecord {
        attempt: Attempt {
            usage: Some(usage),
            cost: Some(0.1 + 0.2),
            first_token: Some(Duration::from_micros(1234)),
            ..Attempt::new("b/small", Outcome::Ok, Duration::from_millis(3))
        },
        provider: "b".to_owned(),
        depth: 1,
        usage: Some(usage),
        usage_is_estimate: true,
    };
    let record = CallRecord {
        customer: Some("O'Brien\0 \"&\\".to_owned()),
        fallback_used: true,
        cost: Some(0.1 + 0.2),
        attempts: vec![failed, answered],
        ..CallRecord::clone(&record(number))
    };
    Arc::new(record)
}

/// What a report sees of `full`, from tables.
pub(super) fn seen() -> Value {
    json!({
        "at_ms": 1000.0, "task": "chat", "customer": "O'Brien\u{fffd} \"&\\", "outcome": "ok", "fallback_used": true,
        "latency_ms": 5.0, "first_token_ms": null,
        "attempts": [
            {"model": "a/big", "provider": "a", "outcome": "failed", "depth": 0, "latency_ms": 0.0, "first_token_ms": null,
             "usage": null, "usage_is_estimate": false, "cost": null, "cost_is_estimate": false},
            {"model": "b/small", "provider": "b", "outcome": "ok", "depth": 1, "latency_ms": 0.0, "first_token_ms": 1.234,
             "usage": {"input": 300, "cached_input": 100, "output": 50, "reasoning": 10}, "usage_is_estimate": true,
             "cost": 0.1 + 0.2, "cost_is_estimate": false},
        ],
    })
}

fn all(path: &Path) -> Vec<Value> {
    let mut all = Vec::new();
    sqlite::read(path, [0.0, f64::INFINITY], &mut |text| all.push(serde_json::from_str(text).unwrap())).unwrap();
    all
}

#[test]
fn sqlite_keeps_what_a_report_needs() {
    let folder = Folder::new("whole");
    let path = folder.0.join("usage.db");
    let mut sink = Sqlite::new(path.clone());
    sink.write(&[full(1), record(2)]).unwrap();
    assert!(sqlite::is_one(&path));
    let written = all(&path);
    assert_eq!((written.len(), &written[0]), (2, &seen()));
    assert_eq!(written[1]["attempts"], json!([]));
    let mut none = 0;
    sqlite::read(&path, [1000.1, f64::INFINITY], &mut |_| none += 1).unwrap();
    sqlite::read(&path, [0.0, 1000.0], &mut |_| none += 1).unwrap();
    assert_eq!(none, 0);
}

#[test]
fn what_is_written_twice_is_there_once() {
    let folder = Folder::new("twice");
    let path = folder.0.join("usage.db");
    for _ in 0..2 {
        Sqlite::new(path.clone()).write(&[full(1)]).unwrap();
    }
    assert_eq!(all(&path), [seen()]);
}

#[test]
fn every_member_of_a_record_has_its_column() {
    let folder = Folder::new("columns");
    let path = folder.0.join("usage.db");
    Sqlite::new(path.clone()).write(&[full(1)]).unwrap();
    let connection = rusqlite::Connection::open(path).unwrap();
    let columns = |table: &str| -> Vec<String> {
        let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)").unwrap();
        let names = statement.query_map([table], |row| row.get(0)).unwrap();
        names.collect::<Result<_, _>>().unwrap()
    };
    let value = full(1).to_value();
    let members = |value: &Value, other: &str| -> Vec<String> {
        value.as_object().unwrap().keys().filter(|key| *key != other).cloned().collect()
    };
    assert_eq!(columns("locum_calls"), members(&value, "attempts"));
    let attempt = columns("locum_attempts");
    for member in members(&value["attempts"][0], "usage") {
        assert!(attempt.contains(&member) || member == "retry_after_ms", "{member} of an attempt has no column");
    }
}

#[test]
fn tables_of_a_newer_version_are_left_alone() {
    let folder = Folder::new("newer");
    let path = folder.0.join("usage.db");
    let mut sink = Sqlite::new(path.clone());
    sink.write(&[full(1)]).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute("UPDATE locum_schema SET version = 7", []).unwrap();
    let why = sink.write(&[full(2)]).unwrap_err();
    assert!(why.ends_with("version 7, made by a newer Locum; this one knows version 1"), "{why}");
    assert_eq!(all(&path).len(), 1);
}

#[test]
fn a_file_that_is_no_database_is_told_and_kept() {
    let folder = Folder::new("foreign");
    let path = folder.0.join("usage.db");
    fs::write(&path, "notes of mine".repeat(100)).unwrap();
    let why = Sqlite::new(path.clone()).write(&[full(1)]).unwrap_err();
    assert!(why.contains("usage.db: file is not a database"), "{why}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "notes of mine".repeat(100));
    assert!(!sqlite::is_one(&path));
}
