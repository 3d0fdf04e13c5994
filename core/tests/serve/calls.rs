//! Calls that go well, and clients that leave.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::client::{Got, ask, connect, get, h2, h2_request, post, read, request, until};
use super::{Place, SOON, body, router};

/// The text of a stream, which must be whole.
fn text_of(got: &Got) -> String {
    let data: Vec<&str> = got.text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert_eq!(data.last(), Some(&"[DONE]"), "{got:?}");
    let chunk = |data: &&str| serde_json::from_str::<Value>(data).unwrap();
    let content = |chunk: Value| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned);
    data[..data.len() - 1].iter().map(chunk).filter_map(content).collect()
}

#[tokio::test]
async fn a_whole_answer() {
    let place = Place::open(json!([{"answer": "Hello again"}]), json!(null)).await;
    let got = post(place.address, "", &body(false)).await;
    assert_eq!((got.status, got.header("content-type")), (200, "application/json"));
    assert_eq!(got.json()["choices"][0]["message"]["content"], "Hello again");
    assert_eq!((got.header("x-locum-task"), got.header("x-locum-model")), ("t", "a/m"));
    assert!(got.header("x-request-id").starts_with("req_"), "{got:?}");
    assert_eq!(got.header("content-length"), got.text.len().to_string());
    assert_eq!(place.mock.log()[0].body["messages"][0]["content"], "Hi");
}

#[tokio::test]
async fn a_stream() {
    let place = Place::open(json!([{"answer": "Hello once again"}]), json!(null)).await;
    let got = post(place.address, "", &body(true)).await;
    assert_eq!((got.status, got.header("content-type")), (200, "text/event-stream; charset=utf-8"));
    assert_eq!((got.header("cache-control"), got.header("x-accel-buffering")), ("no-cache", "no"));
    assert_eq!(text_of(&got), "Hello once again");
}

#[tokio::test]
async fn pieces_come_as_they_are_made() {
    let steps = json!([{"answer": "one two three", "stream": {"stall_after": 2}}]);
    let place = Place::open(steps, json!(null)).await;
    let mut socket = connect(place.address).await;
    socket.write_all(request("POST", "/v1/chat/completions", "", &body(true).to_string()).as_bytes()).await.unwrap();
    let so_far = until(&mut socket, "two ").await;
    assert!(!so_far.contains("three"), "{so_far}");
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let place = Place::open(json!([{"answer": "Hello"}]), json!(null)).await;
    let mut socket = connect(place.address).await;
    for _ in 0..3 {
        let call = request("POST", "/v1/chat/completions", "", &body(true).to_string());
        socket.write_all(call.as_bytes()).await.unwrap();
        until(&mut socket, "data: [DONE]\n\n\r\n0\r\n\r\n").await;
    }
    assert!(get(place.address, "/metrics").await.text.contains("\nlocum_connections 2\n"));
}

#[tokio::test]
async fn http_2_without_tls_on_the_same_port() {
    let place = Place::open(json!([{"answer": "Hello"}, {"answer": "Hello again"}]), json!(null)).await;
    let mut client = h2(place.address).await;
    let whole = read(client.send_request(h2_request(&body(false))).await.unwrap()).await;
    assert_eq!((whole.status, &whole.json()["choices"][0]["message"]["content"]), (200, &json!("Hello")));
    let stream = read(client.send_request(h2_request(&body(true))).await.unwrap()).await;
    assert_eq!((stream.status, text_of(&stream)), (200, "Hello again".to_owned()));
}

#[tokio::test]
async fn the_tasks_are_listed_as_models() {
    let place = Place::open(json!([]), json!(null)).await;
    assert_eq!(get(place.address, "/v1/models").await.json()["data"][0]["id"], "t");
    assert_eq!(get(place.address, "/v1/models/t").await.json()["object"], "model");
}

#[tokio::test]
async fn a_failed_call_has_the_status_and_the_trail_of_its_failure() {
    let place =
        Place::open(json!([{"error": "rate_limit_exceeded", "headers": {"retry-after": "7"}}]), json!(null)).await;
    let got = post(place.address, "", &body(true)).await;
    assert_eq!((got.status, got.code()), (429, "rate_limit_exceeded".to_owned()));
    assert_eq!((got.header("retry-after"), got.header("x-should-retry")), ("7", "false"));
    assert_eq!(got.json()["error"]["locum"]["attempts"][0]["model"], "a/m");
}

