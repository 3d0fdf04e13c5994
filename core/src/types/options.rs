//! What a caller may say beside task and messages.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use super::call::Params;
use super::flow::{OnBreak, Upstream};
use super::hidden;
use super::parse::{self, ParseError};

/// A function the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does, for the model.
    pub description: Option<String>,
    /// JSON Schema of its arguments.
    pub parameters: Option<Value>,
    /// OpenAI's `strict`: arguments always match the schema.
    pub strict: Option<bool>,
}

/// Whether and which tool the model must call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// No tool.
    None,
    /// Some tool.
    Required,
    /// The named tool.
    Tool(String),
}

/// The shape the answer must have.
#[derive(Debug, Clone, PartialEq)]
pub enum ResponseFormat {
    /// Free text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that matches a schema.
    JsonSchema {
        /// The schema's name, as providers ask for one.
        name: String,
        /// The JSON Schema.
        schema: Value,
        /// OpenAI's `strict`.
        strict: Option<bool>,
    },
}

/// What fills in a prompt, by name: texts, numbers, lists, objects.
#[derive(Clone, PartialEq, Default)]
pub struct Variables(pub Map<String, Value>);

/// Without their values.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hidden::Members(&self.0).fmt(f)
    }
}

/// Per-call options. Unset means: as the model alias or the task says, else the provider's default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    /// For whom the call is made.
    pub customer: Option<String>,
    /// Free labels of the call.
    pub metadata: BTreeMap<String, String>,
    /// Tools the model may call.
    pub tools: Vec<Tool>,
    /// Whether and which tool must be called.
    pub tool_choice: Option<ToolChoice>,
    /// The shape of the answer.
    pub response_format: Option<ResponseFormat>,
    /// What fills in the task's prompt.
    pub variables: Variables,
    /// Sampling and length.
    pub params: Params,
    /// Tightens the task's deadline, never loosens it. Milliseconds.
    pub timeout_ms: Option<u64>,
    /// Pins one candidate of the task: an alias or `provider/model`.
    pub model: Option<String>,
    /// Whether stand-ins may serve this call; a pinned model implies they may not.
    pub allow_fallback: Option<bool>,
    /// Members to set in the request body, by provider name.
    pub extra_body: BTreeMap<String, Map<String, Value>>,
    /// Sent as `Idempotency-Key` with every attempt.
    pub idempotency_key: Option<String>,
    /// The trace that the call belongs to, as W3C's `traceparent` header names it.
    pub traceparent: Option<String>,
    /// How the provider is asked, whatever the task says. Not for streams.
    pub upstream: Option<Upstream>,
    /// What follows when the answer breaks off, whatever the task says.
    pub on_break: Option<OnBreak>,
    /// For streams: whether visible reasoning comes as events; true where unset.
    pub reasoning_events: Option<bool>,
    /// For streams: whether tool calls also come piece by piece; false where unset.
    pub tool_call_deltas: Option<bool>,
}

const KNOWN: [&str; 23] = [
    "customer",
    "metadata",
    "tools",
    "tool_choice",
    "response_format",
    "variables",
    "temperature",
    "top_p",
    "max_output_tokens",
    "stop",
    "seed",
    "reasoning_effort",
    "timeout_ms",
    "model",
    "allow_fallback",
    "extra_body",
    "idempotency_key",
    "traceparent",
    "upstream",
    "on_break",
    "reasoning_events",
    "tool_call_deltas",
    "max_tokens",
];

