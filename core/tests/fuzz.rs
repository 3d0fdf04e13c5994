//! Streams mutated and split at will; the long run of the same checks is `core/fuzz`.

#[path = "fuzz/checks.rs"]
mod checks;

use checks::Format;
use proptest::prelude::*;

const SEEDS: [(Format, &[u8]); 9] = [
    (Format::Chat, include_bytes!("fuzz/seeds/openai/text.txt")),
    (Format::Chat, include_bytes!("fuzz/seeds/openai/crlf.txt")),
    (Format::Chat, include_bytes!("fuzz/seeds/openai/tools.txt")),
    (Format::Chat, include_bytes!("fuzz/seeds/openai/odd.txt")),
    (Format::Chat, include_bytes!("fuzz/seeds/openai/refusal.txt")),
    (Format::Messages, include_bytes!("fuzz/seeds/anthropic/text.txt")),
    (Format::Messages, include_bytes!("fuzz/seeds/anthropic/thinking.txt")),
    (Format::Messages, include_bytes!("fuzz/seeds/anthropic/tools.txt")),
    (Format::Messages, include_bytes!("fuzz/seeds/anthropic/server.txt")),
];

/// A change of a stream.
#[derive(Debug, Clone)]
enum Change {
    Flip(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    /// A line goes elsewhere, or comes twice.
    Line(usize, usize, bool),
}

fn change() -> impl Strategy<Value = Change> {
    let place = 0usize..4096;
    let token = prop::sample::select(vec![
        &b"\n"[..],
        b"\r",
        b"\n\n",
        b"null",
        b"\"\"",
        b"{}",
        b"[]",
        b"7",
        b"\"error\":{\"message\":\"x\"},",
        b"event: error\n",
        b"data: [DONE]\n\n",
        b"\"finish_reason\":\"length\",",
        b"\"index\":1,",
        b"\xff",
    ]);
    prop_oneof![
        (place.clone(), any::<u8>()).prop_map(|(at, byte)| Change::Flip(at, byte)),
        (place.clone(), token).prop_map(|(at, token)| Change::Insert(at, token.to_vec())),
        (place, 1usize..40).prop_map(|(at, length)| Change::Remove(at, length)),
        (0usize..40, 0usize..40, any::<bool>()).prop_map(|(from, to, twice)| Change::Line(from, to, twice)),
    ]
}

fn changed(seed: &[u8], changes: Vec<Change>) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for change in changes {
        let length = bytes.len().max(1);
        match change {
            Change::Flip(at, byte) => bytes.iter_mut().skip(at % length).take(1).for_each(|known| *known = byte),
            Change::Insert(at, token) => drop(bytes.splice(at % length..at % length, token)),
            Change::Remove(at, count) => {
                let end = (at % length + count).min(bytes.len());
                bytes.drain(at % length..end);
            }
            Change::Line(from, to, twice) => {
                let mut lines: Vec<Vec<u8>> =
                    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
                let (from, to) = (from % lines.len().max(1), to % lines.len().max(1));
                if let Some(line) = lines.get(from).cloned() {
                    if !twice {
                        lines.remove(from);
                    }
                    lines.insert(to.min(lines.len()), line);
                }
                bytes = lines.concat();
            }
        }
        if bytes.is_empty() {
            bytes.push(b'\n');
        }
    }
    bytes
}

#[test]
fn a_good_stream_cut_anywhere_is_no_answer() {
    for (format, seed) in SEEDS {
        checks::stream(format, seed);
        (0..=seed.len()).for_each(|at| checks::cut(format, seed, at));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_streams_hold_what_all_streams_hold(
        seed in 0..SEEDS.len(),
        changes in prop::collection::vec(change(), 0..8),
    ) {
        let bytes = changed(SEEDS.iter().map(|(_, seed)| *seed).nth(seed).unwrap_or_default(), changes);
        checks::sse(&bytes);
        for format in [Format::Chat, Format::Messages] {
            checks::stream(format, &bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_hold_what_all_streams_hold(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        checks::sse(&bytes);
        checks::stream(Format::Chat, &bytes);
        checks::stream(Format::Messages, &bytes);
    }
}
