//! Chat messages in the canonical form, which is OpenAI chat.

use std::fmt;

use serde_json::{Map, Value, json};

use super::hidden;
use super::parse::{self, ParseError};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions of the application.
    System,
    /// Instructions of the application, by OpenAI's newer name.
    Developer,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

impl Role {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// What a message says.
#[derive(Clone, PartialEq, Default)]
pub enum Content {
    /// Nothing, as in an assistant message that only calls tools.
    #[default]
    None,
    /// Plain text.
    Text(String),
    /// Text, images and other parts in order.
    Parts(Vec<Part>),
}

/// One part of a message.
#[derive(Clone, PartialEq)]
pub enum Part {
    /// Text.
    Text(String),
    /// An image.
    Image {
        /// An `https:` URL or a `data:` URI.
        url: String,
        /// OpenAI's `detail`: `low`, `high` or `auto`.
        detail: Option<String>,
    },
    /// A part that only some wire formats know (`input_audio`, `file`), kept as it came.
    Other(Map<String, Value>),
}

/// A call of a tool by the model.
#[derive(Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// The provider's id of this call; the result names it.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as JSON text.
    pub arguments: String,
}

/// One message of a chat.
#[derive(Clone, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: Content,
    /// The participant's name, where the provider takes one.
    pub name: Option<String>,
    /// Tools the assistant called.
    pub tool_calls: Vec<ToolCall>,
    /// The call this tool message answers.
    pub tool_call_id: Option<String>,
    /// Members of no canonical meaning (`reasoning_content`, `refusal`, …), passed on to OpenAI-compatible providers.
    pub extra: Map<String, Value>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Text(text) => hidden::Text(text).fmt(f),
            Self::Parts(parts) => parts.fmt(f),
        }
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.debug_tuple("Text").field(&hidden::Text(text)).finish(),
            Self::Image { url, .. } => f.debug_tuple("Image").field(&hidden::Text(url)).finish(),
            Self::Other(map) => f.debug_tuple("Other").field(&hidden::Members(map)).finish(),
        }
    }
}

impl fmt::Debug for ToolCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolCall")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("arguments", &hidden::Text(&self.arguments))
            .finish()
    }
}

/// Without what is said.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("role", &self.role)
            .field("content", &self.content)
            .field("name", &self.name)
            .field("tool_calls", &self.tool_calls)
            .field("tool_call_id", &self.tool_call_id)
            .field("extra", &hidden::Members(&self.extra))
            .finish()
    }
}

