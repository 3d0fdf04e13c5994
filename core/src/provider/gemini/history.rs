//! A chat as Gemini takes it: system apart, turns of parts that alternate, results named after their tools.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::thinking;
use crate::error::ErrorKind;
use crate::provider::Target;
use crate::provider::history::{self, EMPTY_TURN, Turns, data_uri};
use crate::provider::params::is_reasoning;
use crate::types::{Content, Failure, Message, Part, Role};

/// What stands where a signature is due and another model made the call
/// (<https://ai.google.dev/gemini-api/docs/thought-signatures>).
const UNSIGNED: &str = "skip_thought_signature_validator";

/// Media types by the end of a file's name, for files that are only pointed at.
const MEDIA_TYPES: [(&str, &str); 11] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("gif", "image/gif"),
    ("pdf", "application/pdf"),
    ("mp3", "audio/mp3"),
    ("wav", "audio/wav"),
    ("mp4", "video/mp4"),
];

/// A translated chat.
#[derive(Default)]
pub(super) struct Chat {
    pub(super) system: Vec<Value>,
    pub(super) contents: Vec<Value>,
    pub(super) warnings: Vec<String>,
}

/// Translates a chat. Leading system messages go to `system`, later ones become user text.
pub(super) fn translate(
    target: &Target<'_>,
    messages: Cow<'_, [Message]>,
    strip_reasoning: bool,
) -> Result<Chat, Failure> {
    let mut chat = Chat::default();
    let messages = history::settled(messages, &mut chat.warnings);
    let mut calls = Calls::default();
    let mut turns = Turns::default();
    for message in messages.iter() {
        match message.role {
            Role::System | Role::Developer if turns.list.is_empty() => chat.system.extend(text(&message.text())),
            Role::System | Role::Developer => turns.say("user", text(&message.text())),
            Role::User => turns.say("user", parts(&message.content)?),
            Role::Tool => turns.say("user", calls.result(message)?),
            Role::Assistant => {
                let own = history::own_turn(target, message, strip_reasoning);
                calls.note(message, own);
                match own {
                    Some(Value::Array(own)) => turns.say("model", own.iter().cloned()),
                    _ => turns.say("model", model(target, message)?),
                }
            }
        }
    }
    turns.open_with("user", json!({"text": EMPTY_TURN}));
    let written = turns.list.into_iter().map(|turn| json!({"role": turn.role, "parts": turn.blocks}));
    chat.contents = written.collect();
    Ok(chat)
}

/// The calls of the latest turn: which tool each is of, and which ids are the provider's own.
#[derive(Default)]
struct Calls {
    names: BTreeMap<String, String>,
    own: BTreeSet<String>,
}

impl Calls {
    fn note(&mut self, message: &Message, own: Option<&Value>) {
        if message.tool_calls.is_empty() {
            return;
        }
        let calls = message.tool_calls.iter();
        self.names = calls.map(|call| (call.id.clone(), call.name.clone())).collect();
        let parts = own.and_then(Value::as_array).into_iter().flatten();
        let ids = parts.filter_map(|part| part.pointer("/functionCall/id")?.as_str());
        self.own = ids.map(str::to_owned).collect();
    }

    /// A result, under the name of its tool; images stand beside it.
    fn result(&self, message: &Message) -> Result<Vec<Value>, Failure> {
        let id = message.tool_call_id.as_deref().unwrap_or_default();
        let said = message.text();
        let key = if history::is_error(message) { "error" } else { "output" };
        let response = match serde_json::from_str::<Value>(&said) {
            Ok(object @ Value::Object(_)) if key == "output" => object,
            _ => json!({key: said}),
        };
        let mut written = Map::new();
        if self.own.contains(id) {
            written.insert("id".to_owned(), id.into());
        }
        written.insert("name".to_owned(), self.names.get(id).map_or("tool", String::as_str).into());
        written.insert("response".to_owned(), response);
        let mut all = vec![json!({"functionResponse": written})];
        if let Content::Parts(beside) = &message.content {
            for beside in beside.iter().filter(|part| !matches!(part, Part::Text(_))) {
                all.extend(part(beside)?);
            }
        }
        Ok(all)
    }
}

/// What the model said, in words that some other model may have said. The first call of a turn must be signed.
fn model(target: &Target<'_>, message: &Message) -> Result<Vec<Value>, Failure> {
    let mut said = parts(&message.content)?;
    if said.is_empty() && message.tool_calls.is_empty() {
        said.extend(message.extra.get("refusal").and_then(Value::as_str).and_then(text));
    }
    let signs = thinking::signs(target.model);
    for (number, call) in message.tool_calls.iter().enumerate() {
        let mut part = json!({"functionCall": {"name": call.name, "args": history::arguments(call)}});
        if let Some(part) = part.as_object_mut().filter(|_| signs && number == 0) {
            part.insert("thoughtSignature".to_owned(), UNSIGNED.into());
        }
        said.push(part);
    }
    Ok(said)
}

fn text(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({"text": text}))
}

fn parts(content: &Content) -> Result<Vec<Value>, Failure> {
    match content {
        Content::None => Ok(Vec::new()),
        Content::Text(said) => Ok(text(said).into_iter().collect()),
        Content::Parts(parts) => {
            parts.iter().filter(|part| !is_reasoning(part)).filter_map(|one| part(one).transpose()).collect()
        }
    }
}

fn part(part: &Part) -> Result<Option<Value>, Failure> {
    match part {
        Part::Text(said) => Ok(text(said)),
        Part::Image { url, .. } => Ok(Some(file(url))),
        Part::Other(map) => other(map),
    }
}

/// What a `data:` URI holds, or where the file is: Google fetches it by itself.
fn file(url: &str) -> Value {
    if let Some((media_type, data)) = data_uri(url) {
        return json!({"inlineData": {"mimeType": media_type, "data": data}});
    }
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let end = path.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
    let known = MEDIA_TYPES.iter().find(|(name, _)| end.as_deref() == Some(name));
    match known {
        Some((_, media_type)) => json!({"fileData": {"mimeType": media_type, "fileUri": url}}),
        None => json!({"fileData": {"fileUri": url}}),
    }
}

/// Parts of this format's own, and OpenAI's files, sounds and refusals; nothing else can be said here.
fn other(map: &Map<String, Value>) -> Result<Option<Value>, Failure> {
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
    let word = |parent: &str, key: &str| map.get(parent)?.get(key)?.as_str();
    match kind {
        "refusal" => return Ok(map.get("refusal").and_then(Value::as_str).and_then(text)),
        "file" => {
            if let Some(data) = word("file", "file_data") {
                return Ok(Some(file(data)));
            }
        }
        "input_audio" => {
            if let (Some(data), Some(format)) = (word("input_audio", "data"), word("input_audio", "format")) {
                return Ok(Some(json!({"inlineData": {"mimeType": format!("audio/{format}"), "data": data}})));
            }
        }
        _ => {}
    }
    Err(Failure::new(ErrorKind::Unsupported, format!("Gemini has no content part of type \"{kind}\"")))
}
