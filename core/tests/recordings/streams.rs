//! What a recorded stream says, put together a second time: naively, line by line, from the specification.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use locum::provider::Stage;
use locum::transport::HttpAnswer;
use locum::types::{Completion, Failure};
use serde_json::{Map, Value, json};

use crate::answers::{Reading, reading_of};
use crate::errors::error_inside;
use crate::feed::{Fed, feed, feed_aws, split, words};
use crate::{Record, Wire, bedrock, target};

/// Where the decoder, fed in many splits, and the independent reading differ.
pub(crate) fn misread(record: &Record<'_>) -> Option<String> {
    let binary = (record.wire() == Wire::Bedrock).then(|| BASE64_STANDARD.decode(record.body).unwrap());
    let events = binary.as_deref().map_or_else(|| events(record.body), bedrock::events);
    let body = record.wire().whole(&events);
    let want = record.wire().read(&body, record.request);
    let bytes = binary.as_deref().unwrap_or(record.body.as_bytes());
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |most: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % most).unwrap()
    };
    let splits = [
        vec![bytes],
        split(bytes, || 1),
        split(bytes, || random(7)),
        split(bytes, || random(64)),
        split(bytes, || random(2000)),
    ];
    let mut first: Option<(Result<Completion, Failure>, _)> = None;
    for pieces in splits {
        let fed = decode(record, pieces);
        if let Some(problem) = flaw(record, &fed, &want, &body) {
            return Some(problem);
        }
        let (result, deltas) = first.get_or_insert_with(|| (fed.result.clone(), fed.deltas.clone()));
        if *result != fed.result || *deltas != fed.deltas {
            return Some("another split, another result".to_owned());
        }
    }
    None
}

/// Where the decoder and the table differ about the error in a stream.
pub(crate) fn misjudged(record: &Record<'_>) -> Option<String> {
    let events = events(record.body);
    let stated = events.iter().find_map(|event| {
        let error = [&event["error"], &event["response"]["error"]].into_iter().find(|error| error.is_object())?;
        error_inside(record.kind, &json!({"error": error}))
    });
    let want = stated.expect("an error among the events");
    match decode(record, vec![record.body.as_bytes()]).result {
        Ok(_) => Some("read as an answer".to_owned()),
        Err(failure) if failure.kind.as_str() != want => Some(format!("got {}, want {want}", failure.kind)),
        Err(_) => None,
    }
}

fn decode(record: &Record<'_>, pieces: Vec<&[u8]>) -> Fed {
    let (request, params) = record.request.map_or_else(Default::default, |body| record.wire().request(body));
    let nothing = Map::new();
    let head = HttpAnswer { status: record.status, headers: record.headers.clone(), body: Default::default() };
    let target = target(record.kind, &params, &nothing);
    let decoder = record.wire().codec().decoder(&target, &request, head, 1_790_000_000);
    if record.wire() == Wire::Bedrock { feed_aws(decoder, pieces) } else { feed(decoder, pieces) }
}

fn flaw(record: &Record<'_>, fed: &Fed, want: &Result<Reading, &'static str>, body: &Value) -> Option<String> {
    let got = fed.result.as_ref().map(reading_of).map_err(|failure| failure.kind.as_str());
    if got != *want {
        return Some(format!("got {got:?}, want {want:?}"));
    }
    let completion = fed.result.as_ref().ok()?;
    let over = record.wire().ends(record.body);
    if fed.stage != if over { Stage::Over } else { Stage::Whole } {
        return Some(format!("the stage is {:?}", fed.stage));
    }
    let [text, refusal, reasoning] = words(&fed.deltas);
    let text = text + &refusal;
    // What a classifier says about its refusal stands beside the content and is no part of the stream's text.
    let said = if fed.text.is_empty() { "" } else { completion.text.as_str() };
    if (text.as_str(), fed.text.as_str()) != (said, said) {
        return Some("the deltas, the decoder's text and the answer differ".to_owned());
    }
    let thoughts = record.wire().thoughts(body);
    if reasoning != completion.reasoning.clone().unwrap_or_default() || reasoning != thoughts {
        return Some("the reasoning differs".to_owned());
    }
    let model = if record.wire() == Wire::Gemini { &body["modelVersion"] } else { &body["model"] };
    (completion.served_by.as_deref() != model.as_str()).then(|| "the model differs".to_owned())
}

/// The JSON objects of a stream.
fn events(body: &str) -> Vec<Value> {
    let lines = body.split(['\n', '\r']).filter_map(|line| line.strip_prefix("data:"));
    lines.filter_map(|data| serde_json::from_str(data.trim()).ok()).collect()
}

