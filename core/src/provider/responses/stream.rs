//! A stream in OpenAI Responses: the items are put together again from their events
//! (<https://platform.openai.com/docs/api-reference/responses-streaming>) and then read as ones that came whole.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::decode::{self, BETWEEN};
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
        items: BTreeMap::new(),
        calls: 0,
        reasoned: None,
    })
}

struct Stream {
    base: Base,
    /// The answer without its items.
    body: Value,
    /// The items by their place.
    items: BTreeMap<u64, Item>,
    /// How many of the items are tool calls.
    calls: usize,
    /// The part of a summary that spoke last: its item, whether it is a summary, and its number.
    reasoned: Option<(u64, bool, u64)>,
}

/// An item as far as it has come.
struct Item {
    value: Value,
    /// Whether something of it was told already.
    told: bool,
    /// Which one of the answer's calls it is.
    call: Option<usize>,
}

impl Decoder for Stream {
    fn read(&mut self, frame: &Frame, out: &mut Vec<Delta>) -> Result<(), Failure> {
        match self.base.open(frame, error_in)? {
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
        let content = self.items.values().filter_map(|item| item.value.get("content")?.as_array());
        let words = |part: &Value| {
            let word = |key: &str| part.get(key).and_then(Value::as_str);
            let spoken = word("type").is_none_or(|kind| kind != "reasoning_text");
            word("text").or(word("refusal")).filter(|_| spoken).map(str::to_owned)
        };
        content.flatten().filter_map(words).collect()
    }

    fn finish(&mut self) -> Result<Completion, Failure> {
        if self.base.stage == Stage::Open {
            return Err(self.base.cut());
        }
        let mut body = std::mem::take(&mut self.body);
        let listed = body.get("output").and_then(Value::as_array).is_some_and(|items| !items.is_empty());
        if !listed {
            let items: Vec<Value> = std::mem::take(&mut self.items).into_values().map(|item| item.value).collect();
            restate(&mut body, json!({"output": items}));
        }
        let mut warnings = self.base.take_warnings();
        let mut completion = decode::interpret(&self.base.setting(), body)?;
        completion.warnings.append(&mut warnings);
        Ok(completion)
    }
}

/// An error comes flat, nested, or as the failed answer; other events may hold whatever they like.
fn error_in(value: &Value) -> Option<ErrorBody> {
    match value.get("type").and_then(Value::as_str) {
        Some("error") => Some(ErrorBody::from_value(value)),
        Some("response.failed") => {
            let error = value.pointer("/response/error").filter(|error| errors::states_something(error));
            Some(ErrorBody::from_value(error.unwrap_or(&json!({"message": "the answer failed, without a reason"}))))
        }
        Some(kind) if kind.starts_with("response.") => None,
        _ => errors::inside(value),
    }
}

impl Stream {
    fn read_event(&mut self, name: &str, mut event: Map<String, Value>, out: &mut Vec<Delta>) {
        let kind = event.get("type").and_then(Value::as_str).unwrap_or(name).to_owned();
        let place = event.get("output_index").and_then(Value::as_u64).unwrap_or(0);
        let part = |key: &str| event.get(key).and_then(Value::as_u64).unwrap_or(0);
        let (content, summary) = (part("content_index"), part("summary_index"));
        let words = event.get("delta").and_then(Value::as_str).filter(|words| !words.is_empty()).map(str::to_owned);
        match (kind.as_str(), words) {
            ("response.output_item.added", _) => self.add(place, event.swap_remove("item"), out),
            ("response.output_item.done", _) => self.close(place, event.swap_remove("item"), out),
            ("response.output_text.delta", Some(words)) => {
                self.speak(place, ("content", content), ("output_text", "text"), &words);
                out.push(Delta::Text(words));
            }
            ("response.refusal.delta", Some(words)) => {
                self.speak(place, ("content", content), ("refusal", "refusal"), &words);
                out.push(Delta::Refusal(words));
            }
            ("response.reasoning_summary_text.delta", Some(words)) => {
                self.speak(place, ("summary", summary), ("summary_text", "text"), &words);
                self.reason((place, true, summary), words, out);
            }
            ("response.reasoning_text.delta", Some(words)) => {
                self.speak(place, ("content", content), ("reasoning_text", "text"), &words);
                self.reason((place, false, content), words, out);
            }
            ("response.function_call_arguments.delta", Some(words)) => self.argue(place, words, out),
            ("response.completed" | "response.incomplete" | "response.cancelled", _) => {
                restate(&mut self.body, event.swap_remove("response").unwrap_or_default());
                out.extend(self.base.count(decode::usage(&self.body)).map(Delta::Usage));
                self.base.stage = Stage::Over;
            }
            _ => {}
        }
    }

