//! What single formats demand beside what all do.

use locum::provider::{BEDROCK, COHERE, Delta, Provider};
use locum::transport::HttpAnswer;
use locum::transport::sse::Frame;
use locum::types::{Completion, Request};
use serde_json::{Value, json};

use crate::spoken_events::frame;
use crate::{Format, Setup, asking, headers, request};

fn written(codec: &dyn Provider, setup: &Setup, asked: &Request) -> Value {
    let (http, _) = codec.encode(&setup.target(Format::Chat), asked).unwrap();
    serde_json::from_slice(&http.body).unwrap()
}

fn decoded(codec: &dyn Provider, asked: &Request, body: &Value) -> Completion {
    let answer = HttpAnswer { status: 200, headers: headers(&[]), body: body.to_string().into() };
    codec.decode(&Setup::default().target(Format::Chat), asked, &answer, 0).unwrap()
}

fn played(codec: &dyn Provider, asked: &Request, frames: &[Frame]) -> (Completion, Vec<Delta>) {
    let head = HttpAnswer { status: 200, headers: headers(&[]), body: Default::default() };
    let mut decoder = codec.decoder(&Setup::default().target(Format::Chat), asked, head, 0);
    let mut deltas = Vec::new();
    frames.iter().for_each(|frame| decoder.read(frame, &mut deltas).unwrap());
    (decoder.finish().unwrap(), deltas)
}

#[test]
fn what_aws_runs_itself_is_no_call_of_the_caller() {
    let search = json!({"toolUseId": "t1", "name": "nova_grounding", "type": "server_tool_use"});
    let whole = json!({"output": {"message": {"content": [{"toolUse": search}, {"text": "Found."}]}}, "stopReason": "end_turn"});
    let got = decoded(&BEDROCK, &asking("Hi"), &whole);
    assert_eq!((got.text.as_str(), got.tool_calls.len(), got.finish.unified.as_str()), ("Found.", 0, "stop"));
    let delta = |delta: Value, at: u64| frame("contentBlockDelta", &json!({"contentBlockIndex": at, "delta": delta}));
    let frames = [
        frame("contentBlockStart", &json!({"contentBlockIndex": 0, "start": {"toolUse": search}})),
        delta(json!({"toolUse": {"input": "{\"query\":\"x\"}"}}), 0),
        delta(json!({"text": "Found."}), 1),
        frame("messageStop", &json!({"stopReason": "end_turn"})),
    ];
    let (got, deltas) = played(&BEDROCK, &asking("Hi"), &frames);
    assert_eq!((got.text.as_str(), got.tool_calls.len(), got.finish.unified.as_str()), ("Found.", 0, "stop"));
    assert!(deltas == [Delta::Text("Found.".to_owned())]);
    assert_eq!(got.raw.pointer("/output/message/content/0/toolUse/input/query"), Some(&json!("x")));
}

#[test]
fn documents_at_bedrock_have_names_of_their_own_and_a_word_beside_them() {
    let file = |name: &str| json!({"type": "file", "file": {"filename": name, "file_data": "data:application/pdf;base64,JVBERi0="}});
    let (asked, _) = request(
        json!([{"role": "user", "content": [file("Plan.pdf"), file("plan.pdf"), file("a  b_c.pdf"), file(".pdf")]},
            {"role": "assistant", "content": "Fine."},
            {"role": "user", "content": [file("plan.pdf"), {"type": "text", "text": "And this?"}, file(&"x".repeat(300))]}]),
        json!({}),
    );
    let body = written(&BEDROCK, &Setup { kind: Some("bedrock"), ..Setup::default() }, &asked);
    let names = |turn: usize| -> Vec<String> {
        let blocks = body["messages"][turn]["content"].as_array().unwrap().iter();
        blocks.filter_map(|block| block["document"]["name"].as_str()).map(str::to_owned).collect()
    };
    assert_eq!(names(0), ["Plan", "plan (2)", "a b-c", "document"]);
    assert_eq!((names(2)[0].as_str(), names(2)[1].len()), ("plan (3)", 190));
    let texts = |turn: usize| -> Vec<&Value> {
        let blocks = body["messages"][turn]["content"].as_array().unwrap().iter();
        blocks.filter_map(|block| block.get("text")).collect()
    };
    assert_eq!(texts(0), ["(see the document)"]);
    assert_eq!(texts(2), ["And this?"]);
}

#[test]
fn images_at_bedrock_have_the_words_of_aws() {
    let format = |url: &str| {
        let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]);
        let body = written(&BEDROCK, &Setup::default(), &request(image, json!({})).0);
        body["messages"][0]["content"][0]["image"]["format"].as_str().unwrap().to_owned()
    };
    assert_eq!(format("data:image/jpg;base64,AAAA"), "jpeg");
    assert_eq!(format("data:image/webp;base64,AAAA"), "webp");
    assert_eq!(format("s3://my.bucket/pictures/cat.JPG"), "jpeg");
    assert_eq!(format("s3://my.bucket/cat"), "png");
}

/// An answer that came as the input of a tool is text to the next turn: nobody answers that call.
#[test]
fn an_answer_by_tool_is_remembered_as_text() {
    let schema = json!({"type": "object", "properties": {"total": {"type": "number"}}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "i", "schema": schema}});
    let (asked, _) = request(json!([{"role": "user", "content": "Read"}]), json!({"response_format": format}));
    let thought = json!({"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}});
    let answer = json!({"toolUse": {"toolUseId": "t", "name": "json_answer", "input": {"total": 3}}});
    let body = json!({"output": {"message": {"content": [thought, answer]}}, "stopReason": "tool_use"});
    let got = decoded(&BEDROCK, &asked, &body);
    assert_eq!(got.text, "{\"total\":3}");
    assert_eq!(got.state, Some(json!([thought, {"text": "{\"total\":3}"}])));
}

#[test]
fn citations_of_a_stream_of_cohere_are_in_its_body() {
    let typed = |event: Value| frame(event["type"].as_str().unwrap(), &event);
    let cited = json!({"start": 0, "end": 5, "text": "Hello", "sources": []});
    let frames = [
        typed(json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Hello"}}}})),
        typed(json!({"type": "citation-start", "index": 0, "delta": {"message": {"citations": cited}}})),
        typed(json!({"type": "citation-end", "index": 0})),
        typed(json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}})),
    ];
    let (got, _) = played(&COHERE, &asking("Hi"), &frames);
    assert_eq!(got.raw["message"]["citations"], json!([cited]));
}
