//! Streams that end badly: cut, broken, or with an error inside.

use locum::provider::{Decoder, Stage};
use locum::transport::HttpAnswer;
use locum::transport::sse::Frame;
use serde_json::{Value, json};

use crate::streams::{block, chunk, ending, hello, piece, start, stopping, stream, stream_text, written};
use crate::{FORMATS, Format, Setup, asking, headers};

fn kind_of(format: Format, events: &[Value]) -> String {
    stream(format, events).result.map_or_else(|failure| failure.kind.as_str().to_owned(), |_| "ok".to_owned())
}

#[test]
fn an_end_without_the_terminal_event_is_a_cut() {
    for format in FORMATS {
        let (before, terminal) = hello(format);
        for count in 0..=before.len() {
            let fed = stream(format, &before[..count]);
            let failure = fed.result.unwrap_err();
            assert_eq!((failure.kind.as_str(), fed.stage), ("truncated_stream", Stage::Open));
            assert_eq!(failure.status, Some(200));
            assert_eq!(failure.request_id.as_deref(), Some("r-1"));
            assert_eq!(failure.usage.is_some(), format == Format::Messages && count > 0, "{count}");
        }
        assert_eq!(stream(format, &before).text, "Hello.");
        let reason = &terminal[..1];
        let stage = stream(format, &[before.clone(), reason.to_vec()].concat()).stage;
        assert_eq!(stage, if format == Format::Chat { Stage::Whole } else { Stage::Open });
    }
    // [DONE] is the protocol's own end, even of a server that gives no reason.
    let (before, _) = hello(Format::Chat);
    let got = stream(Format::Chat, &[before, vec![json!("[DONE]")]].concat()).result.unwrap();
    assert_eq!((got.text.as_str(), got.finish.unified.as_str(), got.finish.raw), ("Hello.", "stop", None));
    assert_eq!(got.warnings, ["the stream ended with [DONE], but without a finish reason"]);
}

#[test]
fn one_event_of_nonsense_is_passed_over_and_two_are_a_break() {
    for format in FORMATS {
        let (before, terminal) = hello(format);
        for nonsense in [json!("{\"choi"), json!("nonsense"), json!("[1]"), json!("7"), json!("null")] {
            let nonsense = vec![nonsense];
            let once = [before.clone(), nonsense.clone(), terminal.clone()].concat();
            let got = stream(format, &once).result.unwrap();
            assert_eq!((got.text.as_str(), got.warnings.len()), ("Hello.", 1));
            let twice = [nonsense.clone(), before.clone(), nonsense, terminal.clone()].concat();
            assert_eq!(kind_of(format, &twice), "truncated_stream");
        }
    }
}

#[test]
fn the_word_null_is_no_finish_reason() {
    let said = json!({"id": "c-1", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "null"}]});
    assert_eq!(kind_of(Format::Chat, std::slice::from_ref(&said)), "truncated_stream");
    assert_eq!(kind_of(Format::Chat, &[said, ending("stop")]), "ok");
}

/// What comes behind the finish reason takes nothing from the answer, and fills no list of warnings.
#[test]
fn nonsense_behind_the_finish_reason_is_passed_over() {
    let (before, terminal) = hello(Format::Chat);
    let nonsense = [json!("{\"choi"), json!("nonsense"), json!({"error": {"message": "x"}})];
    let behind: Vec<Value> = nonsense.iter().cycle().take(150).cloned().collect();
    for done in [vec![], terminal[1..].to_vec()] {
        let events = [before.clone(), terminal[..1].to_vec(), behind.clone(), done].concat();
        let got = stream(Format::Chat, &events).result.unwrap();
        assert_eq!((got.text.as_str(), got.warnings.len()), ("Hello.", 2), "{:?}", got.warnings);
    }
}

