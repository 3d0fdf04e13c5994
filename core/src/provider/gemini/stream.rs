//! A stream in Gemini generateContent: every event is an answer of its own, with what is new; together they make the whole
//! one. Nothing but the end of the connection says that no more will come, for text may follow a finish reason.

use serde_json::{Map, Value};

use super::{decode, partial};
use crate::provider::errors;
use crate::provider::stream::{Base, Event, restate};
use crate::provider::{Decoder, Delta, Stage, Target};
use crate::transport::HttpAnswer;
use crate::transport::sse::Frame;
use crate::types::{Completion, Failure, Request, ToolCallDelta};

pub(super) fn decoder(target: &Target<'_>, request: &Request, head: HttpAnswer, now: u64) -> Box<dyn Decoder> {
    Box::new(Stream { base: Base::new(target, request, head, now, decode::RULES), whole: Whole::default() })
}

struct Stream {
    base: Base,
    whole: Whole,
}

/// The answer as far as it has come.
#[derive(Default)]
pub(super) struct Whole {
    /// The body without its candidates.
    body: Value,
    /// The candidate without its content.
    candidate: Value,
    parts: Vec<Value>,
    calls: usize,
    /// A call whose arguments are still coming stands last among the parts.
    open: bool,
}

impl Whole {
    /// Adds an event, and tells what is new in it.
    pub(super) fn add(&mut self, event: Value, out: &mut Vec<Delta>) {
        let Value::Object(mut event) = event else {
            return;
        };
        let candidates = event.swap_remove("candidates");
        restate(&mut self.body, Value::Object(event));
        let Some(Value::Array(candidates)) = candidates else {
            return;
        };
        let first = candidates.into_iter().find(|one| one.get("index").and_then(Value::as_u64).unwrap_or(0) == 0);
        let Some(Value::Object(mut candidate)) = first else {
            return;
        };
        let content = candidate.swap_remove("content");
        // A finish reason that says nothing more takes none back.
        restate(&mut self.candidate, Value::Object(candidate));
        if let Some(Value::Object(mut content)) = content
            && let Some(Value::Array(parts)) = content.swap_remove("parts")
        {
            parts.into_iter().for_each(|part| self.add_part(part, out));
        }
    }

    fn add_part(&mut self, part: Value, out: &mut Vec<Delta>) {
        let Value::Object(part) = part else {
            return;
        };
        if let Some(call) = part.get("functionCall")
            && (self.open || call.get("willContinue") == Some(&Value::Bool(true)))
        {
            self.add_piece(part, out);
            return;
        }
        if let Some(call) = part.get("functionCall") {
            let id = self.body.get("responseId").and_then(Value::as_str).filter(|id| !id.is_empty());
            let call = decode::tool_call(call, self.calls, id);
            let delta = ToolCallDelta {
                index: self.calls,
                id: Some(call.id),
                name: Some(call.name).filter(|name| !name.is_empty()),
                arguments: call.arguments,
            };
            self.calls += 1;
            out.push(Delta::ToolCall(delta));
        } else if let Some(text) = part.get("text").and_then(Value::as_str).filter(|text| !text.is_empty()) {
            let thought = part.get("thought") == Some(&Value::Bool(true));
            out.push(if thought { Delta::Reasoning(text.to_owned()) } else { Delta::Text(text.to_owned()) });
        }
        self.keep(part);
    }