impl Message {
    fn new(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            content: Content::Text(text.into()),
            name: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            extra: Map::new(),
        }
    }

    /// A system message.
    pub fn system(text: impl Into<String>) -> Self {
        Self::new(Role::System, text)
    }

    /// A user message.
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, text)
    }

    /// An assistant message.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, text)
    }

    /// The result of the tool call `id`.
    pub fn tool(id: impl Into<String>, result: impl Into<String>) -> Self {
        Self { tool_call_id: Some(id.into()), ..Self::new(Role::Tool, result) }
    }

    /// The text of the message, its parts joined.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.content {
            Content::None => String::new(),
            Content::Text(text) => text.clone(),
            Content::Parts(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    Part::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect(),
        }
    }

    /// The member of an assistant message that holds the model's own form of it.
    pub(crate) const STATE: &'static str = "reasoning_state";

    /// Notes the form in which `model` (`provider/model`) wrote this message.
    pub(crate) fn remember(&mut self, model: &str, state: &Value) {
        let note = json!({"model": model, "of": self.fingerprint(), "state": state});
        self.extra.insert(Self::STATE.to_owned(), note);
    }

    /// The form in which this model wrote the message, unless another did or the message was changed since.
    pub(crate) fn state(&self, provider: &str, model: &str) -> Option<&Value> {
        let note = self.extra.get(Self::STATE)?;
        let author = note.get("model")?.as_str()?;
        let same = author.strip_prefix(provider).and_then(|rest| rest.strip_prefix('/')) == Some(model);
        (same && note.get("of")?.as_str()? == self.fingerprint()).then(|| note.get("state")).flatten()
    }

    /// A number, in hexadecimal, that tells whether the words and calls of the message are still the same (FNV-1a).
    fn fingerprint(&self) -> String {
        let text = self.text();
        let calls = self.tool_calls.iter().flat_map(|call| [&call.id, &call.name, &call.arguments]);
        let bytes = std::iter::once(&text).chain(calls).flat_map(|word| word.bytes().chain([0xff]));
        let hash =
            bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{hash:016x}")
    }

    /// Reads an OpenAI chat message.
    ///
    /// # Errors
    /// Names the member that is not what a chat message holds.
    pub fn from_value(value: Value, path: &str) -> Result<Self, ParseError> {
        let mut map = parse::object(value, path)?;
        let at = |key: &str| format!("{path}.{key}");
        let role = match map.remove("role") {
            None => return Err(ParseError::new(at("role"), "missing")),
            Some(value) => match parse::string(value, &at("role"))?.as_str() {
                "system" => Role::System,
                "developer" => Role::Developer,
                "user" => Role::User,
                "assistant" => Role::Assistant,
                "tool" => Role::Tool,
                other => {
                    let known = ["system", "developer", "user", "assistant", "tool"];
                    let hint = parse::did_you_mean(other, known);
                    return Err(ParseError::new(
                        at("role"),
                        format!("unknown role \"{other}\"{hint} (known: {})", known.join(", ")),
                    ));
                }
            },
        };
        let content = match map.remove("content") {
            None | Some(Value::Null) => Content::None,
            Some(Value::String(text)) => Content::Text(text),
            Some(Value::Array(items)) => Content::Parts(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(i, item)| part(item, &format!("{path}.content[{i}]")))
                    .collect::<Result<_, _>>()?,
            ),
            Some(other) => {
                return Err(ParseError::expected(&at("content"), "a string or an array of parts", &other));
            }
        };
        let tool_calls = match map.remove("tool_calls") {
            None | Some(Value::Null) => Vec::new(),
            Some(value) => parse::array(value, &at("tool_calls"))?
                .into_iter()
                .enumerate()
                .map(|(i, call)| tool_call(call, &format!("{path}.tool_calls[{i}]")))
                .collect::<Result<_, _>>()?,
        };
        let tool_call_id = optional_string(&mut map, "tool_call_id", path)?;
        let name = optional_string(&mut map, "name", path)?;
        if role == Role::Tool && tool_call_id.is_none() {
            return Err(ParseError::new(at("tool_call_id"), "missing: a tool message names the call it answers"));
        }
        if content == Content::None && tool_calls.is_empty() && role != Role::Assistant {
            return Err(ParseError::new(at("content"), "missing"));
        }
        Ok(Self { role, content, name, tool_calls, tool_call_id, extra: map })
    }

    /// The message as OpenAI chat writes it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("role".into(), self.role.as_str().into());
        map.insert(
            "content".into(),
            match &self.content {
                Content::None => Value::Null,
                Content::Text(text) => text.as_str().into(),
                Content::Parts(parts) => parts.iter().map(Part::to_value).collect(),
            },
        );
        if let Some(name) = &self.name {
            map.insert("name".into(), name.as_str().into());
        }
        if !self.tool_calls.is_empty() {
            map.insert("tool_calls".into(), self.tool_calls.iter().map(ToolCall::to_value).collect());
        }
        if let Some(id) = &self.tool_call_id {
            map.insert("tool_call_id".into(), id.as_str().into());
        }
        for (key, value) in &self.extra {
            map.insert(key.clone(), value.clone());
        }
        Value::Object(map)
    }
}

