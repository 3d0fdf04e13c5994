//! A stream as a plan: what is sent, when, and how it ends.
//!
//! Nothing here waits or touches a socket. The plan is made while it is performed, so a long stream takes no memory.

use std::collections::VecDeque;
use std::iter;
use std::time::Duration;

use super::Format;
use super::chunks::{Event, Part, Speech, keep_alive};
use super::errors::ErrorBody;
use super::shape::{End, Fault, Shape};

/// The next thing to do.
pub(super) enum Move {
    /// None is for ever.
    Wait(Option<Duration>),
    /// Write these bytes of the body; `chunk` when a content chunk is out with them.
    Send {
        bytes: Vec<u8>,
        chunk: bool,
    },
    End(End),
}

/// A stream before it is put into bytes.
enum Beat {
    Wait(Option<Duration>),
    Say { event: Event, chunk: bool },
    End(End),
}

/// The moves of one stream; the last is [`Move::End`], or a wait for ever.
pub(super) struct Moves {
    beats: Box<dyn Iterator<Item = Beat> + Send>,
    ready: VecDeque<Move>,
    /// A wait that is not over.
    waiting: Option<Option<Duration>>,
    /// How long nothing has been sent.
    quiet: Duration,
    /// How often something must be sent, and what.
    keep_alive: Option<(Duration, String)>,
    line_end: &'static str,
    split: usize,
    /// After so many bytes more it ends like this, whatever is left.
    limit: Option<(usize, End)>,
}

impl Moves {
    /// `error` puts an error into the format's event. `limit`, in bytes of the body, ends the stream before its time.
    pub(super) fn new(
        speech: Speech,
        shape: &Shape,
        format: Format,
        error: impl Fn(&ErrorBody) -> Event,
        limit: Option<(usize, End)>,
    ) -> Self {
        let faults = Faults::new(shape, format, error);
        let mut moves = Self {
            beats: Box::new(beats(speech, shape, faults)),
            ready: VecDeque::new(),
            waiting: None,
            quiet: Duration::ZERO,
            keep_alive: shape.keep_alive.map(|every| (every, keep_alive(format, shape.line_end))),
            line_end: shape.line_end,
            split: shape.split.unwrap_or(usize::MAX),
            limit,
        };
        moves.check_limit();
        moves
    }

    /// Waits on, with a sign of life when it is time for one.
    fn wait(&mut self, left: Option<Duration>) -> Move {
        if let Some((every, sign)) = &self.keep_alive {
            let until = every.saturating_sub(self.quiet);
            if left.is_none_or(|left| left > until) {
                let sign = sign.clone();
                self.waiting = Some(left.map(|left| left.saturating_sub(until)));
                self.send(sign.as_bytes(), false);
                return Move::Wait(Some(until));
            }
        }
        self.quiet = self.quiet.saturating_add(left.unwrap_or_default());
        Move::Wait(left)
    }

    fn send(&mut self, bytes: &[u8], chunk: bool) {
        self.quiet = Duration::ZERO;
        let allowed = self.limit.map_or(bytes.len(), |(left, _)| left.min(bytes.len()));
        let mut pieces = bytes.get(..allowed).unwrap_or_default().chunks(self.split).peekable();
        while let Some(piece) = pieces.next() {
            let last = pieces.peek().is_none() && allowed == bytes.len();
            self.ready.push_back(Move::Send { bytes: piece.to_vec(), chunk: chunk && last });
        }
        if let Some((left, _)) = &mut self.limit {
            *left -= allowed;
        }
        self.check_limit();
    }

    fn check_limit(&mut self) {
        if let Some((0, end)) = self.limit {
            self.ready.push_back(Move::End(end));
        }
    }
}

impl Iterator for Moves {
    type Item = Move;

    fn next(&mut self) -> Option<Move> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            if let Some(left) = self.waiting.take() {
                return Some(self.wait(left));
            }
            match self.beats.next()? {
                Beat::Wait(Some(Duration::ZERO)) => {}
                Beat::Wait(left) => return Some(self.wait(left)),
                Beat::Say { event, chunk } => self.send(event.encode(self.line_end).as_bytes(), chunk),
                Beat::End(end) => return Some(Move::End(end)),
            }
        }
    }
}

/// What goes wrong, and where.
struct Faults {
    malformed: Option<(u64, u64)>,
    broken: Event,
    stall: Option<(u64, Option<Duration>)>,
    fault: Option<(u64, Last)>,
    hang: bool,
}

/// The end that comes too early.
#[derive(Clone)]
enum Last {
    Error(Event),
    Cut(End),
}

impl Faults {
    fn new(shape: &Shape, format: Format, error: impl Fn(&ErrorBody) -> Event) -> Self {
        Self {
            malformed: shape.malformed,
            broken: Event::malformed(format),
            stall: shape.stall,
            fault: shape.fault.as_ref().map(|(after, fault)| {
                let last = match fault {
                    Fault::Error(body) => Last::Error(error(body)),
                    Fault::Cut(end) => Last::Cut(*end),
                };
                (*after, last)
            }),
            hang: shape.hang,
        }
    }

    /// What happens after the `count`-th content chunk.
    fn after(&self, count: u64) -> impl Iterator<Item = Beat> + Send + use<> {
        let times = self.malformed.filter(|(after, _)| *after == count).map_or(0, |(_, times)| times);
        let broken = self.broken.clone();
        let malformed = (0..times).map(move |_| Beat::Say { event: broken.clone(), chunk: false });
        let stall = self.stall.filter(|(after, _)| *after == count).map(|(_, wait)| Beat::Wait(wait));
        let last = self.fault.as_ref().filter(|(after, _)| *after == count).map(|(_, last)| last.clone());
        let (said, end) = match last {
            None => (None, None),
            Some(Last::Cut(end)) => (None, Some(Beat::End(end))),
            Some(Last::Error(event)) => (Some(Beat::Say { event, chunk: false }), Some(end_of_all(self.hang))),
        };
        malformed.chain(stall).chain(said).chain(end)
    }
}

fn end_of_all(hang: bool) -> Beat {
    if hang { Beat::Wait(None) } else { Beat::End(End::Whole) }
}

fn beats(speech: Speech, shape: &Shape, faults: Faults) -> impl Iterator<Item = Beat> + Send + use<> {
    let frame = |event| Beat::Say { event, chunk: false };
    let (pause, end) = (shape.chunk_delay, end_of_all(shape.hang));
    let repeat = usize::try_from(shape.repeat).unwrap_or(usize::MAX);
    let text = speech.text.len().saturating_mul(repeat);
    let parts =
        speech.before_text.into_iter().chain(speech.text.into_iter().cycle().take(text)).chain(speech.after_text);
    let opening = faults.after(0);
    let mut count = 0;
    let middle = parts.flat_map(move |part| {
        let (pause, said, faults) = match part {
            Part::Frame(event) => (None, frame(event), None),
            Part::Chunk(event) => {
                count += 1;
                (Some(Beat::Wait(Some(pause))), Beat::Say { event, chunk: true }, Some(faults.after(count)))
            }
        };
        pause.into_iter().chain(iter::once(said)).chain(faults.into_iter().flatten())
    });
    let preamble = speech.preamble.into_iter().map(frame);
    let ending = speech.ending.into_iter().map(frame);
    preamble.chain(opening).chain(middle).chain(ending).chain(iter::once(end))
}
