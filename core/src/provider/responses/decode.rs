//! An answer in OpenAI Responses.

use serde_json::Value;

use crate::provider::classify::Rows;
use crate::provider::errors;
use crate::provider::openai_chat;
use crate::provider::wire::{self, Setting, count, count_at};
use crate::provider::{Target, anthropic, classify};
use crate::transport::HttpAnswer;
use crate::types::{Completion, Failure, FinishReason, Request, ToolCall, Usage};

/// The rows of both of OpenAI's formats are the same.
pub(super) const RULES: [&Rows; 2] = [&openai_chat::ROWS, &anthropic::ROWS];

/// What stands between two parts of a summary.
pub(super) const BETWEEN: &str = "\n\n";

pub(super) fn decode(
    target: &Target<'_>,
    request: &Request,
    answer: &HttpAnswer,
    now: u64,
) -> Result<Completion, Failure> {
    let raw = classify::success(target.kind, answer, now, &RULES)?;
    let setting = Setting::of(target, request, answer, now);
    // Some gateways answer in chat, whatever they were asked in.
    if raw.get("output").is_none() && raw.get("choices").is_some_and(Value::is_array) {
        return openai_chat::interpret(&setting, raw);
    }
    interpret(&setting, raw)
}

/// The answer that a body without an error of its own holds.
pub(super) fn interpret(setting: &Setting<'_>, raw: Value) -> Result<Completion, Failure> {
    let answer = setting.answer;
    let Some(items) = raw.get("output").and_then(Value::as_array) else {
        return Err(classify::malformed(answer, Some(&raw), "the answer has no output"));
    };
    let said = Said::read(items);
    let status = raw.get("status").and_then(Value::as_str).filter(|status| !status.is_empty());
    let detail = raw.pointer("/incomplete_details/reason").and_then(Value::as_str);
    let mut completion = said.complete(status, detail, setting).map_err(|why| {
        let mut failure = classify::malformed(answer, Some(&raw), why);
        failure.provider_code = detail.or(status).map(str::to_owned);
        failure.usage = usage(&raw);
        failure.cost = cost(&raw);
        failure
    })?;
    completion.usage = usage(&raw);
    completion.cost = cost(&raw);
    completion.request_id = errors::request_id(&answer.headers, Some(&raw));
    completion.served_by = raw.get("model").and_then(Value::as_str).map(str::to_owned);
    completion.state = encrypted(items, &completion.tool_calls);
    completion.raw = raw;
    Ok(completion)
}

/// The items as they came, where reasoning among them can be sent back: it must be followed by what it led to. Calls that
/// were left out stay out, for nobody will answer them; where a call of the answer has no such item, there is no such form.
fn encrypted(items: &[Value], calls: &[ToolCall]) -> Option<Value> {
    let sealed = |item: &Value| item.get("encrypted_content").is_some_and(|sealed| !sealed.is_null());
    let mut kept = Vec::with_capacity(items.len());
    let (mut thought, mut called) = (false, 0);
    for item in items.iter().rev() {
        let keep = match item.get("type").and_then(Value::as_str) {
            Some("message") => true,
            Some("function_call") => {
                let id = item.get("call_id").and_then(Value::as_str);
                let whole = calls.iter().any(|call| Some(call.id.as_str()) == id);
                called += usize::from(whole);
                whole
            }
            _ => sealed(item) && !kept.is_empty(),
        };
        if keep {
            thought |= sealed(item);
            kept.push(without_nulls(item));
        }
    }
    kept.reverse();
    (thought && called == calls.len()).then(|| kept.into())
}

fn without_nulls(item: &Value) -> Value {
    let members = item.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    Value::Object(members.map(|(key, value)| (key.clone(), value.clone())).collect())
}

#[derive(Default)]
struct Said {
    text: String,
    refusal: String,
    reasoning: Vec<String>,
    calls: Vec<ToolCall>,
    /// Hidden thoughts, and work of the provider's own tools.
    other: bool,
}

impl Said {
    fn read(items: &[Value]) -> Self {
        let mut said = Self::default();
        for item in items {
            let word = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
            let list = |key: &str| item.get(key).and_then(Value::as_array).into_iter().flatten();
            match word("type") {
                "message" => {
                    for part in list("content") {
                        let words = |key: &str| part.get(key).and_then(Value::as_str).unwrap_or_default();
                        said.refusal.push_str(words("refusal"));
                        said.text.push_str(words("text"));
                    }
                }
                "reasoning" => {
                    let parts = list("summary").chain(list("content")).filter_map(|part| part.get("text")?.as_str());
                    said.reasoning.extend(parts.filter(|text| !text.is_empty()).map(str::to_owned));
                    said.other |= !word("encrypted_content").is_empty();
                }
                "function_call" | "custom_tool_call" => said.calls.push(tool_call(item, said.calls.len())),
                _ => said.other = true,
            }
        }
        said
    }

