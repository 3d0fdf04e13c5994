//! An answer in Bedrock Converse.

use serde_json::{Value, json};

use super::{ANSWER, by_tool};
use crate::error::ErrorKind;
use crate::provider::classify::Rows;
use crate::provider::errors;
use crate::provider::wire::{self, Setting, count};
use crate::provider::{Target, anthropic, classify};
use crate::transport::HttpAnswer;
use crate::types::{Completion, Failure, FinishReason, Request, ToolCall, Usage};

/// This format's rows, and those of the models that are asked most by it.
pub(super) const RULES: [&Rows; 2] = [&super::ROWS, &anthropic::ROWS];

pub(super) fn decode(
    target: &Target<'_>,
    request: &Request,
    answer: &HttpAnswer,
    now: u64,
) -> Result<Completion, Failure> {
    let raw = classify::success(target.kind, answer, now, &RULES)?;
    interpret(&Setting::of(target, request, answer, now), raw, by_tool(request))
}

/// The answer that a body without an error of its own holds. `by_tool` where it is the input of a tool.
pub(super) fn interpret(setting: &Setting<'_>, raw: Value, by_tool: bool) -> Result<Completion, Failure> {
    let answer = setting.answer;
    let Some(content) = raw.pointer("/output/message/content").and_then(Value::as_array) else {
        return Err(classify::malformed(answer, Some(&raw), "the answer has no content"));
    };
    let reason = raw.get("stopReason").and_then(Value::as_str).filter(|reason| !reason.is_empty());
    let mut completion = Blocks::read(content, by_tool).complete(reason, setting).map_err(|(kind, why)| {
        let mut failure = classify::malformed(answer, Some(&raw), why);
        failure.kind = kind;
        failure.provider_code = reason.map(str::to_owned);
        failure.usage = usage(&raw);
        failure
    })?;
    completion.usage = usage(&raw);
    completion.request_id = errors::request_id(&answer.headers, Some(&raw));
    completion.state = thoughts(content, by_tool);
    completion.raw = raw;
    Ok(completion)
}

/// Whether a call is of a tool that AWS runs itself.
pub(super) fn by_provider(call: &Value) -> bool {
    call.get("type").is_some_and(|kind| kind == "server_tool_use")
}

/// The content as it came, where thoughts are in it; an answer that came as the input of a tool as the text it was taken
/// for, since nobody will answer that call.
fn thoughts(content: &[Value], by_tool: bool) -> Option<Value> {
    content.iter().find(|block| block.get("reasoningContent").is_some())?;
    let kept = content.iter().map(|block| match block.get("toolUse") {
        Some(call) if by_tool && call.get("name").is_some_and(|name| name == ANSWER) => {
            json!({"text": tool_call(call, 0).arguments})
        }
        _ => block.clone(),
    });
    Some(kept.collect())
}

#[derive(Default)]
struct Blocks {
    text: String,
    reasoning: String,
    calls: Vec<ToolCall>,
    /// Whether the text came as the input of a tool.
    answered: bool,
    /// Hidden thoughts, and work of the provider's own tools.
    other: bool,
}

impl Blocks {
    fn read(content: &[Value], by_tool: bool) -> Self {
        let mut blocks = Self::default();
        for block in content {
            let word = |path: &str| block.pointer(path).and_then(Value::as_str);
            if let Some(text) = word("/text") {
                blocks.text.push_str(text);
            } else if let Some(call) = block.get("toolUse").filter(|call| !by_provider(call)) {
                let call = tool_call(call, blocks.calls.len());
                if by_tool && call.name == ANSWER {
                    blocks.text = call.arguments;
                    blocks.answered = true;
                } else {
                    blocks.calls.push(call);
                }
            } else if block.get("reasoningContent").is_some() {
                blocks.reasoning.push_str(word("/reasoningContent/reasoningText/text").unwrap_or_default());
                blocks.other = true;
            } else {
                let parts = block.pointer("/citationsContent/content").and_then(Value::as_array);
                let texts = parts.into_iter().flatten().filter_map(|part| part.get("text")?.as_str());
                blocks.text.extend(texts);
                blocks.other |= parts.is_none();
            }
        }
        blocks
    }

