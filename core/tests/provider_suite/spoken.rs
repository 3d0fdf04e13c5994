//! The same answer in every wire format: as a body, and as the events of a stream.

use locum::provider::{ANTHROPIC, BEDROCK, COHERE, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES, Provider};
use locum::transport::sse::Frame;
use serde_json::{Value, json};

use crate::spoken_events::{
    bedrock_events, chat_events, cohere_events, frame, gemini_events, messages_events, responses_events,
};

/// A wire format.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Wire {
    Chat,
    Messages,
    Responses,
    Gemini,
    Bedrock,
    Cohere,
}

pub(crate) const WIRES: [Wire; 6] =
    [Wire::Chat, Wire::Messages, Wire::Responses, Wire::Gemini, Wire::Bedrock, Wire::Cohere];

/// How an answer ends.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum End {
    Stop,
    Length,
    Filter,
    /// Row 31: the provider says that it went wrong.
    Broken,
}

/// What a model says. Of 30 tokens of the prompt 8 came from a cache; of 12 of the answer 5 are reasoning.
#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) reasoning: &'static str,
    pub(crate) text: &'static str,
    /// Id, name and arguments.
    pub(crate) calls: Vec<(&'static str, &'static str, Value)>,
    pub(crate) end: End,
}

impl Said {
    pub(crate) fn text(text: &'static str) -> Self {
        Self { reasoning: "", text, calls: Vec::new(), end: End::Stop }
    }
}

