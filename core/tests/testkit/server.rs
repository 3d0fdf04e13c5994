//! The HTTP of it: connections, bodies, limits, the end.

use std::time::Duration;

use locum::testkit::{Mock, Script};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::client::*;

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let mock = mock(json!({ "a": [] })).await;
    let mut client = Client::new(&mock).await;
    for n in 0..200 {
        assert_eq!(client.chat("a").await.json()["id"], format!("chatcmpl-a-{n}"));
    }
    // Requests sent ahead are answered in turn.
    for _ in 0..3 {
        client.ask("a").await;
    }
    for n in 200..203 {
        assert_eq!(client.answer().await.json()["id"], format!("chatcmpl-a-{n}"));
    }
    client.send("POST", "/a/v1/chat/completions", "connection: close\r\n", CHAT).await;
    assert_eq!(client.answer().await.header("connection"), Some("close"));
    assert!(client.rest().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_connections_at_once() {
    let mock = mock(json!({ "a": [{ "delay_ms": 20 }] })).await;
    let tasks: Vec<_> = (0..50)
        .map(|_| TcpStream::connect(mock.address()))
        .map(|stream| {
            tokio::spawn(async {
                let mut client = Client(stream.await.unwrap());
                for _ in 0..5 {
                    assert_eq!(client.chat("a").await.status, 200);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(mock.count("a"), 250);
    let mut numbers: Vec<_> = mock.log().iter().map(|seen| seen.n).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..250));
    assert!(mock.log().iter().all(|seen| seen.answered_ms.is_some()));
}

#[tokio::test]
async fn chunked_bodies_and_expectations_are_read() {
    let mock = mock(json!({ "a": [] })).await;
    let mut client = Client::new(&mock).await;
    let (front, back) = CHAT.split_at(20);
    let request = "POST /a/v1/chat/completions HTTP/1.1\r\nhost: mock\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n";
    client.0.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(client.head().await.unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    let chunks =
        format!("{:x};name=value\r\n{front}\r\n{:X}\r\n{back}\r\n0\r\nx-trailer: 1\r\n\r\n", front.len(), back.len());
    for byte in chunks.bytes() {
        client.0.write_all(&[byte]).await.unwrap();
    }
    assert_eq!(client.answer().await.json()["model"], "gpt-x");
    assert_eq!(client.chat("a").await.status, 200, "the trailer is read to its end");
}

#[tokio::test]
async fn broken_and_boundless_requests_are_refused() {
    let mock = mock(json!({ "a": [] })).await;
    let head = "POST /a/v1/messages HTTP/1.1\r\nhost: mock\r\n";
    let cases = [
        ("nonsense\r\n\r\n".to_owned(), 400),
        (format!("{head}content-length: 5, 5\r\n\r\n"), 400),
        (format!("{head}content-length: 5\r\ncontent-length: 6\r\n\r\n"), 400),
        (format!("{head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"), 400),
        (format!("{head}transfer-encoding: gzip\r\n\r\n"), 501),
        (format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n"), 400),
        (format!("{head}transfer-encoding: chunked\r\n\r\nfffffffff\r\n"), 413),
        (format!("{head}transfer-encoding: chunked\r\n\r\n1\r\nabc"), 400),
        (format!("{head}content-length: 40000000\r\n\r\n"), 413),
        (format!("{head}x-big: {}\r\n\r\n", "x".repeat(70_000)), 431),
        (format!("{head}{}\r\n", "x-many: 1\r\n".repeat(200)), 431),
    ];
    for (request, status) in cases {
        let mut client = Client::new(&mock).await;
        client.0.write_all(request.as_bytes()).await.unwrap();
        let shown: String = request.chars().take(120).collect();
        assert_eq!(client.answer().await.status, status, "{shown}");
    }
    assert_eq!(mock.log(), []);
}

#[tokio::test]
async fn head_gets_no_body() {
    let mock = mock(json!({ "a": [] })).await;
    let mut client = Client::new(&mock).await;
    client.send("HEAD", "/a/v1/models", "", "").await;
    let head = client.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 405"));
    assert_eq!(client.chat("a").await.status, 200, "no stray body in between");
}

#[tokio::test]
async fn dropping_closes_everything() {
    let mock = mock(json!({ "a": [{ "silence": true }] })).await;
    let address = mock.address();
    let mut client = Client::new(&mock).await;
    client.ask("a").await;
    assert!(mock.wait_count("a", 1, LONG).await);
    drop(mock);
    assert!(client.rest().await.unwrap_or_default().is_empty());
    let port_closes = async { while TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(LONG, port_closes).await.unwrap();
}

#[tokio::test]
async fn stopping_lets_answers_finish_within_its_grace() {
    let mock = mock(json!({ "a": [{ "delay_ms": 50 }, { "silence": true }] })).await;
    let port = mock.address().port();
    let mut idle = Client::new(&mock).await;
    let (mut slow, mut never) = (Client::new(&mock).await, Client::new(&mock).await);
    slow.ask("a").await;
    assert!(mock.wait_count("a", 1, LONG).await);
    never.ask("a").await;
    assert!(mock.wait_count("a", 2, LONG).await);
    mock.stop(Duration::from_millis(500)).await;
    assert_eq!(slow.answer().await.status, 200);
    assert!(never.rest().await.unwrap_or_default().is_empty());
    assert!(idle.rest().await.unwrap_or_default().is_empty());
    let again = Mock::start_on(Script::default(), port).await.unwrap();
    assert_eq!(again.address().port(), port);
}

#[tokio::test]
async fn it_says_where_it_is() {
    let mock = mock(json!({ "b": [], "a": [] })).await;
    assert_eq!(mock.names(), ["a", "b"]);
    let port = mock.address().port();
    assert_eq!(mock.url("a"), format!("http://127.0.0.1:{port}/a/v1"));
    assert_eq!(mock.root(), format!("http://127.0.0.1:{port}"));
}
