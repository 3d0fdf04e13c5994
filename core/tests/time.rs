//! The router's times to the millisecond: a transport without sockets, on a paused clock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use locum::transport::{HeaderMap, HttpRequest, HttpResponse, MAX_BODY, Phase, Transport, TransportError};
use locum::{ErrorKind, Outcome, Policy, Router};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// What one exchange does.
#[derive(Clone)]
enum Deed {
    Silence,
    /// After so many milliseconds, this status and these pieces of a body; an empty piece breaks the body off.
    Respond(u64, u16, Vec<&'static str>),
    Endless,
    Refuse(Phase),
}

/// Plays its deeds one after the other, whoever asks.
struct Stage {
    deeds: Mutex<VecDeque<Deed>>,
}

impl Transport for Stage {
    fn send(&self, _: HttpRequest) -> BoxFuture<'static, Result<HttpResponse, TransportError>> {
        let deed = self.deeds.lock().unwrap().pop_front().expect("an exchange that was not planned");
        async move {
            let (status, pieces) = match deed {
                Deed::Silence => return std::future::pending().await,
                Deed::Refuse(phase) => {
                    return Err(TransportError { phase, message: "refused".into() });
                }
                Deed::Endless => (200, vec!["0123456789abcdef"; MAX_BODY / 16 + 1]),
                Deed::Respond(ms, status, pieces) => {
                    sleep(Duration::from_millis(ms)).await;
                    (status, pieces)
                }
            };
            let pieces = pieces.into_iter().map(|piece| match piece {
                "" => Err(TransportError { phase: Phase::Read, message: "broke off".into() }),
                piece => Ok(Bytes::from_static(piece.as_bytes())),
            });
            Ok(HttpResponse { status, headers: HeaderMap::new(), body: stream::iter(pieces).boxed() })
        }
        .boxed()
    }
}

const ANSWER: &str = r#"{"id":"x","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}"#;

fn answer(ms: u64) -> Deed {
    Deed::Respond(ms, 200, vec![ANSWER])
}

fn router(task: &Value, deeds: impl Into<VecDeque<Deed>>) -> Router {
    let mut config = json!({
        "providers": {"openai": {"api_key": "k"}, "groq": {"api_key": "k"}},
        "tasks": {"t": {"primary": "openai/a", "fallback": ["groq/b"]}},
    });
    config["tasks"]["t"].as_object_mut().unwrap().extend(task.as_object().unwrap().clone());
    Router::with_transport(Policy::from_value(config).unwrap(), Arc::new(Stage { deeds: Mutex::new(deeds.into()) }))
}

async fn timed<T>(future: impl Future<Output = T>) -> (T, u128) {
    let begin = Instant::now();
    let result = future.await;
    (result, begin.elapsed().as_millis())
}

#[tokio::test(start_paused = true)]
async fn a_silent_primary_leaves_half_of_the_time_to_the_stand_in() {
    let router = router(&json!({"max_latency_ms": 1500}), [Deed::Silence, answer(100)]);
    let (reply, took) = timed(async { router.complete("t", "Hi").await }).await;
    assert_eq!((reply.unwrap().model.as_str(), took), ("groq/b", 850));
}

#[tokio::test(start_paused = true)]
async fn a_slow_primary_still_wins() {
    let router = router(&json!({"max_latency_ms": 1500}), [answer(900), answer(800)]);
    let (reply, took) = timed(async { router.complete("t", "Hi").await }).await;
    let reply = reply.unwrap();
    assert_eq!((reply.model.as_str(), took), ("openai/a", 900));
    assert_eq!(reply.attempts[1].outcome, Outcome::HedgedOut);
    assert_eq!(reply.attempts[1].latency, Duration::from_millis(150));
}

#[tokio::test(start_paused = true)]
async fn all_silent_ends_at_the_deadline() {
    let router = router(&json!({"max_latency_ms": 1500}), [Deed::Silence, Deed::Silence]);
    let (error, took) = timed(async { router.complete("t", "Hi").await }).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), took), (ErrorKind::DeadlineExceeded, 1500));
    assert!(error.message().contains("openai/a was waited for 1500 ms; groq/b was waited for 750 ms"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_the_race_begins_after_a_minute() {
    let router = router(&json!({}), [Deed::Silence, answer(0)]);
    let (reply, took) = timed(async { router.complete("t", "Hi").await }).await;
    assert_eq!((reply.unwrap().model.as_str(), took), ("groq/b", 60_000));
}

#[tokio::test(start_paused = true)]
async fn a_model_that_reasons_gets_three_minutes() {
    let router = router(&json!({"reasoning_effort": "high"}), [Deed::Silence, answer(0)]);
    let (_, took) = timed(async { router.complete("t", "Hi").await }).await;
    assert_eq!(took, 180_000);
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_an_attempt_ends_after_ten_minutes() {
    let router = router(&json!({"fallback": [], "retries": 0}), [Deed::Silence]);
    let (error, took) = timed(async { router.complete("t", "Hi").await }).await;
    assert_eq!((error.unwrap_err().subkind(), took), (Some("attempt"), 600_000));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_waited_between_a_failure_and_the_stand_in() {
    let router = router(&json!({"retries": 0}), [Deed::Respond(0, 503, vec!["{}"]), answer(0)]);
    let (reply, took) = timed(async { router.complete("t", "Hi").await }).await;
    assert_eq!((reply.unwrap().model.as_str(), took), ("groq/b", 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_beyond_the_limit_is_not_read_further() {
    let router = router(&json!({"retries": 0}), [Deed::Endless, answer(0)]);
    let reply = router.complete("t", "Hi").await.unwrap();
    assert_eq!(reply.attempts[0].kind, Some(ErrorKind::MalformedResponse));
    assert!(reply.attempts[0].reason.as_deref().unwrap().contains("33554432 bytes"));
}

#[tokio::test(start_paused = true)]
async fn an_error_status_counts_even_if_its_body_breaks_off() {
    let router = router(&json!({"retries": 0}), [Deed::Respond(0, 529, vec!["{\"error\":", ""]), answer(0)]);
    let reply = router.complete("t", "Hi").await.unwrap();
    assert_eq!(reply.attempts[0].kind, Some(ErrorKind::Overloaded));
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_is_tried_again_at_once() {
    let deeds = [Deed::Refuse(Phase::ConnectTimeout), answer(0)];
    let (reply, took) = timed(async { router(&json!({}), deeds).complete("t", "Hi").await }).await;
    let reply = reply.unwrap();
    assert_eq!((reply.model.as_str(), took), ("openai/a", 0));
    assert_eq!((reply.attempts[0].kind, reply.attempts[0].subkind), (Some(ErrorKind::Timeout), Some("connect")));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_cut_counts_as_broken() {
    let router = router(&json!({"retries": 0}), [Deed::Respond(0, 200, vec!["{\"id\"", ""]), answer(0)]);
    let reply = router.complete("t", "Hi").await.unwrap();
    assert_eq!((reply.attempts[0].kind, reply.attempts[0].status), (Some(ErrorKind::Connection), Some(200)));
}
