//! Streams over real sockets: closing them, what is known then, connections used again, readers that rest, quoted keys.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod play;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use locum::testkit::Mock;
use locum::{ErrorKind, Event, EventStream, OnBreak, Outcome, Router};
use play::KEY;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

const SOON: Duration = Duration::from_millis(100);
const WORDS: &str = "one two three four five six seven eight nine ten";

/// The same with Anthropic Messages first, which tell their tokens early.
async fn play(script: Value, task: Value) -> (Mock, Router) {
    let mut order = json!({"primary": "b/big", "fallback": ["a/small"]});
    order.as_object_mut().unwrap().extend(task.as_object().unwrap().clone());
    play::play(script, order).await
}

/// Reads up to the first piece of text.
async fn first_text(events: &mut EventStream) -> String {
    loop {
        if let Event::Text(text) = events.next().await.expect("no end yet").expect("no error yet") {
            return text;
        }
    }
}

async fn closed_soon(mock: &Mock, upstream: &str) {
    let seen = mock.wait_closed(upstream, 0, SOON).await;
    assert!(seen.is_some(), "{upstream} did not see the close within {SOON:?}");
}

#[tokio::test]
async fn a_dropped_stream_closes_its_socket() {
    let (mock, router) =
        play(json!({"b": [{"answer": WORDS, "stream": {"stall_after": 3}}], "a": []}), json!({})).await;
    let mut events = router.stream("t", "Hi");
    first_text(&mut events).await;
    drop(events);
    closed_soon(&mock, "b").await;
    assert_eq!(mock.count("a"), 0);
}

#[tokio::test]
async fn a_closed_stream_tells_what_was_spent() {
    let answer = json!({"text": WORDS, "usage": {"input": 12, "output": 10}});
    let (mock, router) =
        play(json!({"b": [{"answer": answer, "stream": {"stall_after": 3}}], "a": []}), json!({})).await;
    let mut events = router.stream("t", "Hi");
    first_text(&mut events).await;
    events.close();
    closed_soon(&mock, "b").await;
    assert!(events.next().await.is_none());
    let [line] = events.attempts() else { panic!("{:?}", events.attempts()) };
    assert_eq!((line.outcome, line.usage.map(|usage| usage.input)), (Outcome::Cancelled, Some(12)));
    assert!(line.first_token.is_some());
}

#[tokio::test]
async fn closing_ends_a_race_and_a_rescue_too() {
    let silent = json!({"b": [{"answer": WORDS, "stream": {"stall_after": 0}}], "a": [{"silence": true}]});
    let (mock, router) = play(silent, json!({"max_latency_ms": 400})).await;
    let mut events = router.stream("t", "Hi");
    let reading = tokio::spawn(async move { events.next().await.map(drop) });
    assert!(mock.wait_count("a", 1, Duration::from_secs(5)).await, "the race begins");
    reading.abort();
    closed_soon(&mock, "a").await;
    closed_soon(&mock, "b").await;

    let broken = json!({"b": [{"answer": WORDS, "stream": {"cut_after": 3}}], "a": [{"silence": true}]});
    let (mock, router) = play(broken, json!({"on_break": "restart"})).await;
    let mut events = router.stream("t", "Hi");
    let reading = tokio::spawn(async move { while events.next().await.is_some() {} });
    assert!(mock.wait_count("a", 1, Duration::from_secs(5)).await, "the rescue begins");
    reading.abort();
    closed_soon(&mock, "a").await;
}

#[tokio::test]
async fn a_cancelled_stream_keeps_what_had_come() {
    let (mock, router) =
        play(json!({"b": [{"answer": WORDS, "stream": {"stall_after": 3}}], "a": []}), json!({})).await;
    let (cancel, cancelled) = tokio::sync::oneshot::channel::<()>();
    let mut events = router.stream("t", "Hi").cancel_on(async { drop(cancelled.await) });
    let mut text = String::new();
    while text.split(' ').count() < 4 {
        text += &first_text(&mut events).await;
    }
    cancel.send(()).unwrap();
    let error = events.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.partial().map(|(text, _)| text)), (ErrorKind::Cancelled, Some("one two three ")));
    assert!(events.next().await.is_none());
    closed_soon(&mock, "b").await;
}

#[tokio::test]
async fn a_stall_ends_in_time_and_the_next_call_is_served() {
    let script = json!({"b": [{"answer": WORDS, "stream": {"stall_after": 3, "stall_ms": 30_000}}, {"answer": "again"}], "a": []});
    let (mock, router) = play(script, json!({"idle_ms": 150})).await;
    let error = router.stream("t", "Hi").collect().await.unwrap_err();
    assert_eq!((error.kind(), error.subkind(), error.in_stream()), (ErrorKind::Timeout, Some("idle"), true));
    closed_soon(&mock, "b").await;
    assert_eq!(router.stream("t", "Hi").collect().await.unwrap().text(), "again");
}