impl Part {
    /// The part as OpenAI chat writes it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Text(text) => json!({"type": "text", "text": text}),
            Self::Image { url, detail: None } => {
                json!({"type": "image_url", "image_url": {"url": url}})
            }
            Self::Image { url, detail } => {
                json!({"type": "image_url", "image_url": {"url": url, "detail": detail}})
            }
            Self::Other(map) => Value::Object(map.clone()),
        }
    }
}

impl ToolCall {
    /// The call as OpenAI chat writes it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        json!({"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}})
    }
}

fn optional_string(map: &mut Map<String, Value>, key: &str, path: &str) -> Result<Option<String>, ParseError> {
    match map.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => parse::string(value, &format!("{path}.{key}")).map(Some),
    }
}

fn part(value: Value, path: &str) -> Result<Part, ParseError> {
    let mut map = parse::object(value, path)?;
    match map.get("type").and_then(Value::as_str) {
        Some("text") => {
            let text = map.remove("text").unwrap_or_default();
            Ok(Part::Text(parse::string(text, &format!("{path}.text"))?))
        }
        Some("image_url") => match map.remove("image_url").unwrap_or_default() {
            Value::String(url) => Ok(Part::Image { url, detail: None }),
            Value::Object(mut image) => Ok(Part::Image {
                url: parse::string(image.remove("url").unwrap_or_default(), &format!("{path}.image_url.url"))?,
                detail: optional_string(&mut image, "detail", &format!("{path}.image_url"))?,
            }),
            other => Err(ParseError::expected(&format!("{path}.image_url"), "an object with a url", &other)),
        },
        Some(_) => Ok(Part::Other(map)),
        None => Err(ParseError::new(format!("{path}.type"), "missing")),
    }
}

fn tool_call(value: Value, path: &str) -> Result<ToolCall, ParseError> {
    let mut map = parse::object(value, path)?;
    let mut function = parse::object(map.remove("function").unwrap_or_default(), &format!("{path}.function"))?;
    Ok(ToolCall {
        id: parse::string(map.remove("id").unwrap_or_default(), &format!("{path}.id"))?,
        name: parse::string(function.remove("name").unwrap_or_default(), &format!("{path}.function.name"))?,
        arguments: parse::string(
            function.remove("arguments").unwrap_or_default(),
            &format!("{path}.function.arguments"),
        )?,
    })
}

/// The messages of one call: a single user message from a string, or a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Messages(pub Vec<Message>);

impl Messages {
    /// Reads one string or an array of OpenAI chat messages; null is none, for tasks whose prompt says it all.
    ///
    /// # Errors
    /// Names the message and the member that is wrong.
    pub fn from_value(value: Value) -> Result<Self, ParseError> {
        let list = match value {
            Value::Null => Vec::new(),
            Value::String(text) => vec![Message::user(text)],
            Value::Array(items) => items
                .into_iter()
                .enumerate()
                .map(|(i, item)| Message::from_value(item, &format!("messages[{i}]")))
                .collect::<Result<_, _>>()?,
            other => {
                return Err(ParseError::expected("messages", "a string or an array of messages", &other));
            }
        };
        Ok(Self(list))
    }
}

/// None, for tasks whose prompt says it all.
impl From<()> for Messages {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<&str> for Messages {
    fn from(text: &str) -> Self {
        Self(vec![Message::user(text)])
    }
}

impl From<String> for Messages {
    fn from(text: String) -> Self {
        Self(vec![Message::user(text)])
    }
}

impl From<Message> for Messages {
    fn from(message: Message) -> Self {
        Self(vec![message])
    }
}

impl From<Vec<Message>> for Messages {
    fn from(messages: Vec<Message>) -> Self {
        Self(messages)
    }
}

impl<const N: usize> From<[Message; N]> for Messages {
    fn from(messages: [Message; N]) -> Self {
        Self(messages.into())
    }
}

impl From<&[Message]> for Messages {
    fn from(messages: &[Message]) -> Self {
        Self(messages.to_vec())
    }
}
