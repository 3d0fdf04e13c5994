//! Embedded multi-model LLM fallback: name the task, one file decides the models.

#![forbid(unsafe_code)]

pub mod config;
mod error;
pub mod ladder;
mod observe;
pub mod provider;
pub mod transport;
pub mod types;

pub use config::{Policy, Secret};
pub use error::{Error, ErrorKind};
pub use types::{
    Attempt, Finish, FinishReason, Message, Messages, Next, Options, Outcome, Reply,
    ResponseFormat, Role, Tool, ToolCall, ToolChoice, Usage,
};
