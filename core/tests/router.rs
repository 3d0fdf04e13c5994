//! The router over real sockets: closing them, keys that providers quote, redirects, notices.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod play;

use std::time::Duration;

use locum::testkit::{Mock, Script};
use locum::{ErrorKind, Message, Router};
use play::{KEY, play};
use serde_json::json;

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
async fn a_secret_of_a_header_that_the_provider_quotes_is_taken_out() {
    let quoted = json!({"error": {"message": format!("Bad gateway token {KEY}."), "type": "invalid_request_error"}});
    let script = Script::from_value(json!({"a": [{"status": 401, "body": quoted}]})).unwrap();
    let mock = Mock::start(script).await.unwrap();
    let router = Router::from_value(json!({
        "providers": {"a": {"kind": "openai", "base_url": mock.url("a"), "api_key": "unused",
                            "headers": {"x-gateway": format!("Bearer {KEY}")}}},
        "tasks": {"t": {"primary": "a/big", "retries": 0}},
    }))
    .unwrap();
    let error = router.complete("t", "Hi").await.unwrap_err();
    let printed = format!("{error} {error:?} {} {:?}", error.to_value(), router.take_notices());
    assert!(printed.contains("Bad gateway token [secret]."), "{printed}");
    assert!(!printed.contains(KEY));
}

#[tokio::test]
async fn a_placeholder_for_a_key_spoils_no_answer() {
    for key in ["x", "ollama"] {
        let script = json!({"a": [{"answer": "Run ollama next"}, {"status": 400, "error": "context_length_exceeded"}]});
        let mock = Mock::start(Script::from_value(script).unwrap()).await.unwrap();
        let router = Router::from_value(json!({
            "providers": {"a": {"kind": "ollama", "base_url": mock.url("a"), "api_key": key}},
            "tasks": {"t": {"primary": "a/big", "retries": 0}},
        }))
        .unwrap();
        assert_eq!(router.complete("t", "Hi").await.unwrap().text(), "Run ollama next");
        assert_eq!(router.complete("t", "Hi").await.unwrap_err().kind(), ErrorKind::ContextOverflow);
    }
}

#[tokio::test]
async fn the_status_counts_even_if_the_error_body_is_too_large() {
    let huge = "x".repeat(locum::transport::MAX_BODY + 1);
    let (_mock, router) = play(json!({"a": [{"status": 401, "body": huge}]}), json!({"fallback": []})).await;
    let error = router.complete("t", "Hi").await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Auth, Some(401)));
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
    // Another one says that both providers have the same key.
    let notices: Vec<_> = router.take_notices().into_iter().filter(|notice| notice.contains("auth")).collect();
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

#[tokio::test]
async fn debug_prints_hold_neither_prompt_nor_answer() {
    let answer = json!({"text": "the answer's words", "reasoning": "the model's thoughts"});
    let call =
        json!([{"answer": answer}, {"answer": {"tool_calls": [{"name": "f", "arguments": {"x": "an argument"}}]}}]);
    let (_mock, router) = play(json!({"a": call, "b": []}), json!({})).await;
    let messages = [Message::system("the prompt's words"), Message::user("the question's words")];
    let mut printed = format!("{messages:?}");
    for _ in 0..2 {
        let reply = router.complete("t", messages.clone()).await.unwrap();
        printed += &format!("{reply:?} {:?} {:?}", reply.message(), reply.attempts);
    }
    for words in ["words", "thoughts", "an argument"] {
        assert!(!printed.contains(words), "{printed}");
    }
    assert!(printed.contains("[18 bytes]"), "{printed}");
}

#[tokio::test]
async fn another_key_of_the_same_model_is_no_fallback() {
    let script = json!({"a": [{"error": "invalid_api_key"}, {"answer": "Hello"}]});
    let mock = Mock::start(Script::from_value(script).unwrap()).await.unwrap();
    let config = json!({
        "providers": {"a": {"kind": "openai", "base_url": mock.url("a"), "api_keys": ["sk-dead-key", KEY]}},
        "tasks": {"t": {"primary": "a/big", "retries": 0}},
    });
    let reply = Router::from_value(config).unwrap().complete("t", "Hi").await.unwrap();
    assert_eq!((reply.text(), reply.model.as_str(), reply.fallback_used), ("Hello", "a/big", false));
    assert_eq!((mock.count("a"), reply.attempts.len()), (2, 2));
}
