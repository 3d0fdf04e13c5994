//! What comes back is understood.

use locum::types::{Message, Params, Request};
use serde_json::{Value, json};

use crate::{FORMATS, Format, Setup, asking, call, decode, decode_with};

#[test]
fn text_and_usage() {
    for format in FORMATS {
        let body = format.answer(
            json!({"role": "assistant", "content": "Hello.", "reasoning_content": "Greet."}),
            json!([{"type": "thinking", "thinking": "Greet.", "signature": "s"}, {"type": "text", "text": "Hello."}]),
            ["stop", "end_turn"],
        );
        let got = decode(format, 200, &body.to_string()).unwrap();
        assert_eq!(got.text, "Hello.");
        assert_eq!(got.reasoning.as_deref(), Some("Greet."));
        assert_eq!(got.finish.unified.as_str(), "stop");
        assert_eq!(got.finish.raw.as_deref(), Some(if format == Format::Chat { "stop" } else { "end_turn" }));
        let usage = got.usage.unwrap();
        assert_eq!((usage.input, usage.cached_input, usage.cache_write), (30, 8, 2));
        assert_eq!((usage.output, usage.reasoning), (12, 5));
        assert_eq!(got.request_id.as_deref(), Some("r-1"));
        assert!(got.served_by.is_some());
        assert_eq!(got.raw, body);
    }
}

#[test]
fn tool_calls() {
    for format in FORMATS {
        let body = format.answer(
            json!({"role": "assistant", "content": null, "tool_calls": [call("c1", "look", "{\"at\":1}"), call("c2", "go", "")]}),
            json!([{"type": "tool_use", "id": "c1", "name": "look", "input": {"at": 1}}, {"type": "tool_use", "id": "c2", "name": "go", "input": {}}]),
            ["stop", "tool_use"],
        );
        let got = decode(format, 200, &body.to_string()).unwrap();
        let calls: Vec<_> =
            got.tool_calls.iter().map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str())).collect();
        assert_eq!(calls, [("c1", "look", "{\"at\":1}"), ("c2", "go", "{}")]);
        assert_eq!(got.finish.unified.as_str(), "tool_calls");
    }
}

#[test]
fn half_written_calls_are_left_out() {
    for format in FORMATS {
        let body = format.answer(
            json!({"role": "assistant", "content": "", "tool_calls": [call("c1", "look", "{}"), call("c2", "go", "{}")]}),
            json!([{"type": "tool_use", "id": "c1", "name": "look", "input": {}}, {"type": "tool_use", "id": "c2", "name": "go", "input": {}}]),
            ["length", "max_tokens"],
        );
        let got = decode(format, 200, &body.to_string()).unwrap();
        assert_eq!(got.tool_calls.len(), 1);
        assert_eq!(got.finish.unified.as_str(), "length");
        assert_eq!(got.warnings.len(), 1);
    }
    // OpenRouter hides the length behind `tool_calls`.
    let body = json!({"choices": [{"finish_reason": "tool_calls", "native_finish_reason": "max_output_tokens",
        "message": {"tool_calls": [call("c", "go", "{\"wh")]}}]});
    let got = decode(Format::Chat, 200, &body.to_string()).unwrap();
    assert_eq!((got.tool_calls.len(), got.finish.unified.as_str()), (0, "length"));
    let whole =
        json!({"choices": [{"finish_reason": "tool_calls", "message": {"tool_calls": [call("c", "go", "{\"wh")]}}]});
    assert_eq!(decode(Format::Chat, 200, &whole.to_string()).unwrap_err().kind.as_str(), "malformed_response");
}

#[test]
fn refusals_lengths_and_filters_are_finishes() {
    for format in FORMATS {
        let refusal = format.answer(
            json!({"role": "assistant", "content": null, "refusal": "I will not."}),
            json!([{"type": "text", "text": "I will not."}]),
            ["stop", "refusal"],
        );
        let got = decode(format, 200, &refusal.to_string()).unwrap();
        assert_eq!((got.text.as_str(), got.finish.unified.as_str()), ("I will not.", "refusal"));
        let length = format.answer(
            json!({"content": "To be co"}),
            json!([{"type": "text", "text": "To be co"}]),
            ["length", "max_tokens"],
        );
        assert_eq!(decode(format, 200, &length.to_string()).unwrap().finish.unified.as_str(), "length");
    }
    let filtered = json!({"choices": [{"finish_reason": "content_filter", "message": {"content": ""}}]});
    assert_eq!(decode(Format::Chat, 200, &filtered.to_string()).unwrap().finish.unified.as_str(), "content_filter");
    let down = json!({"choices": [{"finish_reason": "stop", "message": {"content": "Hi"},
        "content_filter_results": {"error": {"code": "content_filter_error", "message": "down"}}}]});
    assert_eq!(decode(Format::Chat, 200, &down.to_string()).unwrap().warnings.len(), 1);
}

