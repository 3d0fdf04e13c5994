//! Streams that end well, in every documented spelling.

use locum::provider::{Delta, Stage};
use locum::transport::HttpAnswer;
use locum::types::{Completion, Params, Usage};
use serde_json::{Value, json};

use crate::feed::{Fed, feed, split, words};
use crate::{FORMATS, Format, Setup, asking, headers};

/// Feeds a stream's text, byte by byte as well as whole.
pub(crate) fn stream_text(format: Format, setup: &Setup, text: &str) -> Fed {
    let fed = |pieces: Vec<&[u8]>| {
        let head = HttpAnswer { status: 200, headers: headers(&[("x-request-id", "r-1")]), body: Default::default() };
        feed(format.codec().decoder(&setup.target(format), &asking("Hi"), head, 1_000_000), pieces)
    };
    let whole = fed(vec![text.as_bytes()]);
    let bytes = fed(split(text.as_bytes(), || 1));
    assert_eq!((&whole.result, whole.stage, &whole.text), (&bytes.result, bytes.stage, &bytes.text));
    assert!(whole.deltas == bytes.deltas);
    whole
}

/// The text of a stream with these events; a string is data that is no JSON.
pub(crate) fn written(format: Format, events: &[Value]) -> String {
    let data = |event: &Value| event.as_str().map_or_else(|| event.to_string(), str::to_owned);
    events
        .iter()
        .map(|event| match (format, event["type"].as_str()) {
            (Format::Messages, Some(name)) => format!("event: {name}\ndata: {}\n\n", data(event)),
            _ => format!("data: {}\n\n", data(event)),
        })
        .collect()
}

pub(crate) fn stream(format: Format, events: &[Value]) -> Fed {
    stream_text(format, &Setup::default(), &written(format, events))
}

pub(crate) fn answer(format: Format, events: &[Value]) -> (Fed, Completion) {
    let fed = stream(format, events);
    let completion = fed.result.clone().unwrap();
    let [text, refusal, reasoning] = words(&fed.deltas);
    assert_eq!(text + &refusal, completion.text);
    assert_eq!(fed.text, completion.text);
    assert_eq!(reasoning, completion.reasoning.clone().unwrap_or_default());
    (fed, completion)
}

