//! What every response keeps, whole or as events.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::read;
use crate::openai::{Order, Refusal, Stamp};
use crate::types::{
    Completion, Content, Event, Finish, FinishReason, Part, Reply, ResponseFormat, Role, ToolCall, ToolCallDelta,
    ToolChoice,
};

fn stamp() -> Stamp {
    Stamp { id: "0a".into(), created: 5 }
}

fn order(body: Value) -> Result<Order, Refusal> {
    let Value::Object(mut all) = body else { unreachable!("a test's own") };
    all.insert("model".into(), "support_chat".into());
    read(all, stamp(), &["support_chat"])
}

fn refused(body: Value) -> String {
    let refusal = order(body).err().unwrap();
    refusal.body()["error"]["param"].as_str().unwrap_or_default().to_owned()
}

fn reply(text: &str, calls: &[ToolCall], finish: FinishReason) -> Reply {
    let completion = Completion {
        text: text.into(),
        reasoning: None,
        tool_calls: calls.to_vec(),
        finish: Finish { unified: finish, raw: None },
        usage: None,
        cost: None,
        request_id: None,
        served_by: None,
        state: None,
        warnings: Vec::new(),
        raw: Value::Null,
    };
    Reply {
        completion,
        parsed: None,
        model: "a/big".into(),
        provider: "a".into(),
        task: "support_chat".into(),
        cost: None,
        latency: Duration::ZERO,
        first_token: None,
        fallback_used: false,
        warnings: Vec::new(),
        attempts: Vec::new(),
    }
}

#[test]
fn a_conversation_becomes_messages() {
    let input = json!([
        {"role": "user", "content": [{"type": "input_text", "text": "Look"}, {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "…"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look.", "annotations": []}]},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "look", "arguments": "{\"again\":true}"},
        {"type": "function_call_output", "call_id": "c1", "output": "a cat"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "output_text", "text": "a dog"}]},
    ]);
    let order = order(json!({"input": input, "instructions": "Be brief."})).unwrap();
    let roles: Vec<Role> = order.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::Tool]);
    let Content::Parts(parts) = &order.messages[1].content else { unreachable!("parts") };
    assert!(
        matches!(&parts[1], Part::Image { url, detail: Some(detail) } if url.ends_with("y.png") && detail == "low")
    );
    let assistant = &order.messages[2];
    assert_eq!((assistant.text().as_str(), assistant.tool_calls.len()), ("I look.", 2));
    assert_eq!(assistant.tool_calls[1].id, "c2");
    assert_eq!(order.messages[4].text(), "a dog");
}

#[test]
fn options_have_the_names_of_chat_completions() {
    let order = order(json!({
        "input": "Hi", "max_output_tokens": 9, "temperature": 0.5, "reasoning": {"effort": "low"}, "store": true,
        "include": ["reasoning.encrypted_content"], "user": "u", "text": {"verbosity": "low", "format": {
            "type": "json_schema", "name": "n", "strict": true, "schema": {"type": "object"}}},
        "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": false}],
        "tool_choice": {"type": "function", "name": "look"}, "metadata": {"team": "x"},
    }));
    let order = order.unwrap_or_else(|refusal| panic!("{refusal:?}"));
    let options = &order.options;
    assert_eq!((options.params.max_output_tokens, options.params.reasoning_effort.as_deref()), (Some(9), Some("low")));
    assert!(
        matches!(&options.response_format, Some(ResponseFormat::JsonSchema { name, strict: Some(true), .. }) if name == "n")
    );
    assert_eq!(
        (options.tools[0].name.as_str(), options.tool_choice.clone()),
        ("look", Some(ToolChoice::Tool("look".into())))
    );
    let extra: Vec<&str> = order.extra.keys().map(String::as_str).collect();
    assert_eq!((extra.contains(&"user"), extra.contains(&"verbosity"), extra.len()), (true, true, 2));
}

#[test]
fn what_cannot_be_done_is_named() {
    for (body, param) in [
        (json!({}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": "x", "previous_response_id": "resp_1"}), "previous_response_id"),
        (json!({"input": "x", "background": true}), "background"),
        (json!({"input": "x", "conversation": "c"}), "conversation"),
        (json!({"input": "x", "temprature": 1}), "temprature"),
        (json!({"input": "x", "tools": [{"type": "web_search"}]}), "tools[0].type"),
        (json!({"input": "x", "tool_choice": {"type": "file_search"}}), "tool_choice.type"),
        (json!({"input": [{"type": "item_reference", "id": "x"}]}), "input[0].type"),
        (json!({"input": [{"type": "computer_call"}]}), "input[0].type"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}),
            "input[0].content[0].file_id",
        ),
        (json!({"input": [{"role": "wizard", "content": "x"}]}), "input[0].role"),
        (json!({"input": [{"type": "function_call", "name": "x", "arguments": ""}]}), "input[0].call_id"),
    ] {
        assert_eq!(refused(body.clone()), param, "{body}");
    }
    assert!(order(json!({"input": "x", "background": false, "store": true, "stream": null})).is_ok());
}

