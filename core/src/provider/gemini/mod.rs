//! Gemini generateContent, of Google AI Studio and of Vertex AI.

mod classify;
mod decode;
mod encode;
mod history;
mod partial;
mod stream;
mod thinking;

pub(super) use self::classify::ROWS;
use crate::provider::{Decoder, Provider, Target, resume};
use crate::transport::{HttpAnswer, HttpRequest};
use crate::types::{Completion, Failure, Request};

/// The format of `POST …/models/{model}:generateContent` (<https://ai.google.dev/api/generate-content>).
#[derive(Debug, Clone, Copy)]
pub struct Gemini;

impl Provider for Gemini {
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
