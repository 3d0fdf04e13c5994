//! The `locum` command, one file per subcommand. Reached from all three installs.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod ask;
mod check;
mod explain;
mod init;
mod mock;
mod report;
mod serve;

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use serde_json::{Map, Value};

use crate::router::Router;

/// It did what was asked.
const OK: i32 = 0;
/// It could not: the file has problems, the call failed.
const FAILED: i32 = 1;
/// The command line was wrong.
const USAGE: i32 = 2;

#[derive(Parser)]
#[command(
    name = "locum",
    version,
    about = "Embedded multi-model LLM fallback: name the task, one file decides the models."
)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Write a commented locum.toml for the API keys in the environment, or from a LiteLLM configuration
    Init(init::Init),
    /// Validate the configuration and point out what is worth a look
    Check(check::Check),
    /// Tell what a call would do: whom it would ask, within which limits, at which cost at worst; nothing is sent
    Explain(explain::Explain),
    /// Ask once and print the answer, with the trail on stderr
    Ask(ask::Ask),
    /// Put together what calls did and cost, from the file of records
    Report(report::Report),
    /// Scripted providers on loopback, for testing your own application
    Mock(mock::Mock),
    /// The tasks as an OpenAI-compatible server, for every language
    Serve(serve::Serve),
}

/// Where the configuration is.
#[derive(clap::Args)]
struct Source {
    /// The configuration; without it, what LOCUM_CONFIG names, else ./locum.toml
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Source {
    fn or(&self, file: Option<&PathBuf>) -> Self {
        Self { config: self.config.as_ref().or(file).cloned() }
    }

    /// The router; nothing where the configuration has problems, which are told.
    fn router(&self) -> Option<Router> {
        let opened = match &self.config {
            Some(path) => Router::from_file(path),
            None => Router::from_default(),
        };
        opened.map_err(|error| eprintln!("{}", error.message())).ok()
    }
}

/// What a call says.
#[derive(clap::Args)]
struct Input {
    /// What to ask; `-` reads it from standard input
    message: Option<String>,
    /// Fill in a variable of the task's prompt; `NAME=-` reads it from standard input
    #[arg(long = "var", value_name = "NAME=TEXT", value_parser = variable)]
    variables: Vec<(String, String)>,
}

impl Input {
    /// Messages and variables. Nothing where standard input cannot be read, which is told.
    fn read(self) -> Option<(Value, Value)> {
        let message = match self.message {
            Some(message) => Some(text_or_stdin(message)?),
            None => None,
        };
        let variables: Option<Map<String, Value>> =
            self.variables.into_iter().map(|(name, text)| Some((name, text_or_stdin(text)?.into()))).collect();
        Some((message.into(), variables?.into()))
    }
}

fn variable(argument: &str) -> Result<(String, String), String> {
    let (name, text) = argument.split_once('=').ok_or("expected NAME=TEXT")?;
    Ok((name.to_owned(), text.to_owned()))
}

/// The text; `-` stands for standard input. Nothing where that cannot be read, which is told.
fn text_or_stdin(text: String) -> Option<String> {
    if text != "-" {
        return Some(text);
    }
    let mut read = String::new();
    match std::io::stdin().read_to_string(&mut read) {
        Ok(_) => Some(read),
        Err(error) => {
            eprintln!("locum: standard input: {error}");
            None
        }
    }
}

/// Runs the command with the arguments after its name and returns the exit code: 0 done, 1 failed, 2 wrong usage.
pub fn main(arguments: impl IntoIterator<Item = String>) -> i32 {
    let arguments = std::iter::once("locum".to_owned()).chain(arguments);
    let command = match Command::try_parse_from(arguments) {
        Ok(command) => command,
        Err(error) => {
            // Help and version come this way too, and are no mistakes.
            let asked_for = !error.use_stderr();
            if error.print().is_err() {
                return FAILED;
            }
            return if asked_for { OK } else { USAGE };
        }
    };
    // One call at a time is the work of one thread; a server's, that of all.
    let mut builder = match command.what {
        What::Serve(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("locum: no runtime: {error}");
            return FAILED;
        }
    };
    let done = match command.what {
        What::Init(init) => init.run(),
        What::Check(check) => check.run(),
        What::Explain(explain) => explain.run(),
        What::Report(report) => report.run(),
        What::Ask(ask) => runtime.block_on(ask.run()),
        What::Mock(mock) => runtime.block_on(mock.run()),
        What::Serve(serve) => runtime.block_on(serve.run()),
    };
    // What still runs is not waited for.
    runtime.shutdown_background();
    done.unwrap_or_else(|error| {
        // Whoever read the output has had enough of it.
        if error.kind() != std::io::ErrorKind::BrokenPipe {
            eprintln!("locum: standard output: {error}");
        }
        FAILED
    })
}
