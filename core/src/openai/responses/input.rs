//! The items of a conversation as chat messages.

use serde_json::{Map, Value, json};

use crate::openai::refusal::Refusal;
use crate::types::parse;
use crate::types::{Content, Message, ParseError, Role, ToolCall};

/// One string, or items.
pub(super) fn read(input: Option<Value>) -> Result<Vec<Message>, Refusal> {
    let items = match input {
        None => return Err(ParseError::new("input", "missing").into()),
        Some(Value::String(text)) => return Ok(vec![Message::user(text)]),
        Some(items) => parse::array(items, "input")?,
    };
    if items.is_empty() {
        return Err(ParseError::new("input", "empty: at least one item is needed").into());
    }
    let mut messages = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        let place = format!("input[{at}]");
        add(&mut messages, parse::object(item, &place)?, &place)?;
    }
    Ok(messages)
}

fn add(messages: &mut Vec<Message>, mut item: Map<String, Value>, place: &str) -> Result<(), Refusal> {
    let kind = match item.remove("type") {
        None | Some(Value::Null) => "message".to_owned(),
        Some(kind) => parse::string(kind, &format!("{place}.type"))?,
    };
    match kind.as_str() {
        "message" => messages.push(message(item, place)?),
        "function_call" => call(messages, item, place)?,
        "function_call_output" => {
            let id = parse::string(item.remove("call_id").unwrap_or_default(), &format!("{place}.call_id"))?;
            let output = content(item.remove("output").unwrap_or_default(), &format!("{place}.output"))?;
            let result = json!({"role": "tool", "tool_call_id": id, "content": output});
            messages.push(Message::from_value(result, place)?);
        }
        // What another model thought, in its own provider's cipher.
        "reasoning" => {}
        "item_reference" => {
            return Err(Refusal::unsupported(&format!("{place}.type"), "items are not stored; send the item itself"));
        }
        other => {
            let problem = format!("\"{other}\" is an item of a tool of OpenAI's own, which other models do not know");
            return Err(Refusal::unsupported(&format!("{place}.type"), &problem));
        }
    }
    Ok(())
}

fn message(mut item: Map<String, Value>, place: &str) -> Result<Message, Refusal> {
    let content = content(item.remove("content").unwrap_or_default(), &format!("{place}.content"))?;
    let role = item.remove("role").unwrap_or_default();
    Ok(Message::from_value(json!({"role": role, "content": content}), place)?)
}

/// Calls that follow each other, or the words that came before them, are one message of the assistant.
fn call(messages: &mut Vec<Message>, mut item: Map<String, Value>, place: &str) -> Result<(), Refusal> {
    let mut text = |name: &str| parse::string(item.remove(name).unwrap_or_default(), &format!("{place}.{name}"));
    let call = ToolCall { id: text("call_id")?, name: text("name")?, arguments: text("arguments")? };
    match messages.last_mut().filter(|last| last.role == Role::Assistant) {
        Some(last) => last.tool_calls.push(call),
        None => {
            let content = Content::None;
            messages.push(Message { content, tool_calls: vec![call], ..Message::assistant("") });
        }
    }
    Ok(())
}

/// Text, or parts as chat completions have them.
fn content(content: Value, place: &str) -> Result<Value, Refusal> {
    let parts = match content {
        Value::Array(parts) => parts,
        other => return Ok(other),
    };
    let part = |(at, value): (usize, Value)| {
        let place = format!("{place}[{at}]");
        part(parse::object(value, &place)?, &place)
    };
    parts.into_iter().enumerate().map(part).collect()
}

fn part(mut part: Map<String, Value>, place: &str) -> Result<Value, Refusal> {
    let kind = parse::string(part.remove("type").unwrap_or_default(), &format!("{place}.type"))?;
    if part.get("file_id").is_some_and(|id| !id.is_null()) {
        return Err(Refusal::unsupported(&format!("{place}.file_id"), "files are not stored; send the data itself"));
    }
    match kind.as_str() {
        "input_text" | "output_text" | "text" => Ok(json!({"type": "text", "text": part.remove("text")})),
        "refusal" => Ok(json!({"type": "text", "text": part.remove("refusal")})),
        "input_image" => {
            let mut image = Map::new();
            image.insert("url".to_owned(), part.remove("image_url").unwrap_or_default());
            if let Some(detail) = part.remove("detail") {
                image.insert("detail".to_owned(), detail);
            }
            Ok(json!({"type": "image_url", "image_url": image}))
        }
        "input_file" => Ok(json!({"type": "file", "file": part})),
        "input_audio" => Ok(json!({"type": "input_audio", "input_audio": part.remove("input_audio")})),
        other => Err(Refusal::unsupported(&format!("{place}.type"), &format!("\"{other}\" is not known"))),
    }
}
