//! `locum ask`: one completion from the shell.

use std::io::{self, Read as _, Write as _};

use serde_json::json;

use super::{FAILED, OK, Source};

#[derive(clap::Args)]
pub(super) struct Ask {
    /// The task
    task: String,
    /// What to ask; `-` reads it from standard input
    message: String,
    #[command(flatten)]
    source: Source,
    /// Print the whole reply, or the error, as JSON
    #[arg(long)]
    json: bool,
    /// Ask this candidate of the task and no other
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Tighten the deadline to this many milliseconds
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
}

impl Ask {
    pub(super) async fn run(self) -> io::Result<i32> {
        let mut message = self.message;
        if message == "-" {
            message.clear();
            if let Err(error) = std::io::stdin().read_to_string(&mut message) {
                eprintln!("locum: standard input: {error}");
                return Ok(FAILED);
            }
        }
        let router = match self.source.router() {
            Ok(router) => router,
            Err(error) => {
                eprintln!("{}", error.message());
                return Ok(FAILED);
            }
        };
        let options = json!({"model": self.model, "timeout_ms": self.timeout_ms});
        let cancelled = async {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        match router.complete_value(self.task, message.into(), options).cancel_on(cancelled).await {
            Ok(reply) => {
                eprint!("{}", reply.trail());
                for warning in &reply.warnings {
                    eprintln!("warning: {warning}");
                }
                if self.json {
                    writeln!(io::stdout(), "{:#}", reply.to_value())?;
                } else {
                    writeln!(io::stdout(), "{}", reply.text())?;
                }
                Ok(OK)
            }
            Err(error) => {
                eprint!("{}", error.trail());
                if self.json {
                    writeln!(io::stdout(), "{:#}", error.to_value())?;
                } else {
                    eprintln!("{error}");
                }
                Ok(FAILED)
            }
        }
    }
}