impl Wire {
    pub(crate) fn codec(self) -> &'static dyn Provider {
        match self {
            Self::Chat => &OPENAI_CHAT,
            Self::Messages => &ANTHROPIC,
            Self::Responses => &OPENAI_RESPONSES,
            Self::Gemini => &GEMINI,
            Self::Bedrock => &BEDROCK,
            Self::Cohere => &COHERE,
        }
    }

    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses => "openai",
            Self::Messages => "anthropic",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
            Self::Cohere => "cohere",
        }
    }

    /// Whether the format tells how many tokens went into reasoning, and has reasoning to replay.
    pub(crate) fn counts_reasoning(self) -> bool {
        self != Self::Bedrock
    }

    fn reason(self, said: &Said) -> &'static str {
        let calls = !said.calls.is_empty();
        match (self, said.end) {
            (Self::Chat, End::Stop) => {
                if calls {
                    "tool_calls"
                } else {
                    "stop"
                }
            }
            (Self::Chat, End::Length) => "length",
            (Self::Chat, End::Filter) => "content_filter",
            (Self::Chat, End::Broken) => "error",
            (Self::Messages, End::Stop) => {
                if calls {
                    "tool_use"
                } else {
                    "end_turn"
                }
            }
            (Self::Messages | Self::Bedrock, End::Length) => "max_tokens",
            (Self::Messages, End::Filter | End::Broken) => "refusal",
            (Self::Responses, End::Stop) => "completed",
            (Self::Responses, End::Broken) => "cancelled",
            (Self::Responses, _) => "incomplete",
            (Self::Gemini, End::Stop) => "STOP",
            (Self::Gemini, End::Length) => "MAX_TOKENS",
            (Self::Gemini, End::Filter) => "SAFETY",
            (Self::Gemini, End::Broken) => "MALFORMED_FUNCTION_CALL",
            (Self::Bedrock, End::Stop) => {
                if calls {
                    "tool_use"
                } else {
                    "end_turn"
                }
            }
            (Self::Bedrock, End::Filter) => "guardrail_intervened",
            (Self::Bedrock, End::Broken) => "malformed_model_output",
            (Self::Cohere, End::Stop) => {
                if calls {
                    "TOOL_CALL"
                } else {
                    "COMPLETE"
                }
            }
            (Self::Cohere, End::Length) => "MAX_TOKENS",
            (Self::Cohere, End::Filter) => "ERROR_TOXIC",
            (Self::Cohere, End::Broken) => "ERROR",
        }
    }

    fn usage(self) -> Value {
        match self {
            Self::Chat => json!({"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42,
                "prompt_tokens_details": {"cached_tokens": 8}, "completion_tokens_details": {"reasoning_tokens": 5}}),
            Self::Messages => json!({"input_tokens": 22, "cache_read_input_tokens": 8, "output_tokens": 12,
                "output_tokens_details": {"thinking_tokens": 5}}),
            Self::Responses => json!({"input_tokens": 30, "output_tokens": 12, "total_tokens": 42,
                "input_tokens_details": {"cached_tokens": 8}, "output_tokens_details": {"reasoning_tokens": 5}}),
            Self::Gemini => json!({"promptTokenCount": 30, "candidatesTokenCount": 7, "thoughtsTokenCount": 5,
                "cachedContentTokenCount": 8, "totalTokenCount": 42}),
            Self::Bedrock => {
                json!({"inputTokens": 22, "cacheReadInputTokens": 8, "outputTokens": 12, "totalTokens": 42})
            }
            Self::Cohere => json!({"billed_units": {"input_tokens": 3, "output_tokens": 7}, "cached_tokens": 8,
                "tokens": {"input_tokens": 30, "output_tokens": 12, "reasoning_tokens": 5}}),
        }
    }

    /// The parts of the answer in the format's own form.
    fn parts(self, said: &Said) -> Vec<Value> {
        let mut parts = Vec::new();
        if !said.reasoning.is_empty() {
            parts.push(match self {
                Self::Messages => json!({"type": "thinking", "thinking": said.reasoning, "signature": "sig"}),
                Self::Responses => json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "sealed",
                    "summary": [{"type": "summary_text", "text": said.reasoning}]}),
                Self::Gemini => json!({"text": said.reasoning, "thought": true}),
                Self::Bedrock => {
                    json!({"reasoningContent": {"reasoningText": {"text": said.reasoning, "signature": "sig"}}})
                }
                Self::Chat | Self::Cohere => json!({"type": "thinking", "thinking": said.reasoning}),
            });
        }
        if !said.text.is_empty() {
            parts.push(match self {
                Self::Chat | Self::Messages | Self::Cohere => json!({"type": "text", "text": said.text}),
                Self::Responses => json!({"type": "message", "id": "msg_1", "role": "assistant",
                    "content": [{"type": "output_text", "text": said.text, "annotations": []}]}),
                Self::Gemini if !said.reasoning.is_empty() => json!({"text": said.text, "thoughtSignature": "sig"}),
                Self::Gemini | Self::Bedrock => json!({"text": said.text}),
            });
        }
        for (id, name, arguments) in &said.calls {
            parts.push(match self {
                Self::Chat | Self::Cohere => continue,
                Self::Messages => json!({"type": "tool_use", "id": id, "name": name, "input": arguments}),
                Self::Responses => json!({"type": "function_call", "id": "fc_1", "call_id": id, "name": name,
                    "arguments": arguments.to_string()}),
                Self::Gemini => json!({"functionCall": {"id": id, "name": name, "args": arguments}}),
                Self::Bedrock => json!({"toolUse": {"toolUseId": id, "name": name, "input": arguments}}),
            });
        }
        parts
    }

    fn chat_calls(said: &Said) -> Vec<Value> {
        let calls = said.calls.iter();
        calls.map(|(id, name, arguments)| super::call(id, name, &arguments.to_string())).collect()
    }

    /// The answer as it comes whole.
    pub(crate) fn body(self, said: &Said) -> Value {
        let (reason, usage, parts) = (self.reason(said), self.usage(), self.parts(said));
        match self {
            Self::Chat => {
                json!({"id": "1", "model": "m", "usage": usage, "choices": [{"index": 0, "finish_reason": reason,
                "message": {"role": "assistant", "content": said.text, "reasoning_content": said.reasoning,
                    "tool_calls": Self::chat_calls(said)}}]})
            }
            Self::Messages => json!({"id": "1", "type": "message", "role": "assistant", "model": "m", "content": parts,
                "stop_reason": reason, "usage": usage}),
            Self::Responses => {
                let detail = if said.end == End::Filter { "content_filter" } else { "max_output_tokens" };
                let detail = if reason == "incomplete" { json!({"reason": detail}) } else { Value::Null };
                json!({"id": "1", "object": "response", "model": "m", "status": reason, "error": null,
                    "incomplete_details": detail, "output": parts, "usage": usage})
            }
            Self::Gemini => json!({"responseId": "1", "modelVersion": "m", "usageMetadata": usage,
                "candidates": [{"index": 0, "finishReason": reason, "content": {"role": "model", "parts": parts}}]}),
            Self::Bedrock => json!({"output": {"message": {"role": "assistant", "content": parts}},
                "stopReason": reason, "usage": usage}),
            Self::Cohere => json!({"id": "1", "finish_reason": reason, "usage": usage,
                "message": {"role": "assistant", "content": parts, "tool_calls": Self::chat_calls(said)}}),
        }
    }

    /// An error as the format writes it.
    pub(crate) fn error(self, name: &str, message: &str) -> Value {
        match self {
            Self::Chat | Self::Responses => json!({"error": {"message": message, "type": name, "code": name}}),
            Self::Messages => json!({"type": "error", "error": {"type": name, "message": message}}),
            Self::Gemini => json!({"error": {"code": 0, "message": message, "status": name}}),
            Self::Bedrock => json!({"message": message, "__type": name}),
            Self::Cohere => json!({"message": message}),
        }
    }

    /// An event of a stream that says that the provider is overloaded.
    pub(crate) fn overloaded(self) -> Frame {
        match self {
            Self::Chat => frame("", &json!({"error": {"message": "busy", "code": "server_is_overloaded"}})),
            Self::Messages => frame("error", &self.error("overloaded_error", "busy")),
            Self::Responses => {
                frame("error", &json!({"type": "error", "code": "server_is_overloaded", "message": "busy"}))
            }
            Self::Gemini => frame("", &json!({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}})),
            Self::Bedrock => frame("error", &json!({"code": "serviceUnavailableException", "message": "busy"})),
            Self::Cohere => frame("", &json!({"error": {"code": 503, "message": "overloaded"}})),
        }
    }

    /// The answer as a stream.
    pub(crate) fn events(self, said: &Said) -> Vec<Frame> {
        let (reason, usage) = (self.reason(said), self.usage());
        match self {
            Self::Chat => chat_events(said, reason, &usage),
            Self::Messages => messages_events(said, reason, &usage),
            Self::Responses => responses_events(&self.body(said), said),
            Self::Gemini => gemini_events(&self.parts(said), reason, &usage),
            Self::Bedrock => bedrock_events(said, reason, &usage),
            Self::Cohere => cohere_events(said, reason, &usage),
        }
    }
}
