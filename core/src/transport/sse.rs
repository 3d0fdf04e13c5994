//! Server-sent events: bytes become frames, however the network split them.
//!
//! The framing is that of the HTML standard, with two leniencies: an event that the end of the stream left without its
//! blank line is given all the same (what it says tells whether it is whole), and so is an event `error` without data.

use std::fmt;

use memchr::{memchr, memchr2};

use super::MAX_LINE;

/// The buffer a quiet stream may keep, in bytes: more than any common chunk of the network.
const KEPT: usize = 64 * 1024;

/// One event of a stream, as its framing gives it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// The event's name; empty where it has none.
    pub event: String,
    /// The data: its lines joined by line breaks.
    pub data: Vec<u8>,
}

/// A line, or the data of one event, was longer than [`MAX_LINE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Takes a stream of server-sent events apart.
#[derive(Default)]
pub struct Sse {
    buffer: Vec<u8>,
    /// Where the line begins that has not been read yet.
    start: usize,
    /// Up to where no line end is.
    searched: usize,
    /// The last line ended with CR, so an LF right after it belongs to it.
    after_cr: bool,
    /// The first line, which may begin with a byte order mark, has been read.
    begun: bool,
    /// A limit was exceeded.
    failed: bool,
    event: String,
    data: Option<Vec<u8>>,
}

impl Sse {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed {
            return;
        }
        self.compact();
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event that is whole.
    ///
    /// # Errors
    /// A line, or the data of an event, exceeds its limit. Nothing can follow.
    pub fn frame(&mut self) -> Result<Option<Frame>, TooLong> {
        while let Some((from, to)) = self.line()? {
            if let Some(frame) = self.read(from, to)? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// The event that the end of the stream left without its blank line, if any; to be asked for when
    /// [`Sse::frame`] gives none any more.
    ///
    /// # Errors
    /// As [`Sse::frame`].
    pub fn end(&mut self) -> Result<Option<Frame>, TooLong> {
        if self.failed {
            return Err(TooLong);
        }
        let (from, to) = (self.start, self.buffer.len());
        self.start = to;
        if from < to
            && let Some(frame) = self.read(from, to)?
        {
            return Ok(Some(frame));
        }
        Ok(self.dispatch())
    }

    /// The bounds of the next line that has an end, which is then read.
    fn line(&mut self) -> Result<Option<(usize, usize)>, TooLong> {
        if self.failed {
            return Err(TooLong);
        }
        if self.after_cr && self.start < self.buffer.len() {
            self.after_cr = false;
            self.start += usize::from(self.buffer.get(self.start) == Some(&b'\n'));
        }
        let unsearched = self.buffer.get(self.searched.max(self.start)..).unwrap_or_default();
        let Some(found) = memchr2(b'\n', b'\r', unsearched) else {
            self.searched = self.buffer.len();
            if self.buffer.len() - self.start > MAX_LINE {
                return Err(self.fail());
            }
            return Ok(None);
        };
        let (from, to) = (self.start, self.searched.max(self.start) + found);
        if to - from > MAX_LINE {
            return Err(self.fail());
        }
        self.after_cr = self.buffer.get(to) == Some(&b'\r');
        self.start = to + 1;
        self.searched = self.start;
        Ok(Some((from, to)))
    }

    fn read(&mut self, from: usize, to: usize) -> Result<Option<Frame>, TooLong> {
        let mut line = self.buffer.get(from..to).unwrap_or_default();
        if !self.begun {
            self.begun = true;
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let (field, value) = match memchr(b':', line) {
            Some(colon) => line.split_at(colon),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                let data = match &mut self.data {
                    Some(data) => {
                        data.push(b'\n');
                        data
                    }
                    none => none.insert(Vec::with_capacity(value.len())),
                };
                data.extend_from_slice(value);
                if data.len() > MAX_LINE {
                    return Err(self.fail());
                }
            }
            b"event" => self.event = String::from_utf8_lossy(value).into_owned(),
            // `id` and `retry` are for clients that reconnect; a line without a field is a comment.
            _ => {}
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Option<Frame> {
        let event = std::mem::take(&mut self.event);
        match self.data.take() {
            Some(data) => Some(Frame { event, data }),
            None if event == "error" => Some(Frame { event, data: Vec::new() }),
            None => None,
        }
    }

    fn fail(&mut self) -> TooLong {
        *self = Self { failed: true, ..Self::default() };
        TooLong
    }

    /// Forgets what was read, when that is at least half of the buffer: so each byte is moved at most once.
    fn compact(&mut self) {
        if self.start < self.buffer.len() - self.start {
            return;
        }
        self.buffer.drain(..self.start);
        self.searched = self.searched.saturating_sub(self.start);
        self.start = 0;
        if self.buffer.capacity() > KEPT && self.buffer.len() < KEPT / 2 {
            self.buffer.shrink_to(KEPT);
        }
    }
}

/// Without what the model said.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = format_args!("{} bytes", self.data.len());
        f.debug_struct("Frame").field("event", &self.event).field("data", &size).finish()
    }
}

/// Without what the model said.
impl fmt::Debug for Sse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sse").field("buffered", &(self.buffer.len() - self.start)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
