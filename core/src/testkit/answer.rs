//! Canned answers: what a script says in few words, as the whole body of either provider.
//!
//! The bodies hold every member that the official SDKs' types require.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::Format;
use super::fields::Fields;
use super::gemini;
use super::shape::{Shape, words};
use super::usage::{self, Counts, tokens};
use crate::types::{ParseError, Usage, parse};

/// Stands where Anthropic signs its reasoning.
pub(super) const SIGNATURE: &str = "c2lnbmVkIGJ5IHRoZSBtb2Nr";
/// The characters of a call's arguments in one chunk: about a token.
const ARGUMENTS_PIECE: usize = 4;

#[derive(Clone, Default)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) reasoning: Option<String>,
    pub(super) refusal: Option<String>,
    pub(super) tool_calls: Vec<Call>,
    /// A canonical word, or one of the provider's own.
    finish: Option<String>,
    usage: Counts,
    model: Option<String>,
}

#[derive(Clone)]
pub(super) struct Call {
    id: Option<String>,
    pub(super) name: String,
    /// An object, or text that is sent as it is.
    arguments: Value,
}

/// What of a request an answer depends on.
pub(super) struct Asked<'a> {
    pub(super) upstream: &'a str,
    /// Which request of this upstream it is; makes the ids.
    pub(super) n: u64,
    pub(super) model: &'a str,
    pub(super) body: &'a Value,
}

impl Answer {
    /// An answer of nothing but text.
    pub(super) fn text(text: String) -> Self {
        Self { text, ..Self::default() }
    }

    /// What an upstream says that was told nothing.
    pub(super) fn hello(upstream: &str) -> Self {
        Self::text(format!("Hello from {upstream}"))
    }

    /// Reads a string, or an object.
    pub(super) fn from_value(value: Value, path: &str) -> Result<Self, ParseError> {
        if let Value::String(text) = value {
            return Ok(Self::text(text));
        }
        let known = ["text", "reasoning", "refusal", "tool_calls", "finish", "usage", "model"];
        let mut fields = Fields::new(value, path, &known)?;
        let calls = match fields.take("tool_calls") {
            Some(value) => parse::array(value, &format!("{path}.tool_calls"))?,
            None => Vec::new(),
        };
        let finish = fields.text("finish")?;
        let mut text = fields.text("text")?.unwrap_or_default();
        let mut refusal = fields.text("refusal")?;
        if refusal.is_none() && finish.as_deref() == Some("refusal") {
            refusal = Some(std::mem::take(&mut text));
        }
        Ok(Self {
            text,
            reasoning: fields.text("reasoning")?,
            refusal,
            tool_calls: calls
                .into_iter()
                .enumerate()
                .map(|(i, call)| Call::from_value(call, &format!("{path}.tool_calls[{i}]")))
                .collect::<Result<_, _>>()?,
            finish,
            usage: match fields.take_any("usage") {
                None => Counts::default(),
                Some(Value::Null) => Counts::Absent,
                Some(value) => Counts::from_value(value, &format!("{path}.usage"))?,
            },
            model: fields.text("model")?,
        })
    }

    /// The body as `format` has it.
    pub(super) fn body(&self, format: Format, asked: &Asked<'_>) -> Value {
        match format {
            Format::OpenAiChat => self.openai(asked),
            Format::AnthropicMessages => self.anthropic(asked),
            Format::Gemini => gemini::body(self, asked, self.usage(asked, tokens(&self.text))),
        }
    }

    fn openai(&self, asked: &Asked<'_>) -> Value {
        let wordless = self.refusal.is_some() || !self.tool_calls.is_empty();
        let content = (!self.text.is_empty() || !wordless).then_some(&self.text);
        let mut message = json!({
            "role": "assistant",
            "content": content,
            "refusal": self.refusal,
            "annotations": [],
        });
        if let Some(reasoning) = &self.reasoning {
            // OpenAI shows no reasoning here; compatible providers do, under this name.
            set(&mut message, "reasoning_content", reasoning.as_str());
        }
        if !self.tool_calls.is_empty() {
            let calls = self.tool_calls.iter().enumerate();
            let calls: Value = calls.map(|(i, call)| call.openai(asked, i)).collect();
            set(&mut message, "tool_calls", calls);
        }
        let mut body = json!({
            "id": self.id(Format::OpenAiChat, asked),
            "object": "chat.completion",
            "created": now(),
            "model": self.model(asked),
            "choices": [{
                "index": 0,
                "message": message,
                "logprobs": null,
                "finish_reason": self.finish(Format::OpenAiChat),
            }],
            "service_tier": "default",
            "system_fingerprint": "fp_mock",
        });
        if let Some(usage) = self.usage(asked, tokens(&self.text)) {
            set(&mut body, "usage", usage::openai(usage));
        }
        body
    }

    fn anthropic(&self, asked: &Asked<'_>) -> Value {
        let mut content = Vec::new();
        if let Some(reasoning) = &self.reasoning {
            content.push(json!({
                "type": "thinking", "thinking": reasoning, "signature": SIGNATURE,
            }));
        }
        for text in [Some(&self.text), self.refusal.as_ref()].into_iter().flatten() {
            if !text.is_empty() {
                content.push(json!({ "type": "text", "text": text, "citations": null }));
            }
        }
        let calls = self.tool_calls.iter().enumerate();
        content.extend(calls.map(|(i, call)| call.anthropic(asked, i)));
        let mut body = self.message(asked, &content, Some(self.finish(Format::AnthropicMessages)));
        if let Some(usage) = self.usage(asked, tokens(&self.text)) {
            set(&mut body, "usage", usage::anthropic(usage));
        }
        body
    }

