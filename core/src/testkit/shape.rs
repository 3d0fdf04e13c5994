//! What a script says about the stream of an answer: its pieces, its pauses, and how it goes wrong.

use std::time::Duration;

use serde_json::Value;

use super::answer::Answer;
use super::errors::ErrorBody;
use super::fields::Fields;
use super::usage::tokens;
use crate::types::{ParseError, parse};

const KEYS: &[&str] = &[
    "chunks",
    "repeat",
    "chunk_delay_ms",
    "stall_after",
    "stall_ms",
    "cut_after",
    "cut",
    "error_after",
    "error",
    "malformed_after",
    "malformed_times",
    "omit",
    "hang",
    "keep_alive_ms",
    "line_end",
    "split",
];
/// A key, and the one without which it has no effect.
const GOES_WITH: &[(&str, &str)] = &[
    ("stall_ms", "stall_after"),
    ("cut", "cut_after"),
    ("error", "error_after"),
    ("error_after", "error"),
    ("malformed_times", "malformed_after"),
];
/// A key, and the one that leaves it without effect.
const EXCLUDES: &[(&str, &str)] =
    &[("error_after", "cut_after"), ("omit", "cut_after"), ("omit", "error_after"), ("hang", "cut_after")];
const AT_LEAST_1: &[&str] = &["repeat", "malformed_times", "keep_alive_ms", "split"];

/// How an answer is streamed. Positions count its content chunks; 0 is after the preamble.
#[derive(Clone)]
pub(super) struct Shape {
    /// Instead of the words of the text.
    pub(super) chunks: Option<Vec<String>>,
    /// How many times over the text is sent.
    pub(super) repeat: u64,
    pub(super) chunk_delay: Duration,
    /// Where nothing comes for how long; none is for ever.
    pub(super) stall: Option<(u64, Option<Duration>)>,
    /// Where so many events come that are no JSON.
    pub(super) malformed: Option<(u64, u64)>,
    /// Where the stream ends before its time.
    pub(super) fault: Option<(u64, Fault)>,
    pub(super) omit: Omit,
    /// After the last event the connection stays open.
    pub(super) hang: bool,
    /// The longest time in which nothing is sent.
    pub(super) keep_alive: Option<Duration>,
    pub(super) line_end: &'static str,
    /// The most bytes of the body in one write.
    pub(super) split: Option<usize>,
}

#[derive(Clone)]
pub(super) enum Fault {
    Error(ErrorBody),
    Cut(End),
}

/// How a response ends.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum End {
    /// As HTTP wants it.
    Whole,
    /// By a reset.
    Reset,
    /// The connection closes, and the body is not at its end.
    Broken,
}

/// Events left out at the end.
#[derive(Clone, Copy, Default)]
pub(super) struct Omit {
    pub(super) usage: bool,
    pub(super) finish: bool,
    pub(super) done: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            chunks: None,
            repeat: 1,
            chunk_delay: Duration::ZERO,
            stall: None,
            malformed: None,
            fault: None,
            omit: Omit::default(),
            hang: false,
            keep_alive: None,
            line_end: "\n",
            split: None,
        }
    }
}

impl Shape {
    /// Reads the object that shapes the stream of `answer`.
    pub(super) fn from_value(value: Value, path: &str, answer: &Answer) -> Result<Self, ParseError> {
        let mut fields = Fields::new(value, path, KEYS)?;
        check(&fields)?;
        let shape = Self {
            chunks: strings(&mut fields, "chunks")?,
            repeat: fields.whole("repeat")?.unwrap_or(1),
            chunk_delay: fields.wait("chunk_delay_ms")?,
            stall: match fields.whole("stall_after")? {
                None => None,
                Some(after) => {
                    Some((after, fields.has_value("stall_ms").then(|| fields.wait("stall_ms")).transpose()?))
                }
            },
            malformed: match fields.whole("malformed_after")? {
                None => None,
                Some(after) => Some((after, fields.whole("malformed_times")?.unwrap_or(1))),
            },
            fault: Fault::from_fields(&mut fields)?,
            omit: Omit::from_fields(&mut fields)?,
            hang: fields.flag("hang")?,
            keep_alive: fields.has_value("keep_alive_ms").then(|| fields.wait("keep_alive_ms")).transpose()?,
            line_end: match fields.text("line_end")?.as_deref() {
                None | Some("\n") => "\n",
                Some("\r\n") => "\r\n",
                Some("\r") => "\r",
                Some(_) => return Err(fields.wrong("line_end", "a line ends with \"\\n\", \"\\r\\n\" or \"\\r\"")),
            },
            split: fields.size("split")?,
        };
        shape.check_places(&fields, answer.chunks(&shape))?;
        Ok(shape)
    }

