//! An answer in Gemini generateContent.

use serde_json::Value;

use super::stream::Whole;
use crate::error::ErrorKind;
use crate::provider::classify::Rows;
use crate::provider::errors;
use crate::provider::wire::{self, Setting, count};
use crate::provider::{Target, classify, openai_chat};
use crate::transport::HttpAnswer;
use crate::types::{Completion, Failure, FinishReason, Request, ToolCall, Usage};

/// Finish reasons of an answer that a filter cut or kept back.
const FILTERED: [&str; 12] = [
    "SAFETY",
    "PROHIBITED_CONTENT",
    "BLOCKLIST",
    "SPII",
    "LANGUAGE",
    "RECITATION",
    "MODEL_ARMOR",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_LANGUAGE",
    "JAILBREAK",
];

/// Finish reasons by the numbers that stand for them where a server writes its enumerations so.
const NUMBERED: [&str; 10] = [
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
];

/// This format's rows, and those of OpenAI chat, in which Google answers too.
pub(super) const RULES: [&Rows; 2] = [&super::ROWS, &openai_chat::ROWS];

pub(super) fn decode(
    target: &Target<'_>,
    request: &Request,
    answer: &HttpAnswer,
    now: u64,
) -> Result<Completion, Failure> {
    let mut raw = classify::success(target.kind, answer, now, &RULES)?;
    // A stream that was not asked for as events comes as an array of its chunks.
    if let Value::Array(chunks) = raw {
        let mut whole = Whole::default();
        for chunk in chunks {
            whole.add(chunk, &mut Vec::new());
        }
        raw = whole.take();
    }
    interpret(&Setting::of(target, request, answer, now), raw)
}

/// The answer that a body without an error of its own holds.
pub(super) fn interpret(setting: &Setting<'_>, raw: Value) -> Result<Completion, Failure> {
    let answer = setting.answer;
    let failed = |kind, why: String, reason: Option<&str>| {
        let mut failure = classify::malformed(answer, Some(&raw), why);
        failure.kind = kind;
        failure.provider_code = reason.map(str::to_owned);
        failure.usage = usage(&raw);
        failure
    };
    let Some(candidate) = candidate(&raw) else {
        let blocked = raw.pointer("/promptFeedback/blockReason").and_then(Value::as_str);
        let Some(reason) = blocked.filter(|reason| *reason != "BLOCK_REASON_UNSPECIFIED") else {
            return Err(failed(ErrorKind::MalformedResponse, "the answer has no candidates".to_owned(), None));
        };
        let mut failure = failed(ErrorKind::ContentFiltered, format!("the prompt was blocked: {reason}"), Some(reason));
        failure.subkind = Some("input");
        return Err(failure);
    };
    let said = Parts::read(candidate, id_of(&raw));
    let reason = finish_reason(candidate);
    let mut completion =
        said.complete(reason, setting).map_err(|why| failed(ErrorKind::MalformedResponse, why, reason))?;
    completion.usage = usage(&raw);
    completion.request_id = errors::request_id(&answer.headers, Some(&raw)).or_else(|| id_of(&raw).map(str::to_owned));
    completion.served_by = raw.get("modelVersion").and_then(Value::as_str).map(str::to_owned);
    completion.state = signed(candidate);
    completion.raw = raw;
    Ok(completion)
}

fn id_of(raw: &Value) -> Option<&str> {
    raw.get("responseId")?.as_str().filter(|id| !id.is_empty())
}

/// The candidate with the lowest index.
fn candidate(raw: &Value) -> Option<&Value> {
    let candidates = raw.get("candidates")?.as_array()?.iter();
    candidates.filter(|one| one.is_object()).min_by_key(|one| one.get("index").and_then(Value::as_u64).unwrap_or(0))
}

pub(super) fn parts(candidate: &Value) -> impl Iterator<Item = &Value> {
    candidate.pointer("/content/parts").and_then(Value::as_array).into_iter().flatten()
}

