//! Gemini generateContent, of Google AI Studio and of Vertex AI.

mod classify;
mod decode;
mod encode;
mod history;
mod partial;
mod stream;
mod thinking;

pub(super) use self::classify::ROWS;
use crate::provider::Codec;

/// The format of `POST …/models/{model}:generateContent` (<https://ai.google.dev/api/generate-content>).
pub static GEMINI: Codec = Codec { encode: encode::encode, decode: decode::decode, decoder: stream::decoder };
