//! An answer in OpenAI chat, as all its speakers write it.

use serde_json::{Map, Value};

use super::{dialect, usage};
use crate::error::ErrorKind;
use crate::provider::classify::Rows;
use crate::provider::errors::{self, ErrorBody};
use crate::provider::wire::{self, Calls, Setting};
use crate::provider::{Target, anthropic, classify};
use crate::transport::HttpAnswer;
use crate::types::{Completion, Failure, FinishReason, Request, ToolCall};

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
pub(super) const RULES: [&Rows; 2] = [&super::ROWS, &anthropic::ROWS];

/// The answer that a body without an error of its own holds.
pub(in crate::provider) fn interpret(setting: &Setting<'_>, raw: Value) -> Result<Completion, Failure> {
    let answer = setting.answer;
    let Some(choice) = first_choice(&raw) else {
        return Err(classify::malformed(answer, Some(&raw), "the answer has no choices"));
    };
    if let Some(error) = choice.get("error").filter(|error| errors::states_something(error)) {
        let error = ErrorBody::from_value(error);
        return Err(classify::failure(setting.kind, answer, Some(&raw), error, setting.now, &RULES));
    }
    let mut completion = read(&raw, choice, setting.streamed).map_err(|why| spent(answer, &raw, why))?;
    completion.request_id = errors::request_id(&answer.headers, Some(&raw));
    let silent = completion.finish.unified == FinishReason::Stop
        && !said_something(&completion, choice)
        && !ended_at_stop_sequence(choice)
        && !setting.may_be_silent;
    if silent {
        let why = Flaw::malformed(wire::SILENCE);
        return Err(spent(answer, &raw, why));
    }
    completion.state = replayed(setting.kind, choice, &completion);
    completion.raw = raw;
    Ok(completion)
}

/// The member of the message that this kind of server wants to see again.
fn replayed(kind: &str, choice: &Value, completion: &Completion) -> Option<Value> {
    let replay = dialect::of(kind).replays.filter(|replay| !replay.with_calls || !completion.tool_calls.is_empty())?;
    let value = choice.get("message")?.get(replay.member).filter(|value| !value.is_null())?;
    Some(Value::Object(Map::from_iter([(replay.member.to_owned(), value.clone())])))
}

/// Why a parsed answer is no answer.
struct Flaw {
    kind: ErrorKind,
    why: String,
    raw_reason: Option<String>,
}

impl Flaw {
    fn malformed(why: impl Into<String>) -> Self {
        Self { kind: ErrorKind::MalformedResponse, why: why.into(), raw_reason: None }
    }
}

/// The failure of an answer that was paid for all the same.
fn spent(answer: &HttpAnswer, raw: &Value, flaw: Flaw) -> Failure {
    let mut failure = classify::malformed(answer, Some(raw), flaw.why);
    failure.kind = flaw.kind;
    failure.provider_code = flaw.raw_reason;
    failure.usage = usage::usage(raw);
    failure.cost = usage::cost(raw);
    failure
}

/// The choice with the lowest index.
fn first_choice(raw: &Value) -> Option<&Value> {
    let choices = raw.get("choices")?.as_array()?;
    choices
        .iter()
        .filter(|choice| choice.is_object())
        .min_by_key(|choice| choice.get("index").and_then(Value::as_u64).unwrap_or(0))
}

fn read(raw: &Value, choice: &Value, streamed: bool) -> Result<Completion, Flaw> {
    let message = choice.get("message").unwrap_or(&Value::Null);
    let mut words = Words::default();
    words.read_message(message);
    let native = word(choice, "native_finish_reason");
    let reason = word(choice, "finish_reason").or(native);
    let full = |reason: &str| reason == "model_context_window_exceeded";
    let cut = [reason, native].into_iter().flatten().any(|reason| is_length(reason) || full(reason));
    let refused = !words.refusal.is_empty();
    let mut calls = wire::whole_calls(read_calls(raw, message), cut);
    let spoke = !words.text.is_empty() || refused || !calls.whole.is_empty();
    let delivered = streamed && (spoke || !words.reasoning.is_empty() || !calls.broken.is_empty());
    calls.judge(delivered).map_err(Flaw::malformed)?;
    let unified = match unify(reason, native, !calls.whole.is_empty(), refused, spoke) {
        Ok(_) if !calls.broken.is_empty() => FinishReason::Error,
        Err(flaw) if delivered && flaw.kind == ErrorKind::MalformedResponse => FinishReason::Error,
        unified => unified?,
    };
    let Calls { whole, mut warnings, .. } = calls;
    warnings.extend(filter_warnings(raw, choice));
    let others = raw.get("choices").and_then(Value::as_array).map_or(0, Vec::len);
    if others > 1 {
        warnings.push(format!("{others} choices came back; the first is the answer"));
    }
    let mut text = words.text;
    text.push_str(&words.refusal);
    let completion = Completion::said(text, words.reasoning, whole, wire::finish(unified, reason));
    let (usage, cost) = (usage::usage(raw), usage::cost(raw));
    Ok(Completion { usage, cost, served_by: word(raw, "model").map(str::to_owned), warnings, ..completion })
}

