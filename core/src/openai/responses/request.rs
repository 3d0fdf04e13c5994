//! Reading a request for a response.

use serde_json::{Map, Value, json};

use super::input;
use super::stream::ResponsePen;
use crate::openai::controls::labels;
use crate::openai::refusal::Refusal;
use crate::openai::{Order, Stamp, flag, resolve};
use crate::types::parse::{self, did_you_mean};
use crate::types::{Message, Options, ParseError};

/// Members that would be answered wrongly if they were passed over.
const REFUSED: [(&str, &str); 4] = [
    ("previous_response_id", "responses are not stored; send the items of the conversation as input"),
    ("conversation", "conversations are not stored; send their items as input"),
    ("prompt", "prompts are not stored; send instructions and input"),
    ("background", "a response is awaited, or read as it comes"),
];

/// Members whose value is told back in the response, with what stands there where the request has none.
const ECHOED: [(&str, Value); 11] = [
    ("instructions", Value::Null),
    ("max_output_tokens", Value::Null),
    ("max_tool_calls", Value::Null),
    ("metadata", Value::Null),
    ("parallel_tool_calls", Value::Bool(true)),
    ("temperature", Value::Null),
    ("tool_choice", Value::Null),
    ("tools", Value::Null),
    ("top_p", Value::Null),
    ("truncation", Value::Null),
    ("user", Value::Null),
];

/// Members of this API that chat completions have too, under the same name.
const SHARED: [&str; 8] = [
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "top_logprobs",
    "user",
    "verbosity",
];

/// Members that change nothing here: what they ask for is so anyway, or is done by nobody but OpenAI.
const HARMLESS: [&str; 5] = ["store", "include", "truncation", "max_tool_calls", "background"];

/// The call that a body asks for.
pub(in crate::openai) fn read(mut body: Map<String, Value>, stamp: Stamp, tasks: &[&str]) -> Result<Order, Refusal> {
    let (task, pinned) = resolve(body.remove("model"), tasks)?;
    body.retain(|_, value| !value.is_null());
    for (member, problem) in REFUSED {
        if body.get(member).is_some_and(|value| *value != Value::Bool(false)) {
            return Err(Refusal::unsupported(member, problem));
        }
    }
    if body.get("top_logprobs").is_some_and(|count| *count != 0) {
        return Err(Refusal::unsupported("top_logprobs", "probabilities are not handed on"));
    }
    let mut echo: Map<String, Value> =
        ECHOED.iter().map(|(name, unset)| ((*name).to_owned(), body.get(*name).unwrap_or(unset).clone())).collect();
    let live = flag(&mut body, "stream")?;
    body.remove("stream_options");
    let mut messages = Vec::new();
    if let Some(instructions) = body.remove("instructions") {
        messages.push(Message::system(parse::string(instructions, "instructions")?));
    }
    messages.append(&mut input::read(body.remove("input"))?);
    let metadata = labels(body.remove("metadata"))?;
    let mut options = Map::new();
    for member in ["temperature", "top_p", "max_output_tokens"] {
        if let Some(value) = body.remove(member) {
            options.insert(member.to_owned(), value);
        }
    }
    if let Some(tools) = body.remove("tools") {
        options.insert("tools".to_owned(), tools_of(tools)?);
    }
    if let Some(choice) = body.remove("tool_choice") {
        options.insert("tool_choice".to_owned(), choice_of(choice)?);
    }
    let reasoning = match body.remove("reasoning") {
        None => Map::new(),
        Some(value) => parse::object(value, "reasoning")?,
    };
    if let Some(effort) = reasoning.get("effort").filter(|effort| !effort.is_null()) {
        options.insert("reasoning_effort".to_owned(), effort.clone());
    }
    let mut text = match body.remove("text") {
        None => Map::new(),
        Some(value) => parse::object(value, "text")?,
    };
    echo.insert(
        "reasoning".to_owned(),
        json!({"effort": reasoning.get("effort"), "summary": reasoning.get("summary")}),
    );
    let format = text.get("format").cloned().unwrap_or_else(|| json!({"type": "text"}));
    echo.insert("text".to_owned(), json!({"format": format}));
    if let Some(format) = text.remove("format").filter(|format| !format.is_null()) {
        options.insert("response_format".to_owned(), format_of(format)?);
    }
    if let Some(verbosity) = text.remove("verbosity").filter(|verbosity| !verbosity.is_null()) {
        body.insert("verbosity".to_owned(), verbosity);
    }
    body.retain(|name, _| !HARMLESS.contains(&name.as_str()));
    if let Some(unknown) = body.keys().find(|name| !SHARED.contains(&name.as_str())) {
        let hint = did_you_mean(unknown, SHARED.iter().copied().chain(ECHOED.iter().map(|(name, _)| *name)));
        return Err(Refusal::unsupported(unknown, &format!("not known{hint}")));
    }
    for (name, unset) in [
        ("metadata", json!({})),
        ("tools", json!([])),
        ("tool_choice", "auto".into()),
        ("truncation", "disabled".into()),
    ] {
        if let Some(value) = echo.get_mut(name).filter(|value| value.is_null()) {
            *value = unset;
        }
    }
    let options = Options { metadata, model: pinned, ..Options::from_value(options.into())? };
    Ok(Order {
        task,
        messages,
        options,
        extra: body,
        live,
        restarts: false,
        pen: Box::new(ResponsePen::new(stamp, echo)),
    })
}

/// `{type: "function", name, …}` as chat completions have it.
fn tools_of(tools: Value) -> Result<Value, Refusal> {
    let chat = |(at, tool): (usize, Value)| {
        let place = format!("tools[{at}]");
        let mut tool = parse::object(tool, &place)?;
        match tool.remove("type") {
            Some(kind) if kind == "function" => Ok(json!({"type": "function", "function": tool})),
            Some(Value::String(kind)) => {
                let problem = format!("\"{kind}\" is a tool of OpenAI's own; only functions are passed on to models");
                Err(Refusal::unsupported(&format!("{place}.type"), &problem))
            }
            _ => Err(ParseError::new(format!("{place}.type"), "missing").into()),
        }
    };
    parse::array(tools, "tools")?.into_iter().enumerate().map(chat).collect()
}

fn choice_of(choice: Value) -> Result<Value, Refusal> {
    match choice {
        Value::Object(choice) if choice.get("type").is_some_and(|kind| kind == "function") => {
            Ok(json!({"type": "function", "function": {"name": choice.get("name")}}))
        }
        Value::Object(_) => Err(Refusal::unsupported("tool_choice.type", "only functions are passed on to models")),
        word => Ok(word),
    }
}

fn format_of(format: Value) -> Result<Value, Refusal> {
    let mut format = parse::object(format, "text.format")?;
    match format.remove("type") {
        Some(kind) if kind == "json_schema" => Ok(json!({"type": kind, "json_schema": format})),
        Some(kind) => Ok(json!({"type": kind})),
        None => Err(ParseError::new("text.format.type", "missing").into()),
    }
}