    /// Adds a piece of a call whose arguments come one by one. They are told when they are all there, for until then they
    /// are no text that only grows.
    fn add_piece(&mut self, mut part: Map<String, Value>, out: &mut Vec<Delta>) {
        let Some(Value::Object(mut piece)) = part.remove("functionCall") else {
            return;
        };
        let id = self.body.get("responseId").and_then(Value::as_str).filter(|id| !id.is_empty());
        let partial = piece.swap_remove("partialArgs");
        let open = piece.swap_remove("willContinue") == Some(Value::Bool(true));
        if !std::mem::replace(&mut self.open, open) {
            let call = decode::tool_call(&Value::Object(piece.clone()), self.calls, id);
            let delta =
                ToolCallDelta { index: self.calls, id: Some(call.id), name: Some(call.name), ..Default::default() };
            out.push(Delta::ToolCall(delta));
            self.calls += 1;
            part.insert("functionCall".to_owned(), Value::Object(piece));
            self.parts.push(Value::Object(part));
        }
        let args = self.parts.last_mut().and_then(|part| part.get_mut("functionCall")?.as_object_mut());
        let Some(args) = args.map(|call| call.entry("args").or_insert(Value::Null)) else {
            return;
        };
        partial::apply(args, &partial.unwrap_or_default());
        if !open {
            let arguments = if args.is_null() { "{}".to_owned() } else { args.to_string() };
            out.push(Delta::ToolCall(ToolCallDelta { index: self.calls - 1, arguments, ..Default::default() }));
        }
    }

    /// Keeps a part; a text without anything else goes on with the one before, if that is such a text too.
    fn keep(&mut self, part: Map<String, Value>) {
        let plain = |part: &Map<String, Value>| part.keys().all(|key| key == "text" || key == "thought");
        if let Some(Value::Object(last)) = self.parts.last_mut()
            && plain(last)
            && plain(&part)
            && last.get("thought") == part.get("thought")
            && let (Some(Value::String(text)), Some(Value::String(more))) = (last.get_mut("text"), part.get("text"))
        {
            text.push_str(more);
            return;
        }
        self.parts.push(Value::Object(part));
    }

    /// The body that the events make together.
    pub(super) fn take(&mut self) -> Value {
        let mut body = std::mem::take(&mut self.body);
        if self.candidate.is_null() && self.parts.is_empty() {
            return body;
        }
        let mut candidate = std::mem::take(&mut self.candidate);
        let content = serde_json::json!({"role": "model", "parts": std::mem::take(&mut self.parts)});
        restate(&mut candidate, serde_json::json!({"content": content}));
        restate(&mut body, serde_json::json!({"candidates": [candidate]}));
        body
    }

    fn text(&self) -> String {
        let said = self.parts.iter().filter(|part| part.get("thought") != Some(&Value::Bool(true)));
        said.filter_map(|part| part.get("text")?.as_str()).collect()
    }

    /// Whether it says how it ended, or why there is nothing to say.
    fn is_whole(&self) -> bool {
        let reason = self.candidate.get("finishReason").is_some_and(|reason| reason.is_string() || reason.is_u64());
        reason || self.body.pointer("/promptFeedback/blockReason").is_some()
    }
}

impl Decoder for Stream {
    fn read(&mut self, frame: &Frame, out: &mut Vec<Delta>) -> Result<(), Failure> {
        match self.base.open(frame, errors::inside)? {
            Event::Nothing => Ok(()),
            Event::Done => {
                if self.base.stage == Stage::Whole {
                    self.base.stage = Stage::Over;
                }
                Ok(())
            }
            Event::Object(event) => {
                self.whole.add(Value::Object(event), out);
                out.extend(self.base.count(decode::usage(&self.whole.body)).map(Delta::Usage));
                if self.base.stage == Stage::Open && self.whole.is_whole() {
                    self.base.stage = Stage::Whole;
                }
                Ok(())
            }
            Event::Error(error, parsed) => self.base.error(frame, error, parsed.as_ref()),
        }
    }

    fn stage(&self) -> Stage {
        self.base.stage
    }

    fn text(&self) -> String {
        self.whole.text()
    }

    fn finish(&mut self) -> Result<Completion, Failure> {
        if self.base.stage == Stage::Open {
            return Err(self.base.cut());
        }
        let mut warnings = self.base.take_warnings();
        let mut completion = decode::interpret(&self.base.setting(), self.whole.take())?;
        completion.warnings.append(&mut warnings);
        Ok(completion)
    }
}
