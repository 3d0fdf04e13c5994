//! Drives a stream from bytes to its answer, as the library does but without a network.

use locum::provider::{Decoder, Delta, Stage};
use locum::transport::aws_events::AwsEvents;
use locum::transport::sse::Sse;
use locum::types::{Completion, Failure};

/// What became of a stream.
pub(crate) struct Fed {
    /// All deltas, in order.
    pub(crate) deltas: Vec<Delta>,
    /// The stage the stream came to.
    pub(crate) stage: Stage,
    /// The decoder's text at the end.
    pub(crate) text: String,
    /// The answer, or why there is none.
    pub(crate) result: Result<Completion, Failure>,
}

/// Feeds `pieces` to the decoder until the stream ends or fails.
pub(crate) fn feed<'a>(mut decoder: Box<dyn Decoder>, pieces: impl IntoIterator<Item = &'a [u8]>) -> Fed {
    let mut deltas = Vec::new();
    let read = read(decoder.as_mut(), pieces, &mut deltas);
    let (stage, text) = (decoder.stage(), decoder.text());
    let result = read.and_then(|()| decoder.finish());
    Fed { deltas, stage, text, result }
}

/// The same for a body in AWS's framing.
#[allow(dead_code, reason = "not every test has such streams")]
pub(crate) fn feed_aws<'a>(mut decoder: Box<dyn Decoder>, pieces: impl IntoIterator<Item = &'a [u8]>) -> Fed {
    let mut deltas = Vec::new();
    let mut events = AwsEvents::default();
    let mut failed = None;
    for piece in pieces {
        events.push(piece);
        while let Some(frame) = events.frame().expect("sound messages") {
            failed = failed.or(decoder.read(&frame, &mut deltas).err());
        }
    }
    let (stage, text) = (decoder.stage(), decoder.text());
    let result = failed.map_or_else(|| decoder.finish(), Err);
    Fed { deltas, stage, text, result }
}

fn read<'a>(
    decoder: &mut dyn Decoder,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    deltas: &mut Vec<Delta>,
) -> Result<(), Failure> {
    let mut sse = Sse::default();
    for piece in pieces {
        sse.push(piece);
        while let Some(frame) = sse.frame().expect("lines within the limit") {
            decoder.read(&frame, deltas)?;
        }
    }
    if let Some(frame) = sse.end().expect("lines within the limit") {
        decoder.read(&frame, deltas)?;
    }
    Ok(())
}

/// `bytes` in pieces whose lengths `next` gives; 0 counts as 1.
pub(crate) fn split(bytes: &[u8], mut next: impl FnMut() -> usize) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(next().clamp(1, rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// The words of the deltas: text, refusals, reasoning.
pub(crate) fn words(deltas: &[Delta]) -> [String; 3] {
    let mut words = [const { String::new() }; 3];
    let [text, refusal, reasoning] = &mut words;
    for delta in deltas {
        let (all, piece) = match delta {
            Delta::Text(piece) => (&mut *text, piece),
            Delta::Refusal(piece) => (&mut *refusal, piece),
            Delta::Reasoning(piece) => (&mut *reasoning, piece),
            Delta::ToolCall(_) | Delta::Usage(_) => continue,
        };
        assert!(!piece.is_empty(), "an empty piece");
        all.push_str(piece);
    }
    words
}
