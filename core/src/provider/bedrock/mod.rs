//! AWS Bedrock Converse.

mod classify;
mod decode;
mod encode;
mod history;
mod stream;

pub(super) use self::classify::ROWS;
use crate::provider::{Decoder, Provider, Target, resume};
use crate::transport::{HttpAnswer, HttpRequest};
use crate::types::{Completion, Failure, Request, ResponseFormat};

/// The format of `POST …/model/{model}/converse`
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>).
#[derive(Debug, Clone, Copy)]
pub struct Bedrock;

/// The tool whose input is the answer, where one is asked for by a schema.
const ANSWER: &str = "json_answer";

/// Whether the answer is asked for as the input of a tool: by a schema that a tool can have, and without tools beside it.
fn by_tool(request: &Request) -> bool {
    let object = |schema: &serde_json::Value| schema.get("type").is_some_and(|kind| kind == "object");
    request.tools.is_empty()
        && matches!(&request.response_format, Some(ResponseFormat::JsonSchema { schema, .. }) if object(schema))
}

impl Provider for Bedrock {
    fn encode(&self, target: &Target<'_>, request: &Request) -> Result<(HttpRequest, Vec<String>), Failure> {
        encode::encode(target, request)
    }

    fn decode(
        &self,
        target: &Target<'_>,
        request: &Request,
        answer: &HttpAnswer,
        now: u64,
    ) -> Result<Completion, Failure> {
        decode::decode(target, request, answer, now).map_err(|failure| resume::failure(target, failure))
    }

    fn decoder(&self, target: &Target<'_>, request: &Request, head: HttpAnswer, now: u64) -> Box<dyn Decoder> {
        stream::decoder(target, request, head, now)
    }
}
