//! AWS event streams: bytes become frames, however the network split them
//! (<https://smithy.io/2.0/aws/amazon-eventstream.html>).
//!
//! A message is its length, the length of its headers and their checksum, the headers, the payload, and the checksum of all
//! of it. Both checksums are CRC-32. What is damaged is refused: nothing behind it can be trusted.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::MAX_LINE;
use super::sse::Frame;

/// The media type of such a stream.
pub const MEDIA_TYPE: &str = "application/vnd.amazon.eventstream";

/// Lengths and their checksum.
const PRELUDE: usize = 12;
/// A message without headers and payload.
const LEAST: usize = PRELUDE + 4;
/// The most bytes of headers.
const MAX_HEADERS: usize = 128 * 1024;

/// Why a stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A message is longer than [`MAX_LINE`], or its headers than 128 KiB.
    TooLong,
    /// A checksum is wrong, or a length makes no sense.
    Damaged,
}

/// Takes an AWS event stream apart.
#[derive(Default)]
pub struct AwsEvents {
    buffer: Vec<u8>,
    /// Where the message begins that has not been read yet.
    start: usize,
    fault: Option<Fault>,
}

impl AwsEvents {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.fault.is_none() {
            self.buffer.drain(..self.start);
            self.start = 0;
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next event that is whole: its name and its payload. An exception is an event `error` whose data is the payload
    /// with the exception's name as `code`.
    ///
    /// # Errors
    /// A message is damaged or too long. Nothing can follow.
    pub fn frame(&mut self) -> Result<Option<Frame>, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        match message(rest) {
            Ok(Some((length, message))) => {
                self.start += length;
                Ok(Some(message))
            }
            Ok(None) => Ok(None),
            Err(fault) => {
                self.fault = Some(fault);
                self.buffer = Vec::new();
                self.start = 0;
                Err(fault)
            }
        }
    }

    /// Whether the stream ended within a message.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.start < self.buffer.len()
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn size(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(word(bytes, at)?).ok()
}

/// The first message and its length; none while it is not all there.
fn message(bytes: &[u8]) -> Result<Option<(usize, Frame)>, Fault> {
    let (Some(length), Some(headers), Some(sum)) = (size(bytes, 0), size(bytes, 4), word(bytes, 8)) else {
        return Ok(None);
    };
    let prelude = bytes.get(..PRELUDE - 4).unwrap_or_default();
    if crc32fast::hash(prelude) != sum {
        return Err(Fault::Damaged);
    }
    if length > MAX_LINE || headers > MAX_HEADERS {
        return Err(Fault::TooLong);
    }
    if length < LEAST || headers > length - LEAST {
        return Err(Fault::Damaged);
    }
    let Some(whole) = bytes.get(..length) else {
        return Ok(None);
    };
    let (body, _) = whole.split_at(length - 4);
    if word(whole, length - 4) != Some(crc32fast::hash(body)) {
        return Err(Fault::Damaged);
    }
    let payload = body.get(PRELUDE + headers..).unwrap_or_default();
    let headers = body.get(PRELUDE..PRELUDE + headers).unwrap_or_default();
    let said = Said::read(headers).ok_or(Fault::Damaged)?;
    Ok(Some((length, said.frame(payload))))
}

/// What the headers say. Each is there once.
#[derive(Default)]
struct Said<'a> {
    kind: &'a str,
    event: &'a str,
    exception: &'a str,
    message: &'a str,
}

