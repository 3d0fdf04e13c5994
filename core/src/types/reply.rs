//! The answer to a call.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::attempt::{self, Attempt, millis};
use super::completion::{Completion, Finish, Usage};
use super::message::{Content, Message, Role, ToolCall};

/// The answer to a call, with the whole trail of how it came about.
#[derive(Clone, PartialEq)]
pub struct Reply {
    pub(crate) completion: Completion,
    /// The answer parsed as JSON, when a JSON format was asked for.
    pub parsed: Option<Value>,
    /// Who answered, as `provider/model`.
    pub model: String,
    /// The provider's name in the configuration.
    pub provider: String,
    /// The task.
    pub task: String,
    /// USD over all attempts, where any is known.
    pub cost: Option<f64>,
    /// From the call to the answer.
    pub latency: Duration,
    /// From the call to the first content, for streams.
    pub first_token: Option<Duration>,
    /// Whether another model than the first candidate answered; of several primaries, the first is the chosen one.
    pub fallback_used: bool,
    /// Things worth knowing that are not failures.
    pub warnings: Vec<String>,
    /// What was tried and what was passed over, in order.
    pub attempts: Vec<Attempt>,
}

impl Reply {
    /// The text; a refusal's words too.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.completion.text
    }

    /// Visible reasoning.
    #[must_use]
    pub fn reasoning(&self) -> Option<&str> {
        self.completion.reasoning.as_deref()
    }

    /// Tools the model wants called.
    #[must_use]
    pub fn tool_calls(&self) -> &[ToolCall] {
        &self.completion.tool_calls
    }

    /// Why the model stopped.
    #[must_use]
    pub fn finish(&self) -> &Finish {
        &self.completion.finish
    }

    /// Tokens of the winning attempt, where the provider reported them.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.completion.usage
    }

    /// The provider's id of the exchange.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.completion.request_id.as_deref()
    }

    /// The provider's own body.
    #[must_use]
    pub fn raw(&self) -> &Value {
        &self.completion.raw
    }

    /// The trail as a table for people, a line per attempt.
    #[must_use]
    pub fn trail(&self) -> String {
        attempt::table(&self.attempts)
    }

    /// The answer as the assistant message to append to the chat.
    ///
    /// Where the model reasoned in a way that it wants back unchanged, the message has a member `reasoning_state`. It is sent
    /// to that model alone, and only while the message says what it said; other models are sent the words and calls.
    #[must_use]
    pub fn message(&self) -> Message {
        let text = &self.completion.text;
        let mut message = Message {
            role: Role::Assistant,
            content: if text.is_empty() && !self.completion.tool_calls.is_empty() {
                Content::None
            } else {
                Content::Text(text.clone())
            },
            name: None,
            tool_calls: self.completion.tool_calls.clone(),
            tool_call_id: None,
            extra: Map::new(),
        };
        if let Some(state) = &self.completion.state {
            message.remember(&self.model, state);
        }
        message
    }

    /// The reply as an object with the public field names, without `raw`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        json!({
            "text": self.text(),
            "reasoning": self.reasoning(),
            "message": self.message().to_value(),
            "tool_calls": self.tool_calls().iter().map(ToolCall::to_value).collect::<Value>(),
            "parsed": self.parsed,
            "finish": {"unified": self.finish().unified.as_str(), "raw": self.finish().raw},
            "usage": self.usage().map(Usage::to_value),
            "cost": self.cost,
            "model": self.model,
            "provider": self.provider,
            "task": self.task,
            "latency_ms": millis(self.latency),
            "first_token_ms": self.first_token.map(millis),
            "request_id": self.request_id(),
            "warnings": self.warnings,
            "fallback_used": self.fallback_used,
            "attempts": self.attempts.iter().map(Attempt::to_value).collect::<Value>(),
        })
    }
}

/// Without what the model said.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("task", &self.task)
            .field("model", &self.model)
            .field("completion", &self.completion)
            .field("fallback_used", &self.fallback_used)
            .field("latency", &self.latency)
            .field("warnings", &self.warnings)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

impl Usage {
    /// The counts as an object with the public field names.
    #[must_use]
    pub fn to_value(self) -> Value {
        json!({
            "input": self.input,
            "cached_input": self.cached_input,
            "cache_write": self.cache_write,
            "output": self.output,
            "reasoning": self.reasoning,
        })
    }
}