/// The events of a stream, parsed.
fn told(events: &[Event]) -> Vec<(String, Value)> {
    let mut order =
        order(json!({"input": "Hi", "instructions": "Be brief."})).unwrap_or_else(|_| unreachable!("it is right"));
    let mut out = Vec::new();
    for event in events {
        order.pen.event(event, &mut out);
    }
    let text = String::from_utf8(out).unwrap();
    let parse = |event: &str| {
        let (name, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        (name.strip_prefix("event: ").unwrap().to_owned(), data)
    };
    text.split("\n\n").filter(|event| !event.is_empty()).map(parse).collect()
}

fn delta(index: usize, id: Option<&str>, arguments: &str) -> Event {
    let name = id.map(|_| "look".to_owned());
    Event::ToolCallDelta(ToolCallDelta { index, id: id.map(str::to_owned), name, arguments: arguments.into() })
}

#[test]
fn events_come_in_order_and_add_up_to_the_response() {
    let calls = ["c1", "c2"].map(|id| ToolCall { id: id.into(), name: "look".into(), arguments: "{\"n\":1}".into() });
    let events = told(&[
        Event::Start { model: "a/big".into() },
        Event::Reasoning("Hm".into()),
        Event::Reasoning("m".into()),
        Event::Text("I ".into()),
        Event::Text("look.".into()),
        delta(0, Some("c1"), ""),
        delta(0, None, "{\"n\""),
        delta(0, None, ":1}"),
        delta(1, Some("c2"), "{\"n\":1}"),
        Event::ToolCall(calls[0].clone()),
        Event::ToolCall(calls[1].clone()),
        Event::End(Box::new(reply("I look.", &calls, FinishReason::ToolCalls))),
    ]);
    for (at, (name, data)) in events.iter().enumerate() {
        assert_eq!((data["sequence_number"].as_u64(), data["type"].as_str()), (Some(at as u64), Some(name.as_str())));
    }
    let deltas = |name: &str, place: u64| {
        let mine = |(known, data): &&(String, Value)| known == name && data["output_index"] == place;
        events.iter().filter(mine).map(|(_, data)| data["delta"].as_str().unwrap()).collect::<String>()
    };
    assert_eq!(deltas("response.reasoning_summary_text.delta", 0), "Hmm");
    assert_eq!(deltas("response.output_text.delta", 1), "I look.");
    assert_eq!(deltas("response.function_call_arguments.delta", 2), "{\"n\":1}");
    let done: Vec<&Value> =
        events.iter().filter(|(name, _)| name == "response.output_item.done").map(|(_, data)| &data["item"]).collect();
    let (last, whole) = (&events.last().unwrap().0, &events.last().unwrap().1["response"]);
    assert_eq!((last.as_str(), whole["status"].as_str()), ("response.completed", Some("completed")));
    assert_eq!(whole["output"].as_array().unwrap().iter().collect::<Vec<_>>(), done);
    assert_eq!(whole["output"][3]["call_id"], "c2");
    assert_eq!((&whole["instructions"], &whole["locum"]["model"]), (&json!("Be brief."), &json!("a/big")));
}

#[test]
fn a_stream_and_a_whole_answer_are_one_response() {
    let call = ToolCall { id: "c1".into(), name: "look".into(), arguments: "{}".into() };
    for (text, calls, finish) in [
        ("Hello", vec![], FinishReason::Stop),
        ("Hel", vec![], FinishReason::Length),
        ("I look.", vec![call.clone()], FinishReason::ToolCalls),
        ("", vec![call], FinishReason::ToolCalls),
    ] {
        let reply = reply(text, &calls, finish);
        let whole =
            order(json!({"input": "Hi", "instructions": "Be brief."})).unwrap_or_else(|_| unreachable!("right"));
        let whole = whole.pen.reply(&reply);
        let mut events = vec![Event::Start { model: "a/big".into() }];
        events.extend((!text.is_empty()).then(|| Event::Text(text.into())));
        // As where the provider answered without a stream.
        events.extend(calls.into_iter().map(Event::ToolCall));
        events.push(Event::End(Box::new(reply)));
        let streamed = told(&events).pop().unwrap().1;
        assert_eq!(streamed["response"], whole);
    }
}

#[test]
fn a_stream_that_breaks_off_fails() {
    let mut order = order(json!({"input": "Hi"})).unwrap_or_else(|_| unreachable!("it is right"));
    let mut out = Vec::new();
    order.pen.event(&Event::Start { model: "a/big".into() }, &mut out);
    order.pen.event(&Event::Text("Hel".into()), &mut out);
    order.pen.error(&crate::error::Error::new(crate::error::ErrorKind::TruncatedStream, "cut"), &mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("event: response.failed") && !text.contains("response.completed"));
    let last: Map<String, Value> = serde_json::from_str(text.rsplit_once("data: ").unwrap().1.trim()).unwrap();
    assert_eq!(
        (&last["code"], &last["error"]["locum"]["kind"]),
        (&json!("truncated_stream"), &json!("truncated_stream"))
    );
}
