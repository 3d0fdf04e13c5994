//! What holds of every stream whatsoever: shared by the tests and by the fuzz targets in `core/fuzz`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../feed/mod.rs"]
mod feed;

use std::collections::BTreeMap;
use std::time::Duration;

use feed::{Fed, feed, split, words};
use locum::ErrorKind;
use locum::provider::{ANTHROPIC, OPENAI_CHAT, Provider, Stage, Target};
use locum::transport::sse::{Frame, Sse, TooLong};
use locum::transport::{HeaderMap, HttpAnswer, MAX_LINE};
use locum::types::{Message, Params, Request};
use serde_json::Map;

/// A wire format.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Format {
    Chat,
    Messages,
}

/// `bytes` in pieces whose lengths follow from the bytes themselves.
fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    let mut state = bytes.iter().fold(0x9e37_79b9_7f4a_7c15_u64, |sum, byte| sum.rotate_left(5) ^ u64::from(*byte));
    state |= 1;
    split(bytes, || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % 48).unwrap()
    })
}

fn frames(pieces: Vec<&[u8]>) -> Result<Vec<Frame>, TooLong> {
    let mut sse = Sse::default();
    let mut frames = Vec::new();
    for piece in pieces {
        sse.push(piece);
        while let Some(frame) = sse.frame()? {
            frames.push(frame);
        }
    }
    frames.extend(sse.end()?);
    Ok(frames)
}

/// The same events for every split, and none longer than it may be.
pub(crate) fn sse(bytes: &[u8]) {
    let whole = frames(vec![bytes]);
    assert!(whole == frames(pieces(bytes)), "another split, other events");
    assert!(whole == frames(split(bytes, || 1)), "byte by byte, other events");
    for frame in whole.into_iter().flatten() {
        assert!(frame.data.len() <= MAX_LINE && frame.event.len() <= 3 * MAX_LINE);
    }
}

/// Reads `bytes` as a stream of `format`.
fn decode(format: Format, pieces: Vec<&[u8]>) -> Fed {
    let (headers, params, nothing) = (BTreeMap::new(), Params::default(), Map::new());
    let (codec, kind): (&dyn Provider, _) = match format {
        Format::Chat => (&OPENAI_CHAT, "openai"),
        Format::Messages => (&ANTHROPIC, "anthropic"),
    };
    let target = Target {
        provider: "p",
        kind,
        base_url: "https://example.test",
        api_version: None,
        api_key: None,
        token: None,
        headers: &headers,
        model: "m",
        params: &params,
        extra_body: &nothing,
        amends: &[],
        connect_timeout: Duration::from_secs(1),
        stream: true,
        resume: None,
        prefill: false,
    };
    let request = Request { messages: vec![Message::user("Hi")], ..Request::default() };
    let head = HttpAnswer { status: 200, headers: HeaderMap::new(), body: Default::default() };
    feed(codec.decoder(&target, &request, head, 0), pieces)
}

/// No panic, one result for all splits, and deltas that are the answer in pieces.
pub(crate) fn stream(format: Format, bytes: &[u8]) {
    // A line beyond the limit ends the exchange before it comes to a decoder.
    if frames(vec![bytes]).is_err() {
        return;
    }
    let fed = decode(format, vec![bytes]);
    let again = decode(format, pieces(bytes));
    assert!(fed.deltas == again.deltas && fed.stage == again.stage && fed.text == again.text);
    assert!(fed.result == again.result, "another split, another result");
    let [text, refusal, reasoning] = words(&fed.deltas);
    let text = text + &refusal;
    assert!(same(format, &text, &fed.text), "the deltas and the decoder's text differ");
    match &fed.result {
        Ok(completion) => {
            assert!(fed.stage > Stage::Open, "an answer of a stream that is not whole");
            // A classifier's words about its refusal stand beside the stream's text.
            assert!(same(format, &text, &completion.text) || text.is_empty(), "the deltas and the answer differ");
            assert!(same(format, &reasoning, completion.reasoning.as_deref().unwrap_or_default()));
        }
        Err(failure) => assert!(!failure.message.is_empty()),
    }
}

/// The same text. Blocks that grow in turns come in another order than they stand in.
fn same(format: Format, a: &str, b: &str) -> bool {
    let sorted = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.sort_unstable();
        bytes
    };
    a == b || (format == Format::Messages && sorted(a) == sorted(b))
}

/// A good stream is an answer; cut anywhere before its terminal event is there, it is a cut stream.
pub(crate) fn cut(format: Format, good: &[u8], at: usize) {
    let terminal: &[u8] = match format {
        Format::Chat => br#""finish_reason":""#,
        Format::Messages => br#""type":"message_stop""#,
    };
    let from = good.windows(terminal.len()).position(|window| window == terminal).expect("a terminal event");
    let end = good.iter().skip(from).position(|byte| b"\r\n".contains(byte)).expect("its line's end") + from;
    let fed = decode(format, pieces(good.get(..at).expect("a place within the stream")));
    match fed.result {
        Ok(_) => assert!(at >= end, "cut at {at}, the stream counts as whole"),
        Err(failure) => {
            assert!(at < end && failure.kind == ErrorKind::TruncatedStream, "cut at {at}: {}", failure.kind);
        }
    }
}
