//! `locum check`: is the configuration right, and what in it is worth a look.

use std::io::{self, Write as _};
use std::path::PathBuf;

use super::{FAILED, OK, Source};
use crate::config::Task;

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
        let Some(router) = self.source.or(self.file.as_ref()).router() else {
            return Ok(FAILED);
        };
        let mut out = io::stdout();
        let policy = router.policy();
        for task in policy.tasks.values() {
            writeln!(out, "{}: {}", task.name, candidates(task))?;
        }
        for lint in &policy.lints {
            writeln!(out, "warning: {lint}")?;
        }
        writeln!(out, "{} tasks, {} warnings", policy.tasks.len(), policy.lints.len())?;
        Ok(if self.strict && !policy.lints.is_empty() { FAILED } else { OK })
    }
}

/// `a/b → c/d`; where several share the work of the primary, `a/b (95) | c/d (5) → e/f`.
fn candidates(task: &Task) -> String {
    let mut names: Vec<String> = task.candidates.iter().map(|model| model.name()).collect();
    let stand_ins = names.split_off(task.weights.len());
    let shares: Vec<String> =
        names.iter().zip(&task.weights).map(|(name, weight)| format!("{name} ({weight})")).collect();
    let primary = (!shares.is_empty()).then(|| shares.join(" | "));
    primary.into_iter().chain(stand_ins).collect::<Vec<_>>().join(" → ")
}