impl Options {
    /// Reads options from an object, snake_case or camelCase.
    ///
    /// # Errors
    /// Names the option that is unknown (with the nearest known one) or has the wrong type.
    pub fn from_value(value: Value) -> Result<Self, ParseError> {
        let mut options = Self::default();
        if value.is_null() {
            return Ok(options);
        }
        for (key, value) in parse::object(value, "options")? {
            if value.is_null() {
                continue;
            }
            options.set(&key, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: Value) -> Result<(), ParseError> {
        let params = &mut self.params;
        match parse::snake_case(key).as_str() {
            "customer" => self.customer = Some(parse::string(value, key)?),
            "metadata" => {
                for (name, value) in parse::object(value, key)? {
                    let path = format!("{key}.{name}");
                    self.metadata.insert(name, parse::string(value, &path)?);
                }
            }
            "tools" => {
                self.tools = parse::array(value, key)?
                    .into_iter()
                    .enumerate()
                    .map(|(i, tool)| Tool::from_value(tool, &format!("{key}[{i}]")))
                    .collect::<Result<_, _>>()?;
            }
            "tool_choice" => self.tool_choice = Some(ToolChoice::from_value(value, key)?),
            "response_format" => {
                self.response_format = Some(ResponseFormat::from_value(value, key)?);
            }
            "variables" => self.variables = Variables(parse::object(value, key)?),
            "temperature" => params.temperature = Some(parse::number(&value, key)?),
            "top_p" => params.top_p = Some(parse::number(&value, key)?),
            // The name OpenAI clients use is understood, so that options can be passed on as they are.
            "max_output_tokens" | "max_tokens" => {
                params.max_output_tokens = Some(positive(&value, key)?);
            }
            "stop" => {
                params.stop = Some(match value {
                    Value::String(one) => vec![one],
                    other => parse::array(other, key)?
                        .into_iter()
                        .map(|item| parse::string(item, key))
                        .collect::<Result<_, _>>()?,
                });
            }
            "seed" => {
                params.seed = Some(value.as_i64().ok_or_else(|| ParseError::expected(key, "a whole number", &value))?);
            }
            "reasoning_effort" => params.reasoning_effort = Some(parse::string(value, key)?),
            "timeout_ms" => self.timeout_ms = Some(positive(&value, key)?),
            "model" => self.model = Some(parse::string(value, key)?),
            "allow_fallback" => self.allow_fallback = Some(parse::boolean(&value, key)?),
            "extra_body" => {
                for (provider, value) in parse::object(value, key)? {
                    let path = format!("{key}.{provider}");
                    self.extra_body.insert(provider, parse::object(value, &path)?);
                }
            }
            "idempotency_key" => self.idempotency_key = Some(parse::string(value, key)?),
            "traceparent" => self.traceparent = Some(parse::string(value, key)?),
            "upstream" => self.upstream = Some(word(value, key, Upstream::WORDS)?),
            "on_break" => self.on_break = Some(word(value, key, OnBreak::WORDS)?),
            "reasoning_events" => self.reasoning_events = Some(parse::boolean(&value, key)?),
            "tool_call_deltas" => self.tool_call_deltas = Some(parse::boolean(&value, key)?),
            unknown => {
                let hint = parse::did_you_mean(unknown, KNOWN);
                return Err(ParseError::new(key, format!("unknown option{hint}")));
            }
        }
        Ok(())
    }
}

fn word<T: Copy>(value: Value, key: &str, words: &[(&str, T)]) -> Result<T, ParseError> {
    let word = parse::string(value, key)?;
    words.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
        ParseError::new(key, format!("unknown word \"{word}\" (known: {})", known.join(", ")))
    })
}

fn positive(value: &Value, key: &str) -> Result<u64, ParseError> {
    match parse::whole(value, key)? {
        0 => Err(ParseError::new(key, "must be 1 or more")),
        number => Ok(number),
    }
}

