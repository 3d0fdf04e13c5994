//! OpenAI chat completions: OpenAI, Azure, and every server that speaks the same language with an accent of its own.

mod calls;
mod choice;
mod classify;
mod decode;
mod dialect;
mod encode;
mod stream;
mod usage;

pub(super) use self::classify::ROWS;
pub(super) use self::decode::interpret;
pub(super) use self::encode::{key, path};
use crate::provider::Codec;

/// The format of `POST …/chat/completions`.
pub static OPENAI_CHAT: Codec = Codec { encode: encode::encode, decode: decode::decode, decoder: stream::decoder };
