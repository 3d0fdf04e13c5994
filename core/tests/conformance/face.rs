//! A request to the OpenAI face, made as its scenario says.

use bytes::Bytes;
use http::{Method, Request};
use locum::Router;
use serde_json::{Map, Value, json};

/// Sends the request; the response as scenarios write it, or the error where there is none.
pub(crate) async fn sent(router: &Router, wanted: &Value) -> (&'static str, Value) {
    let method = wanted["method"].as_str().unwrap_or("POST").parse::<Method>().unwrap();
    let path = wanted["path"].as_str().unwrap();
    let mut request = Request::builder().method(method).uri(format!("http://locum{path}"));
    for (name, value) in wanted["headers"].as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().unwrap());
    }
    // A string is sent as it is, to say what is no JSON.
    let body = match &wanted["body"] {
        Value::Null => String::new(),
        Value::String(raw) => raw.clone(),
        body => body.to_string(),
    };
    let response = match router.fetch(request.body(Bytes::from(body)).unwrap()).await {
        Ok(response) => response,
        Err(error) => return ("error", error.to_value()),
    };
    let (parts, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(more) = body.chunk().await {
        bytes.extend_from_slice(&more);
    }
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), Value::from(value.to_str().unwrap()))
    };
    let headers: Map<String, Value> = parts.headers.iter().map(header).collect();
    let head = json!({"status": parts.status.as_u16(), "headers": headers});
    let said = match headers["content-type"].as_str() {
        Some("application/json") => json!({"body": serde_json::from_slice::<Value>(&bytes).unwrap()}),
        _ => told(std::str::from_utf8(&bytes).unwrap()),
    };
    let (Value::Object(mut response), Value::Object(said)) = (head, said) else {
        unreachable!("both are objects");
    };
    response.extend(said);
    ("response", response.into())
}

/// What the events of a stream come to.
fn told(stream: &str) -> Value {
    assert!(stream.ends_with("\n\n"), "the last event is not whole");
    let (mut text, mut done, mut types, mut data) = (String::new(), false, Vec::<Value>::new(), Vec::<Value>::new());
    for event in stream.split("\n\n").filter(|event| !event.is_empty()) {
        assert!(!done, "more after the end: {event}");
        for line in event.lines() {
            match line.split_once(": ").unwrap() {
                ("event", name) if types.last().is_none_or(|last| last != name) => types.push(name.into()),
                ("event", _) => {}
                ("data", "[DONE]") => done = true,
                ("data", json) => data.push(serde_json::from_str(json).unwrap()),
                _ => panic!("no field of an event: {line}"),
            }
        }
    }
    for event in &data {
        let delta = &event["choices"][0]["delta"]["content"];
        let piece = if event["type"] == "response.output_text.delta" { &event["delta"] } else { delta };
        text.push_str(piece.as_str().unwrap_or_default());
    }
    json!({"text": text, "done": done, "types": types, "first": data.first(), "last": data.last()})
}
