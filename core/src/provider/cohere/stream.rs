//! A stream in Cohere chat: the message is put together again from its events
//! (<https://docs.cohere.com/docs/streaming>) and then read as one that came whole.

use serde_json::{Map, Value, json};

use super::decode;
use crate::provider::errors::{self, ErrorBody};
use crate::provider::stream::{Base, Event, append, restate};
use crate::provider::{Decoder, Delta, Stage, Target};
use crate::transport::HttpAnswer;
use crate::transport::sse::Frame;
use crate::types::{Completion, Failure, Request, ToolCallDelta};

pub(super) fn decoder(target: &Target<'_>, request: &Request, head: HttpAnswer, now: u64) -> Box<dyn Decoder> {
    Box::new(Stream {
        base: Base::new(target, request, head, now, decode::RULES),
        body: Value::Object(Map::new()),
        plan: String::new(),
        blocks: Vec::new(),
        calls: Vec::new(),
        citations: Vec::new(),
    })
}

struct Stream {
    base: Base,
    /// The answer without its message.
    body: Value,
    plan: String,
    blocks: Vec<Value>,
    calls: Vec<Value>,
    citations: Vec<Value>,
}

impl Decoder for Stream {
    fn read(&mut self, frame: &Frame, out: &mut Vec<Delta>) -> Result<(), Failure> {
        match self.base.open(frame, error_in)? {
            Event::Nothing | Event::Done => Ok(()),
            Event::Object(event) => {
                self.read_event(event, out);
                Ok(())
            }
            Event::Error(error, parsed) => self.base.error(frame, error, parsed.as_ref()),
        }
    }

    fn stage(&self) -> Stage {
        self.base.stage
    }

    fn text(&self) -> String {
        self.blocks.iter().filter_map(|block| block.get("text")?.as_str()).collect()
    }

    fn finish(&mut self) -> Result<Completion, Failure> {
        if self.base.stage == Stage::Open {
            return Err(self.base.cut());
        }
        let mut message = Map::from_iter([("role".to_owned(), Value::from("assistant"))]);
        for (key, value) in
            [("content", &mut self.blocks), ("tool_calls", &mut self.calls), ("citations", &mut self.citations)]
        {
            if !value.is_empty() {
                message.insert(key.to_owned(), std::mem::take(value).into());
            }
        }
        if !self.plan.is_empty() {
            message.insert("tool_plan".to_owned(), std::mem::take(&mut self.plan).into());
        }
        let mut body = std::mem::take(&mut self.body);
        restate(&mut body, json!({"message": message}));
        let mut warnings = self.base.take_warnings();
        let mut completion = decode::interpret(&self.base.setting(), body)?;
        completion.warnings.append(&mut warnings);
        Ok(completion)
    }
}

/// An error of an event; the last one may say in its `delta` that it is one.
fn error_in(value: &Value) -> Option<ErrorBody> {
    if value.get("type").is_some_and(|kind| kind == "message-end") {
        return value
            .pointer("/delta/error")
            .filter(|error| errors::states_something(error))
            .map(ErrorBody::from_value);
    }
    errors::inside(value)
}

impl Stream {
    fn read_event(&mut self, mut event: Map<String, Value>, out: &mut Vec<Delta>) {
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let place = event.get("index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
        let mut delta = event.swap_remove("delta").unwrap_or_default();
        let message = delta.get_mut("message").map(Value::take).unwrap_or_default();
        match kind.as_str() {
            "message-start" => restate(&mut self.body, json!({"id": event.get("id")})),
            "content-start" | "content-delta" => self.add_content(message.get("content"), kind == "content-start", out),
            "tool-plan-delta" => {
                if let Some(words) = message.get("tool_plan").and_then(Value::as_str).filter(|words| !words.is_empty())
                {
                    self.plan.push_str(words);
                    out.push(Delta::Reasoning(words.to_owned()));
                }
            }
            "tool-call-start" => self.start_call(message.get("tool_calls"), out),
            "tool-call-delta" => self.add_arguments(place, message.get("tool_calls"), out),
            "citation-start" => self.citations.extend(message.get("citations").filter(|one| one.is_object()).cloned()),
            "message-end" => {
                restate(&mut self.body, delta);
                out.extend(self.base.count(decode::usage(&self.body)).map(Delta::Usage));
                self.base.stage = Stage::Over;
            }
            _ => {}
        }
    }

    /// A block of content, or more of the last one.
    fn add_content(&mut self, content: Option<&Value>, starts: bool, out: &mut Vec<Delta>) {
        let Some(content) = content.filter(|content| content.is_object()) else {
            return;
        };
        let piece = |key: &str| content.get(key).and_then(Value::as_str);
        let key = if piece("thinking").is_some() { "thinking" } else { "text" };
        let same = |block: &Value| block.get("type").is_some_and(|kind| kind == key);
        if starts || !self.blocks.last().is_some_and(same) {
            self.blocks.push(json!({"type": key, key: ""}));
        }
        let Some(words) = piece(key).filter(|words| !words.is_empty()) else {
            return;
        };
        if let Some(text) = self.blocks.last_mut().and_then(|block| block.get_mut(key)) {
            append(text, words.to_owned());
        }
        out.push(if key == "text" { Delta::Text(words.to_owned()) } else { Delta::Reasoning(words.to_owned()) });
    }

    fn start_call(&mut self, call: Option<&Value>, out: &mut Vec<Delta>) {
        let Some(call) = call.filter(|call| call.is_object()) else {
            return;
        };
        let word = |path: &str| call.pointer(path).and_then(Value::as_str).filter(|word| !word.is_empty());
        out.push(Delta::ToolCall(ToolCallDelta {
            index: self.calls.len(),
            id: word("/id").map(str::to_owned),
            name: word("/function/name").map(str::to_owned),
            arguments: word("/function/arguments").unwrap_or_default().to_owned(),
        }));
        self.calls.push(call.clone());
    }

    fn add_arguments(&mut self, place: Option<usize>, call: Option<&Value>, out: &mut Vec<Delta>) {
        let last = self.calls.len().checked_sub(1);
        // Some streams count the calls among the blocks of content.
        let Some(index) = place.filter(|place| *place < self.calls.len()).or(last) else {
            return;
        };
        let more = call.and_then(|call| call.pointer("/function/arguments")?.as_str());
        let Some(more) = more.filter(|more| !more.is_empty()) else {
            return;
        };
        if let Some(function) = self.calls.get_mut(index).and_then(|call| call.get_mut("function")?.as_object_mut()) {
            append(function.entry("arguments").or_insert(Value::Null), more.to_owned());
            out.push(Delta::ToolCall(ToolCallDelta { index, arguments: more.to_owned(), ..Default::default() }));
        }
    }
}