#[test]
fn a_full_window() {
    for format in FORMATS {
        let reason = ["model_context_window_exceeded"; 2];
        let silent = format.answer(json!({"content": ""}), json!([]), reason);
        let failure = decode(format, 200, &silent.to_string()).unwrap_err();
        assert_eq!(failure.kind.as_str(), "context_overflow");
        assert!(failure.usage.is_some());
        let begun = format.answer(json!({"content": "So"}), json!([{"type": "text", "text": "So"}]), reason);
        assert_eq!(decode(format, 200, &begun.to_string()).unwrap().finish.unified.as_str(), "length");
    }
}

#[test]
fn silence() {
    for format in FORMATS {
        let body = format.answer(json!({"content": null}), json!([]), ["stop", "end_turn"]).to_string();
        let kind = |setup: &Setup, request: &Request| {
            decode_with(format, setup, request, 200, &[], &body).map(|_| ()).map_err(|failure| failure.kind.as_str())
        };
        let plain = Setup::default();
        assert_eq!(kind(&plain, &asking("Hi")), Err("malformed_response"));
        let stops = Setup { params: Params { stop: Some(vec!["#".into()]), ..Params::default() }, ..Setup::default() };
        assert_eq!(kind(&stops, &asking("Hi")), Ok(()));
        let mut after_tool = asking("Hi");
        after_tool.messages.push(Message::tool("c1", "done"));
        assert_eq!(kind(&plain, &after_tool), Ok(()));
        let mut prefill = asking("Hi");
        prefill.messages.push(Message::assistant("{"));
        assert_eq!(kind(&plain, &prefill), Ok(()));
    }
}

