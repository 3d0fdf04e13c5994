//! Answers and streams of Bedrock Converse, read a second time from the specification.

use serde_json::{Value, json};

use crate::answers::{Reading, counted, filled, number};

/// Whether the chat ends with a tool's result or the model's own words, after which silence is an answer.
fn silence_allowed(request: Option<&Value>) -> bool {
    let Some(body) = request else { return false };
    let Some(last) = body["messages"].as_array().and_then(|messages| messages.last()) else { return false };
    let parts = last["content"].as_array().map_or(&[][..], Vec::as_slice);
    last["role"] == "assistant"
        || filled(&body["inferenceConfig"]["stopSequences"])
        || (!parts.is_empty() && parts.iter().all(|part| part["toolResult"].is_object()))
}

/// What decoding depends on of a request.
pub(crate) fn request(body: &Value) -> (locum::types::Request, locum::types::Params) {
    crate::gemini::silent(silence_allowed(Some(body)))
}

pub(crate) fn read(body: &Value, request: Option<&Value>) -> Result<Reading, &'static str> {
    let blocks = body["output"]["message"]["content"].as_array().ok_or("malformed_response")?;
    let (mut text, mut calls, mut other) = (String::new(), Vec::new(), false);
    for block in blocks {
        if let Some(words) = block["text"].as_str() {
            text.push_str(words);
        } else if block["toolUse"].is_object() && block["toolUse"]["type"] != "server_tool_use" {
            let input = &block["toolUse"]["input"];
            let input = if input.is_null() { "{}".to_owned() } else { input.to_string() };
            calls.push((block["toolUse"]["name"].as_str().unwrap().to_owned(), input));
        } else if block["citationsContent"].is_object() {
            let parts = block["citationsContent"]["content"].as_array();
            other |= parts.is_none();
            text.extend(parts.into_iter().flatten().filter_map(|part| part["text"].as_str()));
        } else {
            other = true;
        }
    }
    let reason = body["stopReason"].as_str().unwrap_or_default();
    let calls = counted(calls, reason == "max_tokens").ok_or("malformed_response")?;
    let finish = match reason {
        "max_tokens" => "length",
        "guardrail_intervened" | "content_filtered" => "content_filter",
        _ if !calls.is_empty() => "tool_calls",
        _ => "stop",
    };
    if finish == "stop" && text.is_empty() && !other && !silence_allowed(request) {
        return Err("malformed_response");
    }
    let usage = &body["usage"];
    let usage = usage.is_object().then(|| {
        let (read, written) = (number(&usage["cacheReadInputTokens"]), number(&usage["cacheWriteInputTokens"]));
        [number(&usage["inputTokens"]) + read + written, read, written, number(&usage["outputTokens"]), 0]
    });
    Ok(Reading { text, calls, finish, usage })
}

/// The events of a stream, each with its name as `type`. The lengths are believed.
pub(crate) fn events(mut bytes: &[u8]) -> Vec<Value> {
    let size = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let mut events = Vec::new();
    while bytes.len() >= 16 {
        let (message, rest) = bytes.split_at(size(bytes, 0));
        let headers = size(message, 4);
        let named = &message[12..12 + headers];
        let name = b":event-type";
        let at = named.windows(name.len()).position(|window| window == name).unwrap() + name.len() + 1;
        let length = usize::from(u16::from_be_bytes(named[at..at + 2].try_into().unwrap()));
        let mut event: Value = serde_json::from_slice(&message[12 + headers..message.len() - 4]).unwrap();
        event["type"] = std::str::from_utf8(&named[at + 2..at + 2 + length]).unwrap().into();
        events.push(event);
        bytes = rest;
    }
    events
}

/// The answer that the events make up.
pub(crate) fn whole(events: &[Value]) -> Value {
    let mut body = json!({});
    let mut blocks: Vec<Value> = Vec::new();
    let push = |into: &mut Value, more: &Value| {
        if let Some(more) = more.as_str() {
            *into = json!(format!("{}{more}", into.as_str().unwrap_or_default()));
        }
    };
    for event in events {
        let place = usize::try_from(event["contentBlockIndex"].as_u64().unwrap_or(0)).unwrap();
        if event["type"].as_str().unwrap().starts_with("contentBlock") && blocks.len() <= place {
            blocks.resize(place + 1, json!({}));
        }
        match event["type"].as_str().unwrap() {
            "contentBlockStart" if event["start"]["toolUse"].is_object() => {
                blocks[place]["toolUse"] = event["start"]["toolUse"].clone();
            }
            "contentBlockDelta" => {
                let (block, delta) = (&mut blocks[place], &event["delta"]);
                if delta["text"].is_string() {
                    push(&mut block["text"], &delta["text"]);
                }
                if delta["toolUse"].is_object() {
                    push(&mut block["toolUse"]["input"], &delta["toolUse"]["input"]);
                }
                if delta["reasoningContent"].is_object() {
                    push(&mut block["reasoningContent"]["reasoningText"]["text"], &delta["reasoningContent"]["text"]);
                }
            }
            "messageStop" => body["stopReason"] = event["stopReason"].clone(),
            "metadata" => body["usage"] = event["usage"].clone(),
            _ => {}
        }
    }
    for block in &mut blocks {
        if let Some(text) = block["toolUse"]["input"].as_str() {
            block["toolUse"]["input"] = serde_json::from_str(text).unwrap_or_else(|_| json!({}));
        }
    }
    body["output"]["message"]["content"] = blocks.into_iter().map(without_nulls).collect();
    body
}

/// Members that were only asked for.
fn without_nulls(value: Value) -> Value {
    let members = value.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
    members
        .filter(|(key, value)| *key != "toolUse" || value["name"].is_string())
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

pub(crate) fn thoughts(body: &Value) -> String {
    let blocks = body["output"]["message"]["content"].as_array().into_iter().flatten();
    blocks.filter_map(|block| block["reasoningContent"]["reasoningText"]["text"].as_str()).collect()
}
