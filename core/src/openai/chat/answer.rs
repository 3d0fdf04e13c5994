//! Writing a chat completion, whole or as chunks.

use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::openai::refusal::Refusal;
use crate::openai::{Pen, Stamp, send, trail};
use crate::types::{Event, FinishReason, Reply, ToolCall, ToolCallDelta, Usage};

pub(super) struct ChatPen {
    stamp: Stamp,
    /// Whether the last chunk tells the tokens.
    counts: bool,
    /// Who answers.
    model: String,
    /// The ids of the tool calls that the client has.
    calls: Vec<String>,
    usage: Option<Usage>,
}

impl ChatPen {
    pub(super) fn new(stamp: Stamp, counts: bool) -> Self {
        Self { stamp, counts, model: String::new(), calls: Vec::new(), usage: None }
    }

    fn chunk(&self, choices: Value) -> Map<String, Value> {
        let mut chunk = Map::new();
        chunk.insert("id".into(), format!("chatcmpl-{}", self.stamp.id).into());
        chunk.insert("object".into(), "chat.completion.chunk".into());
        chunk.insert("created".into(), self.stamp.created.into());
        chunk.insert("model".into(), self.model.as_str().into());
        chunk.insert("choices".into(), choices);
        if self.counts {
            chunk.insert("usage".into(), Value::Null);
        }
        chunk
    }

    fn delta(&self, delta: &Value, out: &mut Vec<u8>) {
        let choice = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]);
        send(out, None, &self.chunk(choice).into());
    }

    fn piece(&mut self, piece: &ToolCallDelta, out: &mut Vec<u8>) {
        let mut function = Map::new();
        if let Some(name) = &piece.name {
            function.insert("name".into(), name.as_str().into());
        }
        function.insert("arguments".into(), piece.arguments.as_str().into());
        let mut call = json!({"index": piece.index, "function": function});
        if let (Some(id), Some(call)) = (&piece.id, call.as_object_mut()) {
            self.calls.push(id.clone());
            call.insert("id".into(), id.as_str().into());
            call.insert("type".into(), "function".into());
        }
        self.delta(&json!({"tool_calls": [call]}), out);
    }

    /// A call that did not come piece by piece.
    fn call(&mut self, call: &ToolCall, out: &mut Vec<u8>) {
        if self.calls.contains(&call.id) {
            return;
        }
        let piece = ToolCallDelta {
            index: self.calls.len(),
            id: Some(call.id.clone()),
            name: Some(call.name.clone()),
            arguments: call.arguments.clone(),
        };
        self.piece(&piece, out);
    }

    fn end(&mut self, reply: &Reply, out: &mut Vec<u8>) {
        let reason = match reply.finish().unified {
            // Its words have gone out as content; who reads the reason alone must not take them for an answer.
            FinishReason::Refusal => "content_filter",
            reason => finish(reason),
        };
        let choice = json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": reason}]);
        let mut last = self.chunk(choice);
        last.insert("locum".into(), trail::of_reply(reply));
        send(out, None, &last.into());
        if self.counts {
            let mut count = self.chunk(json!([]));
            let usage = reply.usage().or(self.usage);
            count.insert("usage".into(), usage.map(tokens).unwrap_or_default());
            send(out, None, &count.into());
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

impl Pen for ChatPen {
    fn reply(&self, reply: &Reply) -> Value {
        let calls = reply.tool_calls();
        let refused = reply.finish().unified == FinishReason::Refusal;
        let text = (!reply.text().is_empty() || calls.is_empty()).then(|| reply.text());
        let mut message = Map::new();
        message.insert("role".into(), "assistant".into());
        message.insert("content".into(), text.filter(|_| !refused).into());
        message.insert("refusal".into(), text.filter(|_| refused).into());
        if let Some(reasoning) = reply.reasoning() {
            message.insert("reasoning_content".into(), reasoning.into());
        }
        if !calls.is_empty() {
            message.insert("tool_calls".into(), calls.iter().map(ToolCall::to_value).collect());
        }
        let mut body = json!({
            "id": format!("chatcmpl-{}", self.stamp.id),
            "object": "chat.completion",
            "created": self.stamp.created,
            "model": reply.model,
            "choices": [{
                "index": 0,
                "message": message,
                "logprobs": null,
                "finish_reason": finish(reply.finish().unified),
            }],
        });
        if let Some(body) = body.as_object_mut() {
            if let Some(usage) = reply.usage() {
                body.insert("usage".into(), tokens(usage));
            }
            body.insert("locum".into(), trail::of_reply(reply));
        }
        body
    }

    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { model } => {
                self.model.clone_from(model);
                self.delta(&json!({"role": "assistant", "content": ""}), out);
            }
            Event::Text(text) => self.delta(&json!({"content": text}), out),
            Event::Reasoning(text) => self.delta(&json!({"reasoning_content": text}), out),
            Event::ToolCallDelta(piece) => self.piece(piece, out),
            Event::ToolCall(call) => self.call(call, out),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Restart { model, kind, reason } => {
                self.model.clone_from(model);
                self.calls.clear();
                let choice = json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": null}]);
                let mut chunk = self.chunk(choice);
                let restart = json!({"model": model, "kind": kind.as_str(), "reason": reason});
                chunk.insert("locum".into(), json!({"restart": restart}));
                send(out, None, &chunk.into());
            }
            Event::End(reply) => self.end(reply, out),
        }
    }

    fn error(&mut self, error: &Error, out: &mut Vec<u8>) {
        send(out, None, &Refusal::from(error).body());
    }
}

/// OpenAI's word. It has none for a turn that the provider paused: like one cut at its length, it is not done.
fn finish(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop | FinishReason::Refusal => "stop",
        FinishReason::Length | FinishReason::Paused | FinishReason::Error => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
    }
}

fn tokens(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    })
}
