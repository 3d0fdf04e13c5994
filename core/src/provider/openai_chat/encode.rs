//! A request in OpenAI chat, in the dialect of the server asked.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Value, json};

use super::dialect::{self, Dialect, Effort, Prefill};
use crate::provider::body::{self, Body};
use crate::provider::history::{self, OWN_MEMBERS};
use crate::provider::params::{Asked, REASONING_MEMBERS, is_reasoning};
use crate::provider::{Target, resume};
use crate::transport::HttpRequest;
use crate::types::{Content, Failure, Message, Part, Request, ResponseFormat, Role, Tool, ToolChoice};

pub(super) fn encode(target: &Target<'_>, request: &Request) -> Result<(HttpRequest, Vec<String>), Failure> {
    let dialect = dialect::of(target.kind);
    let mut asked = Asked::new(target, request);
    let prefilled = resume::prefilled(target);
    let messages = resume::chat(target, request, prefilled, dialect.prefill == Prefill::Prefix);
    let messages = history::settled(messages, &mut asked.warnings);
    let history = History {
        target,
        messages: &messages,
        dialect,
        strip_reasoning: asked.strip_reasoning,
        ids: ids(dialect, &messages),
    };
    let mut body = Body::new(&asked.extra);
    body.put("model", target.model);
    body.put("messages", &history);
    if !request.tools.is_empty() {
        body.put("tools", &Tools(&request.tools, asked.strict_tools));
        body.put_some("tool_choice", asked.tool_choice.map(|choice| tool_choice(dialect, choice)));
    }
    body.put_some(
        "response_format",
        request
            .response_format
            .as_ref()
            .filter(|format| **format != ResponseFormat::Text)
            .map(|format| response_format(dialect, format)),
    );
    let params = &asked.params;
    body.put_some("temperature", params.temperature);
    body.put_some("top_p", params.top_p);
    body.put_some(dialect.max_tokens, params.max_output_tokens);
    body.put_some("stop", params.stop.as_ref().filter(|stop| !stop.is_empty()));
    body.put_some(dialect.seed, params.seed);
    if let Some(effort) = &params.reasoning_effort {
        match dialect.effort {
            Effort::Plain => body.put("reasoning_effort", effort),
            Effort::Nested => body.put("reasoning", &BTreeMap::from([("effort", effort)])),
        }
    }
    travel(&mut body, target, &asked, dialect, prefilled);
    let bytes = body.finish()?;
    let own = key(target);
    let own: Vec<_> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let http = body::post(target, request, &path(target, "/chat/completions"), &own, bytes)?;
    Ok((http, asked.warnings))
}

/// The header that holds the key: Azure has one of its own
/// (<https://learn.microsoft.com/azure/ai-foundry/openai/reference>).
pub(in crate::provider) fn key(target: &Target<'_>) -> Option<(&'static str, String)> {
    let key = target.api_key?.expose();
    Some(if target.kind == "azure" { ("api-key", key.to_owned()) } else { ("authorization", format!("Bearer {key}")) })
}

/// The path of a call. Azure's older addresses name the version of the API, and for chat the deployment, which is what
/// they know a model by.
pub(in crate::provider) fn path(target: &Target<'_>, call: &str) -> String {
    match target.api_version {
        None => call.to_owned(),
        Some(version) if call == "/responses" => format!("{call}?api-version={version}"),
        Some(version) => format!("/deployments/{}{call}?api-version={version}", target.model),
    }
}

/// How the answer is to travel, and whether it has begun already.
fn travel(body: &mut Body<'_>, target: &Target<'_>, asked: &Asked<'_>, dialect: &Dialect, prefilled: bool) {
    if target.stream {
        body.put("stream", &true);
        if asked.stream_options && dialect.stream_options {
            body.put("stream_options", &BTreeMap::from([("include_usage", true)]));
        }
    }
    if prefilled && dialect.prefill == Prefill::Continue {
        body.put("continue_final_message", &true);
        body.put("add_generation_prompt", &false);
    }
}

fn response_format(dialect: &Dialect, format: &ResponseFormat) -> Value {
    match format {
        ResponseFormat::JsonSchema { schema, .. } if dialect.schema_in_object => {
            json!({"type": "json_object", "schema": schema})
        }
        format => format.to_value(),
    }
}

fn tool_choice(dialect: &Dialect, choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Required => dialect.required.into(),
        other => other.to_value(),
    }
}

/// Ids that Mistral accepts, by the ids of the request; empty for servers that take any id.
fn ids<'a>(dialect: &Dialect, messages: &'a [Message]) -> BTreeMap<&'a str, String> {
    let mut ids = BTreeMap::new();
    if !dialect.nine_char_ids {
        return ids;
    }
    let all = messages.iter().flat_map(|message| {
        let calls = message.tool_calls.iter().map(|call| call.id.as_str());
        calls.chain(message.tool_call_id.as_deref())
    });
    let mut taken = std::collections::BTreeSet::new();
    for id in all {
        if ids.contains_key(id) {
            continue;
        }
        let mut new = if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            id.to_owned()
        } else {
            nine_chars(hash(id))
        };
        let mut salt = 0;
        while !taken.insert(new.clone()) {
            salt += 1;
            new = nine_chars(hash(id).wrapping_add(salt));
        }
        ids.insert(id, new);
    }
    ids
}

