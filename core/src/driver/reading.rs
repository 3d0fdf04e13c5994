//! Reading a stream: bytes to frames to what they say, until its end, its break, or until enough has come.

use std::mem;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use super::exchange::{About, Brought, broken, brought, too_large};
use crate::error::ErrorKind;
use crate::provider::{Decoder, Delta, Stage};
use crate::transport::aws_events::{AwsEvents, Fault};
use crate::transport::sse::{Frame, Sse, TooLong};
use crate::transport::{MAX_BODY, MAX_LINE, Phase, TransportError};
use crate::types::Failure;

/// How long the end of a body may come after the end of its stream; a connection that is open longer is closed.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How a body is taken apart.
pub(super) enum Framing {
    Sse(Sse),
    Aws(AwsEvents),
}

impl Framing {
    fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Sse(sse) => sse.push(bytes),
            Self::Aws(events) => events.push(bytes),
        }
    }

    fn frame(&mut self) -> Result<Option<Frame>, Failure> {
        match self {
            Self::Sse(sse) => sse.frame().map_err(|TooLong| too_long()),
            Self::Aws(events) => events.frame().map_err(|fault| match fault {
                Fault::TooLong => too_long(),
                Fault::Damaged => {
                    Failure::new(ErrorKind::TruncatedStream, "a checksum or a length in the stream is wrong")
                }
            }),
        }
    }

    /// What the end of the body left.
    fn end(&mut self) -> Result<Option<Frame>, Failure> {
        match self {
            Self::Sse(sse) => sse.end().map_err(|TooLong| too_long()),
            Self::Aws(events) if events.is_cut() => {
                Err(Failure::new(ErrorKind::TruncatedStream, "the stream ended within a message"))
            }
            Self::Aws(_) => Ok(None),
        }
    }
}

pub(super) struct Reading {
    status: u16,
    body: BoxStream<'static, Result<Bytes, TransportError>>,
    /// Bytes of the body so far.
    size: usize,
    framing: Framing,
    decoder: Box<dyn Decoder>,
    about: About,
    /// No more is read.
    ended: bool,
    /// The body said that it is over.
    drained: bool,
    /// What went wrong, to be told after what was said before it.
    failure: Option<Failure>,
    /// What a stream that ended too early had said.
    text: String,
}

impl Reading {
    pub(super) fn new(
        status: u16,
        mut framing: Framing,
        start: &[u8],
        body: BoxStream<'static, Result<Bytes, TransportError>>,
        decoder: Box<dyn Decoder>,
        about: About,
    ) -> Self {
        framing.push(start);
        let size = start.len();
        Self {
            status,
            body,
            size,
            framing,
            decoder,
            about,
            ended: false,
            drained: false,
            failure: None,
            text: String::new(),
        }
    }

    /// Ready with nothing when more was said; with the result when the stream is over.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        said: &mut Vec<Delta>,
    ) -> Poll<Option<Result<Brought, Failure>>> {
        loop {
            let before = self.decoder.stage();
            if let Err(failure) = self.take(said) {
                self.fail(failure);
            }
            if !said.is_empty() || (before == Stage::Open && self.decoder.stage() == Stage::Whole) {
                return Poll::Ready(None);
            }
            if self.ended || self.decoder.stage() == Stage::Over {
                self.drain();
                return Poll::Ready(Some(self.finish()));
            }
            match self.body.poll_next_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(piece))) => {
                    self.size += piece.len();
                    if self.size > MAX_BODY {
                        self.fail(broken(too_large()));
                    } else {
                        self.framing.push(&piece);
                    }
                }
                Poll::Ready(Some(Err(error))) => self.fail(cut(error)),
                Poll::Ready(None) => {
                    (self.ended, self.drained) = (true, true);
                    let last = self.framing.end();
                    if let Err(failure) = last.and_then(|frame| frame.map_or(Ok(()), |frame| self.read(frame, said))) {
                        self.fail(failure);
                    }
                }
            }
        }
    }

    /// Reads the frames that are there.
    fn take(&mut self, said: &mut Vec<Delta>) -> Result<(), Failure> {
        while !self.ended && self.decoder.stage() != Stage::Over {
            match self.framing.frame()? {
                Some(frame) => self.read(frame, said)?,
                None => break,
            }
        }
        Ok(())
    }

    fn read(&mut self, mut frame: Frame, said: &mut Vec<Delta>) -> Result<(), Failure> {
        let failure = match self.decoder.read(&frame, said) {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        match self.about.secrets.without(&frame.data) {
            None => Err(failure),
            Some(data) => {
                frame.data = data;
                self.decoder.read(&frame, said)
            }
        }
    }

    /// Ends the reading; an answer that is whole stands.
    fn fail(&mut self, failure: Failure) {
        (self.ended, self.drained) = (true, true);
        if self.whole() {
            self.about.warnings.push(format!("the stream broke after the answer was whole ({})", failure.message));
            return;
        }
        self.failure = Some(Failure { status: Some(self.status), in_stream: true, ..failure });
    }

    /// A connection whose body was read to its end can serve the next call. The end follows the last event, but not always
    /// at once, and nobody waits for it.
    fn drain(&mut self) {
        if mem::replace(&mut self.drained, true) || self.decoder.stage() != Stage::Over {
            return;
        }
        let mut body = mem::replace(&mut self.body, stream::empty().boxed());
        tokio::spawn(timeout(LAST_WORDS, async move { while let Some(Ok(_)) = body.next().await {} }));
    }

    fn finish(&mut self) -> Result<Brought, Failure> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.decoder.stage() == Stage::Open {
            self.text = self.decoder.text();
        }
        match self.decoder.finish() {
            Ok(completion) => Ok(brought(completion, &mut self.about)),
            Err(failure) => Err(Failure { status: Some(self.status), in_stream: true, ..failure }),
        }
    }

    pub(super) fn whole(&self) -> bool {
        self.decoder.stage() >= Stage::Whole
    }

    pub(super) fn close(&mut self) {
        self.ended = true;
    }

    pub(super) fn text(mut self) -> String {
        if self.text.is_empty() { self.decoder.text() } else { mem::take(&mut self.text) }
    }
}

/// A connection that ends too early cut the stream; one that breaks says so itself.
fn cut(error: TransportError) -> Failure {
    match error.phase {
        Phase::Cut => Failure::new(ErrorKind::TruncatedStream, "the connection ended before the answer was whole"),
        _ => broken(error),
    }
}

fn too_long() -> Failure {
    Failure::new(ErrorKind::MalformedResponse, format!("an event of the stream exceeds the limit of {MAX_LINE} bytes"))
}