/// What a status would have said must be told from the words.
#[test]
fn errors_that_lost_their_status() {
    let per_minute = "Request too large for m on tokens per min (TPM): Limit 30000, Requested 30601.";
    let per_day = "Rate limit reached for m on tokens per day (TPD): Limit 100000, Used 92808, Requested 9550.";
    let rate = |words: &str| json!({"error": {"message": words, "type": "tokens", "code": "rate_limit_exceeded"}});
    let flat = |words: &str| json!({"message": words});
    let cases = [
        (rate(per_minute), "request_too_large", Some("tpm")),
        (rate(per_day), "provider_quota", Some("daily")),
        (flat("This key is limited to 1000 API calls / month."), "provider_quota", Some("daily")),
        (flat("Too many tokens per day, please wait before trying again."), "provider_quota", Some("daily")),
        (flat("Too many tokens, please wait before trying again."), "rate_limited", None),
        (flat("too many tokens: size limit exceeded"), "context_overflow", None),
        (flat("Your account is not authorized to invoke this API operation."), "permission", None),
        (json!({"Message": "User x is not authorized to perform: y"}), "permission", None),
        (flat("You don't have access to the model with the specified model ID."), "permission", None),
        (flat("the daily backup job got in the way"), "server_error", None),
    ];
    for (data, kind, subkind) in cases {
        for name in ["", "error"] {
            let failure = stream_text(Format::Chat, &Setup::default(), &error_event((name, &data))).result.unwrap_err();
            assert_eq!((failure.kind.as_str(), failure.subkind), (kind, subkind), "{data}");
        }
    }
}

