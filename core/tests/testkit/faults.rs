//! Every fault on the wire, and the log.

use std::io;
use std::time::{Duration, Instant};

use locum::testkit::Seen;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::client::*;

#[tokio::test]
async fn a_body_that_breaks_off() {
    let mock = mock(json!({ "a": [
        { "answer": "never whole", "close_after": 10 },
        { "answer": "never whole", "close_after": 10, "rst": true },
    ] }))
    .await;
    for by_reset in [false, true] {
        let mut client = Client::new(&mock).await;
        client.ask("a").await;
        let head = client.head().await.unwrap();
        let announced: usize = head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        assert!(announced > 10);
        match client.rest().await {
            Ok(rest) => assert!(!by_reset && rest.len() == 10),
            Err(error) => assert!(by_reset && error.kind() == io::ErrorKind::ConnectionReset),
        }
    }
    let log = mock.log();
    for seen in &log {
        assert_eq!((seen.status, seen.answered_ms, seen.closed_ms), (Some(200), None, None));
    }
}

#[tokio::test]
async fn a_reset_before_the_head_and_garbage() {
    let mock = mock(json!({ "a": [{ "reset": true }, { "garbage": true }] })).await;
    let mut client = Client::new(&mock).await;
    client.ask("a").await;
    assert_eq!(client.rest().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let mut client = Client::new(&mock).await;
    client.ask("a").await;
    let garbage = client.rest().await.unwrap();
    assert!(!garbage.is_empty() && !garbage.starts_with(b"HTTP"));
    assert_eq!(mock.count("a"), 2);
}

#[tokio::test]
async fn delays_come_before_the_head_or_before_the_body() {
    let mock = mock(json!({ "a": [{ "delay_ms": 60 }, { "slow_body_ms": 60 }] })).await;
    let mut client = Client::new(&mock).await;
    let start = Instant::now();
    client.chat("a").await;
    assert!(start.elapsed() >= Duration::from_millis(60));

    client.ask("a").await;
    client.head().await.unwrap();
    let seen = &mock.log()[1];
    assert_eq!((seen.status, seen.answered_ms), (Some(200), None), "the head is out, the body not");
    client.0.read_u8().await.unwrap();
    let log = mock.log();
    for seen in log {
        let took = seen.answered_ms.unwrap() - seen.at_ms;
        assert!((60.0..2000.0).contains(&took), "{took}");
    }
}

#[tokio::test]
async fn a_closed_connection_is_noticed_at_once() {
    let script = json!({ "a": [{ "silence": true }, { "delay_ms": 60_000 }, { "slow_body_ms": 60_000 }] });
    let mock = mock(script).await;
    for n in 0..3 {
        let mut client = Client::new(&mock).await;
        client.ask("a").await;
        assert!(mock.wait_count("a", n + 1, LONG).await);
        let start = Instant::now();
        drop(client);
        let seen = mock.wait_closed("a", n, LONG).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        assert!(seen.closed_ms.unwrap() >= seen.at_ms);
        assert_eq!(seen.answered_ms, None);
    }
}

#[tokio::test]
async fn waiting_ends_without_a_close_too() {
    let mock = mock(json!({ "a": [], "b": [{ "silence": true }] })).await;
    let mut client = Client::new(&mock).await;
    client.chat("a").await;
    assert_eq!(mock.wait_closed("a", 0, LONG).await, None, "it was answered");
    client.ask("b").await;
    assert_eq!(mock.wait_closed("b", 0, Duration::from_millis(30)).await, None);
    assert!(!mock.wait_count("b", 2, Duration::from_millis(30)).await);
}

#[tokio::test]
async fn the_log_tells_what_came_and_keeps_no_key() {
    let mock = mock(json!({ "a": [] })).await;
    let mut client = Client::new(&mock).await;
    let secret = "sk-very-secret";
    let headers = format!("authorization: Bearer {secret}\r\nX-Api-Key: {secret}\r\nx-two: 1\r\nx-two: 2\r\n");
    let path = format!("/a/v1/chat/completions?key={secret}&v=1");
    client.send("POST", &path, &headers, CHAT).await;
    client.answer().await;
    client.send("POST", "/a/v1/chat/completions", "", "no json").await;
    assert_eq!(client.answer().await.status, 400);

    let log = get_log(&mock).await;
    assert_eq!(log, mock.log().iter().map(Seen::to_value).collect::<Value>());
    assert!(!log.to_string().contains(secret) && !format!("{:?}", mock.log()).contains(secret));
    let first = &log[0];
    assert_eq!(first["upstream"], "a");
    assert_eq!((&first["n"], &first["method"], &first["status"]), (&json!(0), &json!("POST"), &json!(200)));
    assert_eq!(first["path"], "/a/v1/chat/completions?key=[secret]&v=1");
    assert_eq!(first["headers"]["authorization"], "[secret]");
    assert_eq!(first["headers"]["x-api-key"], "[secret]");
    assert_eq!(first["headers"]["x-two"], "1, 2");
    assert_eq!(first["body"], serde_json::from_str::<Value>(CHAT).unwrap());
    assert!(first["answered_ms"].as_f64().unwrap() >= first["at_ms"].as_f64().unwrap());
    assert_eq!(first["closed_ms"], Value::Null);
    assert_eq!((&log[1]["n"], &log[1]["body"]), (&json!(1), &json!("no json")));
    assert!(!format!("{:?}", mock.log()).contains("How are you"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_the_answer_finds_it_logged() {
    let mock = mock(json!({ "a": [] })).await;
    let mut client = Client::new(&mock).await;
    for n in 0..300 {
        client.chat("a").await;
        assert!(mock.log()[n].answered_ms.is_some(), "{n}");
    }
}

#[tokio::test]
async fn a_large_body_is_answered_when_it_is_out() {
    let size = 16 * 1024 * 1024;
    let mock = mock(json!({ "a": [{ "body": "x".repeat(size) }] })).await;
    for taken in [true, false] {
        let mut client = Client::new(&mock).await;
        client.ask("a").await;
        client.head().await.unwrap();
        let n = u64::from(!taken);
        let seen = &mock.log()[usize::from(!taken)];
        assert_eq!((seen.status, seen.answered_ms), (Some(200), None), "the buffers are full");
        if taken {
            let mut body = vec![0; size];
            client.0.read_exact(&mut body).await.unwrap();
            assert_eq!(mock.wait_closed("a", n, LONG).await, None);
            assert!(mock.log()[0].answered_ms.is_some());
        } else {
            drop(client);
            assert!(mock.wait_closed("a", n, LONG).await.is_some());
        }
    }
}
