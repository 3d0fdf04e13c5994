//! A chat as Converse takes it: system apart, turns that alternate, results of calls in the user's turn.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::error::ErrorKind;
use crate::provider::Target;
use crate::provider::history::{self, EMPTY_TURN, Turns, data_uri};
use crate::provider::params::is_reasoning;
use crate::types::{Content, Failure, Message, Part, Role};

/// What stands for a result that says nothing, which may not be blank.
const EMPTY_RESULT: &str = "(no output)";
/// What is said beside documents that come without a word.
const DOCUMENT_TURN: &str = "(see the document)";
/// The longest name of a document is 200 characters; this leaves room for a number.
const MAX_NAME: usize = 190;

/// A translated chat.
#[derive(Default)]
pub(super) struct Chat {
    pub(super) system: Vec<Value>,
    pub(super) messages: Vec<Value>,
    /// The names of the tools that were called in it.
    pub(super) called: Vec<String>,
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
    let ids = history::plain_ids(&messages);
    let mut turns = Turns::default();
    for message in messages.iter() {
        match message.role {
            Role::System | Role::Developer if turns.list.is_empty() => chat.system.extend(text(&message.text())),
            Role::System | Role::Developer => turns.say("user", text(&message.text())),
            Role::User => turns.say("user", blocks(&message.content)?),
            Role::Tool => turns.say("user", Some(result(target, message, &ids)?)),
            Role::Assistant => {
                chat.called.extend(message.tool_calls.iter().map(|call| call.name.clone()));
                match history::own_turn(target, message, strip_reasoning) {
                    Some(Value::Array(own)) => turns.say("assistant", own.iter().cloned()),
                    _ => turns.say("assistant", said(message, &ids)?),
                }
            }
        }
    }
    turns.open_with("user", json!({"text": EMPTY_TURN}));
    documents(&mut turns);
    if let Some(last) = turns.list.last_mut().filter(|turn| turn.role == "assistant") {
        history::trim_end(last);
    }
    chat.messages = turns.list.into_iter().map(|turn| json!({"role": turn.role, "content": turn.blocks})).collect();
    Ok(chat)
}

/// Gives the documents of the whole chat names of their own, and a turn that has nothing else a word beside them: without
/// either, the request is refused.
fn documents(turns: &mut Turns) {
    let mut taken = BTreeSet::new();
    for turn in &mut turns.list {
        let (mut found, mut spoke) = (false, false);
        for block in &mut turn.blocks {
            found |= block.get("document").is_some();
            spoke |= block.get("text").is_some();
            name(block, &mut taken);
            let inner = block.pointer_mut("/toolResult/content").and_then(Value::as_array_mut);
            inner.into_iter().flatten().for_each(|block| name(block, &mut taken));
        }
        if found && !spoke {
            turn.blocks.push(json!({"text": DOCUMENT_TURN}));
        }
    }
}

/// Changes the name of a document until no other has it, be it in other letters.
fn name(block: &mut Value, taken: &mut BTreeSet<String>) {
    let Some(Value::String(name)) = block.pointer_mut("/document/name") else {
        return;
    };
    let own = name.clone();
    let mut number = 2;
    while !taken.insert(name.to_lowercase()) {
        *name = format!("{own} ({number})");
        number += 1;
    }
}

fn said(message: &Message, ids: &BTreeMap<String, String>) -> Result<Vec<Value>, Failure> {
    let mut said = blocks(&message.content)?;
    if said.is_empty() && message.tool_calls.is_empty() {
        said.extend(message.extra.get("refusal").and_then(Value::as_str).and_then(text));
    }
    said.extend(message.tool_calls.iter().map(|call| {
        let id = ids.get(&call.id).unwrap_or(&call.id);
        json!({"toolUse": {"toolUseId": id, "name": call.name, "input": history::arguments(call)}})
    }));
    Ok(said)
}

