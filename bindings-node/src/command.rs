//! The `locum` command, from an npm install.

use std::io::{self, Write};

use napi_derive::napi;

/// Runs the command with the arguments after its name, blocking, and returns the exit code.
#[napi]
pub fn run_cli(arguments: Vec<String>) -> i32 {
    let code = locum::cli::main(arguments);
    // A Rust program does this when it ends; Node does not know of this buffer. What cannot be written any more is lost in
    // either case.
    let _ = io::stdout().flush();
    code
}