impl Tool {
    fn from_value(value: Value, path: &str) -> Result<Self, ParseError> {
        let mut map = parse::object(value, path)?;
        // Both `{type: "function", function: {…}}` and the bare function are common.
        let mut function = match map.remove("function") {
            Some(function) => parse::object(function, &format!("{path}.function"))?,
            None => map,
        };
        Ok(Self {
            name: parse::string(function.remove("name").unwrap_or_default(), &format!("{path}.function.name"))?,
            description: match function.remove("description") {
                None | Some(Value::Null) => None,
                Some(text) => Some(parse::string(text, &format!("{path}.function.description"))?),
            },
            parameters: match function.remove("parameters") {
                None | Some(Value::Null) => None,
                Some(schema) => Some(Value::Object(parse::object(schema, &format!("{path}.function.parameters"))?)),
            },
            strict: match function.remove("strict") {
                None | Some(Value::Null) => None,
                Some(strict) => Some(parse::boolean(&strict, &format!("{path}.function.strict"))?),
            },
        })
    }

    /// The tool as OpenAI chat writes it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut function = Map::new();
        function.insert("name".into(), self.name.as_str().into());
        if let Some(description) = &self.description {
            function.insert("description".into(), description.as_str().into());
        }
        if let Some(parameters) = &self.parameters {
            function.insert("parameters".into(), parameters.clone());
        }
        if let Some(strict) = self.strict {
            function.insert("strict".into(), strict.into());
        }
        json!({"type": "function", "function": function})
    }
}

impl ToolChoice {
    fn from_value(value: Value, path: &str) -> Result<Self, ParseError> {
        match value {
            Value::String(word) => match word.as_str() {
                "auto" => Ok(Self::Auto),
                "none" => Ok(Self::None),
                "required" => Ok(Self::Required),
                other => Err(ParseError::new(
                    path,
                    format!("unknown choice \"{other}\" (known: auto, none, required, or an object naming a function)"),
                )),
            },
            Value::Object(mut map) => {
                let mut function =
                    parse::object(map.remove("function").unwrap_or_default(), &format!("{path}.function"))?;
                let name = function.remove("name").unwrap_or_default();
                Ok(Self::Tool(parse::string(name, &format!("{path}.function.name"))?))
            }
            other => Err(ParseError::expected(path, "a string or an object", &other)),
        }
    }

    /// The choice as OpenAI chat writes it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Auto => "auto".into(),
            Self::None => "none".into(),
            Self::Required => "required".into(),
            Self::Tool(name) => json!({"type": "function", "function": {"name": name}}),
        }
    }
}

impl ResponseFormat {
    fn from_value(value: Value, path: &str) -> Result<Self, ParseError> {
        let mut map = parse::object(value, path)?;
        let kind = parse::string(map.remove("type").unwrap_or_default(), &format!("{path}.type"))?;
        match kind.as_str() {
            "text" => Ok(Self::Text),
            "json_object" => Ok(Self::JsonObject),
            "json_schema" => {
                let inner = format!("{path}.json_schema");
                let mut schema = parse::object(map.remove("json_schema").unwrap_or_default(), &inner)?;
                Ok(Self::JsonSchema {
                    name: match schema.remove("name") {
                        None | Some(Value::Null) => "answer".to_owned(),
                        Some(name) => parse::string(name, &format!("{inner}.name"))?,
                    },
                    strict: match schema.remove("strict") {
                        None | Some(Value::Null) => None,
                        Some(strict) => Some(parse::boolean(&strict, &format!("{inner}.strict"))?),
                    },
                    schema: Value::Object(parse::object(
                        schema.remove("schema").unwrap_or_default(),
                        &format!("{inner}.schema"),
                    )?),
                })
            }
            other => Err(ParseError::new(
                format!("{path}.type"),
                format!("unknown format \"{other}\" (known: text, json_object, json_schema)"),
            )),
        }
    }

    /// The format as OpenAI chat writes it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Text => json!({"type": "text"}),
            Self::JsonObject => json!({"type": "json_object"}),
            Self::JsonSchema { name, schema, strict } => {
                let mut inner = Map::new();
                inner.insert("name".into(), name.as_str().into());
                inner.insert("schema".into(), schema.clone());
                if let Some(strict) = strict {
                    inner.insert("strict".into(), (*strict).into());
                }
                json!({"type": "json_schema", "json_schema": inner})
            }
        }
    }
}
