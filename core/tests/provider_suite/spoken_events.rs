//! The same answer as the events of a stream, in every wire format.

use locum::transport::sse::Frame;
use serde_json::{Value, json};

use crate::call;
use crate::spoken::Said;

pub(crate) fn frame(event: &str, data: &Value) -> Frame {
    Frame { event: event.to_owned(), data: data.to_string().into_bytes() }
}

fn typed(event: Value) -> Frame {
    let name = event["type"].as_str().unwrap().to_owned();
    frame(&name, &event)
}

/// A text in two pieces; none for an empty one.
fn halves(text: &str) -> Vec<&str> {
    let (first, second) = text.split_at(text.len() / 2);
    [first, second].into_iter().filter(|piece| !piece.is_empty()).collect()
}

pub(crate) fn chat_events(said: &Said, reason: &str, usage: &Value) -> Vec<Frame> {
    let chunk = |delta: Value, end: Value| {
        frame("", &json!({"id": "1", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}))
    };
    let mut events = vec![chunk(json!({"role": "assistant"}), Value::Null)];
    events.extend(halves(said.reasoning).into_iter().map(|it| chunk(json!({"reasoning_content": it}), Value::Null)));
    events.extend(halves(said.text).into_iter().map(|piece| chunk(json!({"content": piece}), Value::Null)));
    for (index, (id, name, arguments)) in said.calls.iter().enumerate() {
        let begin = json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}});
        events.push(chunk(json!({"tool_calls": [begin]}), Value::Null));
        for piece in halves(&arguments.to_string()) {
            let more = json!({"index": index, "function": {"arguments": piece}});
            events.push(chunk(json!({"tool_calls": [more]}), Value::Null));
        }
    }
    events.push(chunk(json!({}), reason.into()));
    events.push(frame("", &json!({"id": "1", "model": "m", "choices": [], "usage": usage})));
    events.push(Frame { event: String::new(), data: b"[DONE]".to_vec() });
    events
}

pub(crate) fn messages_events(said: &Said, reason: &str, usage: &Value) -> Vec<Frame> {
    let message = json!({"id": "1", "model": "m", "role": "assistant", "content": [], "usage": usage});
    let mut events = vec![typed(json!({"type": "message_start", "message": message}))];
    let mut index = 0;
    let mut block = |start: Value, deltas: Vec<Value>| {
        events.push(typed(json!({"type": "content_block_start", "index": index, "content_block": start})));
        for delta in deltas {
            events.push(typed(json!({"type": "content_block_delta", "index": index, "delta": delta})));
        }
        events.push(typed(json!({"type": "content_block_stop", "index": index})));
        index += 1;
    };
    if !said.reasoning.is_empty() {
        let thoughts = halves(said.reasoning).into_iter().map(|it| json!({"type": "thinking_delta", "thinking": it}));
        let signed = thoughts.chain([json!({"type": "signature_delta", "signature": "sig"})]).collect();
        block(json!({"type": "thinking", "thinking": "", "signature": ""}), signed);
    }
    if !said.text.is_empty() {
        let words = halves(said.text).into_iter().map(|piece| json!({"type": "text_delta", "text": piece})).collect();
        block(json!({"type": "text", "text": ""}), words);
    }
    for (id, name, arguments) in &said.calls {
        let text = arguments.to_string();
        let pieces =
            halves(&text).into_iter().map(|it| json!({"type": "input_json_delta", "partial_json": it})).collect();
        block(json!({"type": "tool_use", "id": id, "name": name, "input": {}}), pieces);
    }
    events.push(typed(json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage})));
    events.push(typed(json!({"type": "message_stop"})));
    events
}

pub(crate) fn responses_events(body: &Value, said: &Said) -> Vec<Frame> {
    let mut events = vec![typed(json!({"type": "response.created", "response": {"id": "1", "output": []}}))];
    for (at, item) in body["output"].as_array().unwrap().iter().enumerate() {
        let mut begun = item.clone();
        for key in ["content", "summary"] {
            if begun[key].is_array() {
                begun[key] = json!([]);
            }
        }
        if begun["arguments"].is_string() {
            begun["arguments"] = json!("");
        }
        events.push(typed(json!({"type": "response.output_item.added", "output_index": at, "item": begun})));
        let arguments = item["arguments"].as_str().unwrap_or_default();
        let (kind, text) = match item["type"].as_str().unwrap() {
            "message" => ("response.output_text.delta", said.text),
            "reasoning" => ("response.reasoning_summary_text.delta", said.reasoning),
            _ => ("response.function_call_arguments.delta", arguments),
        };
        for piece in halves(text) {
            events.push(typed(json!({"type": kind, "output_index": at, "content_index": 0, "summary_index": 0,
                "item_id": item["id"], "delta": piece})));
        }
        events.push(typed(json!({"type": "response.output_item.done", "output_index": at, "item": item})));
    }
    let last = match body["status"].as_str().unwrap() {
        "completed" => "response.completed",
        "cancelled" => "response.cancelled",
        _ => "response.incomplete",
    };
    events.push(typed(json!({"type": last, "response": body})));
    events
}

