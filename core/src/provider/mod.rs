//! One wire format each, pure: a request becomes bytes, bytes become an answer or a classified failure.
//!
//! No IO, no clock, no decision about what follows from a failure: that is the ladder's.

// A failure travels up by value once per failed attempt; the answer it stands beside is as large.

mod anthropic;
mod bedrock;
mod body;
mod classify;
mod cohere;
mod errors;
mod gemini;
mod history;
pub mod limits;
mod openai_chat;
mod overflow;
mod params;
mod responses;
mod resume;
mod stream;
mod wait;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

pub use self::anthropic::{ANTHROPIC, DEFAULT_MAX_TOKENS};
pub use self::bedrock::BEDROCK;
pub use self::cohere::COHERE;
pub use self::gemini::GEMINI;
pub use self::openai_chat::OPENAI_CHAT;
pub use self::responses::OPENAI_RESPONSES;
pub use self::resume::prefills;

use crate::transport::sse::Frame;
use crate::transport::{HttpAnswer, HttpRequest};
use crate::types::{Amend, Completion, Failure, Params, Request, Secret, ToolCallDelta, Usage};

/// Where and how one candidate is asked: everything of it that a codec needs.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// The provider's name in the configuration.
    pub provider: &'a str,
    /// Its kind or preset, which selects dialect data (`openai`, `groq`, `deepseek`, …).
    pub kind: &'a str,
    /// Where its API starts, without a trailing slash.
    pub base_url: &'a str,
    /// The version of its API, where its addresses name one (Azure's older ones).
    pub api_version: Option<&'a str>,
    /// Its key, ready for a header; absent where none is needed.
    pub api_key: Option<&'a Secret>,
    /// A token that was fetched for it: sent as `authorization: Bearer`, in place of the format's own header for a key.
    pub token: Option<&'a Secret>,
    /// Further headers.
    pub headers: &'a BTreeMap<String, Secret>,
    /// The model's id at the provider.
    pub model: &'a str,
    /// Task, alias and call parameters, merged.
    pub params: &'a Params,
    /// The alias's own body members; the call's for this provider come from the request.
    pub extra_body: &'a Map<String, Value>,
    /// Changes that this model is known, or was just found, to need.
    pub amends: &'a [Amend],
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// The text of an answer that broke off, for this model to continue.
    pub resume: Option<&'a str>,
    /// Whether the model continues words put into its mouth: an assistant message at the end of the chat.
    pub prefill: bool,
}

/// What a frame of a stream says.
#[derive(Clone, PartialEq)]
pub enum Delta {
    /// More of the text.
    Text(String),
    /// More of the visible reasoning.
    Reasoning(String),
    /// More of a refusal's words, where the format tells them from text.
    Refusal(String),
    /// More of a tool call.
    ToolCall(ToolCallDelta),
    /// Tokens spent so far.
    Usage(Usage),
}

/// How far a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The answer is not whole yet: an end now would be a cut.
    Open,
    /// The answer is whole; usage may still follow.
    Whole,
    /// Nothing more will come.
    Over,
}

/// Reads one stream.
pub trait Decoder: Send {
    /// Reads a frame and appends what it says to `out`.
    ///
    /// After an error the same frame may be given once more, with secrets taken out of it.
    ///
    /// # Errors
    /// The classified failure: an error event, or what makes no sense for the second time.
    fn read(&mut self, frame: &Frame, out: &mut Vec<Delta>) -> Result<(), Failure>;

    /// How far the stream has come.
    fn stage(&self) -> Stage;

    /// The text so far, a refusal's words included.
    fn text(&self) -> String;

    /// The answer, when the stream has ended: by its terminal event, or by the end of the connection.
    ///
    /// # Errors
    /// `truncated_stream` when it is not whole; else as [`Provider::decode`].
    fn finish(&mut self) -> Result<Completion, Failure>;
}

/// The largest request body Anthropic takes, in bytes: 32 MB, by its documentation of errors (413).
pub const ANTHROPIC_MAX_REQUEST: u64 = 32 * 1024 * 1024;

/// A request, and warnings about what could not be said in it.
type Encoded = Result<(HttpRequest, Vec<String>), Failure>;

/// A wire format.
pub trait Provider: Send + Sync {
    /// The request for `target`, and warnings about what could not be said in this format.
    ///
    /// # Errors
    /// `unsupported` when this format cannot express the request at all, `config` when a header value is unusable.
    fn encode(&self, target: &Target<'_>, request: &Request) -> Result<(HttpRequest, Vec<String>), Failure>;

    /// The answer, or what the response says went wrong: error statuses, and errors inside a 200. `now` is the wall
    /// clock in seconds since the Unix epoch, for dates in `retry-after`.
    ///
    /// # Errors
    /// The classified failure.
    fn decode(
        &self,
        target: &Target<'_>,
        request: &Request,
        answer: &HttpAnswer,
        now: u64,
    ) -> Result<Completion, Failure>;

    /// Reads the stream that `head` (a successful response, its body left empty) begins.
    fn decoder(&self, target: &Target<'_>, request: &Request, head: HttpAnswer, now: u64) -> Box<dyn Decoder>;
}

/// A wire format, made of functions over data.
#[derive(Debug, Clone, Copy)]
pub struct Codec {
    encode: fn(&Target<'_>, &Request) -> Encoded,
    decode: fn(&Target<'_>, &Request, &HttpAnswer, u64) -> Result<Completion, Failure>,
    decoder: fn(&Target<'_>, &Request, HttpAnswer, u64) -> Box<dyn Decoder>,
}

impl Provider for Codec {
    fn encode(&self, target: &Target<'_>, request: &Request) -> Encoded {
        (self.encode)(target, request)
    }

    fn decode(
        &self,
        target: &Target<'_>,
        request: &Request,
        answer: &HttpAnswer,
        now: u64,
    ) -> Result<Completion, Failure> {
        (self.decode)(target, request, answer, now).map_err(|failure| resume::failure(target, failure))
    }

    fn decoder(&self, target: &Target<'_>, request: &Request, head: HttpAnswer, now: u64) -> Box<dyn Decoder> {
        (self.decoder)(target, request, head, now)
    }
}
