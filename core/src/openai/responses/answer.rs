//! The object of a response, and the items in it.

use serde_json::{Map, Value, json};

use crate::types::{FinishReason, ToolCall, Usage};

/// The state of a response or an item.
pub(super) const RUNNING: &str = "in_progress";
pub(super) const DONE: &str = "completed";
pub(super) const CUT: &str = "incomplete";

/// What is known of a response beside its request.
pub(super) struct Outcome<'a> {
    pub(super) status: &'a str,
    pub(super) model: &'a str,
    pub(super) output: Vec<Value>,
    pub(super) usage: Option<Usage>,
    /// Why it is not whole.
    pub(super) cut: Option<&'a str>,
    pub(super) error: Option<Value>,
}

/// The whole object; `echo` are the members that the request set.
pub(super) fn response(id: &str, created: u64, echo: &Map<String, Value>, outcome: Outcome<'_>) -> Map<String, Value> {
    let mut response = Map::new();
    response.insert("id".into(), id.into());
    response.insert("object".into(), "response".into());
    response.insert("created_at".into(), created.into());
    response.insert("status".into(), outcome.status.into());
    response.insert("error".into(), outcome.error.unwrap_or_default());
    let details = outcome.cut.map(|reason| json!({"reason": reason}));
    response.insert("incomplete_details".into(), details.unwrap_or_default());
    response.insert("model".into(), outcome.model.into());
    response.insert("output".into(), outcome.output.into());
    response.insert("previous_response_id".into(), Value::Null);
    response.insert("store".into(), false.into());
    response.insert("background".into(), false.into());
    response.insert("service_tier".into(), "default".into());
    response.insert("usage".into(), outcome.usage.map(tokens).unwrap_or_default());
    response.extend(echo.iter().map(|(name, value)| (name.clone(), value.clone())));
    response
}

/// The state of a response that ended so, and why it is not whole.
pub(super) fn ended(finish: FinishReason) -> (&'static str, Option<&'static str>) {
    match finish {
        FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Refusal => (DONE, None),
        FinishReason::ContentFilter => (CUT, Some("content_filter")),
        // A turn that the provider paused is not done either.
        FinishReason::Length | FinishReason::Paused | FinishReason::Error => (CUT, Some("max_output_tokens")),
    }
}

pub(super) fn reasoning(id: &str, text: &str) -> Value {
    json!({"id": id, "type": "reasoning", "summary": [summary(text)]})
}

pub(super) fn summary(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

pub(super) fn message(id: &str, status: &str, content: &[Value]) -> Value {
    json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content})
}

pub(super) fn text(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

pub(super) fn refusal(text: &str) -> Value {
    json!({"type": "refusal", "refusal": text})
}

pub(super) fn call(id: &str, status: &str, call: &ToolCall) -> Value {
    json!({
        "id": id,
        "type": "function_call",
        "status": status,
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
    })
}

fn tokens(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached_input, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    })
}
