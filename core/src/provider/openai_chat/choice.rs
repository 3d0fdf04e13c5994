//! A choice as it grows, chunk by chunk.

use serde_json::{Map, Value, json};

use super::calls::Calls;
use crate::provider::Delta;
use crate::provider::stream::{append, merge};

/// A choice as far as it has come.
#[derive(Default)]
pub(super) struct Choice {
    text: String,
    refusal: String,
    reasoning: String,
    /// Where the reasoning comes from: the first place that held any. Others repeat it.
    source: Option<Source>,
    /// Parts of the content that are neither text, reasoning nor refusal.
    parts: Vec<Value>,
    details: Vec<Map<String, Value>>,
    audio: Map<String, Value>,
    calls: Calls,
    /// The other members of the message.
    message: Map<String, Value>,
    /// The other members of the choice.
    members: Map<String, Value>,
    ended: bool,
}

/// Where servers put reasoning.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    /// Parts of type `thinking` in the content (Mistral).
    Parts,
    /// A member of the message.
    Member(&'static str),
    /// `reasoning_details` alone (OpenRouter).
    Details,
}

/// Members that hold reasoning; the first that has any is taken, as in an answer read whole.
const REASONING: [&str; 3] = ["reasoning_content", "reasoning", "reasoning_text"];

impl Choice {
    /// Whether nothing was said yet.
    pub(super) fn is_mute(&self) -> bool {
        self.text.is_empty() && self.refusal.is_empty() && self.source.is_none() && self.calls.is_empty()
    }

    /// Whether a finish reason came.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// The text, and the words of a refusal.
    pub(super) fn text(&self) -> String {
        [self.text.as_str(), self.refusal.as_str()].concat()
    }

    /// Reads a chunk of this choice.
    pub(super) fn read(&mut self, chunk: Map<String, Value>, out: &mut Vec<Delta>) {
        let mut delta = None;
        let mut whole = None;
        for (key, value) in chunk {
            match (key.as_str(), value) {
                ("index", _) | (_, Value::Null) => {}
                ("delta", Value::Object(message)) => delta = Some(message),
                // What the message is so far, beside the piece (Perplexity); in place of it where the whole answer
                // comes as one event.
                ("message", Value::Object(message)) => whole = Some(message),
                // Place-holders; the latter by servers that write every value as a string.
                ("finish_reason" | "native_finish_reason", Value::String(reason))
                    if matches!(reason.as_str(), "" | "null") => {}
                ("finish_reason" | "native_finish_reason", reason) => {
                    self.ended |= reason.is_string();
                    self.members.insert(key, reason);
                }
                (_, value) => merge(self.members.entry(key).or_insert(Value::Null), value),
            }
        }
        if let Some(message) = delta.or(whole) {
            self.read_message(message, out);
        }
    }

    fn read_message(&mut self, mut message: Map<String, Value>, out: &mut Vec<Delta>) {
        let content = message.swap_remove("content");
        let refusal = message.swap_remove("refusal");
        let details = message.swap_remove("reasoning_details");
        // Reasoning goes before the words it led to.
        let thoughts = thoughts_in(content.as_ref());
        let mut reasoning = (Source::Parts, thoughts);
        for key in REASONING {
            if let Some(Value::String(words)) = message.swap_remove(key)
                && (reasoning.1.is_empty() || self.source == Some(Source::Member(key)))
            {
                reasoning = (Source::Member(key), words);
            }
        }
        if let Some(Value::Array(details)) = details {
            if reasoning.1.is_empty() || self.source == Some(Source::Details) {
                reasoning = (Source::Details, details.iter().filter_map(detail_words).collect());
            }
            details.into_iter().for_each(|detail| self.add_detail(detail));
        }
        self.think(reasoning, out);
        match content {
            Some(Value::String(text)) => self.say(text, out),
            Some(Value::Array(parts)) => parts.into_iter().for_each(|part| self.read_part(part, out)),
            _ => {}
        }
        if let Some(Value::String(words)) = refusal {
            self.refuse(words, out);
        }
        self.read_rest(message, out);
    }

    fn read_rest(&mut self, message: Map<String, Value>, out: &mut Vec<Delta>) {
        for (key, value) in message {
            match (key.as_str(), value) {
                ("tool_calls", Value::Array(pieces)) => self.calls.read(pieces, out),
                ("function_call", Value::Object(piece)) => self.calls.read_legacy(piece, out),
                // Audio comes in pieces of base64, and what it says in pieces of text.
                ("audio", Value::Object(audio)) => grow(&mut self.audio, audio, &["data", "transcript"]),
                (_, Value::Null) => {}
                (_, value) => merge(self.message.entry(key).or_insert(Value::Null), value),
            }
        }
    }

