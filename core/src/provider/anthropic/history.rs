//! A chat as Anthropic takes it: system apart, turns that alternate, results right after their calls.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::error::ErrorKind;
use crate::provider::params::is_reasoning;
use crate::types::{Content, Failure, Message, Part, Role, ToolCall};

/// What a call without a result is answered with.
const NO_RESULT: &str = "No result provided";
/// The first turn must be the user's; this stands in where the chat has none.
const EMPTY_TURN: &str = "(no message)";
/// The longest tool call id.
const MAX_ID: usize = 64;

/// A translated chat.
#[derive(Default)]
pub(super) struct Chat {
    pub(super) system: Vec<String>,
    pub(super) messages: Vec<Value>,
    pub(super) warnings: Vec<String>,
}

/// Translates a chat. Leading system messages go to `system`, later ones become user text; blocks of one role form
/// one turn; empty texts are dropped; a call that nobody answered is answered with an error, a result that nobody
/// asked for becomes text.
pub(super) fn translate(messages: &[Message], strip_reasoning: bool) -> Result<Chat, Failure> {
    let mut turns = Turns { ids: ids(messages), strip_reasoning, ..Turns::default() };
    let mut system = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        match message.role {
            Role::System | Role::Developer if turns.list.is_empty() => {
                system.extend(Some(message.text()).filter(|text| !text.trim().is_empty()));
            }
            Role::System | Role::Developer => turns.say("user", text_block(&message.text())),
            Role::User => turns.say("user", blocks(&message.content, false)?),
            Role::Assistant => {
                turns.assistant(message)?;
                turns.results(at, messages)?;
            }
            Role::Tool if turns.used.contains(&at) => {}
            Role::Tool => {
                turns.warnings.push("a tool result without its call was sent as text".to_owned());
                turns.say("user", blocks(&message.content, false)?);
            }
        }
    }
    if turns.list.first().is_none_or(|turn| turn.role != "user") {
        let blocks = vec![json!({"type": "text", "text": EMPTY_TURN})];
        turns.list.insert(0, Turn { role: "user", blocks });
    }
    let mut chat = Chat { system, warnings: turns.warnings, ..Chat::default() };
    if let Some(last) = turns.list.last_mut().filter(|turn| turn.role == "assistant") {
        trim_end(last);
    }
    chat.messages = turns
        .list
        .into_iter()
        .filter(|turn| !turn.blocks.is_empty())
        .map(|turn| json!({"role": turn.role, "content": turn.blocks}))
        .collect();
    Ok(chat)
}

struct Turn {
    role: &'static str,
    blocks: Vec<Value>,
}

#[derive(Default)]
struct Turns {
    list: Vec<Turn>,
    /// Places of the tool messages that have been sent with their calls.
    used: BTreeSet<usize>,
    ids: BTreeMap<String, String>,
    strip_reasoning: bool,
    warnings: Vec<String>,
}

impl Turns {
    fn say(&mut self, role: &'static str, blocks: impl IntoIterator<Item = Value>) {
        let mut blocks = blocks.into_iter().peekable();
        if blocks.peek().is_none() {
            return;
        }
        match self.list.last_mut().filter(|turn| turn.role == role) {
            Some(turn) => turn.blocks.extend(blocks),
            None => self.list.push(Turn { role, blocks: blocks.collect() }),
        }
    }

    fn assistant(&mut self, message: &Message) -> Result<(), Failure> {
        let mut said = blocks(&message.content, !self.strip_reasoning)?;
        if said.is_empty()
            && message.tool_calls.is_empty()
            && let Some(refusal) = message.extra.get("refusal").and_then(Value::as_str)
        {
            said.extend(text_block(refusal));
        }
        for call in &message.tool_calls {
            let id = self.id(&call.id);
            said.push(json!({"type": "tool_use", "id": id, "name": call.name, "input": input(call)}));
        }
        self.say("assistant", said);
        Ok(())
    }

    /// The results of the calls made by the message at `at`, all in the user turn right after it, whatever stands
    /// between them in the chat.
    fn results(&mut self, at: usize, messages: &[Message]) -> Result<(), Failure> {
        let calls = messages.get(at).map(|message| message.tool_calls.as_slice());
        for call in calls.unwrap_or_default() {
            let answer = messages
                .iter()
                .enumerate()
                .skip(at + 1)
                .take_while(|(_, message)| message.role != Role::Assistant || message.tool_calls.is_empty())
                .find(|(place, message)| {
                    message.tool_call_id.as_deref() == Some(&call.id) && !self.used.contains(place)
                });
            let mut result = Map::new();
            result.insert("type".to_owned(), "tool_result".into());
            result.insert("tool_use_id".to_owned(), self.id(&call.id).into());
            let is_error = if let Some((place, message)) = answer {
                self.used.insert(place);
                let content = blocks(&message.content, false)?;
                if !content.is_empty() {
                    result.insert("content".to_owned(), content.into());
                }
                message.extra.get("is_error") == Some(&Value::Bool(true))
            } else {
                self.warnings.push("a tool call without a result was answered with an error".to_owned());
                result.insert("content".to_owned(), NO_RESULT.into());
                true
            };
            if is_error {
                result.insert("is_error".to_owned(), true.into());
            }
            self.say("user", Some(Value::Object(result)));
        }
        Ok(())
    }

    fn id(&self, id: &str) -> String {
        self.ids.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }
}

/// Ids of the charset and length that Anthropic takes, by the ids of the request. An id that is fine keeps its place,
/// and no two share one.
fn ids(messages: &[Message]) -> BTreeMap<String, String> {
    let fine = |id: &str| {
        (1..=MAX_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    let all = messages.iter().flat_map(|message| {
        let calls = message.tool_calls.iter().map(|call| call.id.as_str());
        calls.chain(message.tool_call_id.as_deref())
    });
    let all: BTreeSet<&str> = all.collect();
    let mut taken: BTreeSet<String> = all.iter().filter(|id| fine(id)).map(|id| (*id).to_owned()).collect();
    let mut ids = BTreeMap::new();
    for (number, id) in all.into_iter().filter(|id| !fine(id)).enumerate() {
        let clean: String =
            id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(MAX_ID - 8).collect();
        let mut new = if clean.is_empty() { "call".to_owned() } else { clean.clone() };
        let mut salt = number;
        while !taken.insert(new.clone()) {
            new = format!("{clean}_{salt}");
            salt += 1;
        }
        ids.insert(id.to_owned(), new);
    }
    ids
}

/// Arguments as the object this format wants; what is no object is kept within one.
fn input(call: &ToolCall) -> Value {
    match serde_json::from_str::<Value>(&call.arguments) {
        Ok(object @ Value::Object(_)) => object,
        Ok(Value::Null) => json!({}),
        Ok(other) => json!({"value": other}),
        Err(_) if call.arguments.trim().is_empty() => json!({}),
        Err(_) => json!({"value": call.arguments}),
    }
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
            .filter(|part| keep_reasoning || !is_reasoning(part))
            .filter_map(|part| block(part).transpose())
            .collect(),
    }
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
    let inline = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match inline {
        Some((media_type, data)) => {
            let media_type = media_type.split(';').next().unwrap_or(media_type);
            json!({"type": "base64", "media_type": media_type, "data": data})
        }
        None => json!({"type": "url", "url": url}),
    }
}

/// A final assistant turn may not end in white space.
fn trim_end(turn: &mut Turn) {
    if let Some(Value::String(text)) = turn.blocks.last_mut().and_then(|block| block.get_mut("text")) {
        text.truncate(text.trim_end().len());
    }
}
