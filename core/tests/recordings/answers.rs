//! What an answer says, read a second time from the specification.

use locum::types::Completion;
use serde_json::{Value, json};

#[derive(Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) text: String,
    pub(crate) calls: Vec<(String, Value)>,
    pub(crate) finish: &'static str,
    /// input, cached, written, output, reasoning
    pub(crate) usage: Option<[u64; 5]>,
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_f64().map_or(0, |number| number.max(0.0) as u64)
}

pub(crate) fn filled(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty()) || value.as_array().is_some_and(|list| !list.is_empty())
}

/// Whether an answer without any content is allowed by row 28 of the table.
fn silence_allowed(request: Option<&Value>) -> bool {
    let Some(body) = request else { return false };
    let has_stop = ["stop", "stop_sequences"]
        .iter()
        .any(|key| body[*key].is_string() || body[*key].as_array().is_some_and(|list| !list.is_empty()));
    let last = body["messages"].as_array().and_then(|messages| messages.last());
    let after_tool = last.is_some_and(|last| {
        // In the canonical form results go before the words of the same turn.
        let results = |parts: &Vec<Value>| {
            parts.iter().all(|part| part["type"] == "tool_result") && parts.iter().any(Value::is_object)
        };
        ["tool", "function", "assistant"].iter().any(|role| last["role"] == *role)
            || last["content"].as_array().is_some_and(results)
    });
    has_stop || after_tool
}

/// Calls as they count: behind a length, those that do not parse and an unbegun last one do not.
pub(crate) fn counted(calls: Vec<(String, String)>, cut: bool) -> Option<Vec<(String, Value)>> {
    let mut list: Vec<(String, Option<Value>)> = calls
        .into_iter()
        .map(|(name, text)| {
            let value = if text.trim().is_empty() { Some(json!({})) } else { serde_json::from_str(&text).ok() };
            (name, value)
        })
        .collect();
    if cut {
        if list.last().is_some_and(|(_, value)| *value == Some(json!({}))) {
            list.pop();
        }
        return Some(list.into_iter().filter_map(|(name, value)| Some((name, value?))).collect());
    }
    list.into_iter().map(|(name, value)| Some((name, value?))).collect()
}

/// Finish reasons of row 31.
pub(crate) const BROKEN: [&str; 12] = [
    "error",
    "insufficient_system_resource",
    "abort",
    "network_error",
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "malformed_function_call",
    "malformed_tool_use",
    "malformed_model_output",
    "OTHER",
    "NO_IMAGE",
];
/// Finish reasons of row 19.
pub(crate) const FILTERED: [&str; 12] = [
    "content_filter",
    "content_filtered",
    "guardrail_intervened",
    "sensitive",
    "SAFETY",
    "PROHIBITED_CONTENT",
    "BLOCKLIST",
    "SPII",
    "LANGUAGE",
    "RECITATION",
    "MODEL_ARMOR",
    "IMAGE_SAFETY",
];

/// Arguments are JSON text, or the object itself.
fn arguments(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(crate) fn read_openai(body: &Value, request: Option<&Value>) -> Result<Reading, &'static str> {
    let choices = body["choices"].as_array().ok_or("malformed_response")?;
    let choice = choices
        .iter()
        .filter(|choice| choice.is_object())
        .min_by_key(|choice| number(&choice["index"]))
        .ok_or("malformed_response")?;
    let message = &choice["message"];
    let mut text = String::new();
    let mut thought = ["reasoning", "reasoning_content", "reasoning_text"].iter().any(|key| filled(&message[*key]));
    for detail in message["reasoning_details"].as_array().into_iter().flatten() {
        thought |= ["text", "summary", "data"].iter().any(|key| filled(&detail[*key]));
    }
    let mut refusal = String::new();
    match &message["content"] {
        Value::String(words) => text.push_str(words),
        Value::Array(parts) => {
            for part in parts {
                let nested = part["thinking"].as_array().into_iter().flatten().any(|inner| filled(&inner["text"]));
                thought |=
                    part["type"] == "thinking" && (part["thinking"].is_string() && filled(&part["thinking"]) || nested);
                text.push_str(part.as_str().or(part["text"].as_str()).unwrap_or_default());
                refusal.push_str(part["refusal"].as_str().unwrap_or_default());
            }
        }
        _ => {}
    }
    refusal.push_str(message["refusal"].as_str().unwrap_or_default());
    text.push_str(&refusal);
    let reasons = [choice["finish_reason"].as_str(), choice["native_finish_reason"].as_str()];
    let one_of = |words: &[&str]| reasons.iter().flatten().any(|reason| words.contains(reason));
    let length = one_of(&["length", "max_tokens", "max_output_tokens", "MAX_TOKENS", "model_length"]);
    let full = one_of(&["model_context_window_exceeded"]);
    let mut calls: Vec<(String, String)> = Vec::new();
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        if let Some(name) = call["function"]["name"].as_str().filter(|name| !name.is_empty()) {
            calls.push((name.to_owned(), arguments(&call["function"]["arguments"])));
        } else if let Some(name) = call["custom"]["name"].as_str().filter(|name| !name.is_empty()) {
            calls.push((name.to_owned(), call["custom"]["input"].to_string()));
        }
    }
    if let Some(name) = message["function_call"]["name"].as_str().filter(|name| !name.is_empty() && calls.is_empty()) {
        calls.push((name.to_owned(), arguments(&message["function_call"]["arguments"])));
    }
    let calls = counted(calls, length || full).ok_or("malformed_response")?;
    let finish = if length {
        "length"
    } else if full {
        if text.is_empty() && calls.is_empty() {
            return Err("context_overflow");
        }
        "length"
    } else if one_of(&BROKEN) {
        return Err("malformed_response");
    } else if !refusal.is_empty() || one_of(&["refusal"]) {
        "refusal"
    } else if one_of(&FILTERED) {
        "content_filter"
    } else if !calls.is_empty() {
        "tool_calls"
    } else if one_of(&["pause_turn"]) {
        "paused"
    } else {
        "stop"
    };
    // vLLM says which stop string or token it met; others say that it was one.
    let at_stop = !choice["stop_reason"].is_null() || one_of(&["stop_sequence"]);
    let media = filled(&message["audio"]["data"]) || filled(&message["images"]);
    let empty = text.is_empty() && calls.is_empty() && !thought && !media;
    if finish == "stop" && empty && !at_stop && !silence_allowed(request) {
        return Err("malformed_response");
    }
    Ok(Reading { text, calls, finish, usage: openai_usage(&body["usage"]) })
}

