//! `locum ask`: one completion from the shell.

use std::io::{self, Write as _};

use futures_util::StreamExt;
use serde_json::json;

use super::{FAILED, Input, OK, Source};
use crate::error::{Error, ErrorKind};
use crate::router::EventStream;
use crate::types::{Event, Reply};

#[derive(clap::Args)]
pub(super) struct Ask {
    /// The task
    task: String,
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    source: Source,
    /// Print the answer as it comes; with --json, a line for each event
    #[arg(long)]
    stream: bool,
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
        let Some((messages, variables)) = self.input.read() else {
            return Ok(FAILED);
        };
        let Some(router) = self.source.router() else {
            return Ok(FAILED);
        };
        let options = json!({"model": self.model, "timeout_ms": self.timeout_ms, "variables": variables});
        let cancelled = async {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let task = self.task;
        let result = if self.stream {
            let events = router.stream_value(task, messages, options).cancel_on(cancelled);
            print(events, self.json).await?
        } else {
            let result = router.complete_value(task, messages, options).cancel_on(cancelled).await;
            match &result {
                Ok(reply) if self.json => writeln!(io::stdout(), "{:#}", reply.to_value())?,
                Ok(reply) => writeln!(io::stdout(), "{}", reply.text())?,
                Err(error) if self.json => writeln!(io::stdout(), "{:#}", error.to_value())?,
                Err(_) => {}
            }
            result
        };
        Ok(tell(result, self.json))
    }
}

/// Prints events as they come.
async fn print(mut events: EventStream, json: bool) -> io::Result<Result<Reply, Error>> {
    let mut out = io::stdout();
    let mut line_open = false;
    let result = loop {
        let item = events.next().await;
        if json {
            match &item {
                Some(Ok(event)) => writeln!(out, "{}", event.to_value())?,
                Some(Err(error)) => writeln!(out, "{}", json!({"type": "error", "error": error.to_value()}))?,
                None => {}
            }
        }
        match item {
            Some(Ok(Event::Text(text))) if !json => {
                write!(out, "{text}")?;
                line_open = !text.ends_with('\n');
            }
            Some(Ok(Event::Restart { model, reason, .. })) if !json => {
                // What is on the screen stays there; a line says that it is void.
                writeln!(out)?;
                eprintln!("the answer broke off ({reason}); {model} answers anew:");
            }
            Some(Ok(Event::End(reply))) => break Ok(*reply),
            Some(Ok(_)) => {}
            Some(Err(error)) => break Err(error),
            None => break Err(Error::new(ErrorKind::ServerError, "the stream ended without an end")),
        }
        out.flush()?;
    };
    if line_open {
        writeln!(out)?;
    }
    Ok(result)
}

/// Tells on standard error how the call went.
fn tell(result: Result<Reply, Error>, json: bool) -> i32 {
    match result {
        Ok(reply) => {
            eprint!("{}", reply.trail());
            for warning in &reply.warnings {
                eprintln!("warning: {warning}");
            }
            OK
        }
        Err(error) => {
            eprint!("{}", error.trail());
            if !json {
                eprintln!("{error}");
            }
            FAILED
        }
    }
}
