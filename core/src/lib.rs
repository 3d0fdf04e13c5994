//! Embedded multi-model LLM fallback: name the task, one file decides the models.

#![forbid(unsafe_code)]
// The library is silent; only the command speaks.
#![warn(clippy::print_stdout, clippy::print_stderr)]

#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
mod driver;
mod error;
pub mod ladder;
mod observe;
pub mod provider;
mod route;
mod router;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod transport;
pub mod types;

pub use config::Policy;
pub use error::{Error, ErrorKind};
pub use router::{Call, Router};
pub use types::{
    Attempt, Finish, FinishReason, Message, Messages, Next, Options, Outcome, Reply, ResponseFormat, Role, Secret,
    Tool, ToolCall, ToolChoice, Usage,
};