    /// The answer these items make; else why they are none.
    fn complete(self, status: Option<&str>, detail: Option<&str>, setting: &Setting<'_>) -> Result<Completion, String> {
        let cut = status == Some("incomplete") && detail != Some("content_filter");
        let mut calls = wire::whole_calls(self.calls, cut);
        let refused = !self.refusal.is_empty();
        let spoke = !self.text.is_empty() || refused || !calls.whole.is_empty() || !self.reasoning.is_empty();
        let delivered = setting.streamed && (spoke || !calls.broken.is_empty());
        calls.judge(delivered)?;
        let unified = match (status, detail) {
            (Some("incomplete"), Some("content_filter")) => FinishReason::ContentFilter,
            _ if cut => FinishReason::Length,
            _ if !calls.broken.is_empty() => FinishReason::Error,
            (Some("failed" | "cancelled"), _) if delivered => FinishReason::Error,
            (Some(status @ ("failed" | "cancelled")), _) => return Err(format!("the answer ended with {status}")),
            (Some("queued" | "in_progress"), _) if !spoke => FinishReason::Paused,
            _ if refused => FinishReason::Refusal,
            _ if !calls.whole.is_empty() => FinishReason::ToolCalls,
            _ => FinishReason::Stop,
        };
        if unified == FinishReason::Stop && !spoke && !self.other && !setting.may_be_silent {
            return Err(wire::SILENCE.to_owned());
        }
        let completion = Completion::said(
            self.text + &self.refusal,
            self.reasoning.join(BETWEEN),
            calls.whole,
            wire::finish(unified, detail.or(status)),
        );
        Ok(Completion { warnings: calls.warnings, ..completion })
    }
}

/// The `number`th call of the answer. The input of a tool without a schema is a text, and its JSON that text's.
pub(super) fn tool_call(item: &Value, number: usize) -> ToolCall {
    let word = |key: &str| item.get(key).and_then(Value::as_str).filter(|word| !word.is_empty());
    ToolCall {
        id: word("call_id").or(word("id")).map_or_else(|| format!("call_{number}"), str::to_owned),
        name: word("name").unwrap_or_default().to_owned(),
        arguments: match item.get("input").filter(|_| item.get("arguments").is_none()) {
            Some(input) => input.to_string(),
            None => word("arguments").unwrap_or_default().to_owned(),
        },
    }
}

/// USD, where the provider states them (OpenRouter).
fn cost(raw: &Value) -> Option<f64> {
    raw.pointer("/usage/cost").and_then(Value::as_f64).filter(|cost| *cost >= 0.0)
}

/// Counts that hold together, by arithmetic: some servers leave reasoning out of the output.
pub(super) fn usage(raw: &Value) -> Option<Usage> {
    let usage = raw.get("usage").filter(|usage| usage.is_object())?;
    let input = count(usage.get("input_tokens")).unwrap_or(0);
    let stated = count(usage.get("output_tokens")).unwrap_or(0);
    let output = match count(usage.get("total_tokens")) {
        Some(total) if total > input && total != input.saturating_add(stated) => total - input,
        _ => stated,
    };
    let cached_input = count_at(usage, &["/input_tokens_details/cached_tokens"]).unwrap_or(0).min(input);
    let cache_write = count_at(usage, &["/input_tokens_details/cache_write_tokens"]).unwrap_or(0);
    Some(Usage {
        input,
        cached_input,
        cache_write: cache_write.min(input - cached_input),
        output,
        reasoning: count_at(usage, &["/output_tokens_details/reasoning_tokens"]).unwrap_or(0).min(output),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(id: &str) -> ToolCall {
        ToolCall { id: id.to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() }
    }

    #[test]
    fn reasoning_is_kept_only_before_what_it_led_to() {
        let thought = json!({"type": "reasoning", "id": "rs", "encrypted_content": "sealed"});
        let message = json!({"type": "message", "content": [{"type": "output_text", "text": "Yes"}]});
        let made = |id: &str| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"});
        let custom = json!({"type": "custom_tool_call", "call_id": "b", "name": "f", "input": "x"});
        let (a, b) = (made("a"), made("b"));
        let kept = |items: &[&Value], calls: &[ToolCall]| {
            encrypted(&items.iter().map(|item| (*item).clone()).collect::<Vec<_>>(), calls)
        };
        assert_eq!(kept(&[&thought, &a], &[call("a")]), Some(json!([thought, a])));
        assert_eq!(kept(&[&thought, &thought, &message], &[]), Some(json!([thought, thought, message])));
        // A call that was cut off, and the reasoning that led to it alone.
        assert_eq!(kept(&[&thought, &a, &b], &[call("a")]), Some(json!([thought, a])));
        assert_eq!(kept(&[&thought, &message, &thought, &b], &[]), Some(json!([thought, message])));
        assert_eq!(kept(&[&message, &thought, &b], &[]), None);
        assert_eq!(kept(&[&thought], &[]), None);
        assert_eq!(kept(&[&thought, &message, &custom], &[call("b")]), None);
        assert_eq!(kept(&[&message, &a], &[call("a")]), None);
    }
}
