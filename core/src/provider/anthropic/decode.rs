//! An answer in Anthropic Messages.

use serde_json::Value;

use crate::error::ErrorKind;
use crate::provider::classify::Rows;
use crate::provider::errors;
use crate::provider::wire::{self, Setting, count, count_at};
use crate::provider::{Target, classify, openai_chat};
use crate::transport::HttpAnswer;
use crate::types::{Completion, Failure, FinishReason, Request, ToolCall, Usage};

pub(super) fn decode(
    target: &Target<'_>,
    request: &Request,
    answer: &HttpAnswer,
    now: u64,
) -> Result<Completion, Failure> {
    let raw = classify::success(target.kind, answer, now, &RULES)?;
    interpret(&Setting::of(target, request, answer, now), raw)
}

/// The rows of both formats: servers quote one another.
pub(super) const RULES: [&Rows; 2] = [&super::ROWS, &openai_chat::ROWS];

/// The answer that a body without an error of its own holds.
pub(super) fn interpret(setting: &Setting<'_>, raw: Value) -> Result<Completion, Failure> {
    let answer = setting.answer;
    let Some(content) = raw.get("content").and_then(Value::as_array) else {
        let why = "the answer has no content";
        return Err(classify::malformed(answer, Some(&raw), why));
    };
    let blocks = Blocks::read(content);
    let reason = raw.get("stop_reason").and_then(Value::as_str).filter(|reason| !reason.is_empty());
    let may_be_silent = reason == Some("stop_sequence") || setting.may_be_silent;
    let mut completion = blocks.complete(reason, may_be_silent, setting.streamed).map_err(|(kind, why)| {
        let mut failure = classify::malformed(answer, Some(&raw), why);
        failure.kind = kind;
        failure.provider_code = reason.map(str::to_owned);
        failure.usage = usage(&raw);
        failure
    })?;
    if completion.text.is_empty() && completion.finish.unified == FinishReason::Refusal {
        completion.text = refusal_words(&raw);
    }
    completion.usage = usage(&raw);
    completion.request_id = errors::request_id(&answer.headers, Some(&raw));
    completion.served_by = raw.get("model").and_then(Value::as_str).map(str::to_owned);
    completion.warnings.extend(other_models(&raw));
    completion.state = thoughts(&raw);
    completion.raw = raw;
    Ok(completion)
}

/// The content as it came, where thoughts are in it: they are signed together with what they led to.
fn thoughts(raw: &Value) -> Option<Value> {
    let content = raw.get("content")?;
    let thinks = |block: &Value| matches!(block.get("type")?.as_str()?, "thinking" | "redacted_thinking").then_some(());
    content.as_array()?.iter().find_map(thinks).map(|()| content.clone())
}

/// A classifier's refusal has no content; what there is to say stands beside the stop reason.
fn refusal_words(raw: &Value) -> String {
    raw.pointer("/stop_details/explanation").and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[derive(Default)]
struct Blocks {
    text: String,
    reasoning: String,
    calls: Vec<ToolCall>,
    /// Hidden thoughts, and blocks of other types: work of the provider's own tools.
    other: bool,
}

impl Blocks {
    fn read(content: &[Value]) -> Self {
        let mut blocks = Self::default();
        for block in content {
            let word = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default();
            match word("type") {
                "text" => blocks.text.push_str(word("text")),
                // A model may keep its thoughts to itself and send their signature alone.
                "thinking" => {
                    blocks.reasoning.push_str(word("thinking"));
                    blocks.other |= !word("signature").is_empty();
                }
                "redacted_thinking" => blocks.other = true,
                "tool_use" => blocks.calls.push(ToolCall {
                    id: match word("id") {
                        // A result must be able to name the call.
                        "" => format!("call_{}", blocks.calls.len()),
                        id => id.to_owned(),
                    },
                    name: word("name").to_owned(),
                    arguments: match block.get("input") {
                        None | Some(Value::Null) => "{}".to_owned(),
                        // What a stream brought of an input that is no JSON, or not yet.
                        Some(Value::String(text)) => text.clone(),
                        Some(input) => input.to_string(),
                    },
                }),
                _ => blocks.other = true,
            }
        }
        blocks
    }

    /// The answer these blocks make, with what stands outside of them still to be filled in.
    fn complete(
        self,
        reason: Option<&str>,
        may_be_silent: bool,
        streamed: bool,
    ) -> Result<Completion, (ErrorKind, String)> {
        let full = reason == Some("model_context_window_exceeded");
        let cut = full || reason == Some("max_tokens");
        let mut calls = wire::whole_calls(self.calls, cut);
        calls.judge(streamed).map_err(|why| (ErrorKind::MalformedResponse, why))?;
        if full && self.text.is_empty() && calls.whole.is_empty() {
            let why = "the context window was full before the first word of the answer";
            return Err((ErrorKind::ContextOverflow, why.to_owned()));
        }
        let unified = match reason {
            _ if cut => FinishReason::Length,
            _ if !calls.broken.is_empty() => FinishReason::Error,
            Some("refusal") => FinishReason::Refusal,
            Some("pause_turn") => FinishReason::Paused,
            _ if !calls.whole.is_empty() => FinishReason::ToolCalls,
            _ => FinishReason::Stop,
        };
        let spoke = self.other || !self.text.is_empty() || !self.reasoning.is_empty();
        if unified == FinishReason::Stop && !spoke && !may_be_silent {
            return Err((ErrorKind::MalformedResponse, wire::SILENCE.to_owned()));
        }
        let completion = Completion::said(self.text, self.reasoning, calls.whole, wire::finish(unified, reason));
        Ok(Completion { warnings: calls.warnings, ..completion })
    }
}

/// `input_tokens` leaves the cache out; `iterations` are summed where the top level leaves rounds out.
pub(super) fn usage(raw: &Value) -> Option<Usage> {
    let top = raw.get("usage").filter(|usage| usage.is_object())?;
    let own = round(top);
    let rounds = top.get("iterations").and_then(Value::as_array);
    let sum = rounds.into_iter().flatten().map(round).fold(Usage::default(), add);
    let mut usage = if sum.input.saturating_add(sum.output) > own.input.saturating_add(own.output) {
        Usage { reasoning: sum.reasoning.max(own.reasoning), ..sum }
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
        Some(ages.values().filter_map(|tokens| count(Some(tokens))).fold(0, u64::saturating_add))
    };
    let cache_write = count(usage.get("cache_creation_input_tokens")).or_else(by_age).unwrap_or(0);
    Usage {
        input: fresh.saturating_add(cached_input).saturating_add(cache_write),
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