fn word<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str).filter(|word| !word.is_empty())
}

fn is_length(reason: &str) -> bool {
    matches!(reason, "length" | "max_tokens" | "max_output_tokens" | "MAX_TOKENS" | "model_length")
}

/// Finish reasons of all speakers in one word. OpenRouter's native reason decides where its own hides it.
fn unify(
    reason: Option<&str>,
    native: Option<&str>,
    calls: bool,
    refused: bool,
    spoke: bool,
) -> Result<FinishReason, Flaw> {
    let either = |test: fn(&str) -> bool| [reason, native].into_iter().flatten().find(|word| test(word));
    if either(is_length).is_some() {
        return Ok(FinishReason::Length);
    }
    if let Some(raw) = either(|word| word == "model_context_window_exceeded") {
        return if spoke {
            Ok(FinishReason::Length)
        } else {
            Err(Flaw {
                kind: ErrorKind::ContextOverflow,
                why: "the context window was full before the first word of the answer".to_owned(),
                raw_reason: Some(raw.to_owned()),
            })
        };
    }
    // The answer broke off: DeepSeek, Mistral and OpenRouter, vLLM, Z.ai, Gemini and Bedrock behind a gateway.
    if let Some(raw) = either(|word| {
        matches!(
            word,
            "error"
                | "insufficient_system_resource"
                | "abort"
                | "network_error"
                | "MALFORMED_FUNCTION_CALL"
                | "UNEXPECTED_TOOL_CALL"
                | "TOO_MANY_TOOL_CALLS"
                | "malformed_function_call"
                | "malformed_tool_use"
                | "malformed_model_output"
                | "OTHER"
                | "NO_IMAGE"
        )
    }) {
        return Err(Flaw {
            kind: ErrorKind::MalformedResponse,
            why: format!("the answer broke off with finish reason {raw}"),
            raw_reason: Some(raw.to_owned()),
        });
    }
    if refused || either(|word| word == "refusal").is_some() {
        return Ok(FinishReason::Refusal);
    }
    if either(is_filter).is_some() {
        return Ok(FinishReason::ContentFilter);
    }
    if calls {
        return Ok(FinishReason::ToolCalls);
    }
    Ok(match either(|word| word == "pause_turn") {
        Some(_) => FinishReason::Paused,
        None => FinishReason::Stop,
    })
}

fn is_filter(reason: &str) -> bool {
    matches!(
        reason,
        "content_filter"
            | "content_filtered"
            | "guardrail_intervened"
            | "sensitive"
            | "SAFETY"
            | "PROHIBITED_CONTENT"
            | "BLOCKLIST"
            | "SPII"
            | "LANGUAGE"
            | "RECITATION"
            | "MODEL_ARMOR"
    ) || reason.starts_with("IMAGE_")
}

/// Text, reasoning and refusal of a message.
#[derive(Default)]
struct Words {
    text: String,
    reasoning: String,
    refusal: String,
}

impl Words {
    fn read_message(&mut self, message: &Value) {
        match message.get("content") {
            Some(Value::String(text)) => self.text.push_str(text),
            Some(Value::Array(parts)) => parts.iter().for_each(|part| self.read_part(part)),
            _ => {}
        }
        if let Some(refusal) = word(message, "refusal") {
            self.refusal.push_str(refusal);
        }
        // The same words come under several names; the first that has any is taken.
        if self.reasoning.is_empty()
            && let Some(words) =
                ["reasoning_content", "reasoning", "reasoning_text"].iter().find_map(|key| word(message, key))
        {
            self.reasoning.push_str(words);
        }
        if self.reasoning.is_empty() {
            let details = message.get("reasoning_details").and_then(Value::as_array);
            for detail in details.into_iter().flatten() {
                if let Some(words) = word(detail, "text").or_else(|| word(detail, "summary")) {
                    self.reasoning.push_str(words);
                }
            }
        }
    }