    fn say(&mut self, text: String, out: &mut Vec<Delta>) {
        if !text.is_empty() {
            self.text.push_str(&text);
            out.push(Delta::Text(text));
        }
    }

    fn refuse(&mut self, words: String, out: &mut Vec<Delta>) {
        if !words.is_empty() {
            self.refusal.push_str(&words);
            out.push(Delta::Refusal(words));
        }
    }

    fn think(&mut self, (source, words): (Source, String), out: &mut Vec<Delta>) {
        if words.is_empty() || *self.source.get_or_insert(source) != source {
            return;
        }
        // Details keep their words themselves.
        if source != Source::Details {
            self.reasoning.push_str(&words);
        }
        out.push(Delta::Reasoning(words));
    }

    fn read_part(&mut self, part: Value, out: &mut Vec<Delta>) {
        let text_of = |key: &str| part.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        match (part.get("type").and_then(Value::as_str), &part) {
            (_, Value::String(text)) => self.say(text.clone(), out),
            (Some("text" | "output_text") | None, _) => self.say(text_of("text"), out),
            (Some("refusal"), _) => self.refuse(text_of("refusal"), out),
            (Some("thinking"), _) => {}
            _ => self.parts.push(part),
        }
    }

    /// Pieces of one detail follow each other with the same index and type.
    fn add_detail(&mut self, detail: Value) {
        let Value::Object(detail) = detail else {
            return;
        };
        let same = |known: &&mut Map<String, Value>| {
            ["index", "type"].iter().all(|key| detail.get(*key).is_some() && known.get(*key) == detail.get(*key))
        };
        match self.details.last_mut().filter(same) {
            None => self.details.push(detail),
            Some(known) => grow(known, detail, &["text", "summary", "data"]),
        }
    }

    /// The choice as it comes in a completion.
    pub(super) fn close(self, index: u64) -> Value {
        let mut message = self.message;
        let content = match (self.text, self.parts, self.source) {
            (text, parts, source) if !parts.is_empty() || source == Some(Source::Parts) => {
                let thinking = json!({"type": "thinking", "thinking": [{"type": "text", "text": self.reasoning}]});
                let thinking = Some(thinking).filter(|_| source == Some(Source::Parts));
                let text = Some(json!({"type": "text", "text": text})).filter(|_| !text.is_empty());
                thinking.into_iter().chain(parts).chain(text).collect()
            }
            (text, ..) if text.is_empty() => Value::Null,
            (text, ..) => Value::String(text),
        };
        message.insert("content".to_owned(), content);
        if let Some(Source::Member(key)) = self.source {
            message.insert(key.to_owned(), Value::String(self.reasoning));
        }
        if !self.refusal.is_empty() {
            message.insert("refusal".to_owned(), Value::String(self.refusal));
        }
        if !self.details.is_empty() {
            message.insert("reasoning_details".to_owned(), self.details.into_iter().collect());
        }
        if !self.audio.is_empty() {
            message.insert("audio".to_owned(), Value::Object(self.audio));
        }
        self.calls.close(&mut message);
        let mut choice =
            Map::from_iter([("index".to_owned(), Value::from(index)), ("message".to_owned(), Value::Object(message))]);
        choice.extend(self.members);
        Value::Object(choice)
    }
}

/// Adds a piece to what is there: texts under `growing` are appended.
fn grow(known: &mut Map<String, Value>, piece: Map<String, Value>, growing: &[&str]) {
    for (key, value) in piece {
        let grows = growing.contains(&key.as_str());
        let member = known.entry(key).or_insert(Value::Null);
        match value {
            Value::String(piece) if grows => append(member, piece),
            value => merge(member, value),
        }
    }
}

/// The words of the thinking parts of a content.
fn thoughts_in(content: Option<&Value>) -> String {
    let mut words = String::new();
    for part in content.and_then(Value::as_array).into_iter().flatten() {
        match part.get("thinking").filter(|_| part.get("type").is_some_and(|kind| kind == "thinking")) {
            Some(Value::Array(inner)) => {
                inner.iter().filter_map(|inner| inner.get("text")?.as_str()).for_each(|text| words.push_str(text));
            }
            Some(Value::String(text)) => words.push_str(text),
            _ => {}
        }
    }
    words
}

fn detail_words(detail: &Value) -> Option<&str> {
    let word = |key: &str| detail.get(key).and_then(Value::as_str).filter(|word| !word.is_empty());
    word("text").or_else(|| word("summary"))
}
