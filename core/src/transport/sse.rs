//! Server-sent events: bytes become frames, however the network split them.

use super::MAX_LINE;

/// One event of a stream, as its framing gives it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// The event's name; empty where it has none.
    pub event: String,
    /// The data: its lines joined by line breaks.
    pub data: Vec<u8>,
}

/// A line was longer than [`MAX_LINE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Takes a stream of server-sent events apart.
#[derive(Debug, Default)]
pub struct Sse {
    buffer: Vec<u8>,
}

impl Sse {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event that is whole.
    ///
    /// # Errors
    /// A line, or the data of an event, exceeds its limit. Nothing can follow.
    pub fn frame(&mut self) -> Result<Option<Frame>, TooLong> {
        if self.buffer.len() > MAX_LINE { Err(TooLong) } else { Ok(None) }
    }

    /// The event that the end of the stream left without its blank line, if any.
    ///
    /// # Errors
    /// As [`Sse::frame`].
    pub fn end(&mut self) -> Result<Option<Frame>, TooLong> {
        Ok(None)
    }
}
