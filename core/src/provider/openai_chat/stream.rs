//! A stream in OpenAI chat.

use crate::error::ErrorKind;
use crate::provider::{Decoder, Delta, Stage, Target};
use crate::transport::HttpAnswer;
use crate::transport::sse::Frame;
use crate::types::{Completion, Failure, Request};

pub(super) fn decoder(_: &Target<'_>, _: &Request, head: HttpAnswer, now: u64) -> Box<dyn Decoder> {
    Box::new(Stream { head, now })
}

struct Stream {
    head: HttpAnswer,
    now: u64,
}

impl Decoder for Stream {
    fn read(&mut self, _: &Frame, _: &mut Vec<Delta>) -> Result<(), Failure> {
        Ok(())
    }

    fn stage(&self) -> Stage {
        Stage::Open
    }

    fn text(&self) -> String {
        String::new()
    }

    fn finish(&mut self) -> Result<Completion, Failure> {
        Err(Failure::new(ErrorKind::TruncatedStream, format!("{} {}", self.head.status, self.now)))
    }
}