impl<'a> Said<'a> {
    /// Reads the headers; none where they are not well formed. Those with other values than texts are passed over.
    fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let mut said = Self::default();
        let mut names = BTreeSet::new();
        while let Some((length, rest)) = bytes.split_first() {
            let (name, rest) = rest.split_at_checked(usize::from(*length))?;
            if !names.insert(name) {
                return None;
            }
            let (kind, rest) = rest.split_first()?;
            let (value, rest) = match kind {
                0 | 1 => (&[][..], rest),
                2 => rest.split_at_checked(1)?,
                3 => rest.split_at_checked(2)?,
                4 => rest.split_at_checked(4)?,
                5 | 8 => rest.split_at_checked(8)?,
                9 => rest.split_at_checked(16)?,
                6 | 7 => {
                    let (length, rest) = rest.split_at_checked(2)?;
                    rest.split_at_checked(usize::from(u16::from_be_bytes(length.try_into().ok()?)))?
                }
                _ => return None,
            };
            let text = if *kind == 7 { std::str::from_utf8(value).ok()? } else { "" };
            match name {
                b":message-type" => said.kind = text,
                b":event-type" => said.event = text,
                b":exception-type" | b":error-code" => said.exception = text,
                b":error-message" => said.message = text,
                _ => {}
            }
            bytes = rest;
        }
        Some(said)
    }

    fn frame(&self, payload: &[u8]) -> Frame {
        if !matches!(self.kind, "exception" | "error") {
            return Frame { event: self.event.to_owned(), data: payload.to_vec() };
        }
        let mut error = serde_json::from_slice::<Map<String, Value>>(payload).unwrap_or_default();
        error.insert("code".to_owned(), self.exception.into());
        if !self.message.is_empty() {
            error.insert("message".to_owned(), self.message.into());
        }
        Frame { event: "error".to_owned(), data: Value::Object(error).to_string().into_bytes() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
    use proptest::prelude::*;

    use super::*;

    /// A message, written independently of the reading.
    fn written(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let mut named = Vec::new();
        for (name, value) in headers {
            named.push(name.len() as u8);
            named.extend(name.bytes());
            named.push(7);
            named.extend((value.len() as u16).to_be_bytes());
            named.extend(value.bytes());
        }
        let mut out = Vec::new();
        out.extend((16 + named.len() as u32 + payload.len() as u32).to_be_bytes());
        out.extend((named.len() as u32).to_be_bytes());
        out.extend(crc32fast::hash(&out).to_be_bytes());
        out.extend(named);
        out.extend(payload);
        out.extend(crc32fast::hash(&out).to_be_bytes());
        out
    }

    fn read(pieces: &[&[u8]]) -> (Vec<Frame>, Option<Fault>, bool) {
        let mut events = AwsEvents::default();
        let mut frames = Vec::new();
        for piece in pieces {
            events.push(piece);
            loop {
                match events.frame() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(fault) => return (frames, Some(fault), events.is_cut()),
                }
            }
        }
        (frames, None, events.is_cut())
    }

    /// Vectors of the format's own readers: a message without anything, with one header, with headers of each kind
    /// (<https://github.com/awslabs/aws-c-event-stream>, <https://github.com/boto/botocore>).
    const GOOD: [(&str, &str); 10] = [
        ("000000100000000005c248eb7d98c8ff", ""),
        ("000000170000000729860158046279746502ffc2f869dc", ""),
        ("0000001900000009710e923e0573686f727403ffffb27cb6cc", ""),
        ("0000001d0000000d83e3f0e707696e746567657204ffffffff8b8e12eb", ""),
        ("0000001e0000000e5d4adb8d046c6f6e6705ffffffffffffffff4bc232da", ""),
        (
            "000000620000005203b5cb9c013000013101013202020133030003013404000000040135050000000000000005013606\
             000562797465730137070004757466380138080000000000000008013909303132333435363738396162636465666335\
             3671",
            "",
        ),
        ("0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936", "{'foo':'bar'}"),
        ("0000002d0000001041c424b80a6576656e742d74797065040000a00c7b27666f6f273a27626172277d36f480a0", "{'foo':'bar'}"),
        (
            "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f\
             6f273a27626172277d8d9c08b1",
            "{'foo':'bar'}",
        ),
        (
            "000000cc000000af0fae64ca0a6576656e742d74797065040000a00c0c636f6e74656e742d747970650700106170706c\
             69636174696f6e2f6a736f6e0a626f6f6c2066616c73650109626f6f6c207472756500046279746502cf086279746520\
             62756606001449276d2061206c6974746c6520746561706f74210974696d657374616d70080000000000845fed05696e\
             74313603002a05696e7436340500000000028757b20475756964090102030405060708090a0b0c0d0e0f107b27666f6f\
             273a27626172277daba5f10c",
            "{'foo':'bar'}",
        ),
    ];

    /// Theirs of a wrong length of the headers, a changed header, a wrong length, a changed payload, and a header twice.
    const BAD: [&str; 5] = [
        "0000003dff00010207fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f\
             6f273a27626172277d8d9c08b1",
        "0000003d0000002007fd83960c636f6e74656e742b747970650700106170706c69636174696f6e2f6a736f6e7b27666f\
             6f273a27626172277d8d9c08b1",
        "0100001d00000000fd528c5a7b27666f6f273a27626172277dc3653936",
        "0000001d00000000fd528c5a7b27666f6f273a27626172278dc3653936",
        "00000024000000144bb982d00474657374046173646604746573740461736466f3f47563",
    ];

    /// Theirs of an error, without a payload.
    const ERROR: &str = "0000005200000042bf23637e0d3a6d6573736167652d747970650700056572726f720b3a6572726f722d636f64650700\
             04636f64650e3a6572726f722d6d6573736167650700076d6573736167656b6cea3d";

    #[test]
    fn published_vectors() {
        let mut all = Vec::new();
        for (vector, payload) in GOOD {
            let sound = hex(vector);
            all.extend_from_slice(&sound);
            let frame = Frame { event: String::new(), data: payload.as_bytes().to_vec() };
            assert_eq!(read(&[&sound]), (vec![frame], None, false), "{vector}");
        }
        assert_eq!(read(&[&all]).0.len(), GOOD.len());
        for vector in BAD {
            assert_eq!(read(&[&hex(vector)]), (Vec::new(), Some(Fault::Damaged), false), "{vector}");
        }
        let error = hex(ERROR);
        let said: Value = serde_json::from_slice(&read(&[&error]).0[0].data).unwrap();
        assert_eq!((said["code"].as_str(), said["message"].as_str()), (Some("code"), Some("message")));
    }

    /// Whichever byte changes, the message is refused.
    #[test]
    fn both_checksums_are_verified() {
        for (vector, _) in GOOD {
            let sound = hex(vector);
            for at in 0..sound.len() {
                let mut wrong = sound.clone();
                wrong[at] ^= 1;
                assert_eq!(read(&[&wrong]).1, Some(Fault::Damaged), "{vector} at {at}");
            }
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn exceptions_are_errors_with_their_name() {
        let thrown = [(":message-type", "exception"), (":exception-type", "throttlingException")];
        let (frames, ..) = read(&[&written(&thrown, br#"{"message":"slow down"}"#)]);
        assert_eq!(frames[0].event, "error");
        let said: Value = serde_json::from_slice(&frames[0].data).unwrap();
        assert_eq!((said["code"].as_str(), said["message"].as_str()), (Some("throttlingException"), Some("slow down")));
        let unmodelled = [(":message-type", "error"), (":error-code", "500"), (":error-message", "broken")];
        let (frames, ..) = read(&[&written(&unmodelled, b"")]);
        let said: Value = serde_json::from_slice(&frames[0].data).unwrap();
        assert_eq!((said["code"].as_str(), said["message"].as_str()), (Some("500"), Some("broken")));
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_came() {
        let mut prelude = Vec::new();
        prelude.extend((MAX_LINE as u32 + 1).to_be_bytes());
        prelude.extend(0_u32.to_be_bytes());
        prelude.extend(crc32fast::hash(&prelude).to_be_bytes());
        assert_eq!(read(&[&prelude]).1, Some(Fault::TooLong));
        assert_eq!(read(&[b"data: {}\n\n data: [DONE]"]).1, Some(Fault::Damaged));
    }

    proptest! {
        #[test]
        fn splits_do_not_matter(texts in prop::collection::vec("[a-z]{0,40}", 1..6), at in 0_usize..400, cut in 0_usize..40) {
            let event = |text: &String| written(&[(":message-type", "event"), (":event-type", text)], text.as_bytes());
            let all: Vec<u8> = texts.iter().flat_map(event).collect();
            let at = at.min(all.len());
            let (frames, fault, is_cut) = read(&[&all[..at], &all[at..]]);
            prop_assert_eq!((fault, is_cut), (None, false));
            let data: Vec<_> = frames.iter().map(|frame| String::from_utf8(frame.data.clone()).unwrap()).collect();
            prop_assert_eq!(&data, &texts);
            let short = &all[..all.len().saturating_sub(cut.max(1))];
            prop_assert!(read(&[short]).0.len() < texts.len());
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), flip in any::<(usize, u8)>()) {
            read(&[&bytes]);
            let mut sound = written(&[(":event-type", "x")], &bytes);
            let at = flip.0 % sound.len();
            sound[at] ^= flip.1;
            let (frames, fault, is_cut) = read(&[&sound]);
            prop_assert!(flip.1 == 0 || (frames.is_empty() && (fault.is_some() || is_cut)));
        }
    }
}
