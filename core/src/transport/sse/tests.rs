//! Streams in every spelling and every split.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;

/// The events of `bytes`, given in pieces of `size`.
fn events(bytes: &[u8], size: usize) -> Vec<(String, String)> {
    let mut sse = Sse::default();
    let mut found = Vec::new();
    for piece in bytes.chunks(size) {
        sse.push(piece);
        while let Some(frame) = sse.frame().unwrap() {
            found.push(frame);
        }
    }
    found.extend(sse.end().unwrap());
    assert_eq!(sse.end().unwrap(), None);
    found.into_iter().map(|frame| (frame.event, String::from_utf8(frame.data).unwrap())).collect()
}

/// The events of `text`, which are the same in every split.
fn read(text: &str) -> Vec<(String, String)> {
    let whole = events(text.as_bytes(), usize::MAX);
    for size in 1..=text.len().min(12) {
        assert_eq!(events(text.as_bytes(), size), whole, "in pieces of {size}: {text:?}");
    }
    whole
}

fn data(items: &[&str]) -> Vec<(String, String)> {
    items.iter().map(|item| (String::new(), (*item).to_owned())).collect()
}

#[test]
fn every_line_end_ends_a_line() {
    for end in ["\n", "\r\n", "\r"] {
        let text = format!("data: a{end}{end}: comment{end}data: b{end}data: c{end}{end}{end}data: d{end}{end}");
        assert_eq!(read(&text), data(&["a", "b\nc", "d"]), "{end:?}");
    }
    assert_eq!(read("data: a\r\n\ndata: b\n\rdata: c\r\r\n"), data(&["a", "b", "c"]));
}

#[test]
fn a_carriage_return_at_the_border_of_a_chunk_ends_the_event_at_once() {
    let mut sse = Sse::default();
    sse.push(b"data: a\r\n\r");
    assert_eq!(sse.frame().unwrap().unwrap().data, b"a");
    sse.push(b"\ndata: b\r");
    assert_eq!(sse.frame(), Ok(None));
    sse.push(b"\n");
    assert_eq!(sse.frame(), Ok(None));
    sse.push(b"\r\n");
    assert_eq!(sse.frame().unwrap().unwrap().data, b"b");
    assert_eq!(sse.frame(), Ok(None));
}

#[test]
fn fields_with_and_without_space_colon_and_value() {
    assert_eq!(read("data:a\n\ndata:  b \n\n"), data(&["a", " b "]));
    assert_eq!(read("data\n\ndata:\n\ndata\ndata\n\n"), data(&["", "", "\n"]));
    assert_eq!(read("id: 7\nretry: 10\ndata: a:b\nother: x\nDATA: y\n data: z\n\n"), data(&["a:b"]));
    assert_eq!(read("\u{feff}data: é\n\ndata: \u{feff}\n\n\u{feff}data: no\n\n"), data(&["é", "\u{feff}"]));
}

#[test]
fn names_belong_to_their_event_alone() {
    let pair = |event: &str, data: &str| (event.to_owned(), data.to_owned());
    assert_eq!(read("event: ping\n\ndata: a\n\nevent:x\ndata: b\n\n"), [pair("", "a"), pair("x", "b")]);
    assert_eq!(read("event: error\n\ndata: a\n\n"), [pair("error", ""), pair("", "a")]);
}

#[test]
fn the_end_gives_what_it_left_without_a_blank_line() {
    assert_eq!(read("data: a\n\ndata: b\n"), data(&["a", "b"]));
    assert_eq!(read("data: a\n\ndata: b"), data(&["a", "b"]));
    assert_eq!(read("data: a\ndata: b"), data(&["a\nb"]));
    assert_eq!(read("data: a\n\n: only a comment"), data(&["a"]));
    assert_eq!(read(""), data(&[]));
}

#[test]
fn lines_and_events_have_a_limit() {
    let feed = |bytes: &[u8], times: usize| {
        let mut sse = Sse::default();
        for _ in 0..times {
            sse.push(bytes);
            if sse.frame().is_err() {
                assert_eq!(sse.end(), Err(TooLong));
                sse.push(b"\n\ndata: a\n\n");
                assert_eq!(sse.frame(), Err(TooLong));
                return true;
            }
        }
        false
    };
    assert!(feed(&[b'x'; 4096], 257));
    assert!(!feed(&[b'x'; 4096], 256));
    // Many lines of one event, each of them short.
    let line = [b"data: ".as_slice(), &[b'x'; 2048], b"\n"].concat();
    assert!(feed(&line, 513));
    assert!(!feed(&line, 500));
    // A whole stream may be as long as it likes.
    let event = [b"data: ".as_slice(), &[b'x'; 2048], b"\n\n"].concat();
    assert!(!feed(&event, 5000));
}

#[test]
fn memory_stays_bounded() {
    let mut sse = Sse::default();
    let long = [b"data: ".as_slice(), &vec![b'x'; MAX_LINE - 6], b"\n\n"].concat();
    for piece in long.chunks(1000) {
        sse.push(piece);
    }
    assert_eq!(sse.frame().unwrap().unwrap().data.len(), MAX_LINE - 6);
    sse.push(b"data: a\n\ndata: b");
    assert_eq!(sse.frame().unwrap().unwrap().data, b"a");
    assert!(sse.buffer.capacity() <= KEPT, "{}", sse.buffer.capacity());
    for _ in 0..100_000 {
        sse.push(b"c\n\ndata: c");
        assert!(sse.frame().unwrap().is_some());
    }
    assert!(sse.buffer.capacity() <= KEPT && sse.buffer.len() < 64, "{}", sse.buffer.len());
}

#[test]
fn nothing_that_was_said_is_printed() {
    let mut sse = Sse::default();
    sse.push(b"event: x\ndata: secret\n\ndata: secret");
    let frame = sse.frame().unwrap();
    let printed = format!("{frame:?} {sse:?}");
    assert!(printed.contains("6 bytes") && !printed.contains("secret"), "{printed}");
}

proptest! {
    #[test]
    fn no_split_changes_the_events(
        lines in prop::collection::vec("(data|event|id|: |\u{feff})?:? ?[a-zé]{0,6}(\r\n|\n|\r|\n\n|\r\r)", 0..40),
        sizes in prop::collection::vec(1usize..40, 1..20),
    ) {
        let text = lines.concat();
        let mut sse = Sse::default();
        let mut found = Vec::new();
        let (mut rest, mut sizes) = (text.as_bytes(), sizes.into_iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(sizes.next().unwrap().min(rest.len()));
            rest = after;
            sse.push(piece);
            // At most the rest of a line, as much again that was read, and the piece.
            prop_assert!(sse.buffer.len() <= 2 * 40 + 40);
            while let Some(frame) = sse.frame().unwrap() {
                found.push(frame);
            }
        }
        found.extend(sse.end().unwrap());
        let found: Vec<_> = found.into_iter().map(|frame| (frame.event, String::from_utf8(frame.data).unwrap())).collect();
        prop_assert_eq!(found, events(text.as_bytes(), usize::MAX));
    }
}