/// A chunk of choice 0.
pub(crate) fn chunk(delta: Value) -> Value {
    json!({"id": "c-1", "object": "chat.completion.chunk", "model": "gpt-x",
        "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

pub(crate) fn ending(reason: &str) -> Value {
    json!({"id": "c-1", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

pub(crate) fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
        "model": "claude-x", "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 20, "cache_read_input_tokens": 8, "output_tokens": 1}}})
}

pub(crate) fn block(index: u64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

pub(crate) fn piece(index: u64, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

pub(crate) fn stopping(reason: &str) -> Value {
    json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": 12}})
}

/// "Hello." as far as it comes before the terminal events, and those.
pub(crate) fn hello(format: Format) -> (Vec<Value>, Vec<Value>) {
    match format {
        Format::Chat => (
            vec![
                chunk(json!({"role": "assistant", "content": ""})),
                chunk(json!({"content": "Hel"})),
                chunk(json!({"content": "lo."})),
            ],
            vec![ending("stop"), json!("[DONE]")],
        ),
        Format::Messages => (
            vec![
                start(),
                json!({"type": "ping"}),
                block(0, json!({"type": "text", "text": ""})),
                piece(0, json!({"type": "text_delta", "text": "Hel"})),
                piece(0, json!({"type": "text_delta", "text": "lo."})),
                json!({"type": "content_block_stop", "index": 0}),
            ],
            vec![stopping("end_turn"), json!({"type": "message_stop"})],
        ),
    }
}

pub(crate) fn chat(deltas: &[Value], reason: &str) -> (Fed, Completion) {
    let chunks = deltas.iter().cloned().map(chunk);
    answer(Format::Chat, &chunks.chain([ending(reason), json!("[DONE]")]).collect::<Vec<_>>())
}

#[test]
fn text_comes_in_pieces_and_as_a_whole() {
    for format in FORMATS {
        let (before, terminal) = hello(format);
        let (fed, completion) = answer(format, &[before, terminal].concat());
        let texts: Vec<_> = fed.deltas.iter().filter(|delta| !matches!(delta, Delta::Usage(_))).cloned().collect();
        assert!(texts == [Delta::Text("Hel".to_owned()), Delta::Text("lo.".to_owned())]);
        assert_eq!((fed.stage, completion.text.as_str()), (Stage::Over, "Hello."));
        assert_eq!(completion.finish.unified.as_str(), "stop");
        assert_eq!(completion.request_id.as_deref(), Some("r-1"));
        assert_eq!(completion.warnings, [""; 0]);
        let raw = match format {
            Format::Chat => json!({"id": "c-1", "object": "chat.completion", "model": "gpt-x",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}]}),
            Format::Messages => json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x",
                "content": [{"type": "text", "text": "Hello."}], "stop_reason": "end_turn",
                "usage": {"input_tokens": 20, "cache_read_input_tokens": 8, "output_tokens": 12}}),
        };
        let members = raw.as_object().unwrap().iter();
        members.for_each(|(key, value)| assert_eq!(completion.raw[key], *value, "{key}"));
    }
}

#[test]
fn comments_and_keep_alives_say_nothing() {
    let text = ": OPENROUTER PROCESSING\n\n\n\ndata: \n\nevent: ping\ndata: waiting\n\n";
    for format in FORMATS {
        let fed = stream_text(format, &Setup::default(), text);
        assert!(fed.deltas.is_empty() && fed.stage == Stage::Open);
        assert_eq!(fed.result.unwrap_err().kind.as_str(), "truncated_stream");
    }
}

#[test]
fn usage_is_taken_wherever_it_is_sent() {
    let usage = |prompt: u64, completion: u64| json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion});
    let hi = || chunk(json!({"content": "Hi"}));
    let with = |mut event: Value, pointer: &str, usage: Value| {
        event[pointer] = usage;
        event
    };
    let mut in_choice = ending("stop");
    in_choice["choices"][0]["usage"] = usage(9, 4);
    let spellings = [
        vec![hi(), ending("stop"), json!({"choices": [], "usage": usage(9, 4)})],
        vec![hi(), with(ending("stop"), "usage", usage(9, 4))],
        vec![with(hi(), "usage", usage(9, 1)), with(ending("stop"), "usage", usage(9, 4))],
        vec![hi(), with(ending("stop"), "x_groq", json!({"id": "g", "usage": usage(9, 4)}))],
        vec![hi(), in_choice],
        vec![
            with(hi(), "usage", usage(9, 3)),
            ending("stop"),
            json!({"choices": [], "usage": {"completion_tokens": 4, "total_tokens": 13, "prompt_tokens": null}}),
        ],
        // A total belongs to the counts beside it.
        vec![
            with(hi(), "usage", usage(9, 1)),
            ending("stop"),
            json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}),
        ],
    ];
    for events in spellings {
        let (fed, completion) = answer(Format::Chat, &events);
        let want = Usage { input: 9, output: 4, ..Usage::default() };
        assert_eq!(completion.usage, Some(want), "{events:?}");
        assert!(fed.deltas.last() == Some(&Delta::Usage(want)));
        assert_eq!(fed.stage, Stage::Whole);
    }
    let (before, terminal) = hello(Format::Messages);
    let (fed, completion) = answer(Format::Messages, &[before, terminal].concat());
    let first = Usage { input: 28, cached_input: 8, output: 1, ..Usage::default() };
    assert!(fed.deltas.first() == Some(&Delta::Usage(first)));
    assert_eq!(completion.usage, Some(Usage { output: 12, ..first }));
}

