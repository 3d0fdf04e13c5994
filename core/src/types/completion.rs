//! What one provider answered, in canonical form.

use std::fmt;

use serde_json::Value;

use super::hidden;
use super::message::ToolCall;

/// Why a model stopped, one word for all providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// It was done.
    Stop,
    /// The token limit, or the end of the context window, cut it off.
    Length,
    /// It wants tools called.
    ToolCalls,
    /// A filter held the answer, or part of it, back.
    ContentFilter,
    /// It declined to answer; its words are in the text.
    Refusal,
    /// The provider paused a long turn; send the conversation back to go on.
    Paused,
    /// It broke off; the raw reason says how.
    Error,
}

impl FinishReason {
    /// The word in replies: `stop`, `length`, `tool_calls`, `content_filter`, `refusal`, `paused`, `error`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Refusal => "refusal",
            Self::Paused => "paused",
            Self::Error => "error",
        }
    }
}

/// Why the model stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// In Locum's words.
    pub unified: FinishReason,
    /// In the provider's words; absent where it gave none.
    pub raw: Option<String>,
}

/// Tokens, normalised: `input` includes what was read from and written to a prompt cache, `output` includes reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub input: u64,
    /// Of those, read from a cache.
    pub cached_input: u64,
    /// Of those, written to a cache. Disjoint from `cached_input`.
    pub cache_write: u64,
    /// Tokens of the answer, reasoning included.
    pub output: u64,
    /// Of those, reasoning.
    pub reasoning: u64,
}

/// One provider's whole answer.
#[derive(Clone, PartialEq)]
pub struct Completion {
    /// The text; a refusal's words too.
    pub text: String,
    /// Visible reasoning.
    pub reasoning: Option<String>,
    /// Complete tool calls.
    pub tool_calls: Vec<ToolCall>,
    /// Why the model stopped.
    pub finish: Finish,
    /// Tokens, where the provider reported them.
    pub usage: Option<Usage>,
    /// USD, only where the provider itself states the cost.
    pub cost: Option<f64>,
    /// The provider's id of the exchange.
    pub request_id: Option<String>,
    /// The model the provider says answered.
    pub served_by: Option<String>,
    /// Things worth knowing that are not failures.
    pub warnings: Vec<String>,
    /// The turn in the provider's own form, where it holds reasoning that the same model wants back unchanged.
    pub state: Option<Value>,
    /// The provider's body.
    pub raw: Value,
}

impl Completion {
    /// What was said and why it ended; the rest is still to be filled in.
    pub(crate) fn said(text: String, reasoning: String, tool_calls: Vec<ToolCall>, finish: Finish) -> Self {
        Self {
            text,
            reasoning: Some(reasoning).filter(|reasoning| !reasoning.is_empty()),
            tool_calls,
            finish,
            usage: None,
            cost: None,
            request_id: None,
            served_by: None,
            warnings: Vec::new(),
            state: None,
            raw: Value::Null,
        }
    }
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Its flavour: `empty`, `length`, `short`, `long`, `regex`, `json` or `schema`.
    pub subkind: &'static str,
    /// A sentence without a word of the answer.
    pub message: String,
    /// Whether the task accepts no such answer. Otherwise it is worse than another one would be, but better than none.
    pub fatal: bool,
}

/// Without what the model said.
impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("text", &hidden::Text(&self.text))
            .field("reasoning", &self.reasoning.as_deref().map(hidden::Text))
            .field("tool_calls", &self.tool_calls)
            .field("finish", &self.finish)
            .field("usage", &self.usage)
            .field("cost", &self.cost)
            .field("request_id", &self.request_id)
            .field("served_by", &self.served_by)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}
