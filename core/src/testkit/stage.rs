//! What one request gets: the script's next step as a response, whole or streamed, or a refusal in the provider's shape.
//!
//! Nothing here waits or touches a socket.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::Format;
use super::answer::{Answer, Asked, set};
use super::chunks::{Event, Speech};
use super::errors::ErrorBody;
use super::gemini;
use super::http::{Request, Response, bodiless};
use super::log::{Log, Ticket};
use super::script::{Act, Content, Respond, Script, Upstream};
use super::shape::End;
use super::stream::Moves;
use crate::types::parse;

const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";

/// What happens to one request.
pub(super) struct Plan {
    pub(super) delay: Duration,
    pub(super) deed: Deed,
}

pub(super) enum Deed {
    Silence,
    Reset,
    Garbage,
    Send {
        response: Response,
        slow_body: Duration,
        /// After so many bytes of the body the connection ends, by a reset if the flag says so.
        close_after: Option<(usize, bool)>,
    },
    Stream {
        /// Status and headers.
        response: Response,
        slow_body: Duration,
        moves: Moves,
        /// It breaks off, which the head does not say.
        breaks: bool,
    },
}

impl From<Deed> for Plan {
    fn from(deed: Deed) -> Self {
        Self { delay: Duration::ZERO, deed }
    }
}

impl From<Response> for Plan {
    fn from(response: Response) -> Self {
        Self::from(Deed::Send { response, slow_body: Duration::ZERO, close_after: None })
    }
}

/// How the paths of other formats' calls end: OpenAI Responses, Bedrock Converse, Cohere.
const FOREIGN: [&str; 4] = ["responses", "converse", "converse-stream", "chat"];

/// What a path asks for.
#[derive(PartialEq)]
enum Endpoint {
    Chat,
    /// A call in a format of which only scripted bodies are sent.
    Foreign,
    Models,
    Unknown,
}

/// The upstream's name, the endpoint, and the format it is spoken to in. A path that does not tell the format leaves it to
/// the headers: Anthropic's clients always send theirs.
fn route(request: &Request) -> (&str, Endpoint, Format) {
    let path = request.path();
    let (name, rest) =
        path.strip_prefix('/').unwrap_or(path).split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let anthropic = ["anthropic-version", "x-api-key"].iter().any(|header| request.headers.contains_key(*header));
    let guess = if anthropic { Format::AnthropicMessages } else { Format::OpenAiChat };
    let ends = |tail: &str| rest == tail || rest.strip_suffix(tail).is_some_and(|r| r.ends_with('/'));
    match () {
        () if ends("chat/completions") => (name, Endpoint::Chat, Format::OpenAiChat),
        () if gemini::called(path).is_some() => (name, Endpoint::Chat, Format::Gemini),
        () if ends("messages") => (name, Endpoint::Chat, Format::AnthropicMessages),
        () if FOREIGN.into_iter().any(ends) => (name, Endpoint::Foreign, Format::OpenAiChat),
        () if rest == "v1/models" => (name, Endpoint::Models, guess),
        () => (name, Endpoint::Unknown, guess),
    }
}

/// Enters the request into the log, and decides what it gets.
pub(super) fn plan(script: &Script, log: &Log, request: &Request) -> (Ticket, Plan) {
    let (name, endpoint, format) = route(request);
    let error = |ticket: Ticket, name: &str, error: &ErrorBody| {
        let stage = Stage::new(name, ticket.n, format, Value::Null);
        (ticket, Plan::from(stage.error(None, error)))
    };
    let Some(upstream) = script.upstreams.get(name) else {
        let hint = parse::did_you_mean(name, script.names());
        let why = format!("the script has no upstream \"{name}\"{hint}");
        let ticket = log.enter("", request, false);
        return error(ticket, "none", &ErrorBody::named("not_found_error").saying(why));
    };
    if let Some(problem) = refused(upstream, request, &endpoint, format) {
        let ticket = log.enter(name, request, false);
        return error(ticket, name, &problem);
    }
    // What comes in an outage takes no step's turn.
    let asks = matches!(endpoint, Endpoint::Chat | Endpoint::Foreign);
    let outage = asks.then(|| upstream.outage(log.age(name))).flatten();
    let ticket = log.enter(name, request, asks && outage.is_none());
    let mut body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    // The path says what other formats say in the body.
    if let (Some((model, stream)), true) = (gemini::called(request.path()), body.is_object()) {
        set(&mut body, "model", model);
        set(&mut body, "stream", stream);
    }
    let mut stage = Stage::new(name, ticket.n, format, body);
    stage.foreign = endpoint == Endpoint::Foreign;
    if endpoint == Endpoint::Models {
        return (ticket, stage.json(200, &models(name, format)).into());
    }
    let plan = match outage.or_else(|| upstream.step(ticket.turn)) {
        None => stage.respond(request, &Respond::default()),
        Some(step) if step.refuse_prefill && stage.ends_with_assistant() => {
            Plan { delay: step.delay, ..stage.no_prefill().into() }
        }
        Some(step) => Plan {
            delay: step.delay,
            ..match &step.act {
                Act::Silence => Deed::Silence.into(),
                Act::Reset => Deed::Reset.into(),
                Act::Garbage => Deed::Garbage.into(),
                Act::Respond(respond) => stage.respond(request, respond),
            }
        },
    };
    (ticket, plan)
}

