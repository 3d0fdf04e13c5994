//! `locum report`: what calls did and cost.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::PathBuf;

use clap::ValueEnum;

use super::{FAILED, OK, Source};
use crate::accounting::report::{self, By, Line};
use crate::types::time;

#[derive(clap::Args)]
pub(super) struct Report {
    /// Files of records; without any, those of the configuration, older ones first
    files: Vec<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// What rows are made by; model and provider count attempts, the others calls
    #[arg(long, value_enum, default_value_t = Rows::Task)]
    by: Rows,
    #[arg(long, value_enum, default_value_t = Shape::Table)]
    format: Shape,
    /// Calls that began on this day (UTC) or later
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    since: Option<u64>,
    /// Calls that began on this day (UTC) or earlier
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    until: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Rows {
    Task,
    Customer,
    Day,
    Model,
    Provider,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shape {
    Table,
    Csv,
    Json,
}

/// The first second of a day.
fn day(argument: &str) -> Result<u64, &'static str> {
    let second = time::seconds(&format!("{argument}T00:00:00Z")).filter(|_| argument.len() == 10);
    second.ok_or("expected a day such as 2026-11-24")
}

impl Report {
    pub(super) fn run(self) -> io::Result<i32> {
        let Some(files) = self.files() else {
            return Ok(FAILED);
        };
        let by = match self.by {
            Rows::Task => By::Task,
            Rows::Customer => By::Customer,
            Rows::Day => By::Day,
            Rows::Model => By::Model,
            Rows::Provider => By::Provider,
        };
        let mut report = report::Report::new(by);
        let since = self.since.unwrap_or_default() as f64;
        let until = self.until.map_or(f64::INFINITY, |until| (until + 86_400) as f64);
        let mut sound = true;
        for path in files {
            let mut add = |line: &Line| {
                if (since..until).contains(&line.at()) {
                    report.add(line);
                }
            };
            if let Err(problem) = read(&path, &mut add) {
                eprintln!("locum: {}{problem}", path.display());
                sound = false;
            }
        }
        let mut out = io::stdout();
        match self.format {
            Shape::Table => write!(out, "{}", report.to_table())?,
            Shape::Csv => write!(out, "{}", report.to_csv())?,
            Shape::Json => writeln!(out, "{:#}", report.to_value())?,
        }
        Ok(if sound { OK } else { FAILED })
    }

    /// The files to read; nothing where there are none, which is told.
    fn files(&self) -> Option<Vec<PathBuf>> {
        if !self.files.is_empty() {
            return Some(self.files.clone());
        }
        let router = self.source.router()?;
        let Some(lines) = &router.policy().accounting.jsonl else {
            eprintln!("locum: the configuration keeps no records; set accounting.jsonl.path, or name a file");
            return None;
        };
        let mut files: Vec<PathBuf> = (1..=lines.keep)
            .map(|number| {
                let mut name = lines.path.clone().into_os_string();
                name.push(format!(".{number}"));
                PathBuf::from(name)
            })
            .filter(|path| path.exists())
            .collect();
        files.reverse();
        files.push(lines.path.clone());
        Some(files)
    }
}

/// Reads the records of a file. What is none is left out, and told in the end.
fn read(path: &PathBuf, add: &mut impl FnMut(&Line)) -> Result<(), String> {
    let file = File::open(path).map_err(|error| format!(": {error}"))?;
    let (mut wrong, mut first) = (0, None);
    for (number, line) in (1..).zip(BufReader::new(file).split(b'\n')) {
        let line = line.map_err(|error| format!(": {error}"))?;
        match serde_json::from_slice(&line) {
            Ok(line) => add(&line),
            Err(_) if line.iter().all(u8::is_ascii_whitespace) => {}
            Err(_) => {
                wrong += 1;
                first.get_or_insert(number);
            }
        }
    }
    match first {
        Some(1) if wrong == 1 => Err(":1: is no record".to_owned()),
        Some(line) => Err(format!(":{line}: is no record ({wrong} such lines were left out)")),
        None => Ok(()),
    }
}
