//! What every wire format must do alike.

use std::time::Duration;

use locum::provider::{Delta, Stage};
use locum::transport::HttpAnswer;
use locum::transport::sse::Frame;
use locum::types::{Completion, Failure, Params, Request};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::anything::any_json;
use crate::feed::words;
use crate::spoken::{End, Said, WIRES, Wire};
use crate::spoken_events::frame;
use crate::{Setup, asking, call, further, headers, request};

fn setup(wire: Wire) -> Setup {
    Setup { kind: Some(wire.kind()), ..Setup::default() }
}

fn decode(wire: Wire, setup: &Setup, asked: &Request, body: &Value) -> Result<Completion, Failure> {
    let headers = headers(&[("x-request-id", "r-1")]);
    let answer = HttpAnswer { status: 200, headers, body: body.to_string().into() };
    wire.codec().decode(&setup.target(crate::Format::Chat), asked, &answer, 1_000_000)
}

fn read(wire: Wire, said: &Said) -> Result<Completion, Failure> {
    decode(wire, &setup(wire), &asking("Hi"), &wire.body(said))
}

/// What became of a stream: its answer, what it said on the way, and its stage.
fn played(wire: Wire, frames: &[Frame]) -> (Result<Completion, Failure>, Vec<Delta>, Stage) {
    let setup = setup(wire);
    let head = HttpAnswer { status: 200, headers: headers(&[("x-request-id", "r-1")]), body: Default::default() };
    let mut decoder = wire.codec().decoder(&setup.target(crate::Format::Chat), &asking("Hi"), head, 1_000_000);
    let mut deltas = Vec::new();
    for frame in frames {
        if let Err(failure) = decoder.read(frame, &mut deltas) {
            return (Err(failure), deltas, decoder.stage());
        }
    }
    let stage = decoder.stage();
    (decoder.finish(), deltas, stage)
}

fn full() -> Said {
    Said {
        reasoning: "They greet.",
        text: "Hello there.",
        calls: vec![("c1", "look", json!({"at": [1, {"deep": "é"}]})), ("c2", "go", json!({}))],
        end: End::Stop,
    }
}

#[test]
fn answers_are_read_alike() {
    for wire in WIRES {
        let got = read(wire, &full()).unwrap();
        assert_eq!((got.text.as_str(), got.reasoning.as_deref()), ("Hello there.", Some("They greet.")), "{wire:?}");
        let calls: Vec<_> = got.tool_calls.iter().map(|call| (call.id.as_str(), call.name.as_str())).collect();
        assert_eq!(calls, [("c1", "look"), ("c2", "go")], "{wire:?}");
        let arguments: Value = serde_json::from_str(&got.tool_calls[0].arguments).unwrap();
        assert_eq!((arguments, got.tool_calls[1].arguments.as_str()), (json!({"at": [1, {"deep": "é"}]}), "{}"));
        assert_eq!(got.finish.unified.as_str(), "tool_calls", "{wire:?}");
        let usage = got.usage.unwrap();
        assert_eq!((usage.input, usage.cached_input, usage.cache_write, usage.output), (30, 8, 0, 12), "{wire:?}");
        assert_eq!(usage.reasoning, if wire.counts_reasoning() { 5 } else { 0 }, "{wire:?}");
        assert_eq!(got.request_id.as_deref(), Some("r-1"));
        assert_eq!(got.raw, wire.body(&full()));
        assert_eq!(read(wire, &Said::text("Hi")).unwrap().finish.unified.as_str(), "stop");
    }
}

#[test]
fn ends_are_told_apart() {
    for wire in WIRES {
        let ended = |end| read(wire, &Said { end, ..Said::text("To be") });
        assert_eq!(ended(End::Length).unwrap().finish.unified.as_str(), "length", "{wire:?}");
        let filtered = if wire == Wire::Messages { "refusal" } else { "content_filter" };
        assert_eq!(ended(End::Filter).unwrap().finish.unified.as_str(), filtered, "{wire:?}");
        if wire != Wire::Messages {
            assert_eq!(ended(End::Broken).unwrap_err().kind.as_str(), "malformed_response", "{wire:?}");
            let failure = ended(End::Broken).unwrap_err();
            assert_eq!(failure.usage.map(|usage| usage.output), Some(12), "{wire:?}: it was paid for");
        }
        let calls = vec![("c1", "look", json!({})), ("c2", "go", json!({}))];
        let cut = read(wire, &Said { calls, end: End::Length, ..Said::text("") }).unwrap();
        assert_eq!((cut.tool_calls.len(), cut.warnings.len()), (1, 1), "{wire:?}: a half-written call is none");
    }
}

