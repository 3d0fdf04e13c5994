//! Answers as streams, and all that can go wrong with them.

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::*;

/// The pieces of text that came, in either format.
fn texts(streamed: &Streamed) -> Vec<String> {
    let events = streamed.json();
    let text = |event: &Value| {
        let place = ["/choices/0/delta/content", "/delta/text"].into_iter().find_map(|place| event.pointer(place));
        place.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    events.iter().filter_map(text).collect()
}

#[tokio::test]
async fn a_cut_ends_after_its_chunk() {
    let step = |cut: &str| json!({ "answer": "One two three", "stream": { "cut_after": 2, "cut": cut }, "times": 2 });
    let mock = mock(json!({ "a": [step("fin"), step("broken"), step("rst")] })).await;
    for n in 0..6 {
        let mut client = Client::new(&mock).await;
        let streamed = client.stream("a", n % 2 == 0).await;
        assert_eq!(texts(&streamed), ["One ", "two "]);
        assert!(!streamed.text().contains("finish_reason\":\"stop") && !streamed.text().contains("message_delta"));
        match (n / 2, streamed.end) {
            (0, Ok(true)) | (1, Ok(false)) => {}
            (2, Err(error)) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
            (cut, end) => panic!("{cut}: {end:?}"),
        }
    }
}

#[tokio::test]
async fn a_stall_is_as_long_as_it_says_and_an_end_of_it_is_noticed() {
    let mock = mock(json!({ "a": [
        { "stream": { "stall_after": 1, "stall_ms": 80 } },
        { "stream": { "stall_after": 0 } },
    ] }))
    .await;
    let mut client = Client::new(&mock).await;
    let start = Instant::now();
    assert_eq!(texts(&client.stream("a", false).await), ["Hello ", "from ", "a"]);
    assert!(start.elapsed() >= Duration::from_millis(80));

    client.ask_stream("a", false, Value::Null).await;
    client.head().await.unwrap();
    assert!(String::from_utf8(client.chunk().await.unwrap()).unwrap().contains("\"role\":\"assistant\""));
    assert_eq!(mock.wait_closed("a", 1, Duration::from_millis(50)).await, None, "nothing comes, nothing ends");
    let start = Instant::now();
    drop(client);
    let seen = mock.wait_closed("a", 1, LONG).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!((seen.answered_ms, seen.sent_chunks), (None, 0));
}

#[tokio::test]
async fn an_error_event_has_the_providers_shape_and_is_the_last() {
    let mock = mock(json!({ "a": [{ "stream": { "error_after": 1, "error": "overloaded_error" } }] })).await;
    let mut client = Client::new(&mock).await;
    let streamed = client.stream("a", false).await;
    assert_eq!(texts(&streamed), ["Hello "]);
    assert!(matches!(streamed.end, Ok(true)));
    assert!(streamed.head.contains("\r\ncontent-type: text/event-stream; charset=utf-8\r\n"));
    let (name, data) = streamed.events().pop().unwrap();
    assert_eq!(name, "");
    assert_eq!(serde_json::from_str::<Value>(&data).unwrap()["error"]["code"], "server_is_overloaded");
}
