//! A stream in Anthropic Messages: the message is put together again from its events
//! (<https://docs.anthropic.com/en/api/messages-streaming>) and then read as one that came whole.

use std::collections::HashMap;

use serde_json::{Map, Value};

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
        blocks: Vec::new(),
        places: HashMap::new(),
        calls: 0,
    })
}

struct Stream {
    base: Base,
    /// The message without its content.
    body: Value,
    blocks: Vec<Block>,
    /// Where in `blocks` the block of an index is.
    places: HashMap<u64, usize>,
    /// How many of the blocks are tool calls.
    calls: usize,
}

/// A content block as far as it has come.
struct Block {
    members: Value,
    /// The pieces of a tool's input.
    input: String,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Thinking,
    /// A tool call, and which one of the answer.
    Call(usize),
    /// Hidden thoughts, and work of the provider's own tools.
    Other,
}

impl Decoder for Stream {
    fn read(&mut self, frame: &Frame, out: &mut Vec<Delta>) -> Result<(), Failure> {
        match self.base.open(frame, error_in)? {
            Event::Nothing | Event::Done => Ok(()),
            Event::Object(event) => {
                self.read_event(&frame.event, event, out);
                Ok(())
            }
            Event::Error(error, parsed) => {
                // Nothing follows an error; with the stop reason the answer was all there.
                if self.base.stage == Stage::Open && self.body.get("stop_reason").is_some_and(Value::is_string) {
                    self.base.stage = Stage::Over;
                }
                self.base.error(frame, error, parsed.as_ref())
            }
        }
    }

    fn stage(&self) -> Stage {
        self.base.stage
    }

    fn text(&self) -> String {
        let texts = self.blocks.iter().filter(|block| matches!(block.kind, Kind::Text));
        texts.filter_map(|block| block.members.get("text")?.as_str()).collect()
    }

    fn finish(&mut self) -> Result<Completion, Failure> {
        if self.base.stage == Stage::Open {
            return Err(self.base.cut());
        }
        let mut body = std::mem::take(&mut self.body);
        let content = self.blocks.drain(..).map(Block::close).collect();
        if let Some(body) = body.as_object_mut() {
            body.insert("content".to_owned(), content);
        }
        let mut warnings = self.base.take_warnings();
        let mut completion = decode::interpret(&self.base.setting(), body)?;
        completion.warnings.append(&mut warnings);
        Ok(completion)
    }
}

/// An event's error. Events of unknown types may hold whatever they like, but for an `error`.
fn error_in(value: &Value) -> Option<ErrorBody> {
    let typed = value.get("type").is_some_and(|kind| kind.is_string() && kind != "error");
    let plain = typed && !value.get("error").is_some_and(errors::states_something);
    if plain { None } else { errors::inside(value) }
}

impl Stream {
    fn read_event(&mut self, name: &str, mut event: Map<String, Value>, out: &mut Vec<Delta>) {
        let kind = take_string(&mut event, "type").unwrap_or_else(|| name.to_owned());
        let index = event.get("index").and_then(Value::as_u64);
        match kind.as_str() {
            "content_block_delta" => {
                if let Some(Value::Object(delta)) = event.swap_remove("delta") {
                    self.extend(index, delta, out);
                }
            }
            "content_block_start" => {
                if let Some(block @ Value::Object(_)) = event.swap_remove("content_block") {
                    self.start(index, block, out);
                }
            }
            "message_start" => {
                if let Some(Value::Object(mut message)) = event.swap_remove("message") {
                    // The content comes in events of its own.
                    message.swap_remove("content");
                    restate(&mut self.body, Value::Object(message));
                    self.count(out);
                }
            }
            "message_delta" => {
                event.swap_remove("index");
                let delta = event.swap_remove("delta").filter(Value::is_object);
                restate(&mut self.body, delta.unwrap_or_default());
                restate(&mut self.body, Value::Object(event));
                self.count(out);
            }
            "message_stop" => self.base.stage = Stage::Over,
            _ => {}
        }
    }

    fn count(&mut self, out: &mut Vec<Delta>) {
        out.extend(self.base.count(decode::usage(&self.body)).map(Delta::Usage));
    }