/// Every shape of an error, and what it means.
fn errors() -> Vec<(&'static str, Value, &'static str)> {
    let busy = json!({"type": "overloaded_error", "message": "Overloaded"});
    vec![
        ("", json!({"error": busy}), "overloaded"),
        ("error", json!({"error": busy}), "overloaded"),
        ("error", json!({"type": "error", "error": busy, "request_id": "q"}), "overloaded"),
        ("", json!({"type": "error", "error": busy}), "overloaded"),
        ("", json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow", "param": null}), "rate_limited"),
        ("", json!({"error": {"code": 429, "message": "slow down"}}), "rate_limited"),
        (
            "",
            json!({"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}),
            "provider_quota",
        ),
        ("", json!({"error": "the model fell over"}), "server_error"),
        ("", json!({"code": "Some sentence", "error": "too many requests"}), "rate_limited"),
        ("", json!([{"error": {"code": 503, "status": "UNAVAILABLE", "message": "x"}}]), "overloaded"),
        ("error", json!({"message": "too many requests"}), "rate_limited"),
        ("error", json!({"detail": "Incorrect API key"}), "auth"),
        ("error", json!("gone, no JSON"), "server_error"),
        ("error", json!(""), "server_error"),
    ]
}

fn error_event((name, data): (&str, &Value)) -> String {
    let data = data.as_str().map_or_else(|| data.to_string(), str::to_owned);
    let name = if name.is_empty() { String::new() } else { format!("event: {name}\n") };
    format!("{name}data: {data}\n\n")
}

#[test]
fn errors_of_every_shape_get_their_kind() {
    for format in FORMATS {
        let (before, terminal) = hello(format);
        for (name, data, kind) in errors() {
            let event = error_event((name, &data));
            for text in [event.clone(), written(format, &before) + &event + &written(format, &terminal)] {
                let failure = stream_text(format, &Setup::default(), &text).result.unwrap_err();
                assert_eq!(failure.kind.as_str(), kind, "{format:?} {data}");
                assert_eq!(failure.status, Some(200));
            }
            // Behind the end it is a warning.
            let text = written(format, &[before.clone(), terminal.clone()].concat()) + &event;
            let fed = stream_text(format, &Setup::default(), &text);
            let got = fed.result.unwrap();
            assert_eq!((got.text.as_str(), got.warnings.len(), fed.stage), ("Hello.", 1, Stage::Over));
            assert!(got.warnings[0].contains(kind), "{:?}", got.warnings);
        }
        // Behind the finish reason too.
        let text = written(format, &[before, terminal[..1].to_vec()].concat())
            + &error_event(("error", &json!({"message": "x"})));
        let fed = stream_text(format, &Setup::default(), &text);
        assert_eq!((fed.result.unwrap().warnings.len(), fed.stage > Stage::Open), (1, true));
    }
}

#[test]
fn errors_within_a_chunk() {
    let hi = chunk(json!({"content": "Hi"}));
    let of_choice = json!({"choices": [{"index": 0, "delta": {}, "error": {"code": 502, "message": "upstream"}, "finish_reason": "error"}]});
    assert_eq!(kind_of(Format::Chat, &[hi.clone(), of_choice]), "server_error");
    let of_chunk = json!({"id": "c-1", "error": {"code": 429, "message": "busy"}, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]});
    assert_eq!(kind_of(Format::Chat, &[hi.clone(), of_chunk]), "rate_limited");
    let of_groq = json!({"choices": [], "x_groq": {"id": "g", "error": "over capacity"}});
    assert_eq!(kind_of(Format::Chat, &[hi.clone(), of_groq]), "overloaded");
    let empty = json!({"error": null, "choices": [{"index": 0, "delta": {"content": "!"}, "finish_reason": "stop", "error": {}}]});
    assert_eq!(kind_of(Format::Chat, &[hi, empty]), "ok");
    // An event of a type yet unknown may have a message.
    let (before, terminal) = hello(Format::Messages);
    let news = vec![json!({"type": "news", "message": "hear, hear"})];
    assert_eq!(kind_of(Format::Messages, &[before, news, terminal].concat()), "ok");
}

#[test]
fn a_finish_that_says_it_broke_counts_by_what_came_before() {
    for reason in ["error", "insufficient_system_resource", "abort", "MALFORMED_FUNCTION_CALL"] {
        for delta in [json!({"content": "Hi"}), json!({"reasoning": "Hm"})] {
            let got = stream(Format::Chat, &[chunk(delta), ending(reason)]).result.unwrap();
            assert_eq!((got.finish.unified.as_str(), got.finish.raw.as_deref()), ("error", Some(reason)));
        }
        let failure = stream(Format::Chat, &[chunk(json!({"role": "assistant"})), ending(reason)]).result.unwrap_err();
        assert_eq!((failure.kind.as_str(), failure.provider_code.as_deref()), ("malformed_response", Some(reason)));
    }
    let full = "model_context_window_exceeded";
    assert_eq!(kind_of(Format::Chat, &[ending(full)]), "context_overflow");
    assert_eq!(
        kind_of(Format::Messages, &[start(), stopping(full), json!({"type": "message_stop"})]),
        "context_overflow"
    );
    let got = stream(Format::Chat, &[chunk(json!({"content": "Hi"})), ending(full)]).result.unwrap();
    assert_eq!(got.finish.unified.as_str(), "length");
}

#[test]
fn calls_that_are_no_json_break_the_answer() {
    let call = |index: u64, arguments: &str| json!({"tool_calls": [{"index": index, "id": format!("c{index}"), "function": {"name": "go", "arguments": arguments}}]});
    let got =
        stream(Format::Chat, &[chunk(call(0, "{}")), chunk(call(1, "{\"wh")), ending("tool_calls")]).result.unwrap();
    assert_eq!((got.finish.unified.as_str(), got.finish.raw.as_deref()), ("error", Some("tool_calls")));
    assert_eq!((got.tool_calls.len(), got.warnings.len()), (1, 1));
    let got = stream(
        Format::Messages,
        &[
            start(),
            block(0, json!({"type": "tool_use", "id": "a", "name": "go", "input": {}})),
            piece(0, json!({"type": "input_json_delta", "partial_json": "{\"wh"})),
            stopping("tool_use"),
            json!({"type": "message_stop"}),
        ],
    )
    .result
    .unwrap();
    assert_eq!((got.finish.unified.as_str(), got.tool_calls.len(), got.warnings.len()), ("error", 0, 1));
}

/// Reads one event after another, each of them twice where it fails.
#[test]
fn a_failing_event_fails_again_in_the_same_way() {
    for format in FORMATS {
        let setup = Setup::default();
        let head = || HttpAnswer { status: 200, headers: headers(&[]), body: Default::default() };
        let decoder = || format.codec().decoder(&setup.target(format), &asking("Hi"), head(), 0);
        let read = |decoder: &mut dyn Decoder, event: &str, data: &str| {
            let mut out = Vec::new();
            let result = decoder.read(&Frame { event: event.to_owned(), data: data.as_bytes().to_vec() }, &mut out);
            result.map_err(|failure| (failure.kind.as_str(), failure.message, decoder.stage()))
        };
        for (event, data) in [("error", "{\"message\": \"x\"}"), ("", "{\"error\": \"x\"}")] {
            let mut decoder = decoder();
            let first = read(decoder.as_mut(), event, data);
            assert!(first.is_err());
            assert_eq!(first, read(decoder.as_mut(), event, data));
        }
        let mut decoder = decoder();
        assert!(read(decoder.as_mut(), "", "nonsense").is_ok());
        assert_eq!(read(decoder.as_mut(), "", "nonsense"), read(decoder.as_mut(), "", "nonsense"));
    }
}
