//! Streams beside everything else: heads and connections, the events' members, refusals, and which shapes are refused.

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::client::*;

/// The deltas of OpenAI's chunks, without the empty one at the end.
fn deltas(events: &[Value]) -> Vec<Value> {
    let choices = events.iter().filter_map(|chunk| chunk["choices"].get(0));
    choices.filter(|choice| choice["finish_reason"].is_null()).map(|choice| choice["delta"].clone()).collect()
}

const EVERYTHING: &str = r#"{
    "text": "Look: now", "reasoning": "Hm. Well.", "model": "other",
    "tool_calls": [{ "name": "find", "arguments": { "q": 1 } }, { "id": "x", "name": "raw", "arguments": "{\"q\":" }],
    "usage": { "input": 100, "output": 20, "cached_input": 60, "cache_write": 10, "reasoning": 5 }
}"#;

#[tokio::test]
async fn openai_streams_every_part_of_an_answer() {
    let answer: Value = serde_json::from_str(EVERYTHING).unwrap();
    let mock = mock(json!({ "a": [{ "answer": answer }] })).await;
    let mut client = Client::new(&mock).await;
    let streamed = client.stream("a", false).await;
    let events = streamed.json();
    assert_eq!(streamed.events().last().unwrap().1, "[DONE]");
    for chunk in &events {
        assert_eq!((&chunk["id"], &chunk["object"]), (&json!("chatcmpl-a-0"), &json!("chat.completion.chunk")));
        assert_eq!((&chunk["model"], &chunk["created"]), (&json!("other"), &events[0]["created"]));
        assert_eq!(chunk["choices"][0]["logprobs"], Value::Null);
        assert_eq!(chunk.get("usage"), None, "nobody asked");
    }
    let argument = |i: u64, piece: &str| json!({ "tool_calls": [{ "index": i, "function": { "arguments": piece } }] });
    let call = |i: u64, id: &str, name: &str| {
        let function = json!({ "name": name, "arguments": "" });
        json!({ "tool_calls": [{ "index": i, "id": id, "type": "function", "function": function }] })
    };
    assert_eq!(
        deltas(&events),
        [
            json!({ "role": "assistant", "content": "", "refusal": null }),
            json!({ "reasoning_content": "Hm. " }),
            json!({ "reasoning_content": "Well." }),
            json!({ "content": "Look: " }),
            json!({ "content": "now" }),
            call(0, "call_a_0_0", "find"),
            argument(0, "{\"q\""),
            argument(0, ":1}"),
            call(1, "x", "raw"),
            argument(1, "{\"q\""),
            argument(1, ":"),
        ]
    );
    assert_eq!(events.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(mock.log()[0].sent_chunks, 10, "all but the preamble");

    client.ask_stream("a", false, json!({ "stream_options": { "include_usage": true } })).await;
    let events = client.streamed().await.json();
    let (last, before) = events.split_last().unwrap();
    assert!(before.iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)));
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["prompt_tokens"], 100);
    assert_eq!(last["usage"]["completion_tokens_details"]["reasoning_tokens"], 5);
}

#[tokio::test]
async fn anthropic_streams_every_part_of_an_answer() {
    let answer: Value = serde_json::from_str(EVERYTHING).unwrap();
    let mock = mock(json!({ "a": [{ "answer": answer }] })).await;
    let mut client = Client::new(&mock).await;
    let streamed = client.stream("a", true).await;
    let events = streamed.json();
    for ((name, _), event) in streamed.events().iter().zip(&events) {
        assert_eq!(event["type"], *name);
    }
    let message = &events[0]["message"];
    assert_eq!(
        (&message["id"], &message["role"], &message["model"]),
        (&json!("msg_a_0"), &json!("assistant"), &json!("other"))
    );
    assert_eq!((&message["content"], &message["stop_reason"]), (&json!([]), &Value::Null));
    assert_eq!((&message["usage"]["input_tokens"], &message["usage"]["output_tokens"]), (&json!(30), &json!(1)));
    assert_eq!(events[1], json!({ "type": "ping" }));

    let (blocks, end) = events[2..].split_at(events.len() - 4);
    let mut shown = Vec::new();
    for event in blocks {
        let index = event["index"].as_u64().unwrap();
        shown.push(match event["type"].as_str().unwrap() {
            "content_block_start" => format!("{index} start {}", event["content_block"]["type"].as_str().unwrap()),
            "content_block_stop" => format!("{index} stop"),
            _ => {
                let delta = event["delta"].as_object().unwrap();
                let (kind, text) = (delta["type"].as_str().unwrap(), delta.values().nth(1).unwrap().as_str().unwrap());
                format!("{index} {kind} {text}")
            }
        });
    }
    assert_eq!(
        shown,
        [
            "0 start thinking",
            "0 thinking_delta Hm. ",
            "0 thinking_delta Well.",
            "0 signature_delta c2lnbmVkIGJ5IHRoZSBtb2Nr",
            "0 stop",
            "1 start text",
            "1 text_delta Look: ",
            "1 text_delta now",
            "1 stop",
            "2 start tool_use",
            "2 input_json_delta {\"q\"",
            "2 input_json_delta :1}",
            "2 stop",
            "3 start tool_use",
            "3 input_json_delta {\"q\"",
            "3 input_json_delta :",
            "3 stop",
        ]
    );
    assert_eq!(end[0]["delta"]["stop_reason"], "tool_use");
    assert_eq!(
        (&end[0]["usage"]["output_tokens"], &end[0]["usage"]["cache_read_input_tokens"]),
        (&json!(20), &json!(60))
    );
    assert_eq!(end[1], json!({ "type": "message_stop" }));
    assert_eq!(mock.log()[0].sent_chunks, 10, "the start of a call is content, other frames are not");
}

