//! Embedded multi-model LLM fallback.

#![forbid(unsafe_code)]

pub mod config;
mod error;
pub mod provider;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod transport;
pub mod types;

pub use error::{Error, ErrorKind};
