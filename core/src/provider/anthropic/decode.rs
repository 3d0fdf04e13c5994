//! An answer in Anthropic Messages.

use serde_json::Value;

use crate::error::ErrorKind;
use crate::provider::errors::{self, ErrorBody};
use crate::provider::wire::{self, count, count_at};
use crate::provider::{Target, classify, openai_chat};
use crate::transport::HttpAnswer;
use crate::types::{Completion, Failure, FinishReason, Request, ToolCall, Usage};

pub(super) fn decode(
    target: &Target<'_>,
    request: &Request,
    answer: &HttpAnswer,
    now: u64,
) -> Result<Completion, Failure> {
    let failed = |parsed: Option<&Value>, body: ErrorBody| {
        let rows = [&super::ROWS, &openai_chat::ROWS];
        Err(classify::failure(target, answer, parsed, body, now, &rows))
    };
    if (300..400).contains(&answer.status) {
        return Err(classify::redirect(answer));
    }
    if answer.status >= 400 {
        return failed(None, ErrorBody::from_bytes(&answer.body));
    }
    let Ok(raw) = serde_json::from_slice::<Value>(errors::trim(&answer.body)) else {
        let why = errors::describe(&answer.body);
        return Err(classify::malformed(answer, None, why));
    };
    if let Some(body) = errors::inside(&raw) {
        return failed(Some(&raw), body);
    }
    let Some(content) = raw.get("content").and_then(Value::as_array) else {
        return Err(classify::malformed(
            answer,
            Some(&raw),
            "the answer has no content",
        ));
    };
    let blocks = Blocks::read(content);
    let reason = raw
        .get("stop_reason")
        .and_then(Value::as_str)
        .filter(|reason| !reason.is_empty());
    let spent = |kind: ErrorKind, why: &str| {
        let mut failure = classify::malformed(answer, Some(&raw), why);
        failure.kind = kind;
        failure.provider_code = reason.map(str::to_owned);
        failure.usage = usage(&raw);
        failure
    };
    let full = reason == Some("model_context_window_exceeded");
    if full && !blocks.spoke() {
        let why = "the context window was full before the first word of the answer";
        return Err(spent(ErrorKind::ContextOverflow, why));
    }
    let cut = full || reason == Some("max_tokens");
    let (said_more, text, reasoning) = (blocks.other, blocks.text, blocks.reasoning);
    let calls = wire::whole_calls(blocks.calls, cut);
    let unified = match reason {
        _ if cut => FinishReason::Length,
        Some("refusal") => FinishReason::Refusal,
        Some("pause_turn") => FinishReason::Paused,
        _ if !calls.whole.is_empty() => FinishReason::ToolCalls,
        _ => FinishReason::Stop,
    };
    let silent =
        unified == FinishReason::Stop && text.is_empty() && reasoning.is_empty() && !said_more;
    if silent && reason != Some("stop_sequence") && !wire::may_be_silent(target, request) {
        let why = "a normal stop with no text, tool call, reasoning or refusal";
        return Err(spent(ErrorKind::MalformedResponse, why));
    }
    let mut warnings = calls.warnings;
    warnings.extend(other_models(&raw));
    Ok(Completion {
        text: if text.is_empty() && unified == FinishReason::Refusal {
            refusal_words(&raw)
        } else {
            text
        },
        reasoning: Some(reasoning).filter(|reasoning| !reasoning.is_empty()),
        tool_calls: calls.whole,
        finish: wire::finish(unified, reason),
        usage: usage(&raw),
        cost: None,
        request_id: errors::request_id(&answer.headers, Some(&raw)),
        served_by: raw.get("model").and_then(Value::as_str).map(str::to_owned),
        warnings,
        raw,
    })
}

/// A classifier's refusal has no content; what there is to say stands beside the stop reason.
fn refusal_words(raw: &Value) -> String {
    raw.pointer("/stop_details/explanation")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

#[derive(Default)]
struct Blocks {
    text: String,
    reasoning: String,
    calls: Vec<ToolCall>,
    /// Blocks of other types: work of the provider's own tools.
    other: bool,
}

impl Blocks {
    fn read(content: &[Value]) -> Self {
        let mut blocks = Self::default();
        for block in content {
            let word = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default();
            match word("type") {
                "text" => blocks.text.push_str(word("text")),
                "thinking" => blocks.reasoning.push_str(word("thinking")),
                "redacted_thinking" => blocks.other = true,
                "tool_use" => blocks.calls.push(ToolCall {
                    id: word("id").to_owned(),
                    name: word("name").to_owned(),
                    arguments: match block.get("input") {
                        None | Some(Value::Null) => "{}".to_owned(),
                        Some(input) => input.to_string(),
                    },
                }),
                _ => blocks.other = true,
            }
        }
        blocks
    }

    fn spoke(&self) -> bool {
        !self.text.is_empty() || !self.calls.is_empty()
    }
}

/// `input_tokens` leaves the cache out; `iterations` are summed where the top level leaves rounds out.
fn usage(raw: &Value) -> Option<Usage> {
    let top = raw.get("usage").filter(|usage| usage.is_object())?;
    let own = round(top);
    let rounds = top.get("iterations").and_then(Value::as_array);
    let sum = rounds
        .into_iter()
        .flatten()
        .map(round)
        .fold(Usage::default(), add);
    let mut usage = if sum.input.saturating_add(sum.output) > own.input.saturating_add(own.output) {
        Usage {
            reasoning: sum.reasoning.max(own.reasoning),
            ..sum
        }
    } else {
        own
    };
    usage.reasoning = usage.reasoning.min(usage.output);
    Some(usage)
}

fn round(usage: &Value) -> Usage {
    let fresh = count(usage.get("input_tokens")).unwrap_or(0);
    let cached_input = count(usage.get("cache_read_input_tokens")).unwrap_or(0);
    let by_age = || {
        let ages = usage.get("cache_creation").and_then(Value::as_object)?;
        Some(
            ages.values()
                .filter_map(|tokens| count(Some(tokens)))
                .fold(0, u64::saturating_add),
        )
    };
    let cache_write = count(usage.get("cache_creation_input_tokens"))
        .or_else(by_age)
        .unwrap_or(0);
    Usage {
        input: fresh
            .saturating_add(cached_input)
            .saturating_add(cache_write),
        cached_input,
        cache_write,
        output: count(usage.get("output_tokens")).unwrap_or(0),
        reasoning: count_at(usage, &["/output_tokens_details/thinking_tokens"]).unwrap_or(0),
    }
}

fn add(a: Usage, b: Usage) -> Usage {
    Usage {
        input: a.input.saturating_add(b.input),
        cached_input: a.cached_input.saturating_add(b.cached_input),
        cache_write: a.cache_write.saturating_add(b.cache_write),
        output: a.output.saturating_add(b.output),
        reasoning: a.reasoning.saturating_add(b.reasoning),
    }
}

/// Rounds that another model worked on are priced at that model by the provider, which one usage record cannot say.
fn other_models(raw: &Value) -> Vec<String> {
    let rounds = raw.pointer("/usage/iterations").and_then(Value::as_array);
    rounds
        .into_iter()
        .flatten()
        .filter_map(|iteration| {
            let model = iteration.get("model")?.as_str()?;
            let used = round(iteration);
            Some(format!(
                "{model} worked on this answer too: {} input and {} output tokens of the usage are billed at its price",
                used.input, used.output
            ))
        })
        .collect()
}
