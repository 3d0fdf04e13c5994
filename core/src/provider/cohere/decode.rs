//! An answer in Cohere chat.

use serde_json::Value;

use crate::error::ErrorKind;
use crate::provider::classify::Rows;
use crate::provider::errors;
use crate::provider::wire::{self, Setting, count, count_at};
use crate::provider::{Target, anthropic, classify, openai_chat};
use crate::transport::HttpAnswer;
use crate::types::{Completion, Failure, FinishReason, Request, ToolCall, Usage};

/// Cohere's errors have no codes; its phrases stand among those of compatible servers.
pub(super) const RULES: [&Rows; 2] = [&openai_chat::ROWS, &anthropic::ROWS];

pub(super) fn decode(
    target: &Target<'_>,
    request: &Request,
    answer: &HttpAnswer,
    now: u64,
) -> Result<Completion, Failure> {
    let raw = classify::success(target.kind, answer, now, &RULES)?;
    interpret(&Setting::of(target, request, answer, now), raw)
}

/// The answer that a body without an error of its own holds.
pub(super) fn interpret(setting: &Setting<'_>, raw: Value) -> Result<Completion, Failure> {
    let answer = setting.answer;
    let Some(message) = raw.get("message").filter(|message| message.is_object()) else {
        return Err(classify::malformed(answer, Some(&raw), "the answer has no message"));
    };
    let reason = raw.get("finish_reason").and_then(Value::as_str).filter(|reason| !reason.is_empty());
    let mut completion = complete(message, reason, setting).map_err(|(kind, why)| {
        let mut failure = classify::malformed(answer, Some(&raw), why);
        failure.kind = kind;
        failure.provider_code = reason.map(str::to_owned);
        failure.usage = usage(&raw);
        failure
    })?;
    completion.usage = usage(&raw);
    completion.request_id = errors::request_id(&answer.headers, Some(&raw));
    completion.state = thoughts(message, &completion);
    completion.raw = raw;
    Ok(completion)
}

/// The message as it came, where it holds reasoning: that goes back with it.
fn thoughts(message: &Value, completion: &Completion) -> Option<Value> {
    completion.reasoning.as_ref()?;
    let mut own = message.as_object()?.clone();
    own.retain(|key, value| ["content", "tool_plan", "tool_calls"].contains(&key.as_str()) && !value.is_null());
    Some(Value::Object(own))
}

fn complete(message: &Value, reason: Option<&str>, setting: &Setting<'_>) -> Result<Completion, (ErrorKind, String)> {
    let word = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (mut text, mut reasoning) = (String::new(), word(message, "tool_plan"));
    let mut other = false;
    for block in message.get("content").and_then(Value::as_array).into_iter().flatten() {
        match block.get("type").and_then(Value::as_str) {
            Some("text") => text.push_str(&word(block, "text")),
            Some("thinking") => reasoning.push_str(&word(block, "thinking")),
            _ => other = true,
        }
    }
    let calls = message.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
    let calls = calls.enumerate().map(|(number, call)| ToolCall {
        id: match word(call, "id") {
            id if id.is_empty() => format!("call_{number}"),
            id => id,
        },
        name: call.pointer("/function/name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        arguments: call.pointer("/function/arguments").and_then(Value::as_str).unwrap_or_default().to_owned(),
    });
    let cut = matches!(reason, Some("MAX_TOKENS" | "ERROR_LIMIT"));
    let mut calls = wire::whole_calls(calls.collect(), cut);
    let spoke = !text.is_empty() || !reasoning.is_empty() || !calls.whole.is_empty();
    let delivered = setting.streamed && (spoke || !calls.broken.is_empty());
    calls.judge(delivered).map_err(|why| (ErrorKind::MalformedResponse, why))?;
    let unified = match reason {
        Some("ERROR_LIMIT") if text.is_empty() && calls.whole.is_empty() => {
            let why = "the context window was full before the first word of the answer";
            return Err((ErrorKind::ContextOverflow, why.to_owned()));
        }
        _ if cut => FinishReason::Length,
        _ if !calls.broken.is_empty() => FinishReason::Error,
        Some("ERROR_TOXIC") => FinishReason::ContentFilter,
        Some("ERROR" | "TIMEOUT" | "USER_CANCEL") if delivered => FinishReason::Error,
        Some("TIMEOUT") => return Err((ErrorKind::Timeout, "the answer ended with TIMEOUT".to_owned())),
        Some(reason @ ("ERROR" | "USER_CANCEL")) => {
            return Err((ErrorKind::MalformedResponse, format!("the answer ended with {reason}")));
        }
        _ if !calls.whole.is_empty() => FinishReason::ToolCalls,
        _ => FinishReason::Stop,
    };
    let silent = unified == FinishReason::Stop && !spoke && !other;
    if silent && reason != Some("STOP_SEQUENCE") && !setting.may_be_silent {
        return Err((ErrorKind::MalformedResponse, wire::SILENCE.to_owned()));
    }
    let completion = Completion::said(text, reasoning, calls.whole, wire::finish(unified, reason));
    Ok(Completion { warnings: calls.warnings, ..completion })
}

/// Images are counted beside the text; what is billed is another count, and no usage.
pub(super) fn usage(raw: &Value) -> Option<Usage> {
    let usage = raw.get("usage").filter(|usage| usage.is_object())?;
    let tokens = usage.get("tokens").or_else(|| usage.get("billed_units"))?;
    let of = |key: &str| count(tokens.get(key)).unwrap_or(0);
    let input = of("input_tokens").saturating_add(of("image_tokens"));
    let output = of("output_tokens");
    Some(Usage {
        input,
        cached_input: count_at(usage, &["/cached_tokens"]).unwrap_or(0).min(input),
        cache_write: 0,
        output,
        reasoning: of("reasoning_tokens").min(output),
    })
}
