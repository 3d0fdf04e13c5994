//! Reading a request for a chat completion.

use serde_json::{Map, Value};

use super::answer::ChatPen;
use crate::openai::controls::labels;
use crate::openai::refusal::Refusal;
use crate::openai::{Order, Stamp, flag, resolve};
use crate::types::parse;
use crate::types::{Messages, Options};

/// Members that mean the same as the option of that name.
const OPTIONS: [(&str, &str); 9] = [
    ("tools", "tools"),
    ("tool_choice", "tool_choice"),
    ("response_format", "response_format"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("max_tokens", "max_output_tokens"),
    ("max_completion_tokens", "max_output_tokens"),
    ("stop", "stop"),
    ("seed", "seed"),
];

/// Members that would be answered wrongly if they were passed over.
const REFUSED: [(&str, &str); 5] = [
    ("functions", "give tools instead; functions are their forerunner"),
    ("function_call", "give tool_choice instead; function_call is its forerunner"),
    ("audio", "answers are text"),
    ("logprobs", "probabilities are not handed on"),
    ("top_logprobs", "probabilities are not handed on"),
];

/// The call that a body asks for.
pub(in crate::openai) fn read(mut body: Map<String, Value>, stamp: Stamp, tasks: &[&str]) -> Result<Order, Refusal> {
    let (task, pinned) = resolve(body.remove("model"), tasks)?;
    body.retain(|_, value| !value.is_null());
    refuse(&body)?;
    body.remove("n");
    body.remove("logprobs");
    let live = flag(&mut body, "stream")?;
    let mut streaming = match body.remove("stream_options") {
        None => Map::new(),
        Some(value) => parse::object(value, "stream_options")?,
    };
    let counts = flag(&mut streaming, "include_usage")?;
    let messages = body.remove("messages").unwrap_or_default();
    let messages = Messages::from_value(messages)?.0;
    let metadata = labels(body.remove("metadata"))?;
    only_functions(body.get("tools"))?;
    let mut options = Map::new();
    for (member, option) in OPTIONS {
        if let Some(value) = body.remove(member) {
            options.insert(option.to_owned(), value);
        }
    }
    if let Some(effort) = body.remove("reasoning_effort") {
        options.insert("reasoning_effort".to_owned(), effort);
    }
    let options = Options { metadata, model: pinned, ..Options::from_value(options.into())? };
    let pen = Box::new(ChatPen::new(stamp, counts));
    Ok(Order { task, messages, options, extra: body, live, restarts: false, pen })
}

fn refuse(body: &Map<String, Value>) -> Result<(), Refusal> {
    for (member, problem) in REFUSED {
        if body.get(member).is_some_and(|value| *value != Value::Bool(false)) {
            return Err(Refusal::unsupported(member, problem));
        }
    }
    if body.get("n").is_some_and(|n| n.as_u64() != Some(1)) {
        return Err(Refusal::unsupported("n", "one answer is given to a request"));
    }
    let only_text = |modes: &Value| modes.as_array().is_some_and(|modes| modes.iter().all(|mode| mode == "text"));
    if body.get("modalities").is_some_and(|modes| !only_text(modes)) {
        return Err(Refusal::unsupported("modalities", "answers are text"));
    }
    Ok(())
}

/// Of the kinds of tools, functions are what every provider knows.
fn only_functions(tools: Option<&Value>) -> Result<(), Refusal> {
    let tools = tools.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let other = tools.iter().position(|tool| tool.get("type").is_some_and(|kind| kind != "function"));
    match other {
        None => Ok(()),
        Some(at) => Err(Refusal::unsupported(&format!("tools[{at}].type"), "only functions are passed on to models")),
    }
}
