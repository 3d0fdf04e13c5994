//! Answers and streams of Cohere chat, read a second time from the specification.

use serde_json::{Value, json};

use crate::answers::{Reading, counted, filled, number};

pub(crate) fn read(body: &Value, after_tool: bool) -> Result<Reading, &'static str> {
    let message = body["message"].as_object().ok_or("malformed_response")?;
    let message = Value::Object(message.clone());
    let mut text = String::new();
    let mut thought = filled(&message["tool_plan"]);
    for block in message["content"].as_array().into_iter().flatten() {
        text.push_str(block["text"].as_str().unwrap_or_default());
        thought |= filled(&block["thinking"]);
    }
    let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| {
        let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (words(&call["function"]["name"]), words(&call["function"]["arguments"]))
    });
    let reason = body["finish_reason"].as_str().unwrap_or_default();
    let calls = counted(calls.collect(), reason == "MAX_TOKENS").ok_or("malformed_response")?;
    let finish = match reason {
        "MAX_TOKENS" => "length",
        "ERROR_TOXIC" => "content_filter",
        "ERROR" => return Err("malformed_response"),
        _ if !calls.is_empty() => "tool_calls",
        _ => "stop",
    };
    let empty = text.is_empty() && calls.is_empty() && !thought;
    if finish == "stop" && empty && reason != "STOP_SEQUENCE" && !after_tool {
        return Err("malformed_response");
    }
    let usage = body["usage"].is_object().then(|| {
        let tokens = &body["usage"]["tokens"];
        let input = number(&tokens["input_tokens"]) + number(&tokens["image_tokens"]);
        let output = number(&tokens["output_tokens"]);
        let cached = number(&body["usage"]["cached_tokens"]).min(input);
        [input, cached, 0, output, number(&tokens["reasoning_tokens"]).min(output)]
    });
    Ok(Reading { text, calls, finish, usage })
}

/// The answer that the events make up.
pub(crate) fn whole(events: &[Value]) -> Value {
    let mut body = json!({"message": {"content": [{"text": "", "thinking": ""}], "tool_plan": "", "tool_calls": []}});
    let push = |into: &mut Value, more: &Value| {
        *into = json!(format!("{}{}", into.as_str().unwrap(), more.as_str().unwrap_or_default()));
    };
    for event in events {
        let delta = &event["delta"]["message"];
        let message = &mut body["message"];
        match event["type"].as_str().unwrap_or_default() {
            "content-start" | "content-delta" => {
                for key in ["text", "thinking"] {
                    push(&mut message["content"][0][key], &delta["content"][key]);
                }
            }
            "tool-plan-delta" => push(&mut message["tool_plan"], &delta["tool_plan"]),
            "tool-call-start" => message["tool_calls"].as_array_mut().unwrap().push(delta["tool_calls"].clone()),
            "tool-call-delta" => {
                let call = message["tool_calls"].as_array_mut().unwrap().last_mut().unwrap();
                push(&mut call["function"]["arguments"], &delta["tool_calls"]["function"]["arguments"]);
            }
            "message-end" => {
                body["finish_reason"] = event["delta"]["finish_reason"].clone();
                body["usage"] = event["delta"]["usage"].clone();
            }
            _ => {}
        }
    }
    body
}

pub(crate) fn thoughts(body: &Value) -> String {
    let message = &body["message"];
    let blocks = message["content"].as_array().into_iter().flatten();
    let thinking: String = blocks.filter_map(|block| block["thinking"].as_str()).collect();
    message["tool_plan"].as_str().unwrap_or_default().to_owned() + &thinking
}
