//! Answers in Gemini's format, whole and as a stream (<https://ai.google.dev/api/generate-content>).

use serde_json::{Map, Value, json};

use super::Format;
use super::answer::{Answer, Asked, SIGNATURE, set};
use super::chunks::{Event, Part, Speech};
use super::shape::{Shape, words};
use crate::types::Usage;

/// What the path says of a request: its model, and whether a stream is asked for. None where it is no call of this format.
pub(super) fn called(path: &str) -> Option<(&str, bool)> {
    let (model, method) = path.rsplit('/').next()?.rsplit_once(':')?;
    match method {
        "generateContent" => Some((model, false)),
        "streamGenerateContent" => Some((model, true)),
        _ => None,
    }
}

/// The answer in one body.
pub(super) fn body(answer: &Answer, asked: &Asked<'_>, usage: Option<Usage>) -> Value {
    let mut parts = Vec::new();
    if let Some(reasoning) = &answer.reasoning {
        parts.push(json!({ "text": reasoning, "thought": true }));
    }
    for text in [Some(&answer.text), answer.refusal.as_ref()].into_iter().flatten().filter(|text| !text.is_empty()) {
        parts.push(json!({ "text": text }));
    }
    parts.extend(calls(answer, asked));
    sign(answer, parts.last_mut());
    let mut body = chunk(answer, asked, &parts, Some(answer.finish(Format::Gemini)));
    if let Some(usage) = usage {
        set(&mut body, "usageMetadata", metadata(usage));
    }
    body
}

/// The answer in the events of a stream. A call comes whole, and nothing but its end tells that it is over.
pub(super) fn speech(answer: &Answer, asked: &Asked<'_>, shape: &Shape, usage: Option<Usage>) -> Speech {
    let event = |part: Value| Part::Chunk(Event::plain(chunk(answer, asked, &[part], None).to_string()));
    let thoughts = words(answer.reasoning.as_deref().unwrap_or_default());
    let said = |text: &str| event(json!({ "text": text }));
    let mut called = calls(answer, asked);
    sign(answer, called.last_mut());
    let refusal = words(answer.refusal.as_deref().unwrap_or_default());
    let finish = (!shape.omit.finish).then(|| answer.finish(Format::Gemini));
    let mut last = chunk(answer, asked, &[json!({ "text": "" })], finish);
    if let Some(usage) = usage.filter(|_| !shape.omit.usage) {
        set(&mut last, "usageMetadata", metadata(usage));
    }
    Speech {
        preamble: Vec::new(),
        before_text: thoughts.into_iter().map(|it| event(json!({ "text": it, "thought": true }))).collect(),
        text: shape.pieces(&answer.text).iter().map(|piece| said(piece)).collect(),
        after_text: refusal.into_iter().map(said).chain(called.into_iter().map(event)).collect(),
        ending: if finish.is_none() && shape.omit.usage { Vec::new() } else { vec![Event::plain(last.to_string())] },
    }
}

fn calls(answer: &Answer, asked: &Asked<'_>) -> Vec<Value> {
    let calls = answer.tool_calls.iter().enumerate();
    let written = calls.map(|(i, call)| {
        let args = serde_json::from_str(&call.arguments_text()).unwrap_or_else(|_| Value::Object(Map::new()));
        json!({ "functionCall": { "id": call.id("call", asked, i), "name": call.name, "args": args } })
    });
    written.collect()
}

/// The last part of an answer that was thought about is signed.
fn sign(answer: &Answer, last: Option<&mut Value>) {
    if let Some(part) = last.filter(|_| answer.reasoning.is_some()) {
        set(part, "thoughtSignature", SIGNATURE);
    }
}

fn chunk(answer: &Answer, asked: &Asked<'_>, parts: &[Value], finish: Option<&str>) -> Value {
    let mut candidate = json!({ "index": 0, "content": { "role": "model", "parts": parts } });
    if let Some(finish) = finish {
        set(&mut candidate, "finishReason", finish);
    }
    json!({
        "candidates": [candidate],
        "modelVersion": answer.model(asked),
        "responseId": answer.id(Format::Gemini, asked),
    })
}

/// Thoughts are counted beside what was said.
fn metadata(usage: Usage) -> Value {
    json!({
        "promptTokenCount": usage.input,
        "candidatesTokenCount": usage.output.saturating_sub(usage.reasoning),
        "thoughtsTokenCount": usage.reasoning,
        "cachedContentTokenCount": usage.cached_input,
        "totalTokenCount": usage.input.saturating_add(usage.output),
    })
}

/// An error: the words of gRPC for its status, and Google's details where they alone tell what it is.
pub(super) fn error(status: u16, code: Option<&str>, message: &str) -> Value {
    let word = match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        402 | 429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        503 | 529 => "UNAVAILABLE",
        408 | 504 => "DEADLINE_EXCEEDED",
        400..=499 => "INVALID_ARGUMENT",
        _ => "UNKNOWN",
    };
    let details = match code {
        Some("invalid_api_key") => {
            json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID" }])
        }
        Some("insufficient_quota") => json!([{ "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{ "quotaId": "GenerateRequestsPerDayPerProjectPerModel" }] }]),
        _ => json!([]),
    };
    json!({ "error": { "code": status, "message": message, "status": word, "details": details } })
}
