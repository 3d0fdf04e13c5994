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
use crate::provider::{Decoder, Provider, Target, resume};
use crate::transport::{HttpAnswer, HttpRequest};
use crate::types::{Completion, Failure, Request};

/// The format of `POST …/chat/completions`.
#[derive(Debug, Clone, Copy)]
pub struct OpenAiChat;

impl Provider for OpenAiChat {
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
