//! Anthropic Messages.

mod classify;
mod decode;
mod encode;
mod history;
mod stream;
mod thinking;

pub(super) use self::classify::ROWS;
pub(super) use self::thinking::of as thinking;
use crate::provider::{Decoder, Provider, Target, resume};
use crate::transport::{HttpAnswer, HttpRequest};
use crate::types::{Completion, Failure, Request};

/// `max_tokens` when neither task, model nor call says how long the answer may be: this format requires a number, every
/// Claude model takes this one, and it is an answer of about ten pages.
pub const DEFAULT_MAX_TOKENS: u64 = 4096;

/// The format of `POST …/v1/messages`.
#[derive(Debug, Clone, Copy)]
pub struct Anthropic;

impl Provider for Anthropic {
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
