//! `locum check`: is the configuration right, and what in it is worth a look.

use super::{FAILED, OK, Source};

#[derive(clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    source: Source,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
}

impl Check {
    pub(super) fn run(&self) -> i32 {
        let router = match self.source.router() {
            Ok(router) => router,
            Err(error) => {
                eprintln!("{}", error.message());
                return FAILED;
            }
        };
        let policy = router.policy();
        for task in policy.tasks.values() {
            let names: Vec<String> = task.candidates.iter().map(|model| model.name()).collect();
            println!("{}: {}", task.name, names.join(" → "));
        }
        for lint in &policy.lints {
            println!("warning: {lint}");
        }
        println!("{} tasks, {} warnings", policy.tasks.len(), policy.lints.len());
        if self.strict && !policy.lints.is_empty() { FAILED } else { OK }
    }
}
