//! What the streams of both formats share: events become JSON, errors in them get their kind, an early end is a cut.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::classify::{self, Rows};
use super::errors::{self, ErrorBody};
use super::wire::{self, Setting};
use super::{Stage, Target};
use crate::error::ErrorKind;
use crate::transport::HttpAnswer;
use crate::transport::sse::Frame;
use crate::types::{Failure, Request, Usage};

/// What a stream is read with, and what was odd about it so far.
pub(super) struct Base {
    kind: String,
    may_be_silent: bool,
    head: HttpAnswer,
    now: u64,
    rules: [&'static Rows; 2],
    /// An event that made no sense was passed over; before the answer is whole there is no second time.
    skipped: bool,
    warnings: Vec<String>,
    /// Tokens so far.
    usage: Option<Usage>,
    /// USD so far, where the provider states them.
    pub(super) cost: Option<f64>,
    pub(super) stage: Stage,
}

/// What an event is, before its format looks into it.
pub(super) enum Event {
    /// It says nothing.
    Nothing,
    /// `[DONE]`.
    Done,
    /// A JSON object without an error.
    Object(Map<String, Value>),
    /// An error, and the JSON it came in.
    Error(ErrorBody, Option<Value>),
}

impl Base {
    pub(super) fn new(
        target: &Target<'_>,
        request: &Request,
        head: HttpAnswer,
        now: u64,
        rules: [&'static Rows; 2],
    ) -> Self {
        Self {
            kind: target.kind.to_owned(),
            may_be_silent: wire::may_be_silent(target, request),
            head,
            now,
            rules,
            skipped: false,
            warnings: Vec::new(),
            usage: None,
            cost: None,
            stage: Stage::Open,
        }
    }

    /// Reads the JSON of an event; `error_in` finds the error in it.
    ///
    /// # Errors
    /// The second event that is no JSON object, unless the answer is whole.
    pub(super) fn open(
        &mut self,
        frame: &Frame,
        error_in: impl FnOnce(&Value) -> Option<ErrorBody>,
    ) -> Result<Event, Failure> {
        let data = errors::trim(&frame.data);
        if frame.event == "error" {
            return Ok(match serde_json::from_slice::<Value>(data) {
                Ok(value) => Event::Error(ErrorBody::from_value(&value), Some(value)),
                Err(_) => Event::Error(ErrorBody::from_bytes(data), None),
            });
        }
        if data.is_empty() || frame.event == "ping" {
            return Ok(Event::Nothing);
        }
        if data == b"[DONE]" {
            return Ok(Event::Done);
        }
        let value = serde_json::from_slice::<Value>(data).unwrap_or(Value::Null);
        match (error_in(&value), value) {
            (Some(error), value) => Ok(Event::Error(error, Some(value))),
            (None, Value::Object(map)) => Ok(Event::Object(map)),
            _ if self.skipped && self.stage == Stage::Open => {
                Err(self.failed(ErrorKind::TruncatedStream, "the stream holds events that are not JSON"))
            }
            _ => {
                self.warn("an event of the stream was not JSON and was passed over".to_owned());
                self.skipped = true;
                Ok(Event::Nothing)
            }
        }
    }

    /// An error in an event: a failure, but only a warning once the answer is there.
    pub(super) fn error(&mut self, frame: &Frame, error: ErrorBody, parsed: Option<&Value>) -> Result<(), Failure> {
        let answer = HttpAnswer { body: Bytes::copy_from_slice(&frame.data), ..self.head.clone() };
        let mut failure = classify::failure(&self.kind, &answer, parsed, error, self.now, &self.rules);
        if self.stage > Stage::Open {
            self.warn(format!("an error came after the end of the answer: {}", failure.kind));
            return Ok(());
        }
        failure.usage = self.usage;
        failure.cost = self.cost;
        Err(failure)
    }

    /// Says it once, however often the stream gives cause.
    pub(super) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The failure of a stream that ended before its answer was whole.
    pub(super) fn cut(&self) -> Failure {
        self.failed(ErrorKind::TruncatedStream, "the stream ended before the answer was whole")
    }

    fn failed(&self, kind: ErrorKind, why: &str) -> Failure {
        let mut failure = classify::malformed(&self.head, None, why);
        failure.kind = kind;
        failure.usage = self.usage;
        failure.cost = self.cost;
        failure
    }

    /// Notes that tokens were counted; gives them if that is news.
    pub(super) fn count(&mut self, usage: Option<Usage>) -> Option<Usage> {
        if usage.is_none() || usage == self.usage {
            return None;
        }
        self.usage = usage;
        usage
    }

    pub(super) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    pub(super) fn setting(&self) -> Setting<'_> {
        Setting {
            kind: &self.kind,
            may_be_silent: self.may_be_silent,
            answer: &self.head,
            now: self.now,
            streamed: true,
        }
    }
}

/// Lays a later statement over an earlier one: members one by one, lists one after the other, anything else by taking
/// the later; null says nothing.
pub(super) fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (_, Value::Null) => {}
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from),
        (into, from) => *into = from,
    }
}

/// Lays the members of `from` over those of `into`, deeper objects too, but takes the later list in place of the
/// earlier one: that of counts and verdicts, which are stated anew each time.
pub(super) fn restate(into: &mut Value, from: Value) {
    match (into, from) {
        (_, Value::Null) => {}
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                restate(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// Appends `piece` to the text that `value` holds.
pub(super) fn append(value: &mut Value, piece: String) {
    match value {
        Value::String(text) if !text.is_empty() => text.push_str(&piece),
        other => *other = Value::String(piece),
    }
}
