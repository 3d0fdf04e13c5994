//! The router over real sockets: closing them, keys that providers quote, redirects, notices.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use locum::testkit::{Mock, Script};
use locum::{ErrorKind, Router};
use serde_json::{Value, json};

const KEY: &str = "sk-very-secret-0123456789";

async fn play(script: Value, task: Value) -> (Mock, Router) {
    let mock = Mock::start(Script::from_value(script).unwrap()).await.unwrap();
    let mut config = json!({
        "providers": {
            "a": {"kind": "openai", "base_url": mock.url("a"), "api_key": KEY},
            "b": {"kind": "anthropic", "base_url": mock.url("b"), "api_key": KEY},
        },
        "tasks": {"t": {"primary": "a/big", "fallback": ["b/small"], "retries": 0}},
    });
    config["tasks"]["t"].as_object_mut().unwrap().extend(task.as_object().unwrap().clone());
    let router = Router::from_value(config).unwrap();
    (mock, router)
}

#[tokio::test]
async fn a_dropped_call_closes_its_socket() {
    let (mock, router) = play(json!({"a": [{"silence": true}], "b": []}), json!({})).await;
    let call = tokio::spawn(async move { router.complete("t", "Hi").await });
    assert!(mock.wait_count("a", 1, Duration::from_secs(5)).await);
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let seen = mock.wait_closed("a", 0, Duration::from_millis(100)).await;
    assert!(seen.is_some_and(|seen| seen.closed_ms.is_some()), "the provider did not see the close within 100 ms");
    assert_eq!(mock.count("b"), 0);
}

#[tokio::test]
async fn a_key_that_the_provider_quotes_is_taken_out() {
    let quoted = json!({"error": {"message": format!("Incorrect API key provided: {KEY}."), "type": "invalid_request_error", "code": format!("bad {KEY}")}});
    let step = json!({"status": 401, "body": quoted, "headers": {"x-request-id": format!("req-{KEY}")}});
    let (_mock, router) = play(json!({"a": [step], "b": []}), json!({"strict": ["auth"]})).await;
    let error = router.complete("t", "Hi").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    let printed = format!("{error} {error:?} {} {:?} {:?}", error.to_value(), router.take_notices(), router.policy());
    assert!(printed.contains("Incorrect API key provided: [secret]."), "{printed}");
    assert!(!printed.contains(KEY));
}

#[tokio::test]
async fn a_key_that_is_a_word_changes_neither_answers_nor_what_errors_mean() {
    let script = json!({"a": [{"error": "insufficient_quota"}], "b": [{"answer": "your quota is quota"}]});
    let mock = Mock::start(Script::from_value(script).unwrap()).await.unwrap();
    let router = Router::from_value(json!({
        "providers": {
            "a": {"kind": "openai", "base_url": mock.url("a"), "api_key": "quota"},
            "b": {"kind": "anthropic", "base_url": mock.url("b"), "api_key": "quota"},
        },
        "tasks": {"t": {"primary": "a/big", "fallback": ["b/small"], "retries": 0}},
    }))
    .unwrap();
    let reply = router.complete("t", "Hi").await.unwrap();
    assert_eq!(reply.text(), "your quota is quota");
    assert_eq!(reply.attempts[0].kind, Some(ErrorKind::ProviderQuota));
}

#[tokio::test]
async fn an_idempotency_key_that_no_header_holds_is_the_callers_mistake() {
    let (mock, router) = play(json!({"a": [], "b": []}), json!({})).await;
    let error = router.complete("t", "Hi").idempotency_key("one\ntwo").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("idempotency_key"), "{error}");
    assert_eq!((mock.count("a"), mock.count("b")), (0, 0));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (mock, router) = play(
        json!({"a": [{"status": 307, "headers": {"location": "/b/v1/messages"}, "body": ""}], "b": []}),
        json!({"fallback": []}),
    )
    .await;
    let error = router.complete("t", "Hi").await.unwrap_err();
    assert!(error.message().contains("redirects are not followed"), "{error}");
    assert_eq!((mock.count("a"), mock.count("b")), (1, 0));
}

#[tokio::test]
async fn a_dead_key_is_told_once() {
    let (_mock, router) = play(json!({"a": [{"error": "invalid_api_key"}], "b": []}), json!({})).await;
    for _ in 0..3 {
        let reply = router.complete("t", "Hi").await.unwrap();
        assert_eq!(reply.warnings.len(), 1, "every reply says it");
    }
    let notices = router.take_notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains("a/big: auth"));
    assert!(router.take_notices().is_empty());
}

#[tokio::test]
async fn headers_beyond_the_limit_are_refused() {
    let long = "x".repeat(70_000);
    let (_mock, router) = play(json!({"a": [{"answer": "Hi", "headers": {"x-long": long}}], "b": []}), json!({})).await;
    let reply = router.complete("t", "Hi").await.unwrap();
    assert_eq!(reply.attempts[0].kind, Some(ErrorKind::MalformedResponse));
}

#[tokio::test]
async fn calls_share_connections_and_run_side_by_side() {
    let (mock, router) = play(json!({"a": [{"answer": "Hi", "delay_ms": 20}], "b": []}), json!({})).await;
    let calls: Vec<_> = (0..100).map(|_| tokio::spawn(router.complete("t", "Hi").into_future())).collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().text(), "Hi");
    }
    assert_eq!(mock.count("a"), 100);
}