#[tokio::test]
async fn refusals_and_unknown_usage_are_streamed_too() {
    let mock = mock(json!({ "a": [{ "answer": { "refusal": "I will not.", "usage": null } }] })).await;
    let mut client = Client::new(&mock).await;
    client.ask_stream("a", false, json!({ "stream_options": { "include_usage": true } })).await;
    let events = client.streamed().await.json();
    assert_eq!(
        deltas(&events)[1..],
        [json!({ "refusal": "I " }), json!({ "refusal": "will " }), json!({ "refusal": "not." })]
    );
    assert_eq!(deltas(&events)[0]["content"], Value::Null);
    assert!(events.iter().all(|chunk| chunk["usage"].is_null()) && !events.last().unwrap()["choices"][0].is_null());
    let streamed = client.stream("a", true).await;
    assert_eq!(texts(&streamed).concat(), "I will not.");
    let events = streamed.json();
    assert!(events.iter().all(|event| event.get("usage").is_none() && event["message"].get("usage").is_none()));
    let end = &events[events.len() - 2]["delta"];
    assert_eq!((&end["stop_reason"], &end["stop_details"]["type"]), (&json!("refusal"), &json!("refusal")));
}

#[tokio::test]
async fn bytes_can_be_counted_too() {
    let mock = mock(json!({ "a": [
        { "answer": "One", "close_after": 30 },
        { "answer": "One", "close_after": 30, "rst": true },
        { "answer": "One", "close_after": 0 },
        { "answer": "One", "truncate": 30 },
    ] }))
    .await;
    for n in 0..4 {
        let mut client = Client::new(&mock).await;
        let streamed = client.stream("a", false).await;
        let length = if n == 2 { 0 } else { 30 };
        assert_eq!(streamed.bytes().len(), length, "{n}");
        match (n, &streamed.end) {
            (0 | 2, Ok(false)) | (3, Ok(true)) => {}
            (1, Err(error)) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
            (n, end) => panic!("{n}: {end:?}"),
        }
        assert_eq!(mock.log()[n].answered_ms.is_some(), n == 3);
    }
}

#[tokio::test]
async fn heads_bodies_and_delays_are_as_for_whole_answers() {
    let sse = "event: x\ndata: {}\n\n";
    let mock = mock(json!({ "a": [
        { "status": 201, "headers": { "content-type": "text/plain", "x-own": "1" }, "slow_body_ms": 40, "answer": "One" },
        { "delay_ms": 40, "body": sse },
        { "body": ": hi\n\n", "headers": { "content-type": "text/x" } },
        { "body": { "any": 1 } },
        { "error": "server_is_overloaded" },
        { "status": 204, "answer": "One" },
    ] }))
    .await;
    let mut client = Client::new(&mock).await;
    let start = Instant::now();
    let streamed = client.stream("a", false).await;
    assert!(start.elapsed() >= Duration::from_millis(40));
    assert!(streamed.head.starts_with("HTTP/1.1 201 Created\r\n") && streamed.head.contains("\r\nx-own: 1\r\n"));
    assert!(streamed.head.contains("\r\ncontent-type: text/plain\r\n") && !streamed.head.contains("event-stream"));
    let mut ask = async || {
        client.ask_stream("a", false, Value::Null).await;
        client.answer().await
    };
    let raw = ask().await;
    assert_eq!((raw.text(), raw.header("content-type")), (sse, Some("text/event-stream; charset=utf-8")));
    assert_eq!(ask().await.header("content-type"), Some("text/x"));
    assert_eq!(ask().await.json(), json!({ "any": 1 }));
    assert_eq!(ask().await.status, 503);
    assert_eq!(ask().await.status, 204);
}

