//! A chat as the items of Responses.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::error::ErrorKind;
use crate::provider::Target;
use crate::provider::history;
use crate::provider::params::is_reasoning;
use crate::types::{Content, Failure, Message, Part, Role};

/// The longest id of a call, in characters.
const MAX_ID: usize = 64;

/// The items of a chat. Instructions stay messages, which every server takes; `instructions` some do not.
pub(super) fn items(
    target: &Target<'_>,
    messages: Cow<'_, [Message]>,
    strip_reasoning: bool,
    warnings: &mut Vec<String>,
) -> Result<Vec<Value>, Failure> {
    let messages = history::settled(messages, warnings);
    let ids = short_ids(&messages);
    let id = |id: &str| ids.get(id).cloned().unwrap_or_else(|| id.to_owned());
    let mut items = Vec::with_capacity(messages.len());
    for message in messages.iter() {
        match message.role {
            Role::System | Role::Developer | Role::User => {
                let content = content(&message.content)?;
                if !content.is_null() {
                    items.push(json!({"role": message.role.as_str(), "content": content}));
                }
            }
            Role::Assistant => match history::own_turn(target, message, strip_reasoning) {
                Some(Value::Array(own)) => items.extend(own.iter().cloned().map(|mut item| {
                    if let Some(Value::String(own)) = item.get_mut("call_id") {
                        *own = id(own);
                    }
                    item
                })),
                _ => {
                    items.extend(said(message));
                    items.extend(message.tool_calls.iter().map(|call| {
                        let arguments = if call.arguments.trim().is_empty() { "{}" } else { call.arguments.as_str() };
                        json!({"type": "function_call", "call_id": id(&call.id), "name": call.name, "arguments": arguments})
                    }));
                }
            },
            Role::Tool => {
                let output = match content(&message.content)? {
                    Value::Null => "".into(),
                    output => output,
                };
                let call_id = id(message.tool_call_id.as_deref().unwrap_or_default());
                items.push(json!({"type": "function_call_output", "call_id": call_id, "output": output}));
            }
        }
    }
    Ok(items)
}

/// What the model said in words, its refusal too.
fn said(message: &Message) -> Option<Value> {
    let mut text = message.text();
    if text.trim().is_empty() && message.tool_calls.is_empty() {
        text = message.extra.get("refusal").and_then(Value::as_str).unwrap_or_default().to_owned();
    }
    (!text.trim().is_empty()).then(|| json!({"role": "assistant", "content": text}))
}

/// Shorter names for ids that are too long; the same ones in every request, and none that the chat has already.
fn short_ids(messages: &[Message]) -> BTreeMap<String, String> {
    let all: BTreeSet<&str> =
        messages.iter().flat_map(|message| &message.tool_calls).map(|call| call.id.as_str()).collect();
    let free = (0_u64..).map(|number| format!("call_{number}")).filter(|name| !all.contains(name.as_str()));
    let long = all.iter().filter(|id| id.chars().count() > MAX_ID);
    long.map(|id| (*id).to_owned()).zip(free).collect()
}

/// Text, or parts; null where nothing is said.
fn content(content: &Content) -> Result<Value, Failure> {
    let parts = match content {
        Content::None => return Ok(Value::Null),
        Content::Text(text) => return Ok(text.as_str().into()),
        Content::Parts(parts) => parts,
    };
    let kept = parts.iter().filter(|part| !is_reasoning(part));
    let written: Vec<Value> = kept.map(part).collect::<Result<_, _>>()?;
    Ok(if written.is_empty() { Value::Null } else { written.into() })
}

fn part(part: &Part) -> Result<Value, Failure> {
    let map = match part {
        Part::Text(text) => return Ok(json!({"type": "input_text", "text": text})),
        Part::Image { url, detail } => {
            let detail = detail.as_deref().unwrap_or("auto");
            return Ok(json!({"type": "input_image", "image_url": url, "detail": detail}));
        }
        Part::Other(map) => map,
    };
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "input_text" | "input_image" | "input_file" => Ok(Value::Object(map.clone())),
        "refusal" => Ok(json!({"type": "input_text", "text": map.get("refusal")})),
        "file" => {
            let mut file = Map::from_iter([("type".to_owned(), Value::from("input_file"))]);
            file.extend(map.get("file").and_then(Value::as_object).cloned().unwrap_or_default());
            Ok(Value::Object(file))
        }
        _ => Err(Failure::new(ErrorKind::Unsupported, format!("Responses has no content part of type \"{kind}\""))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ToolCall;

    #[test]
    fn long_ids_get_names_that_no_other_call_has() {
        let (one, two) = ("x".repeat(65), "y".repeat(65));
        let fine = "\u{e9}".repeat(64);
        let call = |id: &str| ToolCall { id: id.to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() };
        let mut message = Message::user("");
        message.tool_calls = ["call_0", &one, &fine, "call_2", &two].map(call).into();
        let expected = [(one, "call_1".to_owned()), (two, "call_3".to_owned())];
        assert_eq!(short_ids(&[message]), BTreeMap::from(expected));
    }
}