fn finish_reason(candidate: &Value) -> Option<&str> {
    match candidate.get("finishReason")? {
        Value::String(word) => Some(word.as_str()).filter(|word| !word.is_empty()),
        number => Some(NUMBERED.get(usize::try_from(number.as_u64()?).ok()?).copied().unwrap_or("OTHER")),
    }
}

/// The parts as they came, where some of them are signed. Of those that are not, summaries of thoughts are left out, which
/// are for people, and empty texts, which are refused.
fn signed(candidate: &Value) -> Option<Value> {
    let is_signed = |part: &&Value| part.get("thoughtSignature").is_some();
    parts(candidate).find(is_signed)?;
    let idle = |part: &Value| {
        part.get("thought") == Some(&Value::Bool(true)) || part.get("text").is_some_and(|text| text == "")
    };
    Some(parts(candidate).filter(|part| is_signed(part) || !idle(part)).cloned().collect())
}

#[derive(Default)]
struct Parts {
    text: String,
    reasoning: String,
    calls: Vec<ToolCall>,
    /// Images, and work of the provider's own tools.
    other: bool,
}

impl Parts {
    fn read(candidate: &Value, id: Option<&str>) -> Self {
        let mut said = Self::default();
        for part in parts(candidate) {
            if let Some(call) = part.get("functionCall") {
                said.calls.push(tool_call(call, said.calls.len(), id));
            } else if let Some(text) = part.get("text").and_then(Value::as_str) {
                let thought = part.get("thought") == Some(&Value::Bool(true));
                if thought { &mut said.reasoning } else { &mut said.text }.push_str(text);
            } else {
                said.other = true;
            }
        }
        said
    }

    /// The answer these parts make; else why they are none.
    fn complete(self, reason: Option<&str>, setting: &Setting<'_>) -> Result<Completion, String> {
        let cut = reason == Some("MAX_TOKENS");
        let calls = wire::whole_calls(self.calls, cut);
        let spoke = !self.text.is_empty() || !self.reasoning.is_empty() || !calls.whole.is_empty();
        let unified = match reason {
            _ if cut => FinishReason::Length,
            Some(reason) if FILTERED.contains(&reason) => FinishReason::ContentFilter,
            None | Some("STOP") if !calls.whole.is_empty() => FinishReason::ToolCalls,
            None | Some("STOP") => FinishReason::Stop,
            // What was said before may have reached the caller.
            Some(_) if setting.streamed && spoke => FinishReason::Error,
            Some(reason) => return Err(format!("the answer ended with {reason}")),
        };
        if unified == FinishReason::Stop && !spoke && !self.other && !setting.may_be_silent {
            return Err(wire::SILENCE.to_owned());
        }
        let completion = Completion::said(self.text, self.reasoning, calls.whole, wire::finish(unified, reason));
        Ok(Completion { warnings: calls.warnings, ..completion })
    }
}

/// The id of the `number`th call of the answer `id`: most models give none, and a result must be able to name it.
pub(super) fn call_id(call: &Value, number: usize, id: Option<&str>) -> String {
    match call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()) {
        Some(own) => own.to_owned(),
        None => format!("call_{}{number}", id.map(|id| format!("{id}_")).unwrap_or_default()),
    }
}

pub(super) fn tool_call(call: &Value, number: usize, id: Option<&str>) -> ToolCall {
    let arguments = call.get("args").filter(|args| !args.is_null());
    ToolCall {
        id: call_id(call, number, id),
        name: call.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        arguments: arguments.map_or_else(|| "{}".to_owned(), Value::to_string),
    }
}

/// `candidatesTokenCount` leaves thoughts out; the prompts of the provider's own tools are input.
pub(super) fn usage(raw: &Value) -> Option<Usage> {
    let usage = raw.get("usageMetadata").filter(|usage| usage.is_object())?;
    let of = |key: &str| count(usage.get(key)).unwrap_or(0);
    let input = of("promptTokenCount").saturating_add(of("toolUsePromptTokenCount"));
    let reasoning = of("thoughtsTokenCount");
    Some(Usage {
        input,
        cached_input: of("cachedContentTokenCount").min(input),
        cache_write: 0,
        output: of("candidatesTokenCount").saturating_add(reasoning),
        reasoning,
    })
}