#[test]
fn reasoning_is_told_once() {
    let detail = |text: &str| json!([{"type": "reasoning.text", "text": text, "index": 0, "format": null}]);
    let spellings = [
        [json!({"reasoning_content": "Let me "}), json!({"reasoning_content": "see."})],
        [
            json!({"reasoning": "Let me ", "reasoning_content": "Let me "}),
            json!({"reasoning": "see.", "reasoning_content": "see."}),
        ],
        [
            json!({"reasoning": "Let me ", "reasoning_details": detail("Let me ")}),
            json!({"reasoning": "see.", "reasoning_details": detail("see.")}),
        ],
        [json!({"reasoning_details": detail("Let me ")}), json!({"reasoning_details": detail("see.")})],
        [
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Let me "}]}]}),
            json!({"content": [{"type": "thinking", "thinking": "see."}]}),
        ],
    ];
    for [first, second] in spellings {
        // Said again at the end under another name, as a whole.
        for again in [json!({"content": "Two."}), json!({"content": "Two.", "reasoning_text": "Let me see."})] {
            let (_, got) = chat(&[first.clone(), second.clone(), again], "stop");
            assert_eq!(got.reasoning.as_deref(), Some("Let me see."), "{first}");
            assert_eq!(got.text, "Two.");
        }
    }
    let (_, got) =
        chat(&[json!({"reasoning_details": detail("a")}), json!({"reasoning_details": detail("b")})], "stop");
    assert_eq!(got.raw["choices"][0]["message"]["reasoning_details"], detail("ab"));

    let (_, got) = answer(
        Format::Messages,
        &[
            start(),
            block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
            piece(0, json!({"type": "thinking_delta", "thinking": "Let me "})),
            piece(0, json!({"type": "thinking_delta", "thinking": "see."})),
            piece(0, json!({"type": "signature_delta", "signature": "c2ln"})),
            block(1, json!({"type": "redacted_thinking", "data": "eA=="})),
            block(2, json!({"type": "text", "text": "", "citations": []})),
            piece(2, json!({"type": "citations_delta", "citation": {"cited_text": "x"}})),
            piece(2, json!({"type": "text_delta", "text": "Two."})),
            stopping("end_turn"),
            json!({"type": "message_stop"}),
        ],
    );
    assert_eq!((got.reasoning.as_deref(), got.text.as_str()), (Some("Let me see."), "Two."));
    assert_eq!(
        got.raw["content"],
        json!([
            {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "eA=="},
            {"type": "text", "text": "Two.", "citations": [{"cited_text": "x"}]},
        ])
    );
}

#[test]
fn content_in_parts_refusals_and_media() {
    let (_, got) = chat(
        &[
            json!({"content": [{"type": "text", "text": "One "}, {"type": "reference", "reference_ids": [1]}]}),
            json!({"content": "two."}),
        ],
        "stop",
    );
    assert_eq!(got.text, "One two.");
    assert_eq!(got.raw["choices"][0]["message"]["content"][0]["type"], "reference");
    let (fed, got) = chat(&[json!({"refusal": "I will "}), json!({"refusal": "not."})], "stop");
    assert_eq!((got.text.as_str(), got.finish.unified.as_str()), ("I will not.", "refusal"));
    assert!(fed.deltas.iter().all(|delta| matches!(delta, Delta::Refusal(_))));
    let (_, got) = chat(
        &[
            json!({"audio": {"id": "a", "data": "AA", "transcript": "Hel"}}),
            json!({"audio": {"data": "BB", "transcript": "lo"}}),
        ],
        "stop",
    );
    assert_eq!(got.raw["choices"][0]["message"]["audio"], json!({"id": "a", "data": "AABB", "transcript": "Hello"}));
    let image = json!({"type": "image_url", "image_url": {"url": "data:,"}});
    let (_, got) = chat(&[json!({"images": [image]}), json!({"annotations": [{"type": "url_citation"}]})], "stop");
    assert_eq!(got.raw["choices"][0]["message"]["images"], json!([image]));
}

