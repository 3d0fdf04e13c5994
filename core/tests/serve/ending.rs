//! A server that is told to stop.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::client::{connect, get, h2, h2_request, parse, post, read, request, rest, until};
use super::{Place, SOON, body};

async fn streaming(place: &Place) -> TcpStream {
    let mut socket = connect(place.address).await;
    socket.write_all(request("POST", "/v1/chat/completions", "", &body(true).to_string()).as_bytes()).await.unwrap();
    until(&mut socket, "one ").await;
    socket
}

#[tokio::test]
async fn what_runs_is_finished_and_nothing_new_begun() {
    let steps = json!([{"answer": "one two three", "stream": {"stall_after": 1, "stall_ms": 1500}}]);
    let mut place = Place::open(steps, json!(null)).await;
    let mut resting = connect(place.address).await;
    resting.write_all(request("GET", "/v1/models", "", "").as_bytes()).await.unwrap();
    until(&mut resting, "locum\"}]}").await;
    let mut stream = streaming(&place).await;
    let mut client = h2(place.address).await;
    let other = client.send_request(h2_request(&body(true))).await.unwrap();
    let mut new = connect(place.address).await;
    assert_eq!(get(place.address, "/readyz").await.status, 200);
    place.stop();
    // What is on its way over a new connection is refused, not passed over.
    new.write_all(request("POST", "/v1/chat/completions", "", &body(false).to_string()).as_bytes()).await.unwrap();
    assert_eq!(parse(&rest(&mut new).await).status, 503);
    // A connection at rest is closed at once.
    assert!(rest(&mut resting).await.is_empty());
    let got = get(place.address, "/readyz").await;
    assert_eq!((got.status, got.text.as_str()), (503, "stopping\n"));
    assert_eq!(get(place.address, "/healthz").await.status, 200);
    let refused = post(place.address, "", &body(false)).await;
    assert_eq!((refused.status, refused.code()), (503, "shutting_down".to_owned()));
    assert_eq!((refused.header("x-should-retry"), refused.header("retry-after")), ("true", "1"));
    assert!(!place.served.is_finished());
    let whole = String::from_utf8(rest(&mut stream).await).unwrap();
    assert!(whole.contains("three") && whole.ends_with("data: [DONE]\n\n\r\n0\r\n\r\n"), "{whole}");
    assert!(read(other).await.text.ends_with("data: [DONE]\n\n"));
    assert_eq!((place.mock.count("a"), place.stopped().await), (2, 0));
}

#[tokio::test]
async fn what_takes_longer_is_cut_off() {
    let steps = json!([{"answer": "one two three", "stream": {"stall_after": 1}}]);
    let mut place = Place::open(steps, json!({"shutdown_ms": 300})).await;
    let mut stream = streaming(&place).await;
    place.stop();
    let cut = String::from_utf8(rest(&mut stream).await).unwrap();
    assert!(!cut.contains("[DONE]"), "{cut}");
    assert!(place.mock.wait_closed("a", 0, SOON).await.is_some());
    assert_eq!(place.stopped().await, 1);
}

#[tokio::test]
async fn a_server_at_rest_ends_at_once() {
    let mut place = Place::open(json!([]), json!(null)).await;
    let _resting = connect(place.address).await;
    assert_eq!(get(place.address, "/readyz").await.status, 200);
    place.stop();
    assert_eq!(tokio::time::timeout(Duration::from_secs(2), place.stopped()).await.expect("at once"), 0);
}
