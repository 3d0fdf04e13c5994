//! `locum check`: is the configuration right, and what in it is worth a look.

use std::io::{self, Write as _};
use std::path::PathBuf;

use super::{FAILED, OK, Source};

#[derive(clap::Args)]
pub(super) struct Check {
    /// The configuration, as with --config
    #[arg(conflicts_with = "config")]
    file: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
}

impl Check {
    pub(super) fn run(&self) -> io::Result<i32> {
        let router = match self.source.or(self.file.as_ref()).router() {
            Ok(router) => router,
            Err(error) => {
                eprintln!("{}", error.message());
                return Ok(FAILED);
            }
        };
        let mut out = io::stdout();
        let policy = router.policy();
        for task in policy.tasks.values() {
            let names: Vec<String> = task.candidates.iter().map(|model| model.name()).collect();
            writeln!(out, "{}: {}", task.name, names.join(" → "))?;
        }
        for lint in &policy.lints {
            writeln!(out, "warning: {lint}")?;
        }
        writeln!(out, "{} tasks, {} warnings", policy.tasks.len(), policy.lints.len())?;
        Ok(if self.strict && !policy.lints.is_empty() { FAILED } else { OK })
    }
}
