//! Reading back what was kept: the records of calls, wherever a configuration keeps them.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;

use super::jsonl::Jsonl;
#[cfg(feature = "postgres")]
use super::postgres::{self, Address};
#[cfg(feature = "sqlite")]
use super::sqlite;
use crate::types::{Accounting, Days, Lines};

/// As much of a record as a report needs.
#[derive(Deserialize)]
pub(crate) struct Line {
    at_ms: f64,
    pub(super) task: String,
    pub(super) customer: Option<String>,
    pub(super) outcome: String,
    pub(super) fallback_used: bool,
    pub(super) latency_ms: f64,
    pub(super) first_token_ms: Option<f64>,
    pub(super) attempts: Vec<Made>,
}

/// An attempt that was made.
#[derive(Deserialize)]
pub(super) struct Made {
    pub(super) model: String,
    pub(super) provider: String,
    pub(super) outcome: String,
    pub(super) depth: usize,
    pub(super) latency_ms: f64,
    pub(super) first_token_ms: Option<f64>,
    pub(super) usage: Option<Tokens>,
    pub(super) usage_is_estimate: bool,
    pub(super) cost: Option<f64>,
    pub(super) cost_is_estimate: bool,
}

#[derive(Deserialize, Clone, Copy)]
pub(super) struct Tokens {
    pub(super) input: u64,
    pub(super) cached_input: u64,
    pub(super) output: u64,
    pub(super) reasoning: u64,
}

impl Line {
    /// When the call began, in seconds since the Unix epoch.
    pub(crate) fn at(&self) -> f64 {
        self.at_ms / 1e3
    }
}

/// Why there is nothing to read.
pub(crate) enum Unreadable {
    /// The configuration keeps no records.
    NotKept,
    /// What is kept cannot be read: where, and why.
    Failed(String),
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotKept => {
                f.write_str("the configuration keeps no records; set accounting.sqlite.path, or another place")
            }
            Self::Failed(why) => write!(f, "usage records cannot be read: {why}"),
        }
    }
}

/// Gives `add` every record of calls that began on these days, the older ones first. Of several places it is the fullest that is
/// read: the database that others write to as well, else the one in a file, else the lines, which are rotated away. What is no
/// record is left out: a sentence for each place where that is so. It blocks its thread.
pub(crate) fn read(
    accounting: &Accounting,
    days: Days,
    add: &mut (impl FnMut(&Line) + Send),
) -> Result<Vec<String>, Unreadable> {
    #[cfg(feature = "postgres")]
    if let Some(Ok(address)) = accounting.postgres.as_ref().map(Address::new) {
        let read = postgres::read(&address, days.milliseconds(), &mut from_table(add));
        return read.map(|_| Vec::new()).map_err(|why| Unreadable::Failed(format!("PostgreSQL: {why}")));
    }
    #[cfg(feature = "sqlite")]
    if let Some(path) = &accounting.sqlite {
        let read =
            if path.exists() { sqlite::read(path, days.milliseconds(), &mut from_table(add)) } else { Ok(false) };
        let failed = |why| Unreadable::Failed(format!("{}: {why}", path.display()));
        return read.map(|_| Vec::new()).map_err(failed);
    }
    let Some(Lines { path, max_bytes, keep }) = &accounting.jsonl else {
        return Err(Unreadable::NotKept);
    };
    let mut left_out = Vec::new();
    for (path, file) in Jsonl::new(path.clone(), *max_bytes, *keep).open().map_err(Unreadable::Failed)? {
        let read = read_lines(&path, file, days, add);
        left_out.extend(read.map_err(|error| Unreadable::Failed(format!("{}: {error}", path.display())))?);
    }
    Ok(left_out)
}

/// The same for a file, of lines or of SQLite's.
#[cfg(feature = "cli")]
pub(crate) fn read_file(
    path: &Path,
    days: Days,
    add: &mut (impl FnMut(&Line) + Send),
) -> Result<Option<String>, String> {
    #[cfg(feature = "sqlite")]
    if sqlite::is_one(path) {
        let there = sqlite::read(path, days.milliseconds(), &mut from_table(add))?;
        return Ok((!there).then(|| format!("{}: holds no records", path.display())));
    }
    let read = std::fs::File::open(path).and_then(|file| read_lines(path, file, days, add));
    read.map_err(|error| error.to_string())
}

/// What takes a record that a table made.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn from_table(add: &mut (impl FnMut(&Line) + Send)) -> impl FnMut(&str) + Send {
    |text| {
        if let Ok(line) = serde_json::from_str(text) {
            add(&line);
        }
    }
}

/// The same for lines.
fn read_lines(path: &Path, file: impl Read, days: Days, add: &mut impl FnMut(&Line)) -> io::Result<Option<String>> {
    let (mut wrong, mut first) = (0, None);
    for (number, line) in (1..).zip(BufReader::new(file).split(b'\n')) {
        let line = line?;
        match serde_json::from_slice::<Line>(&line) {
            Ok(line) if days.contain(line.at()) => add(&line),
            Ok(_) => {}
            Err(_) if line.iter().all(u8::is_ascii_whitespace) => {}
            Err(_) => {
                wrong += 1;
                first.get_or_insert(number);
            }
        }
    }
    let path = path.display();
    Ok(first.map(|first| match wrong {
        1 => format!("{path}:{first}: is no record"),
        _ => format!("{path}:{first}: is no record ({wrong} such lines were left out)"),
    }))
}