    fn start(&mut self, index: Option<u64>, mut members: Value, out: &mut Vec<Delta>) {
        let word = |key: &str| members.get(key).and_then(Value::as_str).filter(|word| !word.is_empty());
        let kind = match word("type") {
            Some("text") => {
                out.extend(word("text").map(|text| Delta::Text(text.to_owned())));
                Kind::Text
            }
            Some("thinking") => {
                out.extend(word("thinking").map(|words| Delta::Reasoning(words.to_owned())));
                Kind::Thinking
            }
            Some("tool_use") => {
                let place = self.calls;
                self.calls += 1;
                let whole =
                    members.get("input").filter(|input| input.as_object().is_some_and(|input| !input.is_empty()));
                out.push(Delta::ToolCall(ToolCallDelta {
                    index: place,
                    id: word("id").map(str::to_owned),
                    name: word("name").map(str::to_owned),
                    arguments: whole.map(Value::to_string).unwrap_or_default(),
                }));
                Kind::Call(place)
            }
            _ => Kind::Other,
        };
        if let Some(index) = index {
            self.places.insert(index, self.blocks.len());
        }
        self.blocks.push(Block { members: members.take(), input: String::new(), kind });
    }

    /// Adds a piece to its block: the one of its index, else the last one.
    fn extend(&mut self, index: Option<u64>, mut delta: Map<String, Value>, out: &mut Vec<Delta>) {
        let kind = take_string(&mut delta, "type").unwrap_or_default();
        let known = match index {
            Some(index) => self.places.get(&index).copied(),
            None => self.blocks.len().checked_sub(1),
        };
        let known = known.or_else(|| self.begin(index, &kind));
        let Some(block) = known.and_then(|place| self.blocks.get_mut(place)) else {
            return;
        };
        for (key, value) in delta {
            match (key.as_str(), block.kind, value) {
                ("text", Kind::Text, value) => out.extend(block.append("text", value).map(Delta::Text)),
                ("thinking", Kind::Thinking, value) => {
                    out.extend(block.append("thinking", value).map(Delta::Reasoning));
                }
                ("partial_json", kind, Value::String(piece)) => {
                    block.input.push_str(&piece);
                    if let Kind::Call(index) = kind
                        && !piece.is_empty()
                    {
                        out.push(Delta::ToolCall(ToolCallDelta {
                            index,
                            arguments: piece,
                            ..ToolCallDelta::default()
                        }));
                    }
                }
                ("citation", _, citation) => block.cite(citation),
                // Texts of blocks yet unknown grow; the rest, a signature too, is taken as it comes.
                (key, Kind::Other, value @ Value::String(_)) => drop(block.append(key, value)),
                (_, _, value) => restate(&mut block.members, Value::Object(Map::from_iter([(key, value)]))),
            }
        }
    }

    /// Begins a block whose start some server forgot.
    fn begin(&mut self, index: Option<u64>, delta: &str) -> Option<usize> {
        let (kind, name) = match delta {
            "text_delta" => (Kind::Text, "text"),
            "thinking_delta" => (Kind::Thinking, "thinking"),
            _ => return None,
        };
        let place = self.blocks.len();
        if let Some(index) = index {
            self.places.insert(index, place);
        }
        self.blocks.push(Block { members: serde_json::json!({"type": name}), input: String::new(), kind });
        Some(place)
    }
}

impl Block {
    /// Appends a text to one of the block's; gives it back unless it is empty.
    fn append(&mut self, key: &str, piece: Value) -> Option<String> {
        let Value::String(piece) = piece else {
            return None;
        };
        if piece.is_empty() {
            return None;
        }
        match self.members.get_mut(key) {
            Some(Value::String(text)) => text.push_str(&piece),
            Some(other) => append(other, piece.clone()),
            None => {
                self.members.as_object_mut()?.insert(key.to_owned(), Value::String(piece.clone()));
            }
        }
        Some(piece)
    }

    fn cite(&mut self, citation: Value) {
        let Some(members) = self.members.as_object_mut() else {
            return;
        };
        match members.get_mut("citations") {
            Some(Value::Array(citations)) => citations.push(citation),
            _ => drop(members.insert("citations".to_owned(), Value::Array(vec![citation]))),
        }
    }

    /// The block as it comes in an answer read whole. An input that is no JSON stays the text it is.
    fn close(mut self) -> Value {
        if !self.input.trim().is_empty()
            && let Some(members) = self.members.as_object_mut()
        {
            let input = serde_json::from_str(&self.input).unwrap_or(Value::String(self.input));
            members.insert("input".to_owned(), input);
        }
        self.members
    }
}

fn take_string(map: &mut Map<String, Value>, key: &str) -> Option<String> {
    match map.get_mut(key).map(Value::take) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}