    /// Refuses what lies behind the end.
    fn check_places(&self, fields: &Fields<'_>, total: u64) -> Result<(), ParseError> {
        let last = self.fault.as_ref().map_or(total, |(after, _)| *after);
        let places = [
            ("stall_after", self.stall.map(|(after, _)| after)),
            ("malformed_after", self.malformed.map(|(after, _)| after)),
        ];
        for (key, place) in places {
            if place.is_some_and(|after| after > last) {
                return Err(fields.wrong(key, &format!("the stream ends after {last} chunks")));
            }
        }
        if last > total {
            let key = if fields.has_value("cut_after") { "cut_after" } else { "error_after" };
            return Err(fields.wrong(key, &format!("the answer comes in {total} chunks")));
        }
        Ok(())
    }

    /// The pieces that `text` comes in.
    pub(super) fn pieces<'a>(&'a self, text: &'a str) -> Vec<&'a str> {
        match &self.chunks {
            Some(chunks) => chunks.iter().map(String::as_str).collect(),
            None => words(text),
        }
    }

    /// About how many tokens are sent of `text`.
    pub(super) fn tokens(&self, text: &str) -> u64 {
        tokens(&self.pieces(text).concat()).saturating_mul(self.repeat)
    }
}

/// What is refused because it would have no effect.
fn check(fields: &Fields<'_>) -> Result<(), ParseError> {
    for (key, needed) in GOES_WITH {
        if fields.has_value(key) && !fields.has_value(needed) {
            return Err(fields.wrong(key, &format!("goes with {needed}")));
        }
    }
    for (key, other) in EXCLUDES {
        if fields.has_value(key) && fields.has_value(other) {
            return Err(fields.wrong(key, &format!("has no meaning beside {other}")));
        }
    }
    for key in AT_LEAST_1 {
        if fields.whole(key)? == Some(0) {
            return Err(fields.wrong(key, "at least 1"));
        }
    }
    Ok(())
}

fn strings(fields: &mut Fields<'_>, key: &str) -> Result<Option<Vec<String>>, ParseError> {
    let place = fields.place(key);
    let Some(list) = fields.take(key) else {
        return Ok(None);
    };
    let strings = parse::array(list, &place)?.into_iter().enumerate();
    strings.map(|(i, text)| parse::string(text, &format!("{place}[{i}]"))).collect::<Result<_, _>>().map(Some)
}

impl Fault {
    fn from_fields(fields: &mut Fields<'_>) -> Result<Option<(u64, Self)>, ParseError> {
        if let Some(after) = fields.whole("error_after")? {
            // The response is under way: any error is at home in a 200.
            let error =
                ErrorBody::from_value(fields.take("error").unwrap_or_default(), &fields.place("error"), Some(200))?;
            return Ok(Some((after, Self::Error(error))));
        }
        let Some(after) = fields.whole("cut_after")? else {
            return Ok(None);
        };
        let end = match fields.text("cut")?.as_deref() {
            None | Some("fin") => End::Whole,
            Some("rst") => End::Reset,
            Some("broken") => End::Broken,
            Some(_) => return Err(fields.wrong("cut", "a stream is cut by \"fin\", \"rst\" or \"broken\"")),
        };
        Ok(Some((after, Self::Cut(end))))
    }
}

impl Omit {
    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ParseError> {
        let mut omit = Self::default();
        for name in strings(fields, "omit")?.unwrap_or_default() {
            match name.as_str() {
                "usage" => omit.usage = true,
                "finish" => omit.finish = true,
                "done" => omit.done = true,
                _ => return Err(fields.wrong("omit", "what can be left out is \"usage\", \"finish\" and \"done\"")),
            }
        }
        Ok(omit)
    }
}

/// Each word with the white space after it.
pub(super) fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let gap = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(gap);
        let next = after.find(|c: char| !c.is_whitespace()).unwrap_or(after.len());
        let (head, tail) = rest.split_at(word.len() + next);
        words.push(head);
        rest = tail;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_keep_the_white_space_after_them() {
        assert_eq!(words(" One,  two\nthree "), [" ", "One,  ", "two\n", "three "]);
        assert_eq!(words(""), [""; 0]);
        assert_eq!(words("große Männer"), ["große ", "Männer"]);
    }
}