#[test]
fn silence_is_no_answer_unless_it_may_be_one() {
    for wire in WIRES {
        let body = wire.body(&Said::text(""));
        let kind = |setup: &Setup, asked: &Request| {
            decode(wire, setup, asked, &body).map(|_| ()).map_err(|failure| failure.kind.as_str())
        };
        assert_eq!(kind(&setup(wire), &asking("Hi")), Err("malformed_response"), "{wire:?}");
        let params = Params { stop: Some(vec!["#".into()]), ..Params::default() };
        assert_eq!(kind(&Setup { params, ..setup(wire) }, &asking("Hi")), Ok(()), "{wire:?}");
        let mut after_tool = asking("Hi");
        after_tool.messages.push(locum::types::Message::tool("c1", "done"));
        assert_eq!(kind(&setup(wire), &after_tool), Ok(()), "{wire:?}");
    }
}

#[test]
fn bodies_that_are_no_answer() {
    for wire in WIRES {
        for body in ["", "null", "[]", "{}", "42", "<html><title>Bad gateway</title></html>", "{\"cut"] {
            let answer = HttpAnswer { status: 200, headers: headers(&[]), body: body.into() };
            let setup = setup(wire);
            let got = wire.codec().decode(&setup.target(crate::Format::Chat), &asking("Hi"), &answer, 0);
            assert_eq!(got.unwrap_err().kind.as_str(), "malformed_response", "{wire:?} {body}");
        }
    }
}

#[test]
fn streams_say_what_whole_answers_say() {
    for wire in WIRES {
        for said in [full(), Said::text("Hi"), Said { end: End::Length, ..Said::text("To be") }] {
            let (result, deltas, stage) = played(wire, &wire.events(&said));
            let (got, whole) = (result.unwrap(), read(wire, &said).unwrap());
            assert_eq!((&got.text, &got.reasoning), (&whole.text, &whole.reasoning), "{wire:?}");
            assert_eq!((&got.finish, &got.usage, &got.state), (&whole.finish, &whole.usage, &whole.state), "{wire:?}");
            assert_eq!(got.tool_calls, whole.tool_calls, "{wire:?}");
            assert!(stage >= Stage::Whole);
            let [text, _, reasoning] = words(&deltas);
            assert_eq!((text.as_str(), reasoning.as_str()), (said.text, said.reasoning), "{wire:?}");
            assert!(deltas.iter().any(|delta| matches!(delta, Delta::Usage(usage) if Some(*usage) == got.usage)));
            let mut calls = vec![(String::new(), String::new(), String::new()); said.calls.len()];
            for delta in &deltas {
                if let Delta::ToolCall(piece) = delta {
                    let call = &mut calls[piece.index];
                    call.0 += piece.id.as_deref().unwrap_or_default();
                    call.1 += piece.name.as_deref().unwrap_or_default();
                    call.2 += &piece.arguments;
                }
            }
            for (told, call) in calls.iter().zip(&got.tool_calls) {
                assert_eq!((&told.0, &told.1), (&call.id, &call.name), "{wire:?}");
                let parsed =
                    |text: &str| serde_json::from_str::<Value>(if text.is_empty() { "{}" } else { text }).unwrap();
                assert_eq!(parsed(&told.2), parsed(&call.arguments), "{wire:?}");
            }
        }
    }
}

/// Wherever a stream is cut, it is a success only if all that it had to say was there.
#[test]
fn a_cut_stream_is_no_answer() {
    for wire in WIRES {
        let events = wire.events(&full());
        let mut failed = 0;
        for end in 0..events.len() {
            match played(wire, &events[..end]) {
                (Err(failure), ..) => {
                    assert_eq!(failure.kind.as_str(), "truncated_stream", "{wire:?} after {end}");
                    failed += 1;
                }
                (Ok(got), ..) => {
                    assert_eq!((got.text.as_str(), got.tool_calls.len()), ("Hello there.", 2), "{wire:?} after {end}");
                }
            }
        }
        assert!(failed >= events.len() - 2, "{wire:?}: {failed} of {}", events.len());
    }
}

