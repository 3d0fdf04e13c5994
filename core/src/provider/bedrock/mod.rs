//! AWS Bedrock Converse.

mod classify;
mod decode;
mod encode;
mod history;
mod stream;

pub(super) use self::classify::ROWS;
use crate::provider::Codec;
use crate::types::{Request, ResponseFormat};

/// The format of `POST …/model/{model}/converse`
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>).
pub static BEDROCK: Codec = Codec { encode: encode::encode, decode: decode::decode, decoder: stream::decoder };

/// The tool whose input is the answer, where one is asked for by a schema.
const ANSWER: &str = "json_answer";

/// Whether the answer is asked for as the input of a tool: by a schema that a tool can have, and without tools beside it.
fn by_tool(request: &Request) -> bool {
    let object = |schema: &serde_json::Value| schema.get("type").is_some_and(|kind| kind == "object");
    request.tools.is_empty()
        && matches!(&request.response_format, Some(ResponseFormat::JsonSchema { schema, .. }) if object(schema))
}