/// FNV-1a: the same id maps to the same nine characters in every request, so prompt caches stay warm.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn nine_chars(mut number: u64) -> String {
    (0..9)
        .map(|_| {
            let digit = u32::try_from(number % 36).unwrap_or(0);
            number /= 36;
            char::from_digit(digit, 36).unwrap_or('0')
        })
        .collect()
}

struct History<'a> {
    target: &'a Target<'a>,
    messages: &'a [Message],
    dialect: &'a Dialect,
    strip_reasoning: bool,
    ids: BTreeMap<&'a str, String>,
}

impl Serialize for History<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.messages.len()))?;
        for message in self.messages {
            list.serialize_element(&Entry(self, message))?;
        }
        list.end()
    }
}

/// Reasoning that is not known.
static UNSAID: Value = Value::String(String::new());

/// One message.
struct Entry<'a>(&'a History<'a>, &'a Message);

impl Entry<'_> {
    fn id<'b>(&'b self, id: &'b str) -> &'b str {
        self.0.ids.get(id).map_or(id, String::as_str)
    }

    /// Whether a member of an earlier answer goes back to the server.
    fn keeps(&self, key: &str, value: &Value) -> bool {
        let foreign = self.0.strip_reasoning && REASONING_MEMBERS.contains(&key);
        !(value.is_null() || foreign || OWN_MEMBERS.contains(&key) || self.0.dialect.refuses.contains(&key))
    }
}

impl Entry<'_> {
    /// The reasoning of this turn that the server wants to see again, unless the caller says it.
    fn replayed(&self) -> Option<(&'static str, &Value)> {
        let Self(history, message) = self;
        let replay = history.dialect.replays?;
        if message.role != Role::Assistant || message.extra.contains_key(replay.member) {
            return None;
        }
        let own = history::own_turn(history.target, message, history.strip_reasoning)
            .and_then(|state| state.get(replay.member));
        let due = replay.with_calls && !message.tool_calls.is_empty();
        own.or_else(|| due.then_some(&UNSAID)).map(|value| (replay.member, value))
    }
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(history, message) = self;
        let mut map = serializer.serialize_map(None)?;
        let role = match message.role {
            Role::Developer if !history.dialect.developer => Role::System,
            role => role,
        };
        map.serialize_entry("role", role.as_str())?;
        match &message.content {
            Content::None => map.serialize_entry("content", &Value::Null)?,
            Content::Text(text) => map.serialize_entry("content", text)?,
            Content::Parts(parts) => map.serialize_entry("content", &Parts(history, parts))?,
        }
        if let Some(name) = &message.name {
            map.serialize_entry("name", name)?;
        }
        if !message.tool_calls.is_empty() {
            let calls: Vec<Call<'_>> = message
                .tool_calls
                .iter()
                .map(|call| Call {
                    id: self.id(&call.id),
                    kind: "function",
                    function: Function { name: &call.name, arguments: &call.arguments },
                })
                .collect();
            map.serialize_entry("tool_calls", &calls)?;
        }
        if let Some(id) = &message.tool_call_id {
            map.serialize_entry("tool_call_id", self.id(id))?;
        }
        for (key, value) in &message.extra {
            if self.keeps(key, value) {
                map.serialize_entry(key, value)?;
            }
        }
        if let Some((key, value)) = self.replayed() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// The parts of a message. Reasoning blocks of other formats have no place in this one, but for Mistral's own.
struct Parts<'a>(&'a History<'a>, &'a [Part]);

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let keeps_thinking = self.0.dialect.nine_char_ids && !self.0.strip_reasoning;
        serializer.collect_seq(self.1.iter().filter(|part| keeps_thinking || !is_reasoning(part)).map(PartRef))
    }
}

struct PartRef<'a>(&'a Part);

impl Serialize for PartRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Part::Text(text) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("type", "text")?;
                map.serialize_entry("text", text)?;
                map.end()
            }
            Part::Image { url, detail } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("type", "image_url")?;
                map.serialize_entry("image_url", &ImageUrl { url, detail: detail.as_deref() })?;
                map.end()
            }
            Part::Other(map) => map.serialize(serializer),
        }
    }
}

#[derive(serde::Serialize)]
struct ImageUrl<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

#[derive(serde::Serialize)]
struct Call<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(serde::Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// Tools, with their `strict` if the model knows it.
struct Tools<'a>(&'a [Tool], bool);

impl Serialize for Tools<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|tool| ToolRef {
            kind: "function",
            function: Declared {
                name: &tool.name,
                description: tool.description.as_deref(),
                parameters: tool.parameters.as_ref(),
                strict: tool.strict.filter(|_| self.1),
            },
        }))
    }
}

#[derive(serde::Serialize)]
struct ToolRef<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Declared<'a>,
}

#[derive(serde::Serialize)]
struct Declared<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}
