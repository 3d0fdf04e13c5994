//! OpenAI Responses, asked without state: nothing is stored at the provider, every request holds the whole chat.

mod decode;
mod encode;
mod input;
mod stream;

use crate::provider::{Decoder, Provider, Target, resume};
use crate::transport::{HttpAnswer, HttpRequest};
use crate::types::{Completion, Failure, Request};

/// The format of `POST …/responses` (<https://platform.openai.com/docs/api-reference/responses>).
#[derive(Debug, Clone, Copy)]
pub struct Responses;

impl Provider for Responses {
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