/// Answers one request after the other with a stream; the end of the body comes only a moment after its last event.
async fn answer_late(listener: TcpListener, connections: Arc<AtomicUsize>, ended: Arc<Notify>) {
    const EVENTS: &str = "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"late\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        connections.fetch_add(1, Ordering::SeqCst);
        let ended = ended.clone();
        tokio::spawn(async move {
            let mut request = vec![0; 64 * 1024];
            while socket.read(&mut request).await.is_ok_and(|read| read > 0) {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
                let begin = format!("{head}{:x}\r\n{EVENTS}\r\n", EVENTS.len());
                socket.write_all(begin.as_bytes()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
                if socket.write_all(b"0\r\n\r\n").await.is_ok() {
                    ended.notify_one();
                }
            }
        });
    }
}

#[tokio::test]
async fn a_connection_whose_end_comes_late_is_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (connections, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let server = tokio::spawn(answer_late(listener, connections.clone(), ended.clone()));
    let router = Router::from_value(json!({
        "providers": {"a": {"kind": "openai", "base_url": format!("http://{address}/v1"), "api_key": KEY}},
        "tasks": {"t": {"primary": "a/m"}},
    }))
    .unwrap();
    for _ in 0..3 {
        assert_eq!(router.stream("t", "Hi").collect().await.unwrap().text(), "late");
        tokio::time::timeout(Duration::from_secs(5), ended.notified()).await.unwrap();
        // The end is on its way.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.abort();
    assert_eq!(connections.load(Ordering::SeqCst), 1, "connections were thrown away");
}

#[tokio::test]
async fn nothing_is_read_ahead_of_a_reader_who_rests() {
    // Far more than the sockets between the two can hold: 64 MB.
    let piece = "x".repeat(16 * 1024);
    let step = json!({"answer": {"text": ""}, "stream": {"chunks": [piece], "repeat": 4_000}});
    let (mock, router) = play(json!({"b": [step], "a": []}), json!({})).await;
    let mut events = router.stream("t", "Hi");
    first_text(&mut events).await;
    let sent = || mock.log()[0].sent_chunks;
    let mut before = 0;
    // Until the sockets are full.
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if sent() == before {
            break;
        }
        before = sent();
    }
    assert!(before < 2_000, "{before} of 4000 pieces were taken from a provider whose words nobody reads");
    for _ in 0..1_000 {
        first_text(&mut events).await;
    }
    assert!(sent() > before, "reading on makes the provider go on");
}

#[tokio::test]
async fn a_key_that_is_quoted_in_a_stream_is_taken_out() {
    let quoted =
        json!({"type": "error", "error": {"type": "authentication_error", "message": format!("invalid key {KEY}")}});
    let body = format!("event: error\ndata: {quoted}\n\n");
    let (_mock, router) = play(json!({"b": [{"body": body}], "a": []}), json!({"strict": ["auth"]})).await;
    let error = router.stream("t", "Hi").collect().await.unwrap_err();
    let printed = format!("{error} {error:?} {} {:?}", error.to_value(), router.take_notices());
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(printed.contains("invalid key [secret]") && !printed.contains(KEY), "{printed}");
}

#[tokio::test]
async fn text_asked_for_too_late_is_never_spliced() {
    let script = json!({"b": [{"answer": WORDS, "stream": {"cut_after": 3}}], "a": [{"answer": "other words"}]});
    let (_mock, router) = play(script, json!({"on_break": "restart"})).await;
    let mut events = router.stream("t", "Hi");
    first_text(&mut events).await;
    let mut text = events.text();
    let mut last = None;
    while let Some(piece) = text.next().await {
        last = Some(piece);
    }
    assert_eq!(last.unwrap().unwrap_err().kind(), ErrorKind::TruncatedStream);
}

#[tokio::test]
async fn text_alone_has_its_reply_at_the_end() {
    let answer = json!({"text": WORDS, "reasoning": "Let me count."});
    let (_mock, router) = play(json!({"b": [{"answer": answer}], "a": []}), json!({})).await;
    let mut text = router.stream("t", "Hi").on_break(OnBreak::Restart).text();
    let mut all = String::new();
    while let Some(piece) = text.next().await {
        assert!(text.reply().is_none());
        all += &piece.unwrap();
    }
    assert_eq!(all, WORDS);
    assert_eq!(text.reply().unwrap().reasoning(), Some("Let me count."));
    assert!(text.next().await.is_none());
}
