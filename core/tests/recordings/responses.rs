//! Answers and streams of OpenAI Responses, read a second time from the specification.

use locum::types::{Params, Request};
use serde_json::{Value, json};

use crate::answers::{Reading, counted, filled, number, read_openai};

/// Whether the items end with a tool's result or the model's own words, after which silence is an answer.
fn silence_allowed(request: Option<&Value>) -> bool {
    let last = request.and_then(|body| body["input"].as_array()).and_then(|items| items.last());
    last.is_some_and(|last| {
        last["role"] == "assistant" || last["type"].as_str().is_some_and(|kind| kind.ends_with("_output"))
    })
}

/// What decoding depends on of a request.
pub(crate) fn request(body: &Value) -> (Request, Params) {
    crate::gemini::silent(silence_allowed(Some(body)))
}

pub(crate) fn read(body: &Value, request: Option<&Value>) -> Result<Reading, &'static str> {
    if body["choices"].is_array() {
        return read_openai(body, None);
    }
    let items = body["output"].as_array().ok_or("malformed_response")?;
    let (mut text, mut refusal, mut calls, mut other) = (String::new(), String::new(), Vec::new(), false);
    for item in items {
        match item["type"].as_str().unwrap_or_default() {
            "message" => {
                for part in item["content"].as_array().into_iter().flatten() {
                    text.push_str(part["text"].as_str().unwrap_or_default());
                    refusal.push_str(part["refusal"].as_str().unwrap_or_default());
                }
            }
            "function_call" => calls.push((
                item["name"].as_str().unwrap().to_owned(),
                item["arguments"].as_str().unwrap_or_default().to_owned(),
            )),
            "custom_tool_call" => calls.push((item["name"].as_str().unwrap().to_owned(), item["input"].to_string())),
            "reasoning" => {
                let lists = [&item["summary"], &item["content"]].into_iter().filter_map(Value::as_array).flatten();
                other |= lists.into_iter().any(|part| filled(&part["text"])) || filled(&item["encrypted_content"]);
            }
            _ => other = true,
        }
    }
    let filtered = body["incomplete_details"]["reason"] == "content_filter";
    let cut = body["status"] == "incomplete" && !filtered;
    let calls = counted(calls, cut).ok_or("malformed_response")?;
    let said = !text.is_empty() || !refusal.is_empty() || !calls.is_empty() || other;
    let finish = match body["status"].as_str().unwrap_or_default() {
        _ if cut => "length",
        "incomplete" => "content_filter",
        "failed" | "cancelled" => return Err("malformed_response"),
        "queued" | "in_progress" if !said => "paused",
        _ if !refusal.is_empty() => "refusal",
        _ if !calls.is_empty() => "tool_calls",
        _ => "stop",
    };
    if finish == "stop" && !said && !silence_allowed(request) {
        return Err("malformed_response");
    }
    let usage = &body["usage"];
    let usage = usage.is_object().then(|| {
        let input = number(&usage["input_tokens"]);
        let (stated, total) = (number(&usage["output_tokens"]), number(&usage["total_tokens"]));
        let output = if total > input && total != input + stated { total - input } else { stated };
        let cached = number(&usage["input_tokens_details"]["cached_tokens"]).min(input);
        let written = number(&usage["input_tokens_details"]["cache_write_tokens"]).min(input - cached);
        [input, cached, written, output, number(&usage["output_tokens_details"]["reasoning_tokens"]).min(output)]
    });
    Ok(Reading { text: text + &refusal, calls, finish, usage })
}

/// The answer that the events make up: the last one holds it all.
pub(crate) fn whole(events: &[Value]) -> Value {
    let last = events.iter().rev().find(|event| {
        matches!(event["type"].as_str(), Some("response.completed" | "response.incomplete" | "response.failed"))
    });
    let mut body = last.map_or_else(|| json!({}), |event| event["response"].clone());
    if !filled(&body["output"]) {
        let done = events.iter().filter(|event| event["type"] == "response.output_item.done");
        body["output"] = done.map(|event| event["item"].clone()).collect();
    }
    body
}

pub(crate) fn thoughts(body: &Value) -> String {
    let items = body["output"].as_array().into_iter().flatten().filter(|item| item["type"] == "reasoning");
    let lists = items.flat_map(|item| [&item["summary"], &item["content"]]).filter_map(Value::as_array).flatten();
    let texts: Vec<_> = lists.filter_map(|part| part["text"].as_str()).filter(|text| !text.is_empty()).collect();
    texts.join("\n\n")
}