    fn item(&mut self, place: u64, kind: &str) -> &mut Item {
        self.items.entry(place).or_insert_with(|| Item { value: json!({"type": kind}), told: false, call: None })
    }

    fn add(&mut self, place: u64, item: Option<Value>, out: &mut Vec<Delta>) {
        let Some(value @ Value::Object(_)) = item else {
            return;
        };
        let mut added = Item { value, told: false, call: None };
        if added.value.get("type").is_some_and(|kind| kind == "function_call" || kind == "custom_tool_call") {
            let call = decode::tool_call(&added.value, self.calls);
            let whole = added.value.get("arguments").and_then(Value::as_str).is_some_and(|words| !words.is_empty());
            added.call = Some(self.calls);
            added.told = whole;
            out.push(Delta::ToolCall(ToolCallDelta {
                index: self.calls,
                id: Some(call.id),
                name: Some(call.name).filter(|name| !name.is_empty()),
                arguments: if whole { call.arguments } else { String::new() },
            }));
            self.calls += 1;
        }
        self.items.insert(place, added);
    }

    /// The item as it is in the end; what no piece told of it is told now.
    fn close(&mut self, place: u64, item: Option<Value>, out: &mut Vec<Delta>) {
        let Some(value @ Value::Object(_)) = item else {
            return;
        };
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_call = kind == "function_call" || kind == "custom_tool_call";
        if is_call && self.items.get(&place).is_none_or(|item| item.call.is_none()) {
            self.add(place, Some(value), out);
            return;
        }
        let known = self.item(place, &kind);
        let told = std::mem::replace(&mut known.told, true);
        known.value = value;
        if told {
            return;
        }
        let value = known.value.clone();
        if let Some(index) = known.call {
            let arguments = decode::tool_call(&value, index).arguments;
            out.push(Delta::ToolCall(ToolCallDelta { index, arguments, ..ToolCallDelta::default() }));
        }
        let parts = |key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let words = |part: &Value, key: &str| part.get(key)?.as_str().filter(|it| !it.is_empty()).map(str::to_owned);
        if kind == "message" {
            for part in parts("content") {
                out.extend(words(&part, "text").map(Delta::Text));
                out.extend(words(&part, "refusal").map(Delta::Refusal));
            }
        } else if kind == "reasoning" {
            for (number, part) in (0..).zip(parts("summary")) {
                if let Some(words) = words(&part, "text") {
                    self.reason((place, true, number), words, out);
                }
            }
            for (number, part) in (0..).zip(parts("content")) {
                if let Some(words) = words(&part, "text") {
                    self.reason((place, false, number), words, out);
                }
            }
        }
    }

    /// Adds words to a part of an item, which begins with them where nothing announced it.
    fn speak(&mut self, place: u64, (list, number): (&str, u64), (kind, key): (&str, &str), words: &str) {
        /// More parts than any item has.
        const MANY: usize = 10_000;
        let item =
            self.item(place, if kind.starts_with("output") || kind == "refusal" { "message" } else { "reasoning" });
        item.told = true;
        let Some(parts) = item.value.as_object_mut().map(|item| item.entry(list).or_insert_with(|| json!([]))) else {
            return;
        };
        if !parts.is_array() {
            *parts = json!([]);
        }
        let (Some(parts), Ok(number)) = (parts.as_array_mut(), usize::try_from(number)) else {
            return;
        };
        if parts.len() <= number && number < MANY {
            parts.resize(number + 1, json!({"type": kind, key: ""}));
        }
        if let Some(part) = parts.get_mut(number).and_then(Value::as_object_mut) {
            append(part.entry(key).or_insert(Value::Null), words.to_owned());
        }
    }

    fn reason(&mut self, part: (u64, bool, u64), words: String, out: &mut Vec<Delta>) {
        if self.reasoned.replace(part).is_some_and(|before| before != part) {
            out.push(Delta::Reasoning(BETWEEN.to_owned()));
        }
        out.push(Delta::Reasoning(words));
    }

    fn argue(&mut self, place: u64, words: String, out: &mut Vec<Delta>) {
        let Some(item) = self.items.get_mut(&place) else {
            return;
        };
        item.told = true;
        if let Some(value) = item.value.as_object_mut() {
            append(value.entry("arguments").or_insert(Value::Null), words.clone());
        }
        if let Some(index) = item.call {
            out.push(Delta::ToolCall(ToolCallDelta { index, arguments: words, ..ToolCallDelta::default() }));
        }
    }
}
