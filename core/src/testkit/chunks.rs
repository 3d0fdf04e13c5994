//! An answer in pieces: the events of its stream, in either provider's format.
//!
//! The events hold every member that the official SDKs' types require.

use serde_json::{Value, json};

use super::Format;
use super::answer::{Answer, Asked, Call, SIGNATURE, now, set, stop_details};
use super::errors::ErrorBody;
use super::gemini;
use super::shape::{Shape, words};
use super::usage;
use crate::types::Usage;

/// One server-sent event.
#[derive(Clone)]
pub(super) struct Event {
    name: Option<&'static str>,
    data: String,
}

/// A piece of the answer's middle.
#[derive(Clone)]
pub(super) enum Part {
    /// Says where a block begins or ends.
    Frame(Event),
    /// Carries content: these are counted.
    Chunk(Event),
}

/// A whole stream, in the order in which it is said.
pub(super) struct Speech {
    pub(super) preamble: Vec<Event>,
    pub(super) before_text: Vec<Part>,
    /// What is sent as many times over as the script says.
    pub(super) text: Vec<Part>,
    pub(super) after_text: Vec<Part>,
    pub(super) ending: Vec<Event>,
}

impl Event {
    /// Without a name, as OpenAI sends them all.
    pub(super) fn plain(data: impl Into<String>) -> Self {
        Self { name: None, data: data.into() }
    }

    /// Anthropic's have their type as name.
    fn named(name: &'static str, mut data: Value) -> Self {
        let mut whole = json!({ "type": name });
        if let (Some(whole), Some(data)) = (whole.as_object_mut(), data.as_object_mut()) {
            whole.append(data);
        }
        Self { name: Some(name), data: whole.to_string() }
    }

    pub(super) fn error(error: &ErrorBody, format: Format, model: &str, request_id: &str) -> Self {
        let status = error.status(format).unwrap_or(500);
        let data = error.body(format, status, model, request_id).to_string();
        match format {
            Format::OpenAiChat | Format::Gemini => Self::plain(data),
            Format::AnthropicMessages => Self { name: Some("error"), data },
        }
    }

    /// An event whose data breaks off.
    pub(super) fn malformed(format: Format) -> Self {
        match format {
            Format::OpenAiChat => Self::plain(r#"{"id":"chatcmpl-"#),
            Format::Gemini => Self::plain(r#"{"candidates": [{"con"#),
            Format::AnthropicMessages => {
                Self { name: Some("content_block_delta"), data: r#"{"type":"content_block_"#.into() }
            }
        }
    }

    pub(super) fn encode(&self, line_end: &str) -> String {
        let name = self.name.map_or_else(String::new, |name| format!("event: {name}{line_end}"));
        format!("{name}data: {}{line_end}{line_end}", self.data)
    }
}

/// What is sent so that the connection is seen to live.
pub(super) fn keep_alive(format: Format, line_end: &str) -> String {
    match format {
        Format::OpenAiChat | Format::Gemini => format!(": keep-alive{line_end}{line_end}"),
        Format::AnthropicMessages => ping().encode(line_end),
    }
}

fn ping() -> Event {
    Event::named("ping", json!({}))
}

impl Speech {
    /// The answer as `format` streams it.
    pub(super) fn new(answer: &Answer, format: Format, asked: &Asked<'_>, shape: &Shape) -> Self {
        match format {
            Format::OpenAiChat => OpenAi::new(answer, asked, shape).speech(),
            Format::AnthropicMessages => anthropic(answer, asked, shape),
            Format::Gemini => gemini::speech(answer, asked, shape, answer.usage(asked, shape.tokens(&answer.text))),
        }
    }
}

struct OpenAi<'a> {
    answer: &'a Answer,
    asked: &'a Asked<'a>,
    shape: &'a Shape,
    created: u64,
    /// The request wants to hear of the usage.
    counted: bool,
}

impl<'a> OpenAi<'a> {
    fn new(answer: &'a Answer, asked: &'a Asked<'a>, shape: &'a Shape) -> Self {
        let wanted = asked.body.pointer("/stream_options/include_usage");
        Self { answer, asked, shape, created: now(), counted: wanted == Some(&Value::Bool(true)) }
    }

    fn speech(&self) -> Speech {
        let answer = self.answer;
        let said = |key: &'static str| move |piece: &str| Part::Chunk(self.delta(&json!({ key: piece })));
        let text = self.shape.pieces(&answer.text);
        let content = (!text.is_empty()).then_some("");
        let mut after = Vec::new();
        after.extend(words(answer.refusal.as_deref().unwrap_or_default()).into_iter().map(said("refusal")));
        for (i, call) in answer.tool_calls.iter().enumerate() {
            let part = |call: Value| Part::Chunk(self.delta(&json!({ "tool_calls": [call] })));
            let (id, name) = (call.id("call", self.asked, i), &call.name);
            after.push(part(json!({
                "index": i, "id": id, "type": "function", "function": { "name": name, "arguments": "" },
            })));
            let pieces = call.pieces().into_iter();
            after.extend(pieces.map(|piece| part(json!({ "index": i, "function": { "arguments": piece } }))));
        }
        Speech {
            preamble: vec![self.delta(&json!({ "role": "assistant", "content": content, "refusal": null }))],
            before_text: words(answer.reasoning.as_deref().unwrap_or_default())
                .into_iter()
                .map(said("reasoning_content"))
                .collect(),
            text: text.into_iter().map(said("content")).collect(),
            after_text: after,
            ending: self.ending(),
        }
    }

    fn ending(&self) -> Vec<Event> {
        let omit = self.shape.omit;
        let mut ending = Vec::new();
        if !omit.finish {
            ending.push(
                self.chunk(&json!([self.choice(&json!({}), Some(self.answer.finish(Format::OpenAiChat)))]), None),
            );
        }
        let usage =
            self.answer.usage(self.asked, self.shape.tokens(&self.answer.text)).filter(|_| self.counted && !omit.usage);
        if let Some(usage) = usage {
            ending.push(self.chunk(&json!([]), Some(usage::openai(usage))));
        }
        if !omit.done {
            ending.push(Event::plain("[DONE]"));
        }
        ending
    }

    fn delta(&self, delta: &Value) -> Event {
        self.chunk(&json!([self.choice(delta, None)]), None)
    }

    fn choice(&self, delta: &Value, finish: Option<&str>) -> Value {
        json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish })
    }