    /// The answer these blocks make; else why they are none.
    fn complete(self, reason: Option<&str>, setting: &Setting<'_>) -> Result<Completion, (ErrorKind, String)> {
        let full = reason == Some("model_context_window_exceeded");
        let cut = full || reason == Some("max_tokens");
        let mut calls = wire::whole_calls(self.calls, cut);
        let spoke = !self.text.is_empty() || !self.reasoning.is_empty() || !calls.whole.is_empty();
        let delivered = setting.streamed && (spoke || !calls.broken.is_empty());
        calls.judge(delivered).map_err(|why| (ErrorKind::MalformedResponse, why))?;
        if full && self.text.is_empty() && calls.whole.is_empty() {
            let why = "the context window was full before the first word of the answer";
            return Err((ErrorKind::ContextOverflow, why.to_owned()));
        }
        let unified = match reason {
            _ if cut => FinishReason::Length,
            _ if !calls.broken.is_empty() => FinishReason::Error,
            Some("guardrail_intervened" | "content_filtered") => FinishReason::ContentFilter,
            Some("malformed_model_output" | "malformed_tool_use") if delivered => FinishReason::Error,
            Some(reason @ ("malformed_model_output" | "malformed_tool_use")) => {
                return Err((ErrorKind::MalformedResponse, format!("the answer ended with {reason}")));
            }
            Some("refusal") => FinishReason::Refusal,
            Some("pause_turn") => FinishReason::Paused,
            _ if !calls.whole.is_empty() => FinishReason::ToolCalls,
            _ => FinishReason::Stop,
        };
        let silent = unified == FinishReason::Stop && !spoke && !self.other;
        if silent && reason != Some("stop_sequence") && !setting.may_be_silent {
            return Err((ErrorKind::MalformedResponse, wire::SILENCE.to_owned()));
        }
        let raw_reason = reason.filter(|_| !self.answered).or(Some("end_turn")).filter(|_| reason.is_some());
        let completion = Completion::said(self.text, self.reasoning, calls.whole, wire::finish(unified, raw_reason));
        Ok(Completion { warnings: calls.warnings, ..completion })
    }
}

/// The `number`th call of the answer.
pub(super) fn tool_call(call: &Value, number: usize) -> ToolCall {
    let word = |key: &str| call.get(key).and_then(Value::as_str).filter(|word| !word.is_empty());
    ToolCall {
        id: word("toolUseId").map_or_else(|| format!("call_{number}"), str::to_owned),
        name: word("name").unwrap_or_default().to_owned(),
        arguments: match call.get("input") {
            None | Some(Value::Null) => "{}".to_owned(),
            // What a stream brought of an input that is no JSON, or not yet.
            Some(Value::String(text)) => text.clone(),
            Some(input) => input.to_string(),
        },
    }
}

/// `inputTokens` leaves the cache out.
pub(super) fn usage(raw: &Value) -> Option<Usage> {
    let usage = raw.get("usage").filter(|usage| usage.is_object())?;
    let of = |keys: [&str; 2]| keys.iter().find_map(|key| count(usage.get(*key))).unwrap_or(0);
    let cached_input = of(["cacheReadInputTokens", "cacheReadInputTokenCount"]);
    let cache_write = of(["cacheWriteInputTokens", "cacheWriteInputTokenCount"]);
    let fresh = count(usage.get("inputTokens")).unwrap_or(0);
    Some(Usage {
        input: fresh.saturating_add(cached_input).saturating_add(cache_write),
        cached_input,
        cache_write,
        output: count(usage.get("outputTokens")).unwrap_or(0),
        reasoning: 0,
    })
}