    /// Anthropic's message, without its usage.
    pub(super) fn message(&self, asked: &Asked<'_>, content: &[Value], finish: Option<&str>) -> Value {
        json!({
            "id": self.id(Format::AnthropicMessages, asked),
            "type": "message",
            "role": "assistant",
            "model": self.model(asked),
            "content": content,
            "stop_reason": finish,
            "stop_sequence": null,
            "stop_details": stop_details(finish),
            "container": null,
            "diagnostics": null,
        })
    }

    pub(super) fn id(&self, format: Format, asked: &Asked<'_>) -> String {
        match format {
            Format::OpenAiChat => format!("chatcmpl-{}-{}", asked.upstream, asked.n),
            Format::AnthropicMessages => format!("msg_{}_{}", asked.upstream, asked.n),
            Format::Gemini => format!("gen_{}_{}", asked.upstream, asked.n),
        }
    }

    pub(super) fn model<'a>(&'a self, asked: &Asked<'a>) -> &'a str {
        self.model.as_deref().unwrap_or(asked.model)
    }

    /// In how many content chunks it is streamed, the same in both formats.
    pub(super) fn chunks(&self, shape: &Shape) -> u64 {
        let count = |text: &Option<String>| text.as_deref().map_or(0, |text| words(text).len()) as u64;
        let called: usize = self.tool_calls.iter().map(|call| 1 + call.pieces().len()).sum();
        let text = (shape.pieces(&self.text).len() as u64).saturating_mul(shape.repeat);
        text.saturating_add(count(&self.reasoning) + count(&self.refusal) + called as u64)
    }

    /// The canonical word in the provider's own; a word that is not canonical stays. Anthropic has no word for a filter, so
    /// it says what it does say when it withholds an answer.
    pub(super) fn finish(&self, format: Format) -> &str {
        let implied = match () {
            () if self.refusal.is_some() => "refusal",
            () if !self.tool_calls.is_empty() => "tool_calls",
            () => "stop",
        };
        let word = self.finish.as_deref().unwrap_or(implied);
        match (format, word) {
            (Format::OpenAiChat, "refusal") => "stop",
            (Format::AnthropicMessages, "stop") => "end_turn",
            (Format::AnthropicMessages, "length") => "max_tokens",
            (Format::AnthropicMessages, "tool_calls") => "tool_use",
            (Format::AnthropicMessages, "content_filter") => "refusal",
            (Format::AnthropicMessages, "paused") => "pause_turn",
            (Format::Gemini, "stop" | "tool_calls" | "refusal") => "STOP",
            (Format::Gemini, "length") => "MAX_TOKENS",
            (Format::Gemini, "content_filter") => "SAFETY",
            (_, word) => word,
        }
    }

    /// The counts, where the text has about `text` tokens.
    pub(super) fn usage(&self, asked: &Asked<'_>, text: u64) -> Option<Usage> {
        let called: u64 = self.tool_calls.iter().map(Call::tokens).sum();
        let refused = self.refusal.as_deref().map_or(0, tokens);
        let reasoned = self.reasoning.as_deref().map_or(0, tokens);
        self.usage.complete(asked.body, text.saturating_add(refused + called), reasoned)
    }
}

/// Anthropic tells more of a refusal than the word.
pub(super) fn stop_details(finish: Option<&str>) -> Option<Value> {
    (finish == Some("refusal")).then(|| json!({ "type": "refusal", "category": null, "explanation": null }))
}

impl Call {
    fn from_value(value: Value, path: &str) -> Result<Self, ParseError> {
        let mut fields = Fields::new(value, path, &["id", "name", "arguments"])?;
        let Some(name) = fields.text("name")? else {
            return Err(fields.wrong("name", "missing"));
        };
        Ok(Self {
            id: fields.text("id")?,
            name,
            arguments: match fields.take("arguments") {
                None => Value::Object(Map::new()),
                Some(value @ (Value::Object(_) | Value::String(_))) => value,
                Some(other) => {
                    let place = format!("{path}.arguments");
                    return Err(ParseError::expected(&place, "an object or a string", &other));
                }
            },
        })
    }

    pub(super) fn id(&self, prefix: &str, asked: &Asked<'_>, i: usize) -> String {
        let fresh = || format!("{prefix}_{}_{}_{i}", asked.upstream, asked.n);
        self.id.clone().unwrap_or_else(fresh)
    }

    /// The arguments as they are streamed.
    pub(super) fn pieces(&self) -> Vec<String> {
        let text: Vec<char> = self.arguments_text().chars().collect();
        text.chunks(ARGUMENTS_PIECE).map(|piece| piece.iter().collect()).collect()
    }

    pub(super) fn arguments_text(&self) -> String {
        match &self.arguments {
            Value::String(text) => text.clone(),
            object => object.to_string(),
        }
    }

    fn openai(&self, asked: &Asked<'_>, i: usize) -> Value {
        json!({
            "id": self.id("call", asked, i),
            "type": "function",
            "function": { "name": self.name, "arguments": self.arguments_text() },
        })
    }

    /// Text that is no JSON has no form in Anthropic's body: it is sent as a string where an object belongs.
    fn anthropic(&self, asked: &Asked<'_>, i: usize) -> Value {
        let input = match &self.arguments {
            Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()),
            object => object.clone(),
        };
        json!({
            "type": "tool_use",
            "id": self.id("toolu", asked, i),
            "name": self.name,
            "input": input,
            "caller": { "type": "direct" },
        })
    }

    fn tokens(&self) -> u64 {
        tokens(&self.name) + tokens(&self.arguments_text())
    }
}

/// Sets a member of what is an object.
pub(super) fn set(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(map) = object.as_object_mut() {
        map.insert(key.to_owned(), value.into());
    }
}

/// Seconds since the Unix epoch.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
