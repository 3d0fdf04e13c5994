//! Any bytes as a stream in OpenAI chat.

#![no_main]

#[allow(dead_code)]
#[path = "../../tests/fuzz/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::stream(checks::Format::Chat, bytes));