/// A result. Only Claude and Nova are told by a member that it is an error; others read it.
fn result(target: &Target<'_>, message: &Message, ids: &BTreeMap<String, String>) -> Result<Value, Failure> {
    let id = message.tool_call_id.as_deref().unwrap_or_default();
    let mut content = blocks(&message.content)?;
    let failed = history::is_error(message);
    let told = ["claude", "nova"].iter().any(|family| target.model.contains(family));
    if content.is_empty() {
        content.push(json!({"text": EMPTY_RESULT}));
    }
    if failed && !told {
        content.insert(0, json!({"text": "Error:"}));
    }
    let mut result = Map::new();
    result.insert("toolUseId".to_owned(), ids.get(id).map_or(id, String::as_str).into());
    result.insert("content".to_owned(), content.into());
    if failed && told {
        result.insert("status".to_owned(), "error".into());
    }
    Ok(json!({"toolResult": result}))
}

fn text(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({"text": text}))
}

fn blocks(content: &Content) -> Result<Vec<Value>, Failure> {
    match content {
        Content::None => Ok(Vec::new()),
        Content::Text(said) => Ok(text(said).into_iter().collect()),
        Content::Parts(parts) => {
            parts.iter().filter(|part| !is_reasoning(part)).filter_map(|part| block(part).transpose()).collect()
        }
    }
}

fn block(part: &Part) -> Result<Option<Value>, Failure> {
    match part {
        Part::Text(said) => Ok(text(said)),
        Part::Image { url, .. } => image(url).map(Some),
        Part::Other(map) => other(map),
    }
}

fn unsupported(what: &str) -> Failure {
    Failure::new(ErrorKind::Unsupported, format!("Bedrock Converse {what}"))
}

/// Bytes, or what lies in S3; nothing is fetched from elsewhere.
fn image(url: &str) -> Result<Value, Failure> {
    if let Some((media_type, data)) = data_uri(url) {
        let format = image_format(media_type.strip_prefix("image/").unwrap_or(media_type));
        return Ok(json!({"image": {"format": format, "source": {"bytes": data}}}));
    }
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let file = path.rsplit('/').next().unwrap_or(path);
    let format = image_format(file.rsplit_once('.').map_or("png", |(_, end)| end));
    if url.starts_with("s3://") {
        return Ok(json!({"image": {"format": format, "source": {"s3Location": {"uri": url}}}}));
    }
    Err(unsupported("takes images as data, not by address"))
}

/// One of AWS's words: `png`, `jpeg`, `gif`, `webp`.
fn image_format(named: &str) -> String {
    match named.to_ascii_lowercase().as_str() {
        "jpg" => "jpeg".to_owned(),
        format => format.to_owned(),
    }
}

/// OpenAI's files and refusals; nothing else can be said here.
fn other(map: &Map<String, Value>) -> Result<Option<Value>, Failure> {
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "refusal" => return Ok(map.get("refusal").and_then(Value::as_str).and_then(text)),
        "file" => {
            let file = map.get("file").unwrap_or(&Value::Null);
            let word = |key: &str| file.get(key).and_then(Value::as_str);
            if let Some((media_type, data)) = word("file_data").and_then(data_uri) {
                return Ok(Some(document(media_type, data, word("filename").unwrap_or("document"))));
            }
        }
        _ => {}
    }
    Err(unsupported(&format!("has no content part of type \"{kind}\"")))
}

/// A document. Its name may hold letters, digits, single spaces, hyphens and brackets alone.
fn document(media_type: &str, data: &str, name: &str) -> Value {
    let (stem, end) = name.rsplit_once('.').unwrap_or((name, ""));
    let known = ["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"];
    let format = known.iter().find(|format| **format == end.to_ascii_lowercase()).copied();
    let format = format.unwrap_or(match media_type {
        "text/csv" => "csv",
        "text/html" => "html",
        "text/markdown" => "md",
        "text/plain" => "txt",
        _ => "pdf",
    });
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '(' | ')' | '[' | ']');
    let clean: String = stem.chars().map(|c| if fine(c) || c.is_whitespace() { c } else { '-' }).collect();
    let name: String = clean.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_NAME).collect();
    let name = if name.trim().is_empty() { "document" } else { name.trim() };
    json!({"document": {"format": format, "name": name, "source": {"bytes": data}}})
}