/// Ruling 2 of the specification, by arithmetic.
fn openai_usage(usage: &Value) -> Option<[u64; 5]> {
    if !usage.is_object() {
        return None;
    }
    let mut input = number(&usage["prompt_tokens"]);
    let mut output = number(&usage["completion_tokens"]);
    let total = number(&usage["total_tokens"]);
    let audio = number(&usage["prompt_tokens_details"]["audio_tokens"]);
    let reasoning =
        number(&usage["completion_tokens_details"]["reasoning_tokens"]).max(number(&usage["reasoning_tokens"]));
    let cached = [
        &usage["prompt_tokens_details"]["cached_tokens"],
        &usage["prompt_cache_hit_tokens"],
        &usage["cached_tokens"],
        &usage["num_cached_tokens"],
        &usage["cache_read_input_tokens"],
    ]
    .into_iter()
    .map(number)
    .max()
    .unwrap();
    let written = number(&usage["prompt_tokens_details"]["cache_write_tokens"])
        .max(number(&usage["cache_creation_input_tokens"]));
    if total == input + output + audio {
        input += audio;
    }
    if total != input + output && cached > 0 && cached != reasoning && total == input + output + cached {
        input += cached;
    }
    if total > input && total != input + output {
        output = total - input;
    }
    let cached = cached.min(input);
    Some([input, cached, written.min(input - cached), output, reasoning.min(output)])
}

pub(crate) fn read_anthropic(body: &Value, request: Option<&Value>) -> Result<Reading, &'static str> {
    let blocks = body["content"].as_array().ok_or("malformed_response")?;
    let of = |kind: &str| blocks.iter().filter(move |block| block["type"] == kind).collect::<Vec<_>>();
    let mut text: String = of("text").iter().filter_map(|block| block["text"].as_str()).collect();
    let calls = of("tool_use")
        .iter()
        .map(|block| {
            let input = &block["input"];
            let input = if input.is_null() { "{}".to_owned() } else { input.to_string() };
            (block["name"].as_str().unwrap_or_default().to_owned(), input)
        })
        .collect();
    let reason = body["stop_reason"].as_str().unwrap_or_default();
    let cut = matches!(reason, "max_tokens" | "model_context_window_exceeded");
    let calls = counted(calls, cut).ok_or("malformed_response")?;
    let finish = match reason {
        "model_context_window_exceeded" if text.is_empty() && calls.is_empty() => {
            return Err("context_overflow");
        }
        "max_tokens" | "model_context_window_exceeded" => "length",
        "refusal" => "refusal",
        "pause_turn" => "paused",
        _ if !calls.is_empty() => "tool_calls",
        _ => "stop",
    };
    let only_empty = blocks.iter().all(|block| match block["type"].as_str() {
        Some("text") => !filled(&block["text"]),
        Some("thinking") => !filled(&block["thinking"]) && !filled(&block["signature"]),
        _ => false,
    });
    if finish == "stop" && reason != "stop_sequence" && only_empty && !silence_allowed(request) {
        return Err("malformed_response");
    }
    if finish == "refusal" && text.is_empty() {
        text = body["stop_details"]["explanation"].as_str().unwrap_or_default().to_owned();
    }
    Ok(Reading { text, calls, finish, usage: anthropic_usage(&body["usage"]) })
}

fn anthropic_usage(usage: &Value) -> Option<[u64; 5]> {
    if !usage.is_object() {
        return None;
    }
    let count = |usage: &Value| {
        let read = number(&usage["cache_read_input_tokens"]);
        let ages = usage["cache_creation"].as_object().into_iter().flat_map(|ages| ages.values()).map(number);
        let stated = &usage["cache_creation_input_tokens"];
        let written = if stated.is_number() { number(stated) } else { ages.sum() };
        let thought = number(&usage["output_tokens_details"]["thinking_tokens"]);
        [number(&usage["input_tokens"]) + read + written, read, written, number(&usage["output_tokens"]), thought]
    };
    let top = count(usage);
    let rounds = usage["iterations"].as_array().map_or(&[][..], Vec::as_slice);
    let mut sum = [0; 5];
    for round in rounds.iter().map(count) {
        sum.iter_mut().zip(round).for_each(|(sum, count)| *sum += count);
    }
    sum[4] = sum[4].max(top[4]);
    let mut used = if sum[0] + sum[3] > top[0] + top[3] { sum } else { top };
    used[4] = used[4].min(used[3]);
    Some(used)
}

pub(crate) fn reading_of(completion: &Completion) -> Reading {
    Reading {
        text: completion.text.clone(),
        calls: completion
            .tool_calls
            .iter()
            .map(|call| {
                assert!(!call.id.is_empty());
                (call.name.clone(), serde_json::from_str(&call.arguments).unwrap())
            })
            .collect(),
        finish: completion.finish.unified.as_str(),
        usage: completion
            .usage
            .map(|usage| [usage.input, usage.cached_input, usage.cache_write, usage.output, usage.reasoning]),
    }
}