fn push(into: &mut Value, piece: &Value) {
    if let Some(piece) = piece.as_str() {
        *into = json!(format!("{}{piece}", into.as_str().unwrap_or_default()));
    }
}

/// The completion that the chunks of choice 0 make up.
pub(crate) fn completion(chunks: &[Value]) -> Value {
    let mut body = json!({});
    let mut choice = json!({"index": 0, "message": {"content": "", "tool_calls": []}});
    let mut parts = Vec::new();
    for chunk in chunks {
        for source in [&chunk["x_groq"]["usage"], &chunk["usage"]] {
            for (key, value) in source.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
                body["usage"][key] = value.clone();
            }
        }
        if chunk["model"].as_str().is_some_and(|model| !model.is_empty()) {
            body["model"] = chunk["model"].clone();
        }
        for piece in chunk["choices"].as_array().into_iter().flatten().filter(|piece| piece["index"] == 0) {
            for key in ["finish_reason", "native_finish_reason", "stop_reason"] {
                if !piece[key].is_null() {
                    choice[key] = piece[key].clone();
                }
            }
            let (delta, message) = (&piece["delta"], &mut choice["message"]);
            for key in ["content", "refusal", "reasoning", "reasoning_content"] {
                push(&mut message[key], &delta[key]);
            }
            parts.extend(delta["content"].as_array().into_iter().flatten().cloned());
            for detail in delta["reasoning_details"].as_array().into_iter().flatten() {
                match &mut message["reasoning_details"] {
                    Value::Array(details) => details.push(detail.clone()),
                    none => *none = json!([detail]),
                }
            }
            for (place, call) in delta["tool_calls"].as_array().into_iter().flatten().enumerate() {
                let place = call["index"].as_u64().map_or(place, |index| usize::try_from(index).unwrap());
                let calls = message["tool_calls"].as_array_mut().unwrap();
                if calls.len() <= place {
                    calls.resize(place + 1, json!({"function": {"name": "", "arguments": ""}}));
                }
                for key in ["name", "arguments"] {
                    push(&mut calls[place]["function"][key], &call["function"][key]);
                }
            }
        }
    }
    if !parts.is_empty() {
        let text = choice["message"]["content"].take();
        parts.push(json!({"type": "text", "text": text}));
        choice["message"]["content"] = json!(parts);
    }
    body["choices"] = json!([choice]);
    body
}

/// The message that the events make up.
pub(crate) fn message(events: &[Value]) -> Value {
    let mut body = json!({"content": []});
    let mut inputs: Vec<String> = Vec::new();
    for event in events {
        let place = usize::try_from(event["index"].as_u64().unwrap_or(0)).unwrap();
        match event["type"].as_str().unwrap() {
            "message_start" => body = event["message"].clone(),
            "content_block_start" => {
                body["content"].as_array_mut().unwrap().push(event["content_block"].clone());
                inputs.push(String::new());
            }
            "content_block_delta" => {
                let (block, delta) = (&mut body["content"][place], &event["delta"]);
                for key in ["text", "thinking", "signature"] {
                    if delta[key].is_string() {
                        push(&mut block[key], &delta[key]);
                    }
                }
                inputs[place].push_str(delta["partial_json"].as_str().unwrap_or_default());
            }
            "content_block_stop" if !inputs[place].is_empty() => {
                let input = &inputs[place];
                body["content"][place]["input"] = serde_json::from_str(input).unwrap_or_else(|_| json!(input));
            }
            "message_delta" => {
                for (key, value) in event["delta"].as_object().unwrap() {
                    body[key] = value.clone();
                }
                for (key, value) in event["usage"].as_object().unwrap() {
                    body["usage"][key] = value.clone();
                }
            }
            _ => {}
        }
    }
    body
}

/// The visible reasoning of an answer of either format.
pub(crate) fn thoughts(body: &Value) -> String {
    let join = |list: &Value, key: &str| -> String {
        list.as_array().into_iter().flatten().filter_map(|item| item[key].as_str()).collect()
    };
    let message = &body["choices"][0]["message"];
    let named =
        ["reasoning_content", "reasoning"].iter().find_map(|key| message[*key].as_str().filter(|it| !it.is_empty()));
    let parts = message["content"].as_array().into_iter().flatten();
    let nested: String = parts.map(|part| join(&part["thinking"], "text")).collect();
    let details = join(&message["reasoning_details"], "text") + &join(&message["reasoning_details"], "summary");
    [named.unwrap_or_default().to_owned(), nested, details, join(&body["content"], "thinking")]
        .into_iter()
        .find(|words| !words.is_empty())
        .unwrap_or_default()
}
