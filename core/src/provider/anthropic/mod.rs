//! Anthropic Messages.

mod classify;
mod decode;
mod encode;
mod history;
mod stream;
mod thinking;

pub(super) use self::classify::ROWS;
pub(super) use self::thinking::of as thinking;
use crate::provider::Codec;

/// `max_tokens` when neither task, model nor call says how long the answer may be: this format requires a number, every
/// Claude model takes this one, and it is an answer of about ten pages.
pub const DEFAULT_MAX_TOKENS: u64 = 4096;

/// The format of `POST …/v1/messages`.
pub static ANTHROPIC: Codec = Codec { encode: encode::encode, decode: decode::decode, decoder: stream::decoder };
