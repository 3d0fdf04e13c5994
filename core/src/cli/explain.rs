//! `locum explain`: what a call would do, without making it.

use std::io::{self, Write as _};

use serde_json::json;

use super::{FAILED, Input, OK, Source};

#[derive(clap::Args)]
pub(super) struct Explain {
    /// The task
    task: String,
    #[command(flatten)]
    input: Input,
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
        let Some((mut messages, variables)) = self.input.read() else {
            return Ok(FAILED);
        };
        // Of what is asked, only its length matters.
        if messages.is_null() && variables == json!({}) {
            messages = "Hello".into();
        }
        let Some(router) = self.source.router() else {
            return Ok(FAILED);
        };
        let options = json!({
            "customer": self.customer, "model": self.model, "timeout_ms": self.timeout_ms, "variables": variables,
        });
        let mut out = io::stdout();
        match router.explain_value(self.task, messages, options) {
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
