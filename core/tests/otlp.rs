//! Traces and metrics as a collector gets them, over HTTP and gRPC, decoded with the published messages.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