/// What keeps a request from the script: a wrong key, path or method.
fn refused(upstream: &Upstream, request: &Request, endpoint: &Endpoint, format: Format) -> Option<ErrorBody> {
    if let Some(key) = &upstream.key {
        let bearer = request
            .header("authorization")
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        let given = match format {
            Format::OpenAiChat => bearer,
            Format::AnthropicMessages => request.header("x-api-key").or(bearer),
            Format::Gemini => request.header("x-goog-api-key").or(bearer),
        };
        if given != Some(key.expose()) {
            return Some(ErrorBody::named("invalid_api_key"));
        }
    }
    let allowed = match endpoint {
        Endpoint::Chat | Endpoint::Foreign => Method::POST,
        Endpoint::Models => Method::GET,
        Endpoint::Unknown => {
            let why = format!("no such path: {} {}", request.method, request.path());
            return Some(ErrorBody::named("not_found_error").saying(why));
        }
    };
    (request.method != allowed).then(|| {
        let why = format!("{} is for {allowed} only", request.path());
        ErrorBody::named("method_not_allowed").saying(why)
    })
}

/// Makes one response of one upstream.
struct Stage<'a> {
    name: &'a str,
    n: u64,
    format: Format,
    body: Value,
    /// It has no answers of its own.
    foreign: bool,
}

impl<'a> Stage<'a> {
    fn new(name: &'a str, n: u64, format: Format, body: Value) -> Self {
        Self { name, n, format, body, foreign: false }
    }

    fn request_id(&self) -> String {
        format!("req_{}_{}", self.name, self.n)
    }

    fn model(&self) -> &str {
        self.body.get("model").and_then(Value::as_str).unwrap_or("mock")
    }

    fn error(&self, status: Option<u16>, error: &ErrorBody) -> Response {
        let status = status.or_else(|| error.status(self.format)).unwrap_or(500);
        let body = error.body(self.format, status, self.model(), &self.request_id());
        self.json(status, &body)
    }

    fn json(&self, status: u16, body: &Value) -> Response {
        self.signed(Response::json(status, body))
    }

    /// With the provider's header for the id of the exchange.
    fn signed(&self, mut response: Response) -> Response {
        let name = match self.format {
            Format::OpenAiChat => "x-request-id",
            Format::AnthropicMessages => "request-id",
            // The id is in the body alone.
            Format::Gemini => return response,
        };
        if let Ok(id) = HeaderValue::try_from(self.request_id()) {
            response.headers.insert(HeaderName::from_static(name), id);
        }
        response
    }

    /// What newer models of Anthropic's say to an answer begun by the client.
    fn no_prefill(&self) -> Response {
        let why =
            "This model does not support assistant message prefill. The conversation must end with a user message.";
        self.error(None, &ErrorBody::named("invalid_request_error").saying(why))
    }

    fn ends_with_assistant(&self) -> bool {
        let messages = ["messages", "contents"].iter().find_map(|key| self.body.get(*key)?.as_array());
        let role = messages.and_then(|messages| messages.last()?.get("role")?.as_str());
        matches!(role, Some("assistant" | "model"))
    }

    fn respond(&self, request: &Request, respond: &Respond) -> Plan {
        let answer = respond.content.answer(self.name, respond.status.unwrap_or(200));
        match answer {
            Some(answer) => match self.objection(request) {
                Some(problem) => {
                    let error = ErrorBody::named("invalid_request_error").saying(problem);
                    self.whole(self.error(None, &error), respond)
                }
                None => self.answer(&answer, respond),
            },
            None => self.whole(self.content(respond), respond),
        }
    }

    /// A response that is there before it is sent.
    fn whole(&self, response: Response, respond: &Respond) -> Plan {
        let mut response = with_headers(response, respond);
        if let Some(length) = respond.truncate {
            response.body.truncate(length);
        }
        Deed::Send {
            response,
            slow_body: respond.slow_body,
            close_after: respond.close_after.map(|length| (length, respond.rst)),
        }
        .into()
    }

