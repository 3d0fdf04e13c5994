//! What a stream brings, in order: `Start`, then content, at last `Usage` (where known) and `End`.

use std::fmt;

use serde_json::{Value, json};

use super::completion::Usage;
use super::hidden;
use super::message::ToolCall;
use super::reply::Reply;
use crate::error::ErrorKind;

/// One event of a stream.
#[derive(Clone, PartialEq)]
pub enum Event {
    /// The first content is about to come; until then a change of the candidate goes unseen.
    Start {
        /// Who speaks, as `provider/model`.
        model: String,
    },
    /// More of the text; a refusal's words too.
    Text(String),
    /// More of the visible reasoning.
    Reasoning(String),
    /// More of a tool call, for callers that asked for these.
    ToolCallDelta(ToolCallDelta),
    /// A complete tool call.
    ToolCall(ToolCall),
    /// What came so far is void: the answer begins anew.
    Restart {
        /// Who speaks from now on, as `provider/model`.
        model: String,
        /// Why the earlier answer broke off.
        kind: ErrorKind,
        /// The same, as a sentence.
        reason: String,
    },
    /// Tokens of the attempt that answered.
    Usage(Usage),
    /// The answer is whole; nothing follows.
    End(Box<Reply>),
}

/// A piece of a tool call.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ToolCallDelta {
    /// Which call of the answer, from 0.
    pub index: usize,
    /// Its id, with the first piece.
    pub id: Option<String>,
    /// The tool's name, with the first piece.
    pub name: Option<String>,
    /// More of the arguments' JSON text.
    pub arguments: String,
}

impl Event {
    /// The event as an object with the public field names; `type` is the event's name in snake_case.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Start { model } => json!({"type": "start", "model": model}),
            Self::Text(text) => json!({"type": "text", "text": text}),
            Self::Reasoning(text) => json!({"type": "reasoning", "text": text}),
            Self::ToolCallDelta(delta) => json!({
                "type": "tool_call_delta",
                "index": delta.index,
                "id": delta.id,
                "name": delta.name,
                "arguments": delta.arguments,
            }),
            Self::ToolCall(call) => {
                json!({"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments})
            }
            Self::Restart { model, kind, reason } => {
                json!({"type": "restart", "model": model, "kind": kind.as_str(), "reason": reason})
            }
            Self::Usage(usage) => json!({"type": "usage", "usage": usage.to_value()}),
            Self::End(reply) => json!({"type": "end", "reply": reply.to_value()}),
        }
    }
}

/// Without what the model said.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { model } => f.debug_struct("Start").field("model", model).finish(),
            Self::Text(text) => f.debug_tuple("Text").field(&hidden::Text(text)).finish(),
            Self::Reasoning(text) => f.debug_tuple("Reasoning").field(&hidden::Text(text)).finish(),
            Self::ToolCallDelta(delta) => delta.fmt(f),
            Self::ToolCall(call) => call.fmt(f),
            Self::Restart { model, kind, reason } => {
                f.debug_struct("Restart").field("model", model).field("kind", kind).field("reason", reason).finish()
            }
            Self::Usage(usage) => usage.fmt(f),
            Self::End(reply) => f.debug_tuple("End").field(reply).finish(),
        }
    }
}

/// Without what the model said.
impl fmt::Debug for ToolCallDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolCallDelta")
            .field("index", &self.index)
            .field("id", &self.id)
            .field("name", &self.name)
            .field("arguments", &hidden::Text(&self.arguments))
            .finish()
    }
}
