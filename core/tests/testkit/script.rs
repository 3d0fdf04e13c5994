//! Which step serves which request, what is refused, and which scripts are.

use locum::testkit::Script;
use serde_json::{Value, json};

use super::client::*;

#[tokio::test]
async fn steps_go_in_order_and_the_last_repeats() {
    let mock = mock(json!({ "a": [{ "answer": "1", "times": 2 }, { "answer": "2" }, { "answer": "3" }] })).await;
    let mut client = Client::new(&mock).await;
    for expected in ["1", "1", "2", "3", "3"] {
        assert_eq!(client.chat("a").await.json()["choices"][0]["message"]["content"], expected);
    }
    client.send("POST", "/_reset", "", "").await;
    assert_eq!(client.answer().await.status, 204);
    assert_eq!(mock.count("a"), 0);
    let again = client.chat("a").await.json();
    assert_eq!(again["choices"][0]["message"]["content"], "1");
    assert_eq!(again["id"], "chatcmpl-a-0");
}

#[tokio::test]
async fn steps_may_go_round() {
    let mock =
        mock(json!({ "a": { "cycle": true, "steps": [{ "answer": "1", "times": 2 }, { "answer": "2" }] } })).await;
    let mut client = Client::new(&mock).await;
    for expected in ["1", "1", "2", "1", "1", "2", "1"] {
        assert_eq!(client.chat("a").await.json()["choices"][0]["message"]["content"], expected);
    }
}

#[tokio::test]
async fn an_outage_has_its_time_and_takes_no_turn() {
    let outage = json!({ "after_ms": 0, "for_ms": 300, "step": { "error": "server_is_overloaded" } });
    let mock = mock(json!({ "a": { "outage": outage, "steps": [{ "answer": "1" }, { "answer": "2" }] } })).await;
    let mut client = Client::new(&mock).await;
    let begin = std::time::Instant::now();
    let mut down = 0;
    let first = loop {
        let answer = client.chat("a").await;
        if answer.status == 200 {
            break answer;
        }
        assert_eq!(answer.status, 503);
        assert!(begin.elapsed().as_secs() < 10, "the outage never ended");
        down += 1;
    };
    assert!(down > 0 && begin.elapsed().as_millis() >= 300);
    assert_eq!(first.json()["choices"][0]["message"]["content"], "1");
    for (outage, problem) in [
        (json!({ "for_ms": 300 }), "a.outage.step: says what happens meanwhile"),
        (json!({ "step": {} }), "a.outage.for_ms: an outage lasts 1 ms or more"),
        (json!({ "for_ms": 1, "step": {}, "until": 2 }), "a.outage.until: unknown key"),
    ] {
        let error = Script::from_value(json!({ "a": { "outage": outage } })).unwrap_err();
        assert!(error.to_string().starts_with(problem), "{error}");
    }
}

#[tokio::test]
async fn bodies_are_sent_as_they_are() {
    let mock = mock(json!({ "a": [
        { "body": { "any": [1] } },
        { "body": "plain", "headers": { "content-type": "application/x-thing" } },
        { "body": null },
        { "status": 502, "html": true },
        { "empty": true },
        { "status": 204, "empty": true },
        { "answer": "cut", "truncate": 25 },
    ] }))
    .await;
    let mut client = Client::new(&mock).await;
    let json = client.chat("a").await;
    assert_eq!((json.text(), json.header("content-type")), (r#"{"any":[1]}"#, Some("application/json")));
    let text = client.chat("a").await;
    assert_eq!((text.text(), text.header("content-type")), ("plain", Some("application/x-thing")));
    assert_eq!(client.chat("a").await.text(), "null");
    let html = client.chat("a").await;
    assert_eq!((html.status, html.header("content-type")), (502, Some("text/html; charset=utf-8")));
    assert!(html.text().starts_with("<!DOCTYPE html>"));
    let empty = client.chat("a").await;
    assert_eq!((empty.status, empty.header("content-length")), (200, Some("0")));
    let none = client.chat("a").await;
    assert_eq!((none.status, none.header("content-length")), (204, None));
    let cut = client.chat("a").await;
    assert_eq!(cut.body.len(), 25);
    assert!(serde_json::from_slice::<Value>(&cut.body).is_err());
}

#[tokio::test]
async fn a_key_is_asked_for_and_a_refusal_takes_no_step() {
    let mock = mock(json!({ "a": { "key": "right", "steps": [{ "answer": "in" }] } })).await;
    let mut client = Client::new(&mock).await;
    let (chat, messages) = ("/a/v1/chat/completions", "/a/v1/messages");
    for headers in ["", "authorization: Bearer wrong\r\n", "x-api-key: right\r\n"] {
        client.send("POST", chat, headers, CHAT).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &json!("invalid_api_key")));
    }
    client.send("POST", messages, VERSION, MESSAGE).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &answer.json()["error"]["type"]), (401, &json!("authentication_error")));
    client.send("POST", chat, "Authorization: bearer right\r\n", CHAT).await;
    assert_eq!(client.answer().await.status, 200);
    client.send("POST", messages, &format!("{VERSION}x-api-key: right\r\n"), MESSAGE).await;
    assert_eq!(client.answer().await.json()["content"][0]["text"], "in");
}