#[test]
fn errors_in_streams() {
    for wire in WIRES {
        let events = wire.events(&full());
        for begun in [0, 1, events.len() / 2] {
            let mut frames: Vec<Frame> = events[..begun].to_vec();
            frames.push(wire.overloaded());
            let (result, ..) = played(wire, &frames);
            assert_eq!(result.unwrap_err().kind.as_str(), "overloaded", "{wire:?} after {begun}");
        }
    }
}

#[test]
fn statuses() {
    for wire in WIRES {
        let cases = [
            (400, "invalid_request"),
            (401, "auth"),
            (403, "permission"),
            (404, "model_not_found"),
            (429, "rate_limited"),
            (500, "server_error"),
            (503, "overloaded"),
        ];
        for (status, expected) in cases {
            let body = wire.error("", "It went wrong.").to_string();
            let answer = HttpAnswer { status, headers: headers(&[("retry-after", "7")]), body: body.into() };
            let setup = setup(wire);
            let failure =
                wire.codec().decode(&setup.target(crate::Format::Chat), &asking("Hi"), &answer, 0).unwrap_err();
            assert_eq!((failure.kind.as_str(), failure.status), (expected, Some(status)), "{wire:?}");
            assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
            assert_eq!(failure.message, "It went wrong.");
        }
    }
}

#[test]
fn what_is_asked_arrives() {
    let (request, params) = request(
        json!([{"role": "system", "content": "Be brief."}, {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]},
            {"role": "assistant", "content": "Let me see.", "tool_calls": [call("c1", "look", "{\"at\":1}"), call("c2", "smell", "{}")]},
            {"role": "tool", "tool_call_id": "c2", "content": "Nothing"},
            {"role": "tool", "tool_call_id": "c1", "content": "A cat"},
            {"role": "user", "content": "So?"}]),
        json!({"tools": [{"type": "function", "function": {"name": "look", "description": "Looks at it",
            "parameters": {"type": "object", "properties": {"at": {"type": "integer"}}}}}],
            "temperature": 0.25, "top_p": 0.75, "max_output_tokens": 1234}),
    );
    for wire in WIRES {
        let setup = Setup { params: params.clone(), headers: further(&[("x-extra", "1")]), ..setup(wire) };
        let (http, warnings) = wire.codec().encode(&setup.target(crate::Format::Chat), &request).unwrap();
        let body: Value = serde_json::from_slice(&http.body).unwrap();
        let text = body.to_string();
        let order =
            ["Be brief.", "Be kind.", "What is this?", "iVBORw0KGgo=", "Let me see.", "A cat", "Nothing", "So?"];
        for said in order.into_iter().chain(["look", "Looks at it", "smell", "0.25", "0.75", "1234"]) {
            assert!(text.contains(said), "{wire:?} lacks {said}: {text}");
        }
        let places: Vec<_> = order[2..].iter().map(|said| text.find(said).unwrap()).collect();
        assert!(places.is_sorted(), "{wire:?}: results stand behind their calls, in the order of the calls: {text}");
        assert_eq!(warnings, [""; 0], "{wire:?}");
        assert!(!text.contains("sk-very-secret") && !http.url.contains("sk-very-secret"));
        assert!(http.headers.values().any(|value| value.to_str().unwrap().contains("sk-very-secret")), "{wire:?}");
        assert_eq!(http.headers["x-extra"], "1");
        assert!(!format!("{http:?}").contains("sk-very-secret"));
    }
}

#[test]
fn a_choice_of_tools_is_said_in_every_format() {
    let tools = json!([{"type": "function", "function": {"name": "look"}}, {"type": "function", "function": {"name": "smell"}}]);
    for wire in WIRES {
        let body = |choice: Value| {
            let (request, params) =
                request(json!([{"role": "user", "content": "Hi"}]), json!({"tools": tools, "tool_choice": choice}));
            let setup = Setup { params, ..setup(wire) };
            let (http, _) = wire.codec().encode(&setup.target(crate::Format::Chat), &request).unwrap();
            serde_json::from_slice::<Value>(&http.body).unwrap()
        };
        let bodies = [
            json!("auto"),
            json!("none"),
            json!("required"),
            json!({"type": "function", "function": {"name": "look"}}),
        ]
        .map(body);
        let [auto, none, required, one] = bodies.each_ref().map(Value::to_string);
        assert!(auto != none && none != required && required != one, "{wire:?}");
        let choice = match wire {
            Wire::Chat => json!({"type": "function", "function": {"name": "look"}}),
            Wire::Messages => json!({"type": "tool", "name": "look"}),
            Wire::Responses => json!({"type": "function", "name": "look"}),
            Wire::Gemini => json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look"]}}),
            Wire::Bedrock => json!({"tool": {"name": "look"}}),
            // There is no word for it: the one tool is the only one, and must be called.
            Wire::Cohere => json!("REQUIRED"),
        };
        let body = &bodies[3];
        let said = [&body["tool_choice"], &body["toolConfig"], &body["toolConfig"]["toolChoice"]];
        assert!(said.contains(&&choice), "{wire:?}: {body}");
        assert_eq!(body.to_string().contains("smell"), wire != Wire::Cohere, "{wire:?}");
    }
}

