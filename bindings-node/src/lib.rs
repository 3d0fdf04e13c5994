//! The native half of the npm package `locum`: hands calls to the core and answers back, and decides nothing.
//!
//! It is private to the package. What users see is the TypeScript in `ts/`: data crosses here as one JSON text each way,
//! with the core's public field names, and errors are values, so that TypeScript can throw its classes with the caller's
//! stack.

// Node reaches these items through the registration that `#[napi]` writes; to rustc none of them is reachable.
#![allow(unreachable_pub)]

mod command;
mod credentials;
mod events;
mod exchange;
mod mailbox;
mod router;
mod runtime;
mod stream;
mod testing;
