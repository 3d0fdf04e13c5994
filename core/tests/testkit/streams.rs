//! Answers as streams, and all that can go wrong with them.

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::*;

#[tokio::test]
async fn a_cut_ends_after_its_chunk() {
    let step = |cut: &str| json!({ "answer": "One two three", "stream": { "cut_after": 2, "cut": cut }, "times": 2 });
    let mock = mock(json!({ "a": [step("fin"), step("broken"), step("rst")] })).await;
    for n in 0..6 {
        let mut client = Client::new(&mock).await;
        let streamed = client.stream("a", n % 2 == 0).await;
        assert_eq!(texts(&streamed), ["One ", "two "]);
        assert!(!streamed.text().contains("finish_reason\":\"stop") && !streamed.text().contains("message_delta"));
        match (n / 2, streamed.end) {
            (0, Ok(true)) | (1, Ok(false)) => {}
            (2, Err(error)) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
            (cut, end) => panic!("{cut}: {end:?}"),
        }
    }
}

#[tokio::test]
async fn a_stall_is_as_long_as_it_says_and_an_end_of_it_is_noticed() {
    let mock = mock(json!({ "a": [
        { "stream": { "stall_after": 1, "stall_ms": 80 } },
        { "stream": { "stall_after": 0 } },
    ] }))
    .await;
    let mut client = Client::new(&mock).await;
    let start = Instant::now();
    assert_eq!(texts(&client.stream("a", false).await), ["Hello ", "from ", "a"]);
    assert!(start.elapsed() >= Duration::from_millis(80));

    client.ask_stream("a", false, Value::Null).await;
    client.head().await.unwrap();
    assert!(String::from_utf8(client.chunk().await.unwrap()).unwrap().contains("\"role\":\"assistant\""));
    assert_eq!(mock.wait_closed("a", 1, Duration::from_millis(50)).await, None, "nothing comes, nothing ends");
    let start = Instant::now();
    drop(client);
    let seen = mock.wait_closed("a", 1, LONG).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!((seen.answered_ms, seen.sent_chunks), (None, 0));
}

#[tokio::test]
async fn an_error_event_has_the_providers_shape_and_is_the_last() {
    let mock = mock(json!({ "a": [{ "stream": { "error_after": 1, "error": "overloaded_error" } }] })).await;
    let mut client = Client::new(&mock).await;
    let streamed = client.stream("a", false).await;
    assert_eq!(texts(&streamed), ["Hello "]);
    assert!(matches!(streamed.end, Ok(true)));
    assert!(streamed.head.contains("\r\ncontent-type: text/event-stream; charset=utf-8\r\n"));
    let (name, data) = streamed.events().pop().unwrap();
    assert_eq!(name, "");
    assert_eq!(serde_json::from_str::<Value>(&data).unwrap()["error"]["code"], "server_is_overloaded");
}

#[tokio::test]
async fn an_error_event_of_anthropic_has_its_name() {
    let mock = mock(json!({ "a": [
        { "answer": "One two", "stream": { "error_after": 0, "error": { "code": "server_error", "message": "Broken." } } },
        { "answer": "One two", "stream": { "error_after": 2, "error": "teapot_error", "hang": true } },
    ] }))
    .await;
    let mut client = Client::new(&mock).await;
    let streamed = client.stream("a", true).await;
    let names: Vec<_> = streamed.events().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["message_start", "ping", "error"]);
    assert_eq!(
        *streamed.json().last().unwrap(),
        json!({ "type": "error", "error": { "type": "api_error", "message": "Broken." }, "request_id": "req_a_0" })
    );
    client.ask_stream("a", true, Value::Null).await;
    client.head().await.unwrap();
    let mut last = Vec::new();
    while !last.starts_with(b"event: error") {
        last = client.chunk().await.unwrap();
    }
    assert!(String::from_utf8(last).unwrap().contains("teapot_error"), "an unknown code needs no status here");
    assert_eq!(mock.wait_closed("a", 1, Duration::from_millis(50)).await, None, "it stays open");
    assert_eq!((mock.log()[1].answered_ms, mock.log()[1].sent_chunks), (None, 2));
}