    fn read_part(&mut self, part: &Value) {
        if let Value::String(text) = part {
            self.text.push_str(text);
            return;
        }
        match (word(part, "type"), part.get("thinking")) {
            // Mistral nests text parts within its thinking part.
            (Some("thinking"), Some(Value::Array(inner))) => {
                for words in inner.iter().filter_map(|inner| word(inner, "text")) {
                    self.reasoning.push_str(words);
                }
            }
            (Some("thinking"), Some(Value::String(words))) => self.reasoning.push_str(words),
            (Some("refusal"), _) => {
                self.refusal.push_str(word(part, "refusal").unwrap_or_default());
            }
            (Some("text" | "output_text") | None, _) => {
                self.text.push_str(word(part, "text").unwrap_or_default());
            }
            _ => {}
        }
    }
}

fn read_calls(raw: &Value, message: &Value) -> Vec<ToolCall> {
    let id_of_answer = word(raw, "id").unwrap_or("answer");
    let mut calls = Vec::new();
    for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
        let id = word(call, "id").map(str::to_owned);
        // Some servers forget the id; a result must be able to name the call all the same.
        let id = id.unwrap_or_else(|| format!("call_{id_of_answer}_{}", calls.len()));
        if let Some(function) = call.get("function").filter(|function| word(function, "name").is_some()) {
            calls.push(ToolCall {
                id,
                name: word(function, "name").unwrap_or_default().to_owned(),
                arguments: arguments(function.get("arguments")),
            });
        } else if let Some(custom) = call.get("custom").filter(|custom| word(custom, "name").is_some()) {
            // A custom tool takes free text, which is a JSON string here, since arguments are JSON.
            let input = custom.get("input").unwrap_or(&Value::Null);
            calls.push(ToolCall {
                id,
                name: word(custom, "name").unwrap_or_default().to_owned(),
                arguments: input.to_string(),
            });
        }
    }
    if calls.is_empty()
        && let Some(function) = message.get("function_call")
        && let Some(name) = word(function, "name")
    {
        calls.push(ToolCall {
            id: format!("call_{id_of_answer}"),
            name: name.to_owned(),
            arguments: arguments(function.get("arguments")),
        });
    }
    calls
}

/// Arguments are JSON text; some servers send the object itself.
fn arguments(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Whether an answer that stopped normally has anything in it; audio, images and encrypted reasoning count.
fn said_something(completion: &Completion, choice: &Value) -> bool {
    let list = |path: &str| choice.pointer(path).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    !completion.text.is_empty()
        || !completion.tool_calls.is_empty()
        || completion.reasoning.is_some()
        || choice.pointer("/message/audio").is_some_and(|audio| word(audio, "data").is_some())
        || !list("/message/images").is_empty()
        || list("/message/reasoning_details").iter().any(|detail| word(detail, "data").is_some())
}

/// vLLM names the stop string or token in `stop_reason`; others say it as Claude does.
fn ended_at_stop_sequence(choice: &Value) -> bool {
    choice.get("stop_reason").is_some_and(|reason| !reason.is_null())
        || ["native_finish_reason", "finish_reason"].iter().any(|key| word(choice, key) == Some("stop_sequence"))
}

/// Azure: the answer is whole, but the filter that should have looked at it was down.
fn filter_warnings(raw: &Value, choice: &Value) -> Option<String> {
    let of_choice =
        ["/content_filter_results/error", "/content_filter_result/error"].iter().find_map(|path| choice.pointer(path));
    let of_prompt = raw
        .get("prompt_filter_results")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find_map(|result| result.pointer("/content_filter_results/error"));
    let error = of_choice.or(of_prompt).filter(|error| errors::states_something(error))?;
    let code = word(error, "code").unwrap_or("content_filter_error");
    Some(format!("the provider's content filter did not run ({code})"))
}
