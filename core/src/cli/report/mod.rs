//! `locum report`: what calls did and cost.

mod page;

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::ValueEnum;

use super::{FAILED, OK, Source, USAGE};
use crate::accounting::ledger::{self, Line};
use crate::accounting::report::Report as Rows;
use crate::catalog;
use crate::types::{Currency, Days, UsageBy};

#[derive(clap::Args)]
pub(super) struct Report {
    /// Files of records; without any, what the configuration keeps, older ones first
    files: Vec<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// What rows are made by; model and provider count attempts, the others calls. A page (html) has them all
    #[arg(long, value_enum, default_value_t = By::Task)]
    by: By,
    #[arg(long, value_enum, default_value_t = Shape::Table)]
    format: Shape,
    /// Where the report goes; `-` is standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// What the costs of a table or a page are shown in, and what a dollar is in it; csv and json have dollars
    #[arg(long, value_name = "CODE=RATE", default_value = "USD=1")]
    currency: Currency,
    /// Calls that began on this day (UTC) or later
    #[arg(long, value_name = "YYYY-MM-DD")]
    since: Option<String>,
    /// Calls that began on this day (UTC) or earlier
    #[arg(long, value_name = "YYYY-MM-DD")]
    until: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
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
    Html,
}

impl Report {
    pub(super) fn run(self) -> io::Result<i32> {
        let days = match Days::read(self.since.as_deref(), self.until.as_deref()) {
            Ok(days) => days,
            Err(wrong) => {
                eprintln!("locum: --{wrong}");
                return Ok(USAGE);
            }
        };
        let by = match self.by {
            By::Task => UsageBy::Task,
            By::Customer => UsageBy::Customer,
            By::Day => UsageBy::Day,
            By::Model => UsageBy::Model,
            By::Provider => UsageBy::Provider,
        };
        let (mut one, mut all) = (Rows::new(by), page::Page::new());
        let mut add = |line: &Line| match self.format {
            Shape::Html => all.add(line),
            _ => one.add(line),
        };
        let Some(problems) = self.read(days, &mut add) else {
            return Ok(FAILED);
        };
        problems.iter().for_each(|problem| eprintln!("locum: {problem}"));
        let code = if problems.is_empty() { OK } else { FAILED };
        let text = match self.format {
            Shape::Html => all.finish(days, &self.currency, &problems).map_err(io::Error::other)?,
            shape => {
                let report = one.finish(catalog::date(), problems);
                match shape {
                    Shape::Csv => report.to_csv(),
                    Shape::Json => format!("{:#}\n", report.to_value()),
                    _ => report.table(&self.currency),
                }
            }
        };
        if self.output.as_os_str() == "-" {
            io::stdout().write_all(text.as_bytes())?;
        } else if let Err(error) = fs::write(&self.output, text) {
            eprintln!("locum: {}: {error}", self.output.display());
            return Ok(FAILED);
        }
        Ok(code)
    }

    /// Reads the files that are named, or what the configuration keeps: a sentence for everything that is left out. Nothing where
    /// there is nothing to read, which is told.
    fn read(&self, days: Days, add: &mut (impl FnMut(&Line) + Send)) -> Option<Vec<String>> {
        if self.files.is_empty() {
            let read = ledger::read(&self.source.router()?.policy().accounting, days, add);
            return read.map_err(|why| eprintln!("locum: {why}; or name a file")).ok();
        }
        let problems = self.files.iter().filter_map(|path| {
            let read = ledger::read_file(path, days, add);
            read.unwrap_or_else(|error| Some(format!("{}: {error}", path.display())))
        });
        Some(problems.collect())
    }
}
