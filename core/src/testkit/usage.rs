//! Tokens of canned answers: the script's counts, the rest estimated, in each provider's members.

use serde_json::{Value, json};

use super::fields::Fields;
use crate::types::{ParseError, Usage};

/// Characters per token of English text, roughly.
const CHARS_PER_TOKEN: u64 = 4;

/// Tokens: the script's, completed by an estimate.
#[derive(Clone)]
pub(super) enum Counts {
    /// The body says nothing about usage.
    Absent,
    Given {
        input: Option<u64>,
        output: Option<u64>,
        rest: Usage,
    },
}

impl Default for Counts {
    fn default() -> Self {
        Self::Given { input: None, output: None, rest: Usage::default() }
    }
}

impl Counts {
    /// Reads an object of counts.
    pub(super) fn from_value(value: Value, path: &str) -> Result<Self, ParseError> {
        let known = ["input", "output", "cached_input", "cache_write", "reasoning"];
        let fields = Fields::new(value, path, &known)?;
        let (input, output) = (fields.whole("input")?, fields.whole("output")?);
        let rest = Usage {
            cached_input: fields.whole("cached_input")?.unwrap_or(0),
            cache_write: fields.whole("cache_write")?.unwrap_or(0),
            reasoning: fields.whole("reasoning")?.unwrap_or(0),
            ..Usage::default()
        };
        if input.is_some_and(|input| rest.cached_input.saturating_add(rest.cache_write) > input) {
            return Err(fields.wrong("input", "less than its cached_input and cache_write"));
        }
        if output.is_some_and(|output| rest.reasoning > output) {
            return Err(fields.wrong("output", "less than its reasoning"));
        }
        Ok(Self::Given { input, output, rest })
    }

    /// The counts of an answer to `request`, of which about `said` tokens are words and calls, and `reasoned` reasoning.
    pub(super) fn complete(&self, request: &Value, said: u64, reasoned: u64) -> Option<Usage> {
        let Self::Given { input, output, rest } = self else {
            return None;
        };
        let reasoning = if rest.reasoning == 0 { reasoned } else { rest.reasoning };
        let output = output.unwrap_or_else(|| said.saturating_add(reasoning).max(1));
        let cached = rest.cached_input.saturating_add(rest.cache_write);
        Some(Usage {
            input: input.unwrap_or_else(|| prompt_tokens(request).max(cached)),
            output,
            reasoning: reasoning.min(output),
            ..*rest
        })
    }
}

/// As OpenAI has it.
pub(super) fn openai(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input.saturating_add(usage.output),
        "prompt_tokens_details": { "cached_tokens": usage.cached_input, "audio_tokens": 0 },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

/// Anthropic counts what was read from and written to the cache beside the input, not in it.
pub(super) fn anthropic(usage: Usage) -> Value {
    let cached = usage.cached_input.saturating_add(usage.cache_write);
    json!({
        "input_tokens": usage.input.saturating_sub(cached),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached_input,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": usage.output,
        "output_tokens_details": { "thinking_tokens": usage.reasoning },
        "server_tool_use": null,
        "service_tier": "standard",
        "inference_geo": null,
        "speed": null,
    })
}

/// What the end of Anthropic's stream says again, with the counts it has come to.
pub(super) fn anthropic_so_far(usage: Usage) -> Value {
    let mut whole = anthropic(usage);
    let said = [
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "output_tokens",
        "output_tokens_details",
        "server_tool_use",
    ];
    if let Some(members) = whole.as_object_mut() {
        members.retain(|key, _| said.contains(&key.as_str()));
    }
    whole
}

/// About as many as a tokenizer would find.
pub(super) fn tokens(text: &str) -> u64 {
    let chars = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    chars.div_ceil(CHARS_PER_TOKEN)
}

/// About what the request's chat and tools would count.
fn prompt_tokens(body: &Value) -> u64 {
    let parts =
        ["system", "messages", "tools", "systemInstruction", "contents"].map(|key| body.get(key).map_or(0, texts));
    parts.iter().sum::<u64>().max(1)
}

fn texts(value: &Value) -> u64 {
    match value {
        Value::String(text) => tokens(text),
        Value::Array(items) => items.iter().map(texts).sum(),
        Value::Object(map) => map.values().map(texts).sum(),
        _ => 0,
    }
}