#[tokio::test]
async fn a_connection_goes_on_after_a_stream_unless_told() {
    let mock = mock(json!({ "a": [] })).await;
    let mut client = Client::new(&mock).await;
    for n in 0..50 {
        assert!(matches!(client.stream("a", n % 2 == 0).await.end, Ok(true)));
        assert!(mock.log()[n].answered_ms.is_some(), "{n}: who has the end finds it logged");
    }
    let body = CHAT.replacen('{', "{\"stream\":true,", 1);
    client.send("POST", "/a/v1/chat/completions", "connection: close\r\n", &body).await;
    let streamed = client.streamed().await;
    assert!(matches!(streamed.end, Ok(true)) && streamed.head.contains("\r\nconnection: close\r\n"));
    assert!(client.rest().await.unwrap().is_empty());

    let mut old = Client::new(&mock).await;
    let length = body.len();
    let request = format!(
        "POST /a/v1/chat/completions HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    old.0.write_all(request.as_bytes()).await.unwrap();
    let head = old.head().await.unwrap();
    assert!(!head.contains("transfer-encoding") && head.contains("\r\nconnection: close\r\n"), "{head}");
    assert!(old.rest().await.unwrap().ends_with(b"data: [DONE]\n\n"), "the end of the connection ends the body");
}

#[tokio::test]
async fn an_answer_begun_by_the_client_is_refused_where_told() {
    let mock = mock(json!({ "a": [{ "refuse_prefill": true, "answer": "In" }], "b": [{ "answer": "In" }] })).await;
    let mut client = Client::new(&mock).await;
    let begun = json!({ "messages": [{ "role": "user", "content": "Hi" }, { "role": "assistant", "content": "I" }] });
    for anthropic in [false, true] {
        for stream in [false, true] {
            let mut more = begun.clone();
            more["stream"] = stream.into();
            client.ask_stream("a", anthropic, more).await;
            let answer = client.answer().await;
            let error = answer.json()["error"].clone();
            assert_eq!((answer.status, &error["type"]), (400, &json!("invalid_request_error")));
            assert_eq!(
                error["message"],
                "This model does not support assistant message prefill. The conversation must end with a user message."
            );
        }
        assert_eq!(texts(&client.stream("a", anthropic).await), ["In"]);
        client.ask_stream("b", anthropic, begun.clone()).await;
        assert_eq!(texts(&client.streamed().await), ["In"]);
    }
}

#[test]
fn shapes_are_checked() {
    let cases = [
        (json!({ "stal_after": 1 }), "stream.stal_after: unknown key, did you mean \"stall_after\"?"),
        (json!({ "stall_ms": 1 }), "stream.stall_ms: goes with stall_after"),
        (json!({ "cut": "rst" }), "stream.cut: goes with cut_after"),
        (json!({ "error": "server_error" }), "stream.error: goes with error_after"),
        (json!({ "error_after": 1 }), "stream.error_after: goes with error"),
        (json!({ "malformed_times": 1 }), "stream.malformed_times: goes with malformed_after"),
        (json!({ "cut_after": 1, "cut": "off" }), "stream.cut: a stream is cut by"),
        (json!({ "cut_after": 1, "hang": true }), "stream.hang: has no meaning beside cut_after"),
        (json!({ "cut_after": 1, "omit": ["done"] }), "stream.omit: has no meaning beside cut_after"),
        (json!({ "cut_after": 1, "error_after": 1, "error": "server_error" }), "stream.error_after: has no meaning"),
        (json!({ "omit": ["all"] }), "stream.omit: what can be left out"),
        (json!({ "omit": "usage" }), "stream.omit: expected an array"),
        (json!({ "chunks": ["a", 1] }), "stream.chunks[1]: expected a string"),
        (json!({ "line_end": "" }), "stream.line_end: a line ends with"),
        (json!({ "split": 0 }), "stream.split: at least 1"),
        (json!({ "repeat": 0 }), "stream.repeat: at least 1"),
        (json!({ "keep_alive_ms": 0 }), "stream.keep_alive_ms: at least 1"),
        (json!({ "chunk_delay_ms": 90_000_000 }), "stream.chunk_delay_ms: longer than a day"),
        (json!({ "cut_after": 4 }), "stream.cut_after: the answer comes in 3 chunks"),
        (json!({ "stall_after": 4 }), "stream.stall_after: the stream ends after 3 chunks"),
        (json!({ "stall_after": 2, "cut_after": 1 }), "stream.stall_after: the stream ends after 1 chunks"),
        (json!({ "cut_after": 7, "repeat": 2 }), "stream.cut_after: the answer comes in 6 chunks"),
    ];
    for (shape, expected) in cases {
        let complaint = complaint(json!({ "a": [{ "stream": shape }] }));
        assert!(complaint.starts_with(&format!("a[0].{expected}")), "{shape}: {complaint}");
    }
    let steps = [
        (json!({ "body": "x", "stream": {} }), "a[0].stream: shapes an answer"),
        (json!({ "status": 500, "stream": {} }), "a[0].stream: shapes an answer"),
        (json!({ "silence": true, "stream": {} }), "a[0].stream: has no meaning beside silence"),
        (json!({ "refuse_prefill": 1 }), "a[0].refuse_prefill: expected true or false"),
    ];
    for (step, expected) in steps {
        let complaint = complaint(json!({ "a": [step] }));
        assert!(complaint.starts_with(expected), "{step}: {complaint}");
    }
}