/// How long it takes until the upstream of request `n` is let go, from now on.
async fn let_go(place: &Place, n: u64) -> Duration {
    let begin = Instant::now();
    let seen = place.mock.wait_closed("a", n, SOON).await;
    assert!(seen.is_some(), "the upstream was not let go: {:?}", place.mock.log());
    begin.elapsed()
}

/// The machine may be busy for a moment; it is not so three times in a row.
fn promptly(times: &[Duration]) {
    assert!(times.iter().any(|time| *time < Duration::from_millis(100)), "{times:?}");
}

#[tokio::test]
async fn who_leaves_before_the_first_byte_is_not_worked_for() {
    let place = Place::open(json!([{"silence": true}]), json!(null)).await;
    let mut times = Vec::new();
    for (n, live) in (0..).zip([false, true, false]) {
        let mut socket = connect(place.address).await;
        let call = request("POST", "/v1/chat/completions", "", &body(live).to_string());
        socket.write_all(call.as_bytes()).await.unwrap();
        assert!(place.mock.wait_count("a", n + 1, SOON).await);
        drop(socket);
        times.push(let_go(&place, n).await);
    }
    promptly(&times);
    let page = get(place.address, "/metrics").await.text;
    assert!(page.contains("locum_requests_total{route=\"/chat/completions\",task=\"\",status=\"499\"} 3"), "{page}");
}

#[tokio::test]
async fn who_leaves_within_a_stream_is_not_worked_for() {
    let steps = json!([{"answer": "one two three", "stream": {"stall_after": 1}}]);
    let place = Place::open(steps, json!(null)).await;
    let mut times = Vec::new();
    for n in 0..3 {
        let mut socket = connect(place.address).await;
        let call = request("POST", "/v1/chat/completions", "", &body(true).to_string());
        socket.write_all(call.as_bytes()).await.unwrap();
        until(&mut socket, "one ").await;
        drop(socket);
        times.push(let_go(&place, n).await);
    }
    promptly(&times);
    let page = get(place.address, "/metrics").await.text;
    assert!(page.contains("\nlocum_streams 0\n") && page.contains("\nlocum_streams_left_total 3\n"), "{page}");
}

#[tokio::test]
async fn a_reset_stream_of_http_2_lets_go_of_its_own_upstream_alone() {
    let steps =
        json!([{"answer": "one two", "stream": {"stall_after": 1}}, {"silence": true}, {"answer": "still here"}]);
    let place = Place::open(steps, json!(null)).await;
    let mut client = h2(place.address).await;
    let begun = client.send_request(h2_request(&body(true))).await.unwrap();
    let mut pieces = axum::body::Body::new(begun.into_body()).into_data_stream();
    assert!(timeout(SOON, pieces.next()).await.expect("a piece").is_some());
    drop(pieces);
    let mut times = vec![let_go(&place, 0).await];
    let waiting = tokio::spawn(client.send_request(h2_request(&body(false))));
    assert!(place.mock.wait_count("a", 2, SOON).await);
    waiting.abort();
    times.push(let_go(&place, 1).await);
    promptly(&times);
    let other = read(client.send_request(h2_request(&body(false))).await.unwrap()).await;
    assert_eq!(other.json()["choices"][0]["message"]["content"], "still here");
}

#[tokio::test]
async fn it_can_be_part_of_another_application() {
    let place = Place::open(json!([{"answer": "Hello"}]), json!(null)).await;
    let router = router(&place.mock, json!({"tokens": ["tok-app"]}));
    let face = locum::serve::app(router.clone(), &router.policy().serve);
    let app = axum::Router::<()>::new().nest("/llm", face);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let service = hyper_util::service::TowerToHyperService::new(app);
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
    });
    let path = "/llm/v1/chat/completions";
    let got = ask(address, "POST", path, "authorization: Bearer tok-app\r\n", &body(false).to_string()).await;
    assert_eq!(got.json()["choices"][0]["message"]["content"], "Hello");
}
