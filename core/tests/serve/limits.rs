//! What a client may send, and how long it may take.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::client::{ask, connect, get, parse, post, request, rest, until};
use super::{Place, SOON, body};

#[tokio::test]
async fn what_is_not_understood_is_refused_as_openai_would() {
    let place = Place::open(json!([{"answer": "Hello"}]), json!(null)).await;
    let chat = "/v1/chat/completions";
    let at = place.address;
    for (got, status, code) in [
        (ask(at, "POST", chat, "", "{\"model\"").await, 400, "invalid_request"),
        (ask(at, "POST", chat, "", "[]").await, 400, "invalid_request"),
        (ask(at, "POST", chat, "", "{}").await, 400, "invalid_request"),
        (ask(at, "POST", "/v1/nothing", "", "{}").await, 404, "unsupported_endpoint"),
        (ask(at, "GET", chat, "", "").await, 405, "unsupported_endpoint"),
        (ask(at, "OPTIONS", chat, "", "").await, 405, "unsupported_endpoint"),
        (post(at, "", &json!({"model": "u", "messages": []})).await, 404, "model_not_found"),
    ] {
        assert_eq!((got.status, got.code().as_str()), (status, code), "{got:?}");
        assert_eq!((got.header("x-should-retry"), got.header("content-type")), ("false", "application/json"));
    }
    assert_eq!(ask(at, "GET", chat, "", "").await.header("allow"), "POST");
    assert_eq!(ask(at, "DELETE", "/v1/models", "", "").await.header("allow"), "GET");
    assert_eq!(place.mock.count("a"), 0);
}

#[tokio::test]
async fn what_is_no_http_gets_400_and_the_connection_ends() {
    let place = Place::open(json!([]), json!(null)).await;
    let mut socket = connect(place.address).await;
    socket.write_all(b"hello there\r\n\r\n").await.unwrap();
    assert_eq!(parse(&rest(&mut socket).await).status, 400);
}

#[tokio::test]
async fn bodies_have_a_limit() {
    let place = Place::open(json!([{"answer": "Hello"}]), json!({"max_body_bytes": 2000})).await;
    let mut call = body(false);
    call["messages"][0]["content"] = "x".repeat(2000 - call.to_string().len() + 2).into();
    assert_eq!(call.to_string().len(), 2000);
    assert_eq!(post(place.address, "", &call).await.status, 200);
    call["messages"][0]["content"] = "x".repeat(2000).into();
    let got = post(place.address, "", &call).await;
    assert_eq!((got.status, got.code()), (413, "request_too_large".to_owned()));
    // One that is said to be far too large is not read at all, and so is one that says nothing and does not end.
    for (framing, begin) in [("content-length: 9000000000", ""), ("transfer-encoding: chunked", "2000\r\n")] {
        let mut socket = connect(place.address).await;
        let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: locum\r\n{framing}\r\n\r\n{begin}");
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&[b' '; 5000]).await.unwrap();
        let got = until(&mut socket, "}}").await;
        assert!(got.starts_with("HTTP/1.1 413 "), "{got}");
    }
    assert_eq!(place.mock.count("a"), 1);
}

#[tokio::test]
async fn heads_have_a_limit() {
    let place = Place::open(json!([]), json!(null)).await;
    let many: String = (0..150).map(|n| format!("x-{n}: y\r\n")).collect();
    assert_eq!(raw(&place, &request("GET", "/v1/models", &many, "")).await, 431);
    let large = format!("x-large: {}\r\n", "y".repeat(80_000));
    assert_eq!(raw(&place, &request("GET", "/v1/models", &large, "")).await, 431);
    assert_eq!(raw(&place, &request("GET", &format!("/{}", "y".repeat(70_000)), "", "")).await / 100, 4);
}