#[test]
fn what_is_no_text_is_still_an_answer() {
    for message in [
        json!({"content": "", "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}]}),
        json!({"content": null, "audio": {"id": "a", "data": "QQ=="}}),
        json!({"content": "", "reasoning_details": [{"type": "reasoning.encrypted", "data": "QQ=="}]}),
        json!({"content": null, "reasoning_text": "Hm."}),
    ] {
        let body = json!({"choices": [{"finish_reason": "stop", "message": message}]});
        assert!(decode(Format::Chat, 200, &body.to_string()).is_ok(), "{body}");
    }
    for message in [
        json!({"content": "", "images": []}),
        json!({"content": null, "audio": {"id": "a", "data": null}}),
        json!({"content": "", "reasoning_details": [{"type": "reasoning.text", "text": ""}]}),
    ] {
        let body = json!({"choices": [{"finish_reason": "stop", "message": message}]});
        let failure = decode(Format::Chat, 200, &body.to_string()).unwrap_err();
        assert_eq!(failure.kind.as_str(), "malformed_response", "{body}");
    }
    let at_stop = json!({"choices": [{"finish_reason": "stop_sequence", "message": {"content": ""}}]});
    assert!(decode(Format::Chat, 200, &at_stop.to_string()).is_ok());
    let hidden = |signature: &str| {
        let thought = json!([{"type": "thinking", "thinking": "", "signature": signature}]);
        decode(Format::Messages, 200, &json!({"content": thought, "stop_reason": "end_turn"}).to_string())
    };
    assert!(hidden("QQ==").is_ok());
    assert_eq!(hidden("").unwrap_err().kind.as_str(), "malformed_response");
}

#[test]
fn calls_cut_off_by_a_full_window_do_not_count() {
    for format in FORMATS {
        let answer = |text: &str| {
            let body = format.answer(
                json!({"content": text, "tool_calls": [call("c", "go", "{}")]}),
                json!([{"type": "text", "text": text}, {"type": "tool_use", "name": "go", "input": {}}]),
                ["model_context_window_exceeded", "model_context_window_exceeded"],
            );
            decode(format, 200, &body.to_string())
        };
        let got = answer("Well,").unwrap();
        assert_eq!((got.finish.unified.as_str(), got.tool_calls.len()), ("length", 0), "{format:?}");
        assert_eq!(answer("").unwrap_err().kind.as_str(), "context_overflow", "{format:?}");
    }
}

#[test]
fn bodies_that_are_no_answer() {
    for format in FORMATS {
        let whole = format
            .answer(json!({"content": "Hello"}), json!([{"type": "text", "text": "Hello"}]), ["stop", "end_turn"])
            .to_string();
        let html = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>secret prompt</body></html>";
        for body in ["", "  \n", html, "not json", "{}", "[]", "null", "{\"choices\":[]}", &whole[..whole.len() - 9]] {
            let failure = decode(format, 200, body).unwrap_err();
            assert_eq!(failure.kind.as_str(), "malformed_response", "{format:?} {body}");
            assert_eq!(failure.request_id.as_deref(), Some("r-1"));
            assert!(!failure.message.contains("secret prompt"));
        }
        let failure = decode(format, 502, html).unwrap_err();
        assert_eq!((failure.kind.as_str(), failure.message.as_str()), ("server_error", "HTML page \"sign in\""));
        let failure = decode(format, 308, "").unwrap_err();
        assert!(failure.message.contains("redirects are not followed"));
    }
}

#[test]
fn compatible_servers_count_in_their_own_ways() {
    let usage = |usage: Value| {
        let body = json!({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": usage});
        let usage = decode(Format::Chat, 200, &body.to_string()).unwrap().usage.unwrap();
        [usage.input, usage.cached_input, usage.cache_write, usage.output, usage.reasoning]
    };
    // Audio beside the prompt; reasoning beside the output; cache beyond the prompt; cache beside the prompt.
    assert_eq!(
        usage(
            json!({"prompt_tokens": 9, "completion_tokens": 201, "total_tokens": 585, "prompt_tokens_details": {"audio_tokens": 375}})
        ),
        [384, 0, 0, 201, 0]
    );
    assert_eq!(
        usage(
            json!({"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 241, "completion_tokens_details": {"reasoning_tokens": 228}})
        ),
        [12, 0, 0, 229, 228]
    );
    assert_eq!(
        usage(
            json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10, "prompt_tokens_details": {"cached_tokens": 163}})
        ),
        [7, 7, 0, 3, 0]
    );
    assert_eq!(
        usage(
            json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 110, "prompt_tokens_details": {"cached_tokens": 100}})
        ),
        [107, 100, 0, 3, 0]
    );
    assert_eq!(
        usage(
            json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10, "cached_tokens": 5, "prompt_tokens_details": {"cache_write_tokens": 9}})
        ),
        [7, 5, 2, 3, 0]
    );
    assert_eq!(usage(json!({"prompt_tokens": -7, "completion_tokens": 3, "total_tokens": -1})), [0, 0, 0, 3, 0]);
}

#[test]
fn anthropic_rounds_are_summed_where_the_top_level_leaves_them_out() {
    let mut body = Format::Messages.answer(json!({}), json!([{"type": "text", "text": "x"}]), ["", "end_turn"]);
    body["usage"] = json!({"input_tokens": 229, "output_tokens": 5, "iterations": [
        {"type": "compaction", "input_tokens": 100, "cache_creation_input_tokens": 55096, "output_tokens": 131},
        {"type": "message", "input_tokens": 229, "output_tokens": 5}]});
    let usage = decode(Format::Messages, 200, &body.to_string()).unwrap().usage.unwrap();
    assert_eq!((usage.input, usage.cache_write, usage.output), (55_425, 55_096, 136));
}

#[test]
fn stated_costs() {
    let cost = |extra: Value| {
        let mut body = json!({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        decode(Format::Chat, 200, &body.to_string()).unwrap().cost
    };
    assert_eq!(cost(json!({"usage": {"cost": 0.25}})), Some(0.25));
    assert_eq!(
        cost(json!({"usage": {"cost": 0.25, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.5}}})),
        Some(0.75)
    );
    assert_eq!(cost(json!({"usage": {"cost": {"total_cost": 0.006}}})), Some(0.006));
    assert_eq!(cost(json!({"usage": {"cost": -1}})), None);
}
