//! Answers and errors in both providers' shapes.

use serde_json::{Value, json};

use super::client::*;

#[tokio::test]
async fn an_empty_list_greets_in_both_formats() {
    let mock = mock(json!({ "a": [] })).await;
    let mut client = Client::new(&mock).await;

    let openai = client.chat("a").await;
    assert_eq!(openai.status, 200);
    assert_eq!(openai.header("content-type"), Some("application/json"));
    assert_eq!(openai.header("x-request-id"), Some("req_a_0"));
    let body = openai.json();
    assert_eq!(body["id"], "chatcmpl-a-0");
    assert_eq!(body["model"], "gpt-x");
    assert_eq!(body["choices"][0]["message"]["content"], "Hello from a");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    let usage = &body["usage"];
    let sum = usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], sum);
    assert!(usage["prompt_tokens"].as_u64().unwrap() >= 3);

    let anthropic = client.message("a").await;
    assert_eq!(anthropic.header("request-id"), Some("req_a_1"));
    let body = anthropic.json();
    assert_eq!(body["id"], "msg_a_1");
    assert_eq!(body["model"], "claude-x");
    assert_eq!(body["content"], json!([{ "type": "text", "text": "Hello from a", "citations": null }]));
    assert_eq!(body["stop_reason"], "end_turn");
    assert_eq!(body["usage"]["output_tokens"], 3);
}

#[tokio::test]
async fn an_answer_is_said_in_each_format() {
    let mock = mock(json!({ "a": [{ "answer": {
        "text": "Look:", "reasoning": "Hm.", "model": "other",
        "tool_calls": [{ "name": "find", "arguments": { "q": 1 } }, { "id": "x", "name": "raw", "arguments": "{\"q\":" }],
        "usage": { "input": 100, "output": 20, "cached_input": 60, "cacheWrite": 10, "reasoning": 5 },
    } }] })).await;
    let mut client = Client::new(&mock).await;

    let body = client.chat("a").await.json();
    let message = &body["choices"][0]["message"];
    assert_eq!(body["model"], "other");
    assert_eq!(message["content"], "Look:");
    assert_eq!(message["reasoning_content"], "Hm.");
    assert_eq!(
        message["tool_calls"][0],
        json!({
            "id": "call_a_0_0", "type": "function", "function": { "name": "find", "arguments": "{\"q\":1}" },
        })
    );
    assert_eq!(message["tool_calls"][1]["function"]["arguments"], "{\"q\":");
    assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(body["usage"]["prompt_tokens"], 100);
    assert_eq!(body["usage"]["prompt_tokens_details"]["cached_tokens"], 60);
    assert_eq!(body["usage"]["completion_tokens_details"]["reasoning_tokens"], 5);

    let body = client.message("a").await.json();
    let kinds: Vec<_> = body["content"].as_array().unwrap().iter().map(|b| b["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use", "tool_use"]);
    assert_eq!(body["content"][2]["input"], json!({ "q": 1 }));
    assert_eq!(body["content"][3]["input"], "{\"q\":");
    assert_eq!(body["stop_reason"], "tool_use");
    assert_eq!(body["usage"]["input_tokens"], 30);
    assert_eq!(body["usage"]["cache_read_input_tokens"], 60);
    assert_eq!(body["usage"]["cache_creation_input_tokens"], 10);
    assert_eq!(body["usage"]["output_tokens"], 20);
}

#[tokio::test]
async fn finish_words_are_translated_and_raw_ones_kept() {
    let cases = [
        ("length", "length", "max_tokens"),
        ("stop", "stop", "end_turn"),
        ("content_filter", "content_filter", "refusal"),
        ("eos", "eos", "eos"),
    ];
    for (word, openai, anthropic) in cases {
        let mock = mock(json!({ "a": [{ "answer": { "text": "x", "finish": word } }] })).await;
        let mut client = Client::new(&mock).await;
        assert_eq!(client.chat("a").await.json()["choices"][0]["finish_reason"], openai);
        assert_eq!(client.message("a").await.json()["stop_reason"], anthropic);
    }
    for answer in [json!({ "refusal": "No." }), json!({ "text": "No.", "finish": "refusal" })] {
        let mock = mock(json!({ "a": [{ "answer": answer }] })).await;
        let mut client = Client::new(&mock).await;
        let choice = client.chat("a").await.json()["choices"][0].clone();
        assert_eq!(choice["message"]["refusal"], "No.");
        assert_eq!(choice["message"]["content"], Value::Null);
        assert_eq!(choice["finish_reason"], "stop");
        let body = client.message("a").await.json();
        assert_eq!(body["content"][0]["text"], "No.");
        assert_eq!(body["stop_reason"], "refusal");
        assert_eq!(body["stop_details"]["type"], "refusal");
    }
}

