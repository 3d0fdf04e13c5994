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

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// Whether an answer without any content is allowed by row 28 of the table.
fn silence_allowed(request: Option<&Value>) -> bool {
    let Some(body) = request else { return false };
    let has_stop = ["stop", "stop_sequences"]
        .iter()
        .any(|key| body[*key].is_string() || body[*key].as_array().is_some_and(|list| !list.is_empty()));
    let last = body["messages"].as_array().and_then(|messages| messages.last());
    let after_tool = last.is_some_and(|last| {
        last["role"] == "tool"
            || last["role"] == "assistant"
            || last["content"].as_array().is_some_and(|parts| parts.iter().any(|part| part["type"] == "tool_result"))
    });
    has_stop || after_tool
}

/// Calls as they count: behind a length, those that do not parse and an unbegun last one do not.
fn counted(calls: Vec<(String, String)>, cut: bool) -> Option<Vec<(String, Value)>> {
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

pub(crate) fn read_openai(body: &Value, request: Option<&Value>) -> Result<Reading, &'static str> {
    let choice = &body["choices"][0];
    let message = &choice["message"];
    let mut text = String::new();
    let mut thought = ["reasoning", "reasoning_content"]
        .iter()
        .any(|key| message[*key].as_str().is_some_and(|words| !words.is_empty()))
        || message["reasoning_details"].as_array().is_some_and(|details| !details.is_empty());
    match &message["content"] {
        Value::String(words) => text.push_str(words),
        Value::Array(parts) => {
            for part in parts {
                thought |= part["type"] == "thinking";
                text.push_str(part["text"].as_str().unwrap_or_default());
            }
        }
        _ => {}
    }
    let refusal = message["refusal"].as_str().unwrap_or_default();
    text.push_str(refusal);
    let reasons = [choice["finish_reason"].as_str(), choice["native_finish_reason"].as_str()];
    let one_of = |words: &[&str]| reasons.iter().flatten().any(|reason| words.contains(reason));
    let cut = one_of(&["length", "max_tokens", "max_output_tokens", "MAX_TOKENS", "model_length"]);
    let mut calls: Vec<(String, String)> = Vec::new();
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        if let Some(name) = call["function"]["name"].as_str().filter(|name| !name.is_empty()) {
            calls.push((name.to_owned(), call["function"]["arguments"].as_str().unwrap_or_default().to_owned()));
        } else if let Some(name) = call["custom"]["name"].as_str() {
            calls.push((name.to_owned(), call["custom"]["input"].to_string()));
        }
    }
    if let Some(name) = message["function_call"]["name"].as_str().filter(|name| !name.is_empty() && calls.is_empty()) {
        let arguments = message["function_call"]["arguments"].as_str().unwrap_or_default();
        calls.push((name.to_owned(), arguments.to_owned()));
    }
    let calls = counted(calls, cut).ok_or("malformed_response")?;
    if one_of(&[
        "error",
        "insufficient_system_resource",
        "abort",
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
    ]) {
        return Err("malformed_response");
    }
    let finish = if cut {
        "length"
    } else if one_of(&["model_context_window_exceeded"]) {
        if text.is_empty() && calls.is_empty() {
            return Err("context_overflow");
        }
        "length"
    } else if !refusal.is_empty() || one_of(&["refusal"]) {
        "refusal"
    } else if one_of(&["content_filter", "SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION"]) {
        "content_filter"
    } else if !calls.is_empty() {
        "tool_calls"
    } else {
        "stop"
    };
    let audio = message["audio"]["data"].as_str().is_some_and(|data| !data.is_empty());
    let empty = text.is_empty() && calls.is_empty() && !thought && !audio;
    if finish == "stop" && empty && !silence_allowed(request) {
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
        .map(|block| (block["name"].as_str().unwrap().to_owned(), block["input"].to_string()))
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
    let only_empty = blocks.iter().all(|block| block["type"] == "text" && block["text"] == "");
    if finish == "stop" && reason != "stop_sequence" && only_empty && !silence_allowed(request) {
        return Err("malformed_response");
    }
    if finish == "refusal" && text.is_empty() {
        text = body["stop_details"]["explanation"].as_str().unwrap_or_default().to_owned();
    }
    let count = |usage: &Value| {
        let (read, written) =
            (number(&usage["cache_read_input_tokens"]), number(&usage["cache_creation_input_tokens"]));
        [number(&usage["input_tokens"]) + read + written, read, written, number(&usage["output_tokens"])]
    };
    let top = count(&body["usage"]);
    let rounds = body["usage"]["iterations"].as_array().map_or(&[][..], Vec::as_slice);
    let sum = rounds.iter().map(count).fold([0; 4], |a, b| [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]]);
    let [input, read, written, output] = if sum[0] + sum[3] > top[0] + top[3] { sum } else { top };
    let thought = number(&body["usage"]["output_tokens_details"]["thinking_tokens"]).min(output);
    Ok(Reading { text, calls, finish, usage: Some([input, read, written, output, thought]) })
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
