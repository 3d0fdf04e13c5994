//! A chat as Anthropic takes it: system apart, turns that alternate, results right after their calls.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::error::ErrorKind;
use crate::provider::Target;
use crate::provider::history::{self, EMPTY_TURN, Turns, data_uri};
use crate::provider::params::is_reasoning;
use crate::types::{Content, Failure, Message, Part, Role};

/// A translated chat.
#[derive(Default)]
pub(super) struct Chat {
    pub(super) system: Vec<String>,
    pub(super) messages: Vec<Value>,
    pub(super) warnings: Vec<String>,
}

/// Translates a chat. Leading system messages go to `system`, later ones become user text; blocks of one role form
/// one turn; empty texts are dropped.
pub(super) fn translate(
    target: &Target<'_>,
    messages: Cow<'_, [Message]>,
    strip_reasoning: bool,
) -> Result<Chat, Failure> {
    let mut chat = Chat::default();
    let messages = history::settled(messages, &mut chat.warnings);
    let ids = history::plain_ids(&messages);
    let mut turns = Turns::default();
    for message in messages.iter() {
        match message.role {
            Role::System | Role::Developer if turns.list.is_empty() => {
                chat.system.extend(Some(message.text()).filter(|text| !text.trim().is_empty()));
            }
            Role::System | Role::Developer => turns.say("user", text_block(&message.text())),
            Role::User => turns.say("user", blocks(&message.content, false)?),
            Role::Tool => turns.say("user", Some(result(message, &ids)?)),
            Role::Assistant => match history::own_turn(target, message, strip_reasoning) {
                Some(Value::Array(own)) => turns.say("assistant", own.iter().cloned()),
                _ => turns.say("assistant", assistant(message, &ids, strip_reasoning)?),
            },
        }
    }
    turns.open_with("user", json!({"type": "text", "text": EMPTY_TURN}));
    if let Some(last) = turns.list.last_mut().filter(|turn| turn.role == "assistant") {
        history::trim_end(last);
    }
    let written = turns.list.into_iter().filter(|turn| !turn.blocks.is_empty());
    chat.messages = written.map(|turn| json!({"role": turn.role, "content": turn.blocks})).collect();
    Ok(chat)
}

fn assistant(message: &Message, ids: &BTreeMap<String, String>, strip_reasoning: bool) -> Result<Vec<Value>, Failure> {
    let mut said = blocks(&message.content, !strip_reasoning)?;
    if said.is_empty()
        && message.tool_calls.is_empty()
        && let Some(refusal) = message.extra.get("refusal").and_then(Value::as_str)
    {
        said.extend(text_block(refusal));
    }
    said.extend(message.tool_calls.iter().map(|call| {
        let id = ids.get(&call.id).unwrap_or(&call.id);
        json!({"type": "tool_use", "id": id, "name": call.name, "input": history::arguments(call)})
    }));
    Ok(said)
}

fn result(message: &Message, ids: &BTreeMap<String, String>) -> Result<Value, Failure> {
    let id = message.tool_call_id.as_deref().unwrap_or_default();
    let mut result = Map::new();
    result.insert("type".to_owned(), "tool_result".into());
    result.insert("tool_use_id".to_owned(), ids.get(id).map_or(id, String::as_str).into());
    let content = blocks(&message.content, false)?;
    if !content.is_empty() {
        result.insert("content".to_owned(), content.into());
    }
    if history::is_error(message) {
        result.insert("is_error".to_owned(), true.into());
    }
    Ok(Value::Object(result))
}

fn text_block(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({"type": "text", "text": text}))
}

fn blocks(content: &Content, keep_reasoning: bool) -> Result<Vec<Value>, Failure> {
    match content {
        Content::None => Ok(Vec::new()),
        Content::Text(text) => Ok(text_block(text).into_iter().collect()),
        Content::Parts(parts) => parts
            .iter()
            .filter(|part| !is_reasoning(part) || (keep_reasoning && is_own(part)))
            .filter_map(|part| block(part).transpose())
            .collect(),
    }
}

/// Whether reasoning is of this format: signed, or hidden. Nothing else that is called thinking may be sent here.
fn is_own(part: &Part) -> bool {
    let Part::Other(map) = part else {
        return false;
    };
    let text = |key: &str| map.get(key).is_some_and(Value::is_string);
    (text("thinking") && text("signature")) || text("data")
}

fn block(part: &Part) -> Result<Option<Value>, Failure> {
    match part {
        Part::Text(text) => Ok(text_block(text)),
        Part::Image { url, .. } => Ok(Some(json!({"type": "image", "source": source(url)}))),
        Part::Other(map) => other(map).map(Some),
    }
}

/// Parts of this format's own, and OpenAI's files and refusals; nothing else can be said here.
fn other(map: &Map<String, Value>) -> Result<Value, Failure> {
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "image" | "document" | "search_result" | "thinking" | "redacted_thinking" => {
            return Ok(Value::Object(map.clone()));
        }
        "refusal" => {
            let words = map.get("refusal").and_then(Value::as_str).unwrap_or_default();
            if let Some(block) = text_block(words) {
                return Ok(block);
            }
        }
        "file" => {
            let file = map.get("file").unwrap_or(&Value::Null);
            if let Some(data) = file.get("file_data").and_then(Value::as_str) {
                let mut block = Map::new();
                block.insert("type".to_owned(), "document".into());
                block.insert("source".to_owned(), source(data));
                if let Some(name) = file.get("filename").filter(|name| name.is_string()) {
                    block.insert("title".to_owned(), name.clone());
                }
                return Ok(Value::Object(block));
            }
        }
        _ => {}
    }
    Err(Failure::new(ErrorKind::Unsupported, format!("Anthropic Messages has no content part of type \"{kind}\"")))
}

/// Where an image or file comes from: a `data:` URI holds it, anything else is a URL.
fn source(url: &str) -> Value {
    match data_uri(url) {
        Some((media_type, data)) => json!({"type": "base64", "media_type": media_type, "data": data}),
        None => json!({"type": "url", "url": url}),
    }
}