#[tokio::test]
async fn what_a_provider_would_not_take_is_refused() {
    let mock = mock(json!({ "spare": [] })).await;
    let mut client = Client::new(&mock).await;
    let chat = "/spare/v1/chat/completions";
    let cases = [
        ("POST", "/spare/v1/embeddings", "", CHAT, 404),
        ("POST", "/spar/v1/chat/completions", "", CHAT, 404),
        ("GET", "/", "", "", 404),
        ("GET", chat, "", "", 405),
        ("POST", chat, "", r#"{"messages":[{}]}"#, 400),
        ("POST", chat, "", r#"{"model":"m","messages":[]}"#, 400),
        ("POST", chat, "", r#"{"model":"m","stream":true}"#, 400),
        ("POST", "/spare/v1/messages", VERSION, CHAT, 400),
        ("POST", "/spare/v1/messages", "", MESSAGE, 400),
        ("POST", "/_what", "", "", 404),
    ];
    for (method, path, headers, body, status) in cases {
        client.send(method, path, headers, body).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "{method} {path} {body}");
        assert!(answer.json()["error"]["message"].is_string());
    }
    let strangers: Vec<_> = mock.log().into_iter().filter(|seen| seen.upstream.is_empty()).collect();
    assert_eq!(strangers.len(), 2);
    client.send("POST", "/spar/v1/messages", VERSION, MESSAGE).await;
    let body = client.answer().await.json();
    assert_eq!(body["type"], "error");
    assert!(body["error"]["message"].as_str().unwrap().contains("did you mean \"spare\"?"));
}

#[tokio::test]
async fn models_are_listed_in_both_formats() {
    let mock = mock(json!({ "a": [{ "status": 500 }] })).await;
    let mut client = Client::new(&mock).await;
    client.send("GET", "/a/v1/models", "", "").await;
    let list = client.answer().await.json();
    assert_eq!((&list["object"], &list["data"][0]["object"]), (&json!("list"), &json!("model")));
    client.send("GET", "/a/v1/models", VERSION, "").await;
    let list = client.answer().await.json();
    assert_eq!((&list["has_more"], &list["data"][0]["type"]), (&json!(false), &json!("model")));
}

#[test]
fn scripts_are_checked() {
    let cases = [
        (json!([]), "script: expected an object, found an array"),
        (json!({ "_a": [] }), "_a: an upstream's name"),
        (json!({ "a b": [] }), "a b: an upstream's name"),
        (json!({ "a": 1 }), "a: expected an array of steps"),
        (json!({ "a": { "kee": "x" } }), "a.kee: unknown key, did you mean \"key\"?"),
        (json!({ "a": [{}, { "statu": 1 }] }), "a[1].statu: unknown key, did you mean \"status\"?"),
        (json!({ "a": [{ "delayMs": 1, "delay_ms": 1 }] }), "a[0].delay_ms: given twice"),
        (json!({ "a": [{ "status": 100 }] }), "a[0].status: a final HTTP status"),
        (json!({ "a": [{ "status": "200" }] }), "a[0].status: expected a whole number"),
        (
            json!({ "a": [{ "answer": "x", "error": "server_error" }] }),
            "a[0].error: a step has one content, and here is answer",
        ),
        (json!({ "a": [{ "silence": true, "status": 200 }] }), "a[0].status: has no meaning beside silence"),
        (json!({ "a": [{ "silence": true, "delay_ms": 1 }] }), "a[0].delay_ms: has no meaning"),
        (json!({ "a": [{ "rst": true }] }), "a[0].rst: goes with close_after"),
        (json!({ "a": [{ "times": 0 }] }), "a[0].times: a step serves at least 1"),
        (json!({ "a": [{ "delay_ms": 90_000_000 }] }), "a[0].delay_ms: longer than a day"),
        (json!({ "a": [{ "html": 1 }] }), "a[0].html: expected true or false"),
        (
            json!({ "a": [{ "error": "rate_limit_exceded" }] }),
            "a[0].error: not a code that is known here, so it needs a status, did you mean \"rate_limit_exceeded\"?",
        ),
        (json!({ "a": [{ "error": { "message": "x" } }] }), "a[0].error: not a code"),
        (json!({ "a": [{ "headers": { "a b": "x" } }] }), "a[0].headers.a b: not a header's name"),
        (json!({ "a": [{ "headers": { "content-length": "1" } }] }), "a[0].headers.content-length: the mock frames"),
        (json!({ "a": [{ "answer": { "txt": "x" } }] }), "a[0].answer.txt: unknown key, did you mean \"text\"?"),
        (json!({ "a": [{ "answer": { "tool_calls": [{}] } }] }), "a[0].answer.tool_calls[0].name: missing"),
        (
            json!({ "a": [{ "answer": { "tool_calls": [{ "name": "f", "arguments": 1 }] } }] }),
            "a[0].answer.tool_calls[0].arguments: expected an object or a string",
        ),
        (
            json!({ "a": [{ "answer": { "usage": { "input": 1, "cached_input": 2 } } }] }),
            "a[0].answer.usage.input: less than",
        ),
    ];
    for (script, expected) in cases {
        let complaint = complaint(script.clone());
        assert!(complaint.starts_with(expected), "{script}: {complaint}");
    }
    let keyed = Script::from_value(json!({ "a": { "key": "sk-hidden", "steps": [{ "slowBodyMs": 1 }] } })).unwrap();
    assert!(!format!("{keyed:?}").contains("sk-hidden"));
}
