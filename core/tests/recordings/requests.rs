//! Recorded requests in the canonical form, and what must hold of them once they are encoded again.

use locum::ErrorKind;
use locum::provider::{ANTHROPIC, BEDROCK, COHERE, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES, Provider};
use locum::types::{Failure, Message, Options, Params, Request};
use serde_json::{Map, Value, json};

use crate::target;

/// Reads one option as a caller would pass it; what the canonical form does not take is left out.
fn option(options: &mut Options, key: &str, value: &Value) -> bool {
    let Ok(read) = Options::from_value(json!({ key: value })) else {
        return false;
    };
    match key {
        "tools" => options.tools = read.tools,
        "tool_choice" => options.tool_choice = read.tool_choice,
        "response_format" => options.response_format = read.response_format,
        _ => options.params = options.params.merged(&read.params),
    }
    true
}

/// The request of an OpenAI chat body, and whether all of its messages and tools could be read.
pub(crate) fn from_openai(body: &Value) -> ((Request, Params), bool) {
    let mut options = Options::default();
    let mut whole = true;
    for key in [
        "tools",
        "tool_choice",
        "response_format",
        "temperature",
        "top_p",
        "max_tokens",
        "stop",
        "seed",
        "reasoning_effort",
    ] {
        if let Some(value) = body.get(key).filter(|value| !value.is_null()) {
            let read = option(&mut options, key, value);
            whole &= read || key != "tools";
        }
    }
    let mut messages = Vec::new();
    for (i, message) in body["messages"].as_array().into_iter().flatten().enumerate() {
        match Message::from_value(message.clone(), &format!("messages[{i}]")) {
            Ok(message) => messages.push(message),
            Err(_) => whole = false,
        }
    }
    let request = Request {
        messages,
        tools: options.tools,
        tool_choice: options.tool_choice,
        response_format: options.response_format,
        ..Request::default()
    };
    ((request, options.params), whole)
}

/// The request of an Anthropic body in the canonical form, as far as decoding can depend on it.
pub(crate) fn from_anthropic(body: &Value) -> (Request, Params) {
    let mut messages = Vec::new();
    for message in body["messages"].as_array().into_iter().flatten() {
        let assistant = message["role"] == "assistant";
        let make = if assistant { Message::assistant } else { Message::user };
        let Some(parts) = message["content"].as_array() else {
            messages.push(make(message["content"].as_str().unwrap_or_default().to_owned()));
            continue;
        };
        let mut said: Option<Message> = None;
        for part in parts {
            match part["type"].as_str().unwrap_or_default() {
                "tool_result" => {
                    let id = part["tool_use_id"].as_str().unwrap_or_default();
                    messages.push(Message::tool(id, part["content"].to_string()));
                }
                "tool_use" => {
                    let call = json!({"role": "assistant", "tool_calls": [{
                        "id": part["id"], "type": "function",
                        "function": {"name": part["name"], "arguments": part["input"].to_string()}}]});
                    let call = Message::from_value(call, "call").unwrap();
                    let said = said.get_or_insert_with(|| Message::assistant(""));
                    said.tool_calls.extend(call.tool_calls);
                }
                "text" => {
                    let text = part["text"].as_str().unwrap_or_default().to_owned();
                    said.get_or_insert_with(|| make(text));
                }
                // What else a user sends matters here only as a turn of theirs.
                _ if !assistant => {
                    said.get_or_insert_with(|| make("(a file)".to_owned()));
                }
                _ => {}
            }
        }
        messages.extend(said);
    }
    let mut options = Options::default();
    for (key, name) in [("temperature", "temperature"), ("max_tokens", "max_tokens"), ("stop_sequences", "stop")] {
        if let Some(value) = body.get(key) {
            option(&mut options, name, value);
        }
    }
    let tools: Vec<Value> = body["tools"].as_array().into_iter().flatten()
        .filter(|tool| tool["input_schema"].is_object())
        .map(|tool| json!({"name": tool["name"], "description": tool["description"], "parameters": tool["input_schema"]}))
        .collect();
    if !tools.is_empty() {
        option(&mut options, "tools", &json!(tools));
    }
    let request = Request { messages, tools: options.tools, ..Request::default() };
    (request, options.params)
}

fn encoded(codec: &dyn Provider, kind: &str, request: &Request, params: &Params) -> Result<Value, Failure> {
    let nothing = Map::new();
    let (http, _) = codec.encode(&target(kind, params, &nothing), request)?;
    Ok(serde_json::from_slice(&http.body).expect("the body is JSON"))
}

