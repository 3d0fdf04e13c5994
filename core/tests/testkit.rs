//! The scripted providers, seen from raw sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, unreachable_pub)]

#[path = "testkit/answers.rs"]
mod answers;
#[path = "testkit/client.rs"]
mod client;
#[path = "testkit/faults.rs"]
mod faults;
#[path = "testkit/script.rs"]
mod script;
#[path = "testkit/server.rs"]
mod server;
#[path = "testkit/streaming.rs"]
mod streaming;
#[path = "testkit/streams.rs"]
mod streams;
