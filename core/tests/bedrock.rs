//! Bedrock over real sockets: a signed request, and AWS's binary streams, whole, cut, damaged and thrown out of.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use locum::credential::{AwsKeys, Credential, Grant, Pass, Source};
use locum::types::{Failure, Secret};
use locum::{Event, Router};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One message of an event stream, after the documentation of its format.
fn message(kind: &str, name: &str, payload: &Value) -> Vec<u8> {
    let named = if kind == "event" { ":event-type" } else { ":exception-type" };
    let mut headers = Vec::new();
    for (key, value) in [(":message-type", kind), (named, name), (":content-type", "application/json")] {
        headers.push(key.len() as u8);
        headers.extend(key.bytes());
        headers.push(7);
        headers.extend((value.len() as u16).to_be_bytes());
        headers.extend(value.bytes());
    }
    let payload = payload.to_string().into_bytes();
    let mut out = ((headers.len() + payload.len() + 16) as u32).to_be_bytes().to_vec();
    out.extend((headers.len() as u32).to_be_bytes());
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload);
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out
}

fn said(text: &str) -> Vec<u8> {
    message("event", "contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"text": text}}))
}

fn end() -> Vec<u8> {
    let usage = json!({"usage": {"inputTokens": 5, "outputTokens": 2, "cacheReadInputTokens": 3}});
    [message("event", "messageStop", &json!({"stopReason": "end_turn"})), message("event", "metadata", &usage)].concat()
}

/// Answers one request with `body` as an event stream, in pieces of seven bytes; gives the head of the request.
async fn upstream(body: Vec<u8>) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        socket.read_exact(&mut vec![0; length]).await.unwrap();
        let start = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\nx-amzn-requestid: r-1\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(start.as_bytes()).await.unwrap();
        for piece in body.chunks(7) {
            // Whoever has heard enough hangs up.
            if socket.write_all(piece).await.is_err() {
                break;
            }
        }
        head
    });
    (address, served)
}

struct Keys;

impl Source for Keys {
    fn fetch(&self, _now: u64) -> BoxFuture<'static, Result<Grant, Failure>> {
        let pass = Pass::Aws(AwsKeys {
            access_key_id: "AKIAEXAMPLE".to_owned(),
            secret_access_key: Secret::new("very-secret-signing-key"),
            session_token: Some(Secret::new("session-token-1")),
        });
        async move { Ok(Grant { pass, expires_at: None }) }.boxed()
    }
}

fn router(address: &str) -> Router {
    let config = json!({
        "state": "router",
        "providers": {"aws": {"kind": "bedrock", "region": "eu-central-1", "base_url": address, "auth": "callback"}},
        "tasks": {"chat": {"primary": "aws/eu.anthropic.claude-sonnet-4-6:0", "retries": 0}},
    });
    Router::builder().credential("aws", Credential::new(Keys)).from_value(config).unwrap()
}

/// What a stream brought: its text, and how it ended.
async fn streamed(body: Vec<u8>) -> (String, Result<locum::Reply, locum::Error>, String) {
    let (address, served) = upstream(body).await;
    let mut events = router(&address).stream("chat", "Hi");
    let mut text = String::new();
    let result = loop {
        match events.next().await.expect("an end") {
            Ok(Event::Text(piece)) => text.push_str(&piece),
            Ok(Event::End(reply)) => break Ok(*reply),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    drop(events);
    (text, result, served.await.unwrap())
}

#[tokio::test]
async fn a_signed_stream_of_binary_messages() {
    let begin = message("event", "messageStart", &json!({"role": "assistant"}));
    let (text, reply, head) = streamed([begin, said("Hel"), said("lo"), end()].concat()).await;
    let reply = reply.unwrap();
    assert_eq!((text.as_str(), reply.text(), reply.finish().unified.as_str()), ("Hello", "Hello", "stop"));
    let usage = reply.usage().unwrap();
    assert_eq!((usage.input, usage.cached_input, usage.output), (8, 3, 2));
    assert_eq!(reply.request_id(), Some("r-1"));
    assert!(head.starts_with("POST /model/eu.anthropic.claude-sonnet-4-6%3A0/converse-stream HTTP/1.1"), "{head}");
    let signed = head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap();
    assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/"), "{signed}");
    assert!(signed.contains("/eu-central-1/bedrock/aws4_request") && signed.contains("SignedHeaders="), "{signed}");
    assert!(head.contains("x-amz-security-token: session-token-1") && head.contains("x-amz-date: "), "{head}");
    assert!(!head.contains("very-secret-signing-key"));
}

#[tokio::test]
async fn a_cut_stream_is_no_success() {
    for stream in [said("Hel"), [said("Hel"), said("lo")[..20].to_vec()].concat()] {
        let (text, result, _) = streamed(stream).await;
        let error = result.unwrap_err();
        assert_eq!((text.as_str(), error.kind().as_str(), error.in_stream()), ("Hel", "truncated_stream", true));
    }
}

#[tokio::test]
async fn a_damaged_message_is_refused() {
    let mut damaged = said("lo");
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let (text, result, _) = streamed([said("Hel"), damaged, end()].concat()).await;
    let error = result.unwrap_err();
    assert_eq!((text.as_str(), error.kind().as_str()), ("Hel", "truncated_stream"));
    assert!(error.to_string().contains("checksum"), "{error}");
}

#[tokio::test]
async fn an_exception_in_the_stream_keeps_its_kind() {
    let thrown = message("exception", "serviceUnavailableException", &json!({"message": "busy"}));
    let (text, result, _) = streamed([said("Hel"), thrown].concat()).await;
    let error = result.unwrap_err();
    assert_eq!((text.as_str(), error.kind().as_str(), error.in_stream()), ("Hel", "overloaded", true));
}
