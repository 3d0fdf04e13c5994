//! The same cases for every wire format: what is asked arrives, what is answered is understood, what fails gets its kind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::needless_pass_by_value)]

#[path = "provider_suite/accents.rs"]
mod accents;
#[path = "provider_suite/answers.rs"]
mod answers;
#[path = "provider_suite/anything.rs"]
mod anything;
#[path = "provider_suite/errors.rs"]
mod errors;
#[path = "provider_suite/every.rs"]
mod every;
mod feed;
#[path = "provider_suite/matrix.rs"]
mod matrix;
#[path = "provider_suite/requests.rs"]
mod requests;
#[path = "provider_suite/spoken.rs"]
mod spoken;
#[path = "provider_suite/spoken_events.rs"]
mod spoken_events;
#[path = "provider_suite/streams.rs"]
mod streams;
#[path = "provider_suite/streams_asked.rs"]
mod streams_asked;
#[path = "provider_suite/streams_broken.rs"]
mod streams_broken;
#[path = "provider_suite/streams_calls.rs"]
mod streams_calls;

use std::collections::BTreeMap;
use std::time::Duration;

use locum::provider::{ANTHROPIC, OPENAI_CHAT, Provider, Target};
use locum::transport::{HeaderMap, HeaderName, HttpAnswer, HttpRequest};
use locum::types::{Amend, Completion, Failure, Message, Options, Params, Request, Secret};
use serde_json::{Map, Value, json};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Format {
    Chat,
    Messages,
}

const FORMATS: [Format; 2] = [Format::Chat, Format::Messages];

impl Format {
    fn codec(self) -> &'static dyn Provider {
        match self {
            Self::Chat => &OPENAI_CHAT,
            Self::Messages => &ANTHROPIC,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Chat => "openai",
            Self::Messages => "anthropic",
        }
    }

    /// An answer in this format. `blocks` are Anthropic's; `message` and `finish` are OpenAI's.
    fn answer(self, message: Value, blocks: Value, finish: [&str; 2]) -> Value {
        match self {
            Self::Chat => json!({"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-x",
                "choices": [{"index": 0, "message": message, "finish_reason": finish[0]}],
                "usage": {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42,
                    "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 2},
                    "completion_tokens_details": {"reasoning_tokens": 5}}}),
            Self::Messages => {
                json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x",
                "content": blocks, "stop_reason": finish[1], "stop_sequence": null,
                "usage": {"input_tokens": 20, "cache_read_input_tokens": 8, "cache_creation_input_tokens": 2,
                    "output_tokens": 12, "output_tokens_details": {"thinking_tokens": 5}}})
            }
        }
    }

    /// An error in this format.
    fn error(self, code: &str, kind: &str, message: &str) -> Value {
        match self {
            Self::Chat => {
                json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
            }
            Self::Messages => json!({"type": "error", "error": {"type": kind, "message": message,
                "details": {"error_code": code}}, "request_id": "req_1"}),
        }
    }
}

struct Key(Secret);

impl Default for Key {
    fn default() -> Self {
        Self(Secret::new("sk-very-secret"))
    }
}

/// Everything of a target that a case may set.
#[derive(Default)]
struct Setup {
    kind: Option<&'static str>,
    base_url: Option<&'static str>,
    model: Option<&'static str>,
    key: Key,
    headers: BTreeMap<String, Secret>,
    params: Params,
    extra_body: Map<String, Value>,
    amends: Vec<Amend>,
    stream: bool,
    resume: Option<&'static str>,
    prefill: bool,
}

impl Setup {
    fn target(&self, format: Format) -> Target<'_> {
        Target {
            provider: "p",
            kind: self.kind.unwrap_or(format.kind()),
            base_url: self.base_url.unwrap_or("https://api.test/v1"),
            api_version: None,
            api_key: Some(&self.key.0),
            token: None,
            headers: &self.headers,
            model: self.model.unwrap_or("the-model"),
            params: &self.params,
            extra_body: &self.extra_body,
            amends: &self.amends,
            connect_timeout: Duration::from_secs(3),
            stream: self.stream,
            resume: self.resume,
            prefill: self.prefill,
        }
    }

    fn encode(&self, format: Format, request: &Request) -> (Value, HttpRequest, Vec<String>) {
        let (http, warnings) = format.codec().encode(&self.target(format), request).unwrap();
        (serde_json::from_slice(&http.body).unwrap(), http, warnings)
    }
}

/// Further headers of a provider.
fn further(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    let secret = |(name, value): &(&str, &str)| ((*name).to_owned(), Secret::new(*value));
    pairs.iter().map(secret).collect()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let parse = |(name, value): &(&str, &str)| (HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    pairs.iter().map(parse).collect()
}

fn decode(format: Format, status: u16, body: &str) -> Result<Completion, Failure> {
    decode_with(format, &Setup::default(), &asking("Hi"), status, &[("x-request-id", "r-1")], body)
}

fn decode_with(
    format: Format,
    setup: &Setup,
    request: &Request,
    status: u16,
    pairs: &[(&str, &str)],
    body: &str,
) -> Result<Completion, Failure> {
    let answer = HttpAnswer { status, headers: headers(pairs), body: body.to_owned().into() };
    format.codec().decode(&setup.target(format), request, &answer, 1_000_000)
}

fn asking(text: &str) -> Request {
    Request { messages: vec![Message::user(text)], ..Request::default() }
}

fn request(messages: Value, options: Value) -> (Request, Params) {
    let options = Options::from_value(options).unwrap();
    let messages = messages.as_array().unwrap().iter().enumerate();
    let request = Request {
        messages: messages
            .map(|(i, message)| Message::from_value(message.clone(), &format!("messages[{i}]")).unwrap())
            .collect(),
        tools: options.tools,
        tool_choice: options.tool_choice,
        response_format: options.response_format,
        extra_body: options.extra_body,
        idempotency_key: options.idempotency_key,
    };
    (request, options.params)
}

fn call(id: &str, name: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}
