//! Where records of calls are kept.

use std::path::PathBuf;

use super::otlp::Otlp;
use super::secret::Secret;

/// Where records of calls go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounting {
    /// A file with a line of JSON for each.
    pub jsonl: Option<Lines>,
    /// An SQLite file with tables of them.
    pub sqlite: Option<PathBuf>,
    /// The address of a PostgreSQL database with tables of them.
    pub postgres: Option<Secret>,
    /// A collector that is sent traces and metrics.
    pub otlp: Option<Otlp>,
}

/// A file of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// Where it is.
    pub path: PathBuf,
    /// The length in bytes from which on a new one is begun.
    pub max_bytes: u64,
    /// How many older ones are kept.
    pub keep: u32,
}
