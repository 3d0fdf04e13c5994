//! Cohere chat, version 2.

mod decode;
mod encode;
mod stream;

use crate::provider::Codec;

/// The format of `POST …/v2/chat` (<https://docs.cohere.com/reference/chat>).
pub static COHERE: Codec = Codec { encode: encode::encode, decode: decode::decode, decoder: stream::decoder };
