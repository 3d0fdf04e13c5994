//! OpenAI Responses, asked without state: nothing is stored at the provider, every request holds the whole chat.

mod decode;
mod encode;
mod input;
mod stream;

use crate::provider::Codec;

/// The format of `POST …/responses` (<https://platform.openai.com/docs/api-reference/responses>).
pub static OPENAI_RESPONSES: Codec = Codec { encode: encode::encode, decode: decode::decode, decoder: stream::decoder };
