//! `locum explain`: what a call would do, without making it.

use std::io::{self, Write as _};

use serde_json::json;

use super::{FAILED, OK, Source, message_or_stdin};

#[derive(clap::Args)]
pub(super) struct Explain {
    /// The task
    task: String,
    /// What would be asked, as far as its length matters; `-` reads it from standard input
    #[arg(default_value = "Hello")]
    message: String,
    #[command(flatten)]
    source: Source,
    /// Print the explanation, or the error, as JSON
    #[arg(long)]
    json: bool,
    /// For whom, where tasks are split by customer
    #[arg(long)]
    customer: Option<String>,
    /// With this candidate of the task and no other
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// With a deadline of this many milliseconds, if that is less than the task's
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
}

impl Explain {
    pub(super) fn run(self) -> io::Result<i32> {
        let Some(message) = message_or_stdin(self.message) else {
            return Ok(FAILED);
        };
        let Some(router) = self.source.router() else {
            return Ok(FAILED);
        };
        let options = json!({"customer": self.customer, "model": self.model, "timeout_ms": self.timeout_ms});
        let mut out = io::stdout();
        match router.explain_value(self.task, message.into(), options) {
            Ok(explanation) if self.json => writeln!(out, "{:#}", explanation.to_value())?,
            Ok(explanation) => write!(out, "{explanation}")?,
            Err(error) => {
                if self.json {
                    writeln!(out, "{:#}", error.to_value())?;
                } else {
                    eprintln!("{error}");
                }
                return Ok(FAILED);
            }
        }
        Ok(OK)
    }
}
