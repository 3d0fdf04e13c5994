//! Answers and streams of Gemini generateContent, read a second time from the specification.

use locum::types::{Message, Params, Request};
use serde_json::{Value, json};

use crate::answers::{BROKEN, FILTERED, Reading, counted, filled, number};

/// Whether Locum may take silence for an answer: after a tool's result, words put into the model's mouth, or with a stop.
fn silence_allowed(request: Option<&Value>) -> bool {
    let Some(body) = request else { return false };
    let last = body["contents"].as_array().and_then(|contents| contents.last());
    let result = |part: &Value| part["functionResponse"].is_object() || part["function_response"].is_object();
    let parts = last.and_then(|last| last["parts"].as_array());
    filled(&body["generationConfig"]["stopSequences"])
        || last.is_some_and(|last| last["role"] == "model")
        || parts.is_some_and(|parts| !parts.is_empty() && parts.iter().all(result))
}

/// What decoding depends on of a request.
pub(crate) fn request(body: &Value) -> (Request, Params) {
    silent(silence_allowed(Some(body)))
}

/// A request after which silence is an answer, or is none.
pub(crate) fn silent(allowed: bool) -> (Request, Params) {
    let stop = allowed.then(|| vec!["stop".to_owned()]);
    (Request { messages: vec![Message::user("?")], ..Request::default() }, Params { stop, ..Params::default() })
}

/// A body that came as an array of its chunks, as one.
pub(crate) fn joined(body: Value) -> Value {
    match body {
        Value::Array(chunks) => whole(&chunks),
        body => body,
    }
}

pub(crate) fn read(body: &Value, request: Option<&Value>) -> Result<Reading, &'static str> {
    let Some(candidate) = body["candidates"].get(0) else {
        return Err(if body["promptFeedback"]["blockReason"].is_string() {
            "content_filtered"
        } else {
            "malformed_response"
        });
    };
    let (mut text, mut calls, mut other) = (String::new(), Vec::new(), false);
    for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
        if let Some(name) = part["functionCall"]["name"].as_str() {
            let args = &part["functionCall"]["args"];
            calls.push((name.to_owned(), if args.is_null() { "{}".to_owned() } else { args.to_string() }));
        } else if part["text"].is_string() {
            let words = part["text"].as_str().unwrap();
            if part["thought"] == true { other |= !words.is_empty() } else { text.push_str(words) }
        } else {
            other = true;
        }
    }
    let reason = match &candidate["finishReason"] {
        Value::Number(one) if one.as_u64() == Some(1) => "STOP",
        Value::Number(two) if two.as_u64() == Some(2) => "MAX_TOKENS",
        word => word.as_str().unwrap_or_default(),
    };
    let calls = counted(calls, reason == "MAX_TOKENS").ok_or("malformed_response")?;
    let finish = match reason {
        "MAX_TOKENS" => "length",
        reason if FILTERED.contains(&reason) => "content_filter",
        reason if BROKEN.contains(&reason) => return Err("malformed_response"),
        _ if !calls.is_empty() => "tool_calls",
        _ => "stop",
    };
    if finish == "stop" && text.is_empty() && !other && !silence_allowed(request) {
        return Err("malformed_response");
    }
    let usage = &body["usageMetadata"];
    let of = |key: &str| number(&usage[key]);
    let usage = usage.is_object().then(|| {
        let input = of("promptTokenCount") + of("toolUsePromptTokenCount");
        let thoughts = of("thoughtsTokenCount");
        [input, of("cachedContentTokenCount").min(input), 0, of("candidatesTokenCount") + thoughts, thoughts]
    });
    Ok(Reading { text, calls, finish, usage })
}

/// The answer that the events make up.
pub(crate) fn whole(events: &[Value]) -> Value {
    let mut body = json!({});
    let (mut candidate, mut parts) = (json!({}), Vec::new());
    for event in events {
        for (key, value) in event.as_object().unwrap() {
            match key.as_str() {
                "candidates" => {
                    for part in value[0]["content"]["parts"].as_array().into_iter().flatten() {
                        match part["functionCall"]["partialArgs"].as_array() {
                            Some(pieces) => pieces.iter().for_each(|piece| write(parts.last_mut().unwrap(), piece)),
                            None => parts.push(part.clone()),
                        }
                    }
                    if !value[0]["finishReason"].is_null() {
                        candidate["finishReason"] = value[0]["finishReason"].clone();
                    }
                }
                "usageMetadata" => {
                    for (key, value) in value.as_object().unwrap() {
                        body["usageMetadata"][key] = value.clone();
                    }
                }
                _ => body[key] = value.clone(),
            }
        }
    }
    if !parts.is_empty() || candidate["finishReason"].is_string() {
        candidate["content"]["parts"] = json!(parts);
        body["candidates"] = json!([candidate]);
    }
    body
}

/// Writes a piece of a call's arguments to its place.
fn write(part: &mut Value, piece: &Value) {
    let mut place = &mut part["functionCall"]["args"];
    for step in piece["jsonPath"].as_str().unwrap().trim_start_matches("$.").split(['.', '[']) {
        place = match step.strip_suffix(']').map(|at| at.parse::<usize>().unwrap()) {
            None => &mut place[step],
            Some(at) => {
                let mut items = place.as_array().cloned().unwrap_or_default();
                items.resize(items.len().max(at + 1), Value::Null);
                *place = json!(items);
                &mut place[at]
            }
        };
    }
    match &piece["stringValue"] {
        Value::String(more) => *place = json!(format!("{}{more}", place.as_str().unwrap_or_default())),
        _ => *place = piece["numberValue"].clone(),
    }
}

pub(crate) fn thoughts(body: &Value) -> String {
    let parts = body["candidates"][0]["content"]["parts"].as_array().into_iter().flatten();
    parts.filter(|part| part["thought"] == true).filter_map(|part| part["text"].as_str()).collect()
}