/// Every format that a chat can be sent in, with a kind of provider that speaks it.
const FORMATS: [(&str, &str, &dyn Provider); 5] = [
    ("anthropic_messages", "anthropic", &ANTHROPIC),
    ("gemini_generate", "gemini", &GEMINI),
    ("cohere_chat", "cohere", &COHERE),
    ("bedrock_converse", "bedrock", &BEDROCK),
    ("openai_responses", "openai", &OPENAI_RESPONSES),
];

/// The bodies that the request becomes, by format: the one of its own provider, and those of all others that can say it.
pub(crate) fn written(request: &Request, params: &Params, kind: &str) -> Vec<Value> {
    let own = ("openai_chat", kind, &OPENAI_CHAT as &dyn Provider);
    let all = std::iter::once(own).chain(FORMATS);
    all.filter_map(|(format, kind, codec)| {
        let body = encoded(codec, kind, request, params).ok()?;
        Some(json!({"format": format, "kind": kind, "body": body}))
    })
    .collect()
}

/// Both formats write JSON with the members they require, or say that they cannot.
pub(crate) fn mandatory(request: &Request, params: &Params, kind: &str) -> Option<String> {
    let openai = encoded(&OPENAI_CHAT, kind, request, params).unwrap();
    // A call whose result the record left out is given one.
    let whole = |messages: &Vec<Value>| messages.len() >= request.messages.len();
    if openai["model"] != "model" || !openai["messages"].as_array().is_some_and(whole) {
        return Some("OpenAI chat: model or messages are not right".to_owned());
    }
    match encoded(&ANTHROPIC, "anthropic", request, params) {
        Err(failure) if failure.kind == ErrorKind::Unsupported => None,
        Err(failure) => Some(format!("Anthropic: {}", failure.message)),
        Ok(body) => anthropic_rules(&body),
    }
}

/// What the Messages API demands of a body.
fn anthropic_rules(body: &Value) -> Option<String> {
    let fail = |what: &str| Some(format!("Anthropic: {what}"));
    let messages = body["messages"].as_array().unwrap();
    if body["model"] != "model" || body["max_tokens"].as_u64().unwrap_or(0) == 0 {
        return fail("model or max_tokens missing");
    }
    let mut open: Vec<&str> = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        let role = if i % 2 == 0 { "user" } else { "assistant" };
        if message["role"] != role {
            return fail("turns do not alternate from the user on");
        }
        let blocks = message["content"].as_array().unwrap();
        let empty = |block: &Value| block["text"].as_str().is_some_and(|text| text.trim().is_empty());
        if blocks.is_empty() || blocks.iter().any(empty) {
            return fail("an empty block");
        }
        let results: Vec<&str> = blocks
            .iter()
            .take_while(|block| block["type"] == "tool_result")
            .map(|block| block["tool_use_id"].as_str().unwrap())
            .collect();
        if blocks.iter().filter(|block| block["type"] == "tool_result").count() != results.len() {
            return fail("results do not stand first");
        }
        if results.len() != open.len() || open.iter().any(|id| !results.contains(id)) {
            return fail("results do not match the calls before them");
        }
        open = blocks
            .iter()
            .filter(|block| block["type"] == "tool_use")
            .map(|block| block["id"].as_str().unwrap())
            .collect();
        let charset = |id: &&str| {
            (1..=64).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-')
        };
        if !open.iter().all(charset) {
            return fail("a tool call id of a wrong shape");
        }
    }
    if open.is_empty() { None } else { fail("the last calls have no results") }
}

/// A message or tool without members that say nothing, and with one spelling of images.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, value)| {
                // Hints to caches and another model's reasoning are no part of the canonical form.
                let hint = ["prompt_cache_breakpoint", "cache_control"].contains(&key.as_str());
                let reasoning = ["reasoning_content", "reasoning", "reasoning_details"].contains(&key.as_str());
                let no_calls = *key == "tool_calls" && value.as_array().is_some_and(Vec::is_empty);
                !(value.is_null() || hint || reasoning || no_calls)
            })
            .map(|(key, value)| (key.clone(), plain(value)))
            .collect(),
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

/// A request recorded in OpenAI chat comes out as it went in.
pub(crate) fn same(body: &Value, request: &Request, params: &Params) -> Option<String> {
    let again = encoded(&OPENAI_CHAT, "openai", request, params).unwrap();
    for key in ["messages", "tools"] {
        let (before, after) = (plain(&body[key]), plain(&again[key]));
        if before != after && !(key == "tools" && before == json!([])) {
            return Some(format!("{key} changed: {before} became {after}"));
        }
    }
    None
}