/// The status of the answer to these bytes, of which the last may come too late.
async fn raw(place: &Place, bytes: &str) -> u16 {
    let mut socket = connect(place.address).await;
    let _ = socket.write_all(bytes.as_bytes()).await;
    parse(until(&mut socket, "\r\n\r\n").await.as_bytes()).status
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let place = Place::open(json!([]), json!({"body_timeout_ms": 200})).await;
    let mut socket = connect(place.address).await;
    let call = request("POST", "/v1/chat/completions", "", &body(false).to_string());
    socket.write_all(&call.as_bytes()[..call.len() - 5]).await.unwrap();
    let begin = Instant::now();
    let got = parse(&rest(&mut socket).await);
    assert_eq!((got.status, got.code()), (408, "request_timeout".to_owned()));
    assert!(begin.elapsed() >= Duration::from_millis(150), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let place = Place::open(json!([]), json!({"header_timeout_ms": 300})).await;
    // Nothing at all, half a preface of HTTP/2, half a head, and a head by the byte.
    for begin in ["", "PRI * HTT", "POST /v1/chat/completions HTTP/1.1\r\nhost: lo"] {
        let mut socket = connect(place.address).await;
        socket.write_all(begin.as_bytes()).await.unwrap();
        let begin = Instant::now();
        assert!(rest(&mut socket).await.is_empty());
        assert!(begin.elapsed() >= Duration::from_millis(200), "{:?}", begin.elapsed());
    }
    let mut socket = connect(place.address).await;
    let begin = Instant::now();
    let dripping = async {
        loop {
            if socket.write_all(b"x").await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, dripping).await.expect("an end");
    assert!(begin.elapsed() >= Duration::from_millis(200), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_connection_may_rest_between_requests_for_a_while() {
    let place = Place::open(json!([]), json!({"header_timeout_ms": 200, "idle_timeout_ms": 1000})).await;
    let mut socket = connect(place.address).await;
    for _ in 0..2 {
        socket.write_all(request("GET", "/v1/models", "", "").as_bytes()).await.unwrap();
        until(&mut socket, "locum\"}]}").await;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let begin = Instant::now();
    assert!(rest(&mut socket).await.is_empty());
    assert!(begin.elapsed() >= Duration::from_millis(400), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn who_does_not_read_the_answer_is_not_waited_for() {
    let piece = "all the words of a long answer, ".repeat(128);
    let steps = json!([{"answer": "", "stream": {"chunks": [piece], "repeat": 20_000}}]);
    let place = Place::open(steps, json!({"idle_timeout_ms": 500})).await;
    let mut socket = connect(place.address).await;
    socket.write_all(request("POST", "/v1/chat/completions", "", &body(true).to_string()).as_bytes()).await.unwrap();
    until(&mut socket, "all the words").await;
    // The upstream is let go, and the connection with it.
    assert!(place.mock.wait_closed("a", 0, SOON).await.is_some());
    let begin = Instant::now();
    loop {
        let page = get(place.address, "/metrics").await.text;
        if page.contains("\nlocum_connections 1\n") && page.contains("\nlocum_streams 0\n") {
            break;
        }
        assert!(begin.elapsed() < SOON, "{page}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_long_wait_for_the_model_is_nobodys_fault() {
    let place = Place::open(
        json!([{"answer": "Hello", "delay_ms": 900}]),
        json!({"header_timeout_ms": 100, "body_timeout_ms": 100, "idle_timeout_ms": 100}),
    )
    .await;
    assert_eq!(post(place.address, "", &body(false)).await.status, 200);
    assert_eq!(post(place.address, "", &body(true)).await.status, 200);
}

#[tokio::test]
async fn connections_have_a_limit() {
    let place = Place::open(json!([{"answer": "Hello"}]), json!({"max_connections": 1})).await;
    let mut first = connect(place.address).await;
    first.write_all(request("GET", "/healthz", "", "").as_bytes()).await.unwrap();
    until(&mut first, "alive").await;
    let (address, call) = (place.address, body(false));
    let second = tokio::spawn(async move { post(address, "", &call).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!second.is_finished());
    drop(first);
    assert_eq!(tokio::time::timeout(SOON, second).await.expect("its turn").unwrap().status, 200);
}