    fn chunk(&self, choices: &Value, usage: Option<Value>) -> Event {
        let mut chunk = json!({
            "id": self.answer.id(Format::OpenAiChat, self.asked),
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.answer.model(self.asked),
            "service_tier": "default",
            "system_fingerprint": "fp_mock",
            "choices": choices,
        });
        if self.counted {
            set(&mut chunk, "usage", usage);
        }
        Event::plain(chunk.to_string())
    }
}

/// The blocks of a message, numbered.
#[derive(Default)]
struct Blocks {
    next: usize,
}

impl Blocks {
    fn start(&mut self, block: &Value) -> Event {
        let start = Event::named("content_block_start", json!({ "index": self.next, "content_block": block }));
        self.next += 1;
        start
    }

    /// A delta of the block begun last.
    fn delta(&self, kind: &str, key: &str, piece: &str) -> Event {
        let delta = json!({ "type": kind, key: piece });
        Event::named("content_block_delta", json!({ "index": self.last(), "delta": delta }))
    }

    fn stop(&self) -> Part {
        Part::Frame(Event::named("content_block_stop", json!({ "index": self.last() })))
    }

    fn last(&self) -> usize {
        self.next.saturating_sub(1)
    }

    fn texts(&self, pieces: &[&str]) -> Vec<Part> {
        pieces.iter().map(|piece| Part::Chunk(self.delta("text_delta", "text", piece))).collect()
    }

    fn thinking(&mut self, reasoning: &str, signature: &str) -> Vec<Part> {
        let block = json!({ "type": "thinking", "thinking": "", "signature": "" });
        let mut parts = vec![Part::Frame(self.start(&block))];
        let pieces = words(reasoning).into_iter();
        parts.extend(pieces.map(|piece| Part::Chunk(self.delta("thinking_delta", "thinking", piece))));
        parts.push(Part::Frame(self.delta("signature_delta", "signature", signature)));
        parts.push(self.stop());
        parts
    }

    /// The start of the block says who is called, so it is content.
    fn call(&mut self, call: &Call, id: &str) -> Vec<Part> {
        let block = json!({
            "type": "tool_use", "id": id, "name": call.name, "input": {}, "caller": { "type": "direct" },
        });
        let mut parts = vec![Part::Chunk(self.start(&block))];
        let pieces = call.pieces().into_iter();
        parts.extend(pieces.map(|piece| Part::Chunk(self.delta("input_json_delta", "partial_json", &piece))));
        parts.push(self.stop());
        parts
    }
}

fn anthropic(answer: &Answer, asked: &Asked<'_>, shape: &Shape) -> Speech {
    let text_block = json!({ "type": "text", "text": "", "citations": null });
    let mut blocks = Blocks::default();
    let (mut before, mut text, mut after) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(reasoning) = &answer.reasoning {
        before = blocks.thinking(reasoning, SIGNATURE);
    }
    let pieces = shape.pieces(&answer.text);
    if !pieces.is_empty() {
        before.push(Part::Frame(blocks.start(&text_block)));
        text = blocks.texts(&pieces);
        after.push(blocks.stop());
    }
    let refusal = words(answer.refusal.as_deref().unwrap_or_default());
    if !refusal.is_empty() {
        after.push(Part::Frame(blocks.start(&text_block)));
        after.extend(blocks.texts(&refusal));
        after.push(blocks.stop());
    }
    for (i, call) in answer.tool_calls.iter().enumerate() {
        after.extend(blocks.call(call, &call.id("toolu", asked, i)));
    }
    Speech {
        preamble: vec![message_start(answer, asked), ping()],
        before_text: before,
        text,
        after_text: after,
        ending: message_end(answer, asked, shape),
    }
}

/// The message as it stands before its first word.
fn message_start(answer: &Answer, asked: &Asked<'_>) -> Event {
    let mut message = answer.message(asked, &[], None);
    if let Some(usage) = answer.usage(asked, 0) {
        // What is said so far is about nothing.
        set(&mut message, "usage", usage::anthropic(Usage { output: 1, reasoning: 0, ..usage }));
    }
    Event::named("message_start", json!({ "message": message }))
}

fn message_end(answer: &Answer, asked: &Asked<'_>, shape: &Shape) -> Vec<Event> {
    let omit = shape.omit;
    let usage = answer.usage(asked, shape.tokens(&answer.text)).filter(|_| !omit.usage);
    let finish = (!omit.finish).then(|| answer.finish(Format::AnthropicMessages));
    let mut ending = Vec::new();
    if finish.is_some() || usage.is_some() {
        let mut event = json!({
            "delta": {
                "stop_reason": finish,
                "stop_sequence": null,
                "stop_details": stop_details(finish),
                "container": null,
            },
        });
        if let Some(usage) = usage {
            set(&mut event, "usage", usage::anthropic_so_far(usage));
        }
        ending.push(Event::named("message_delta", event));
    }
    if !omit.done {
        ending.push(Event::named("message_stop", json!({})));
    }
    ending
}
