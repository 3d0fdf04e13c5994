//! A stream in Bedrock Converse: the message is put together again from its events
//! (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>) and then read as one that came
//! whole. Usage comes last, behind the end of the message.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{ANSWER, by_tool, decode};
use crate::provider::errors;
use crate::provider::stream::{Base, Event, append, restate};
use crate::provider::{Decoder, Delta, Stage, Target};
use crate::transport::HttpAnswer;
use crate::transport::sse::Frame;
use crate::types::{Completion, Failure, Request, ToolCallDelta};

pub(super) fn decoder(target: &Target<'_>, request: &Request, head: HttpAnswer, now: u64) -> Box<dyn Decoder> {
    Box::new(Stream {
        base: Base::new(target, request, head, now, decode::RULES),
        by_tool: by_tool(request),
        body: Value::Object(Map::new()),
        blocks: BTreeMap::new(),
        calls: 0,
    })
}

struct Stream {
    base: Base,
    /// Whether the answer is the input of a tool.
    by_tool: bool,
    /// The answer without its content.
    body: Value,
    /// The blocks by their place.
    blocks: BTreeMap<u64, Block>,
    /// How many of the blocks are tool calls.
    calls: usize,
}

/// A content block as far as it has come.
struct Block {
    value: Value,
    /// The pieces of a tool's input.
    input: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Words,
    /// A tool call, and which one of the answer.
    Call(usize),
    /// The call whose input is the answer.
    Answer,
    /// A call of a tool that AWS runs itself.
    Own,
}

impl Decoder for Stream {
    fn read(&mut self, frame: &Frame, out: &mut Vec<Delta>) -> Result<(), Failure> {
        let known = !frame.event.is_empty();
        match self.base.open(frame, |value| errors::inside(value).filter(|_| !known))? {
            Event::Nothing | Event::Done => Ok(()),
            Event::Object(event) => {
                self.read_event(&frame.event, event, out);
                Ok(())
            }
            Event::Error(error, parsed) => self.base.error(frame, error, parsed.as_ref()),
        }
    }

    fn stage(&self) -> Stage {
        self.base.stage
    }

    fn text(&self) -> String {
        let texts = self.blocks.values().map(|block| match block.kind {
            Kind::Answer => block.input.as_str(),
            _ => block.value.get("text").and_then(Value::as_str).unwrap_or_default(),
        });
        texts.collect()
    }

    fn finish(&mut self) -> Result<Completion, Failure> {
        if self.base.stage == Stage::Open {
            return Err(self.base.cut());
        }
        let content: Vec<Value> = std::mem::take(&mut self.blocks).into_values().map(Block::close).collect();
        let mut body = std::mem::take(&mut self.body);
        restate(&mut body, json!({"output": {"message": {"role": "assistant", "content": content}}}));
        let mut warnings = self.base.take_warnings();
        let mut completion = decode::interpret(&self.base.setting(), body, self.by_tool)?;
        completion.warnings.append(&mut warnings);
        Ok(completion)
    }
}

impl Stream {
    fn read_event(&mut self, name: &str, event: Map<String, Value>, out: &mut Vec<Delta>) {
        let place = event.get("contentBlockIndex").and_then(Value::as_u64).unwrap_or(0);
        match name {
            "contentBlockStart" => {
                if let Some(call) = event.get("start").and_then(|start| start.get("toolUse")) {
                    self.start_call(place, call, out);
                }
            }
            "contentBlockDelta" => {
                if let Some(Value::Object(delta)) = event.get("delta") {
                    self.extend(place, delta, out);
                }
            }
            "messageStop" => {
                restate(&mut self.body, Value::Object(event));
                self.base.stage = Stage::Whole;
            }
            "metadata" => {
                restate(&mut self.body, Value::Object(event));
                out.extend(self.base.count(decode::usage(&self.body)).map(Delta::Usage));
                if self.base.stage == Stage::Whole {
                    self.base.stage = Stage::Over;
                }
            }
            _ => {}
        }
    }

    fn start_call(&mut self, place: u64, call: &Value, out: &mut Vec<Delta>) {
        let kind = if self.by_tool && call.get("name").is_some_and(|name| name == ANSWER) {
            Kind::Answer
        } else if decode::by_provider(call) {
            Kind::Own
        } else {
            let read = decode::tool_call(call, self.calls);
            out.push(Delta::ToolCall(ToolCallDelta {
                index: self.calls,
                id: Some(read.id),
                name: Some(read.name).filter(|name| !name.is_empty()),
                arguments: String::new(),
            }));
            self.calls += 1;
            Kind::Call(self.calls - 1)
        };
        self.blocks.insert(place, Block { value: json!({"toolUse": call}), input: String::new(), kind });
    }

    fn extend(&mut self, place: u64, delta: &Map<String, Value>, out: &mut Vec<Delta>) {
        let block = self.blocks.entry(place).or_insert_with(|| Block {
            value: Value::Object(Map::new()),
            input: String::new(),
            kind: Kind::Words,
        });
        let word = |value: &Value, key: &str| value.get(key)?.as_str().filter(|it| !it.is_empty()).map(str::to_owned);
        if let Some(text) = delta.get("text").and_then(Value::as_str) {
            block.append(&["text"], text);
            if !text.is_empty() {
                out.push(Delta::Text(text.to_owned()));
            }
        }
        if let Some(piece) = delta.get("toolUse").and_then(|call| word(call, "input")) {
            block.input.push_str(&piece);
            match block.kind {
                Kind::Call(index) => {
                    out.push(Delta::ToolCall(ToolCallDelta { index, arguments: piece, ..ToolCallDelta::default() }));
                }
                Kind::Answer => out.push(Delta::Text(piece)),
                Kind::Words | Kind::Own => {}
            }
        }
        if let Some(thought) = delta.get("reasoningContent") {
            if let Some(words) = word(thought, "text") {
                block.append(&["reasoningContent", "reasoningText", "text"], &words);
                out.push(Delta::Reasoning(words));
            }
            if let Some(signature) = word(thought, "signature") {
                block.append(&["reasoningContent", "reasoningText", "signature"], &signature);
            }
            if let Some(hidden) = word(thought, "redactedContent") {
                block.append(&["reasoningContent", "redactedContent"], &hidden);
            }
        }
    }
}

impl Block {
    /// Appends to the text at the end of this path of members.
    fn append(&mut self, path: &[&str], piece: &str) {
        let mut place = &mut self.value;
        for key in path {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            let Some(members) = place.as_object_mut() else {
                return;
            };
            place = members.entry(*key).or_insert(Value::Null);
        }
        append(place, piece.to_owned());
    }

    /// The block as it comes in an answer read whole. An input that is no JSON stays the text it is.
    fn close(mut self) -> Value {
        if self.kind != Kind::Words
            && let Some(call) = self.value.get_mut("toolUse").and_then(Value::as_object_mut)
        {
            let input = match self.input.trim() {
                "" => json!({}),
                _ => serde_json::from_str(&self.input).unwrap_or(Value::String(self.input)),
            };
            call.insert("input".to_owned(), input);
        }
        self.value
    }
}
