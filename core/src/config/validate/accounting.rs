//! Where records of calls are kept.

use std::path::PathBuf;

use super::super::defaults;
use super::super::problem::Findings;
use super::super::provider::WRITTEN_OUT;
use super::super::schema::{AccountingConfig, JsonlConfig, PostgresConfig, SqliteConfig};
use super::super::secret::Found;
use super::Check;
use crate::types::{Accounting, Lines, Secret};

impl Check<'_> {
    pub(super) fn accounting(&mut self, config: AccountingConfig, is_file: bool, lints: &mut Findings) -> Accounting {
        let AccountingConfig { jsonl, sqlite, postgres, otlp } = config;
        Accounting {
            jsonl: jsonl.and_then(|jsonl| self.lines(&jsonl)),
            sqlite: sqlite.and_then(|sqlite| self.sqlite(&sqlite)),
            postgres: postgres.and_then(|postgres| self.postgres(&postgres, is_file, lints)),
            otlp: otlp.and_then(|otlp| self.otlp(otlp, lints)),
        }
    }

    fn lines(&mut self, config: &JsonlConfig) -> Option<Lines> {
        Some(Lines {
            path: self.file("accounting.jsonl.path", &config.path)?,
            max_bytes: config.max_bytes.unwrap_or(defaults::MAX_LINES_BYTES),
            keep: config.keep.unwrap_or(defaults::KEPT_FILES),
        })
    }

    fn sqlite(&mut self, config: &SqliteConfig) -> Option<PathBuf> {
        if !cfg!(feature = "sqlite") {
            self.problem("accounting.sqlite", "this build of Locum keeps none there: it lacks the feature \"sqlite\"");
            return None;
        }
        self.file("accounting.sqlite.path", &config.path)
    }

    fn postgres(&mut self, config: &PostgresConfig, is_file: bool, lints: &mut Findings) -> Option<Secret> {
        if !cfg!(feature = "postgres") {
            self.problem(
                "accounting.postgres",
                "this build of Locum keeps none there: it lacks the feature \"postgres\"",
            );
            return None;
        }
        let place = "accounting.postgres.url";
        let problem = match self.sources.resolve(&config.url) {
            Found::Secret { secret, literal } => match address(&secret) {
                Ok(with_password) => {
                    if literal && is_file && with_password {
                        lints.add(self.places.find(place), WRITTEN_OUT);
                    }
                    return Some(secret);
                }
                Err(problem) => problem.to_owned(),
            },
            // A program that reads the same file elsewhere need not have the database.
            Found::Missing(sentence) => {
                lints.add(self.places.find(place), format!("no records are kept there: {sentence}"));
                return None;
            }
            Found::Unusable(sentence) => sentence,
        };
        self.problem(place, problem);
        None
    }

    /// A file in a folder that is there.
    fn file(&mut self, place: &str, named: &str) -> Option<PathBuf> {
        let path = self.sources.path(named);
        if named.trim().is_empty() || path.is_dir() {
            self.problem(place, "must name a file");
            return None;
        }
        if !path.parent().is_none_or(|folder| folder.as_os_str().is_empty() || folder.is_dir()) {
            self.problem(place, "its folder is not there");
            return None;
        }
        Some(path)
    }
}

/// Whether an address holds a password.
#[cfg(feature = "postgres")]
fn address(url: &Secret) -> Result<bool, &'static str> {
    crate::accounting::postgres::Address::new(url).map(|address| address.has_password())
}

#[cfg(not(feature = "postgres"))]
fn address(_: &Secret) -> Result<bool, &'static str> {
    Ok(false)
}