#[test]
fn json_is_asked_for_and_read() {
    let schema = json!({"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]});
    let (request, _) = request(
        json!([{"role": "user", "content": "Read it"}]),
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "invoice", "schema": schema}}}),
    );
    for wire in WIRES {
        let setup = setup(wire);
        let (http, warnings) = wire.codec().encode(&setup.target(crate::Format::Chat), &request).unwrap();
        let body: Value = serde_json::from_slice(&http.body).unwrap();
        let place = match wire {
            Wire::Chat => "/response_format/json_schema/schema",
            Wire::Messages => "/output_config/format/schema",
            Wire::Responses => "/text/format/schema",
            Wire::Gemini => "/generationConfig/responseJsonSchema",
            Wire::Bedrock => "/toolConfig/tools/0/toolSpec/inputSchema/json",
            Wire::Cohere => "/response_format/json_schema",
        };
        assert_eq!(body.pointer(place), Some(&schema), "{wire:?}: {body}");
        assert_eq!(warnings, [""; 0], "{wire:?}");
        // What comes back is text, be it that of the answer or the input of a tool.
        let said = match wire {
            Wire::Bedrock => Said { calls: vec![("c1", "json_answer", json!({"total": 3}))], ..Said::text("") },
            _ => Said::text("{\"total\":3}"),
        };
        let got = decode(wire, &setup, &request, &wire.body(&said)).unwrap();
        assert_eq!((got.text.as_str(), got.tool_calls.len()), ("{\"total\":3}", 0), "{wire:?}");
        assert_eq!(got.finish.unified.as_str(), "stop", "{wire:?}");
    }
}

/// A turn with reasoning goes back to its author as it came, and to no other model with what another signed.
#[test]
fn reasoning_goes_back_to_its_author_alone() {
    for wire in WIRES.into_iter().filter(|wire| *wire != Wire::Chat) {
        let said = Said { calls: vec![("c1", "look", json!({}))], ..full() };
        let got = read(wire, &said).unwrap();
        let state = got.state.expect("state");
        let secret = match wire {
            Wire::Responses => "sealed",
            Wire::Cohere => "They greet.",
            _ => "\"sig\"",
        };
        assert!(state.to_string().contains(secret), "{wire:?}: {state}");
    }
}

proptest! {
    #[test]
    fn no_body_and_no_event_makes_a_codec_panic(
        body in any_json(),
        events in prop::collection::vec((prop::sample::select(vec![
            "", "error", "contentBlockDelta", "contentBlockStart", "messageStop", "metadata", "content_block_delta",
        ]), any_json()), 0..5),
    ) {
        for wire in WIRES {
            for body in [
                body.clone(),
                json!({"candidates": [{"content": {"parts": [body]}}]}),
                json!({"candidates": [body], "usageMetadata": body}),
                json!({"output": [body], "status": "completed"}),
                json!({"output": {"message": {"content": [body]}}}),
                json!({"message": {"content": [body], "tool_calls": [body]}}),
            ] {
                if let Err(failure) = decode(wire, &setup(wire), &asking("Hi"), &body) {
                    prop_assert!(!failure.message.is_empty());
                }
            }
            let kinds = ["response.output_item.added", "response.output_text.delta", "content-delta", "tool-call-delta", "message-end"];
            let frames: Vec<Frame> = events.iter().enumerate().map(|(at, (name, event))| {
                let mut event = event.clone();
                if let Some(members) = event.as_object_mut() {
                    members.insert("type".to_owned(), kinds[at % kinds.len()].into());
                }
                frame(name, &event)
            }).collect();
            let _ = played(wire, &frames);
        }
    }
}
