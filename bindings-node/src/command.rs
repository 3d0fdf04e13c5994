//! The `locum` command, from an npm install.

use napi_derive::napi;

/// Runs the command with the arguments after its name, blocking, and returns the exit code.
#[napi]
pub fn run_cli(arguments: Vec<String>) -> i32 {
    locum::cli::main(arguments)
}