#[test]
fn a_classifiers_refusal_has_its_words_beside_the_content() {
    let mut stop = stopping("refusal");
    stop["delta"]["stop_details"] = json!({"explanation": "Not this."});
    let fed = stream(Format::Messages, &[start(), stop, json!({"type": "message_stop"})]);
    let got = fed.result.unwrap();
    assert_eq!((got.text.as_str(), got.finish.unified.as_str()), ("Not this.", "refusal"));
}

#[test]
fn only_the_first_choice_is_read() {
    let of = |index: u64, text: &str, reason: Value| json!({"choices": [{"index": index, "delta": {"content": text}, "finish_reason": reason}]});
    let (_, got) = answer(
        Format::Chat,
        &[of(1, "", json!(null)), of(0, "A", json!(null)), of(1, "B", json!("length")), of(0, "A", json!("stop"))],
    );
    assert_eq!((got.text.as_str(), got.finish.unified.as_str()), ("AA", "stop"));
    assert_eq!(got.warnings.len(), 1);
    // The other one's end is no end.
    let fed = stream(Format::Chat, &[of(0, "A", json!(null)), of(1, "B", json!("stop"))]);
    assert_eq!(fed.result.unwrap_err().kind.as_str(), "truncated_stream");
}

#[test]
fn finish_reasons_of_all_sorts() {
    let native = |reason: Value| json!({"choices": [{"index": 0, "delta": {}, "finish_reason": null, "native_finish_reason": reason}]});
    let (fed, got) = answer(Format::Chat, &[chunk(json!({"content": "Hi"})), native(json!("MAX_TOKENS"))]);
    assert_eq!((fed.stage, got.finish.unified.as_str()), (Stage::Whole, "length"));
    // Text after the finish reason is still text.
    let (_, got) =
        answer(Format::Chat, &[chunk(json!({"content": "Hi"})), ending("stop"), chunk(json!({"content": " there"}))]);
    assert_eq!(got.text, "Hi there");
    // An empty reason is a place-holder, and with [DONE] a stop.
    let mut placeholder = chunk(json!({"content": "Hi"}));
    placeholder["choices"][0]["finish_reason"] = json!("");
    assert!(stream(Format::Chat, &[placeholder.clone(), placeholder.clone()]).result.is_err());
    let (fed, got) = answer(Format::Chat, &[placeholder, ending(""), json!("[DONE]")]);
    assert_eq!((fed.stage, got.finish.unified.as_str()), (Stage::Over, "stop"));
    // One event with the whole message, and Azure's filter that was down.
    let (_, got) = answer(
        Format::Chat,
        &[json!({"choices": [{"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]})],
    );
    assert_eq!(got.text, "Hi");
    let filter =
        json!({"choices": [{"index": 0, "content_filter_results": {"error": {"code": "content_filter_error"}}}]});
    let (_, got) = answer(Format::Chat, &[filter, chunk(json!({"content": "Hi"})), ending("stop")]);
    assert!(got.warnings[0].contains("content filter"));
}

#[test]
fn silence_is_no_answer_unless_it_may_be_meant() {
    for format in FORMATS {
        let (before, terminal) = hello(format);
        let silent: Vec<_> = before
            .into_iter()
            .filter(|event| !event.to_string().contains("l") || event["type"] == "message_start")
            .collect();
        let text = written(format, &[silent, terminal].concat());
        let fed = stream_text(format, &Setup::default(), &text);
        let failure = fed.result.unwrap_err();
        assert_eq!(failure.kind.as_str(), "malformed_response");
        assert_eq!(failure.usage.is_some(), format == Format::Messages);
        let stops = Params { stop: Some(vec!["END".to_owned()]), ..Params::default() };
        assert!(stream_text(format, &Setup { params: stops, ..Setup::default() }, &text).result.is_ok());
    }
}