#[tokio::test]
async fn usage_can_be_left_out() {
    let mock = mock(json!({ "a": [{ "answer": { "text": "x", "usage": null } }] })).await;
    let mut client = Client::new(&mock).await;
    assert_eq!(client.chat("a").await.json().get("usage"), None);
    assert_eq!(client.message("a").await.json().get("usage"), None);
}

#[tokio::test]
async fn errors_have_each_providers_shape_and_status() {
    let cases = [
        ("rate_limit_exceeded", 429, "requests", json!("rate_limit_exceeded"), 429, "rate_limit_error"),
        ("slow_down", 429, "rate_limit_error", json!("slow_down"), 429, "rate_limit_error"),
        ("insufficient_quota", 429, "insufficient_quota", json!("insufficient_quota"), 402, "billing_error"),
        (
            "project_spend_limit_exceeded",
            429,
            "insufficient_quota",
            json!("project_spend_limit_exceeded"),
            402,
            "billing_error",
        ),
        (
            "server_is_overloaded",
            503,
            "service_unavailable_error",
            json!("server_is_overloaded"),
            529,
            "overloaded_error",
        ),
        ("overloaded_error", 503, "service_unavailable_error", json!("server_is_overloaded"), 529, "overloaded_error"),
        ("server_error", 500, "server_error", Value::Null, 500, "api_error"),
        (
            "context_length_exceeded",
            400,
            "invalid_request_error",
            json!("context_length_exceeded"),
            400,
            "invalid_request_error",
        ),
        ("invalid_api_key", 401, "invalid_request_error", json!("invalid_api_key"), 401, "authentication_error"),
        ("content_filter", 400, "invalid_request_error", json!("content_filter"), 400, "invalid_request_error"),
        ("model_not_found", 404, "invalid_request_error", json!("model_not_found"), 404, "not_found_error"),
        ("request_too_large", 413, "invalid_request_error", json!("request_too_large"), 413, "request_too_large"),
    ];
    for (word, status, kind, code, other_status, other_kind) in cases {
        let mock = mock(json!({ "a": [{ "error": word }] })).await;
        let mut client = Client::new(&mock).await;
        let openai = client.chat("a").await;
        assert_eq!(openai.status, status, "{word}");
        let error = openai.json()["error"].clone();
        assert_eq!(error["type"], kind, "{word}");
        assert_eq!(error["code"], code, "{word}");
        assert!(error["message"].is_string() && error.get("param").is_some());
        let anthropic = client.message("a").await;
        assert_eq!(anthropic.status, other_status, "{word}");
        let body = anthropic.json();
        assert_eq!(body["type"], "error");
        assert_eq!(body["error"]["type"], other_kind, "{word}");
        assert_eq!(body["request_id"], "req_a_1");
        assert_eq!(body["error"].get("code"), None);
    }
}

#[tokio::test]
async fn errors_can_be_bent() {
    let mock = mock(json!({ "a": [
        { "status": 200, "error": "insufficient_quota" },
        { "status": 418, "error": "teapot_error", "headers": { "Retry-After": 3, "x-request-id": "mine" } },
        { "error": { "code": "rate_limit_exceeded", "type": "tokens", "message": "Wait.", "extra": 1 } },
        { "status": 429, "error": { "type": "rate_limit_error", "details": { "error_code": "enforced_spend_limit_reached" } } },
        { "status": 503 },
    ] })).await;
    let mut client = Client::new(&mock).await;
    let inside = client.chat("a").await;
    assert_eq!((inside.status, &inside.json()["error"]["code"]), (200, &json!("insufficient_quota")));
    let unknown = client.chat("a").await;
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (418, &json!("teapot_error")));
    assert_eq!(unknown.header("retry-after"), Some("3"));
    assert_eq!(unknown.header("x-request-id"), Some("mine"));
    let own = client.chat("a").await;
    assert_eq!(own.status, 429);
    assert_eq!(
        own.json()["error"],
        json!({
            "message": "Wait.", "type": "tokens", "param": null, "code": "rate_limit_exceeded", "extra": 1,
        })
    );
    let spent = client.message("a").await.json();
    assert_eq!(spent["error"]["details"]["error_code"], "enforced_spend_limit_reached");
    assert_eq!(spent["error"]["type"], "rate_limit_error");
    let bare = client.chat("a").await;
    assert_eq!((bare.status, &bare.json()["error"]["code"]), (503, &json!("server_is_overloaded")));
}