pub(crate) fn gemini_events(parts: &[Value], reason: &str, usage: &Value) -> Vec<Frame> {
    let chunk = |part: &Value, end: Option<&str>| {
        let mut candidate = json!({"index": 0, "content": {"role": "model", "parts": [part]}});
        let mut event = json!({"responseId": "1", "modelVersion": "m"});
        if let Some(end) = end {
            candidate["finishReason"] = end.into();
            event["usageMetadata"] = usage.clone();
        }
        event["candidates"] = json!([candidate]);
        frame("", &event)
    };
    let mut events = Vec::new();
    for part in parts {
        match part["text"].as_str().filter(|_| part.get("thoughtSignature").is_none()) {
            Some(text) => {
                for piece in halves(text) {
                    let mut half = part.clone();
                    half["text"] = piece.into();
                    events.push(chunk(&half, None));
                }
            }
            None => events.push(chunk(part, None)),
        }
    }
    events.push(chunk(&json!({"text": ""}), Some(reason)));
    events
}

pub(crate) fn bedrock_events(said: &Said, reason: &str, usage: &Value) -> Vec<Frame> {
    let mut events = vec![frame("messageStart", &json!({"role": "assistant"}))];
    let mut index = 0;
    let mut block = |start: Option<Value>, deltas: Vec<Value>| {
        if let Some(start) = start {
            events.push(frame("contentBlockStart", &json!({"contentBlockIndex": index, "start": start})));
        }
        for delta in deltas {
            events.push(frame("contentBlockDelta", &json!({"contentBlockIndex": index, "delta": delta})));
        }
        events.push(frame("contentBlockStop", &json!({"contentBlockIndex": index})));
        index += 1;
    };
    if !said.reasoning.is_empty() {
        let thoughts = halves(said.reasoning).into_iter().map(|it| json!({"reasoningContent": {"text": it}}));
        block(None, thoughts.chain([json!({"reasoningContent": {"signature": "sig"}})]).collect());
    }
    if !said.text.is_empty() {
        block(None, halves(said.text).into_iter().map(|piece| json!({"text": piece})).collect());
    }
    for (id, name, arguments) in &said.calls {
        let text = arguments.to_string();
        let pieces = halves(&text).into_iter().map(|piece| json!({"toolUse": {"input": piece}})).collect();
        block(Some(json!({"toolUse": {"toolUseId": id, "name": name}})), pieces);
    }
    events.push(frame("messageStop", &json!({"stopReason": reason})));
    events.push(frame("metadata", &json!({"usage": usage})));
    events
}

pub(crate) fn cohere_events(said: &Said, reason: &str, usage: &Value) -> Vec<Frame> {
    let mut events =
        vec![typed(json!({"type": "message-start", "id": "1", "delta": {"message": {"role": "assistant"}}}))];
    let mut index = 0;
    for (key, text) in [("thinking", said.reasoning), ("text", said.text)] {
        if text.is_empty() {
            continue;
        }
        let content = |content: Value| json!({"message": {"content": content}});
        let start = content(json!({"type": key, key: ""}));
        events.push(typed(json!({"type": "content-start", "index": index, "delta": start})));
        for piece in halves(text) {
            events.push(typed(json!({"type": "content-delta", "index": index, "delta": content(json!({key: piece}))})));
        }
        events.push(typed(json!({"type": "content-end", "index": index})));
        index += 1;
    }
    for (at, (id, name, arguments)) in said.calls.iter().enumerate() {
        let delta = |call: Value| json!({"message": {"tool_calls": call}});
        let start = delta(call(id, name, ""));
        events.push(typed(json!({"type": "tool-call-start", "index": at, "delta": start})));
        for piece in halves(&arguments.to_string()) {
            let more = delta(json!({"function": {"arguments": piece}}));
            events.push(typed(json!({"type": "tool-call-delta", "index": at, "delta": more})));
        }
        events.push(typed(json!({"type": "tool-call-end", "index": at})));
    }
    events.push(typed(json!({"type": "message-end", "delta": {"finish_reason": reason, "usage": usage}})));
    events
}