    fn content(&self, respond: &Respond) -> Response {
        let status = respond.status.unwrap_or(200);
        match &respond.content {
            Content::Implied | Content::Answer(_) => self.error(Some(status), &ErrorBody::of_status(status)),
            Content::Error(error) => self.error(respond.status, error),
            Content::Json(body) => self.json(status, body),
            Content::Text(text) => {
                let looks_streamed = ["data:", "event:", ":"].iter().any(|start| text.starts_with(start));
                let kind = if looks_streamed { EVENT_STREAM } else { "text/plain; charset=utf-8" };
                self.signed(Response::new(status, text.clone()).with_type(kind))
            }
            Content::Html => self.signed(html(status)),
            Content::Empty => self.signed(Response::new(status, Bytes::new())),
        }
    }

    /// The answer, whole or as a stream, as the request wants it.
    fn answer(&self, answer: &Answer, respond: &Respond) -> Plan {
        let status = respond.status.unwrap_or(200);
        let asked = Asked { upstream: self.name, n: self.n, model: self.model(), body: &self.body };
        if self.body.get("stream") != Some(&Value::Bool(true)) || bodiless(status) {
            return self.whole(self.json(status, &answer.body(self.format, &asked)), respond);
        }
        let response = self.signed(Response::new(status, Bytes::new()).with_type(EVENT_STREAM));
        let shape = &respond.shape;
        let speech = Speech::new(answer, self.format, &asked, shape);
        let closes = respond.close_after.map(|length| (length, if respond.rst { End::Reset } else { End::Broken }));
        let ends = respond.truncate.map(|length| (length, End::Whole));
        let limit = closes.into_iter().chain(ends).min_by_key(|(length, _)| *length);
        let error = |error: &ErrorBody| Event::error(error, self.format, self.model(), &self.request_id());
        Deed::Stream {
            response: with_headers(response, respond),
            slow_body: respond.slow_body,
            moves: Moves::new(speech, shape, self.format, error, limit),
            breaks: respond.close_after.is_some(),
        }
        .into()
    }

    /// Why a provider would not answer this request: what it requires is missing.
    fn objection(&self, request: &Request) -> Option<&'static str> {
        let body = &self.body;
        let anthropic = self.format == Format::AnthropicMessages;
        let is_string = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        let is_list = |value: &Value| value.as_array().is_some_and(|list| !list.is_empty());
        match () {
            () if !body.is_object() => Some("the body is not a JSON object"),
            () if self.foreign => Some("at this path only bodies and errors of the script are sent"),
            () if !body.get("model").is_some_and(is_string) => Some("model: a string is required"),
            () if self.format == Format::Gemini => {
                (!body.get("contents").is_some_and(is_list)).then_some("contents is not specified")
            }
            () if !body.get("messages").is_some_and(is_list) => Some("messages: a list that is not empty is required"),
            () if anthropic && !body.get("max_tokens").is_some_and(Value::is_u64) => {
                Some("max_tokens: a whole number is required")
            }
            () if anthropic && request.header("anthropic-version").is_none() => {
                Some("anthropic-version: header is required")
            }
            () => None,
        }
    }
}

/// The script's headers over the mock's own.
fn with_headers(mut response: Response, respond: &Respond) -> Response {
    for name in respond.headers.keys() {
        response.headers.remove(name);
    }
    response.headers.extend(respond.headers.clone());
    response
}

fn models(name: &str, format: Format) -> Value {
    let ids = ["mock-large", "mock-small"];
    match format {
        Format::OpenAiChat => json!({
            "object": "list",
            "data": ids.map(|id| json!({
                "id": id, "object": "model", "created": 1_735_689_600, "owned_by": name,
            })),
        }),
        Format::Gemini => json!({ "models": ids.map(|id| json!({ "name": format!("models/{id}") })) }),
        Format::AnthropicMessages => json!({
            "data": ids.map(|id| json!({
                "type": "model", "id": id, "display_name": id, "created_at": "2025-01-01T00:00:00Z",
            })),
            "has_more": false,
            "first_id": "mock-large",
            "last_id": "mock-small",
        }),
    }
}

/// The page that a proxy in front of a provider shows.
fn html(status: u16) -> Response {
    let page = format!(
        "<!DOCTYPE html>\n<html>\n<head><title>{status}</title></head>\n\
         <body>\n<center><h1>{status}</h1></center>\n<hr><center>proxy</center>\n</body>\n</html>\n"
    );
    Response::new(status, page).with_type("text/html; charset=utf-8")
}
