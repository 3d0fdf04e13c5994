//! Any bytes as a stream in Anthropic Messages.

#![no_main]

#[allow(dead_code)]
#[path = "../../tests/fuzz/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::stream(checks::Format::Messages, bytes));