#[tokio::test]
async fn malformed_events_come_where_they_are_told_to() {
    let step = json!({ "stream": { "malformed_after": 1, "malformed_times": 2 } });
    let mock = mock(json!({ "a": [step] })).await;
    let mut client = Client::new(&mock).await;
    for anthropic in [false, true] {
        let streamed = client.stream("a", anthropic).await;
        assert_eq!(texts(&streamed), ["Hello ", "from ", "a"], "it goes on");
        let events = streamed.events();
        let is_json = |event: &(String, String)| event.1 == "[DONE]" || serde_json::from_str::<Value>(&event.1).is_ok();
        let broken: Vec<_> = (0..events.len()).filter(|i| !is_json(&events[*i])).collect();
        let first = events.iter().position(|(_, data)| data.contains("\"Hello \"")).unwrap();
        assert_eq!(broken, [first + 1, first + 2]);
    }
}

#[tokio::test]
async fn ends_can_be_left_out() {
    let names = |streamed: &Streamed| -> Vec<String> {
        let word = |(name, data): (String, String)| match name.as_str() {
            "" if data == "[DONE]" => "done".to_owned(),
            "" => serde_json::from_str::<Value>(&data).map_or_else(
                |_| String::new(),
                |chunk| match chunk["choices"].get(0) {
                    None => "usage".to_owned(),
                    Some(choice) => choice["finish_reason"].as_str().unwrap_or("delta").to_owned(),
                },
            ),
            _ => name,
        };
        streamed.events().into_iter().map(word).collect()
    };
    let cases = [
        (json!([]), vec!["stop", "usage", "done"], vec!["message_delta", "message_stop"]),
        (json!(["usage"]), vec!["stop", "done"], vec!["message_delta", "message_stop"]),
        (json!(["finish"]), vec!["usage", "done"], vec!["message_delta", "message_stop"]),
        (json!(["done"]), vec!["stop", "usage"], vec!["message_delta"]),
        (json!(["finish", "usage"]), vec!["done"], vec!["message_stop"]),
        (json!(["finish", "usage", "done"]), vec![], vec![]),
    ];
    for (omit, openai, anthropic) in cases {
        let mock = mock(json!({ "a": [{ "answer": "One", "stream": { "omit": omit } }] })).await;
        let mut client = Client::new(&mock).await;
        client.ask_stream("a", false, json!({ "stream_options": { "include_usage": true } })).await;
        let found = names(&client.streamed().await);
        assert_eq!(found[..2], ["delta", "delta"], "{omit}");
        assert_eq!(found[2..], openai, "{omit}");
        let streamed = client.stream("a", true).await;
        let found = names(&streamed);
        assert_eq!(found[2..5], ["content_block_start", "content_block_delta", "content_block_stop"]);
        assert_eq!(found[5..], anthropic, "{omit}");
        let left_out = |what: &str| omit.as_array().unwrap().contains(&what.into());
        if let Some(delta) = streamed.json().iter().find(|event| event["type"] == "message_delta") {
            assert_eq!(delta["delta"]["stop_reason"].is_null(), left_out("finish"), "{omit}");
            assert_eq!(delta.get("usage").is_none(), left_out("usage"), "{omit}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_hangs_is_whole_but_open() {
    let mock = mock(json!({ "a": [{ "answer": "One", "stream": { "hang": true } }] })).await;
    let mut client = Client::new(&mock).await;
    client.ask_stream("a", false, Value::Null).await;
    client.head().await.unwrap();
    while client.chunk().await.unwrap() != b"data: [DONE]\n\n" {}
    assert_eq!(mock.wait_closed("a", 0, Duration::from_millis(50)).await, None);
    drop(client);
    let seen = mock.wait_closed("a", 0, LONG).await.unwrap();
    assert_eq!((seen.answered_ms, seen.sent_chunks), (None, 1));
}

#[tokio::test]
async fn signs_of_life_fill_the_silence() {
    let step = json!({ "answer": "One two", "stream": { "stall_after": 1, "stall_ms": 130, "keep_alive_ms": 40 } });
    let mock = mock(json!({ "a": [step, { "stream": { "stall_after": 0, "keep_alive_ms": 5 } }] })).await;
    let mut client = Client::new(&mock).await;
    let comments = client.stream("a", false).await;
    assert_eq!(texts(&comments), ["One ", "two"]);
    let text = comments.text();
    assert_eq!(text.matches(": keep-alive\n\n").count(), 3, "{text}");
    assert!(text.find(": keep-alive").unwrap() > text.find("One ").unwrap());

    client.ask_stream("a", true, Value::Null).await;
    client.head().await.unwrap();
    client.chunk().await.unwrap();
    for _ in 0..20 {
        assert_eq!(client.chunk().await.unwrap(), b"event: ping\ndata: {\"type\":\"ping\"}\n\n", "without an end");
    }
}

#[tokio::test]
async fn lines_end_and_bytes_are_split_as_told() {
    for line_end in ["\n", "\r\n", "\r"] {
        let step = json!({ "answer": "Grüße", "stream": { "line_end": line_end, "split": 7, "keep_alive_ms": 1000 } });
        let mock = mock(json!({ "a": [step] })).await;
        let mut client = Client::new(&mock).await;
        for anthropic in [false, true] {
            let streamed = client.stream("a", anthropic).await;
            assert!(streamed.chunks.iter().all(|chunk| chunk.len() <= 7) && streamed.chunks.len() > 50);
            let text = streamed.text();
            assert!(text.ends_with(&line_end.repeat(2)));
            let other = text.replace(line_end, "");
            assert!(!other.contains(['\r', '\n']), "{text:?}");
            assert!(text.contains(&format!("{line_end}data: ")) && text.contains("Grüße"));
            if anthropic {
                assert!(text.starts_with(&format!("event: message_start{line_end}data: {{")));
            }
        }
        assert_eq!(mock.log()[0].sent_chunks, 1, "pieces of an event are one chunk");
    }
}

#[tokio::test]
async fn the_text_comes_in_the_scripts_chunks_and_many_times_over() {
    let mock = mock(json!({ "a": [
        { "stream": { "chunks": ["Hel", "lo", ""], "repeat": 3, "chunk_delay_ms": 5 } },
    ] }))
    .await;
    let mut client = Client::new(&mock).await;
    for anthropic in [false, true] {
        let start = Instant::now();
        let streamed = client.stream("a", anthropic).await;
        assert!(start.elapsed() >= Duration::from_millis(45));
        assert_eq!(texts(&streamed).concat(), "HelloHelloHello");
        assert_eq!(texts(&streamed).len(), 6);
        assert_eq!(mock.log()[usize::from(anthropic)].sent_chunks, 9);
    }
    let whole = client.chat("a").await.json();
    assert_eq!(whole["choices"][0]["message"]["content"], "Hello from a", "the shape is a stream's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_holds_an_endless_stream() {
    let mock =
        mock(json!({ "a": [{ "stream": { "chunks": ["word ".repeat(200)], "repeat": 1_000_000_000_000_u64 } }] }))
            .await;
    let mut client = Client::new(&mock).await;
    client.ask_stream("a", false, Value::Null).await;
    client.head().await.unwrap();
    let sent = || mock.log()[0].sent_chunks;
    let settled = async {
        let mut before = 0;
        while before == 0 || before != sent() {
            before = sent();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        before
    };
    let held = tokio::time::timeout(LONG, settled).await.unwrap();
    assert!(held < 50_000, "{held} chunks of 1.2 kB are more than sockets hold");
    let read_on = async {
        while sent() < held + 1000 {
            client.chunk().await.unwrap();
        }
    };
    tokio::time::timeout(LONG, read_on).await.unwrap();
    drop(client);
    assert_eq!(mock.wait_closed("a", 0, LONG).await.unwrap().answered_ms, None);
}
