//! The same cases for every wire format: what is asked arrives, what is answered is understood, what fails gets its kind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use locum::provider::{ANTHROPIC, DEFAULT_MAX_TOKENS, OPENAI_CHAT, Provider, Target};
use locum::transport::{HeaderMap, HeaderName, HttpAnswer, HttpRequest};
use locum::types::{Amend, Completion, Failure, Message, Options, Params, Request};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Format {
    Chat,
    Messages,
}

const FORMATS: [Format; 2] = [Format::Chat, Format::Messages];

impl Format {
    fn codec(self) -> &'static dyn Provider {
        match self {
            Self::Chat => &OPENAI_CHAT,
            Self::Messages => &ANTHROPIC,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Chat => "openai",
            Self::Messages => "anthropic",
        }
    }

    /// An answer in this format. `blocks` are Anthropic's; `message` and `finish` are OpenAI's.
    fn answer(self, message: Value, blocks: Value, finish: [&str; 2]) -> Value {
        match self {
            Self::Chat => json!({"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-x",
                "choices": [{"index": 0, "message": message, "finish_reason": finish[0]}],
                "usage": {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42,
                    "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 2},
                    "completion_tokens_details": {"reasoning_tokens": 5}}}),
            Self::Messages => {
                json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x",
                "content": blocks, "stop_reason": finish[1], "stop_sequence": null,
                "usage": {"input_tokens": 20, "cache_read_input_tokens": 8, "cache_creation_input_tokens": 2,
                    "output_tokens": 12, "output_tokens_details": {"thinking_tokens": 5}}})
            }
        }
    }

    /// An error in this format.
    fn error(self, code: &str, kind: &str, message: &str) -> Value {
        match self {
            Self::Chat => {
                json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
            }
            Self::Messages => json!({"type": "error", "error": {"type": kind, "message": message,
                "details": {"error_code": code}}, "request_id": "req_1"}),
        }
    }
}

/// Everything of a target that a case may set.
#[derive(Default)]
struct Setup {
    kind: Option<&'static str>,
    base_url: Option<&'static str>,
    model: Option<&'static str>,
    headers: Vec<(&'static str, &'static str)>,
    params: Params,
    extra_body: Map<String, Value>,
    amends: Vec<Amend>,
}

impl Setup {
    fn target(&self, format: Format) -> Target<'_> {
        Target {
            provider: "p",
            kind: self.kind.unwrap_or(format.kind()),
            base_url: self.base_url.unwrap_or("https://api.test/v1"),
            api_key: Some("sk-very-secret"),
            headers: &self.headers,
            model: self.model.unwrap_or("the-model"),
            params: &self.params,
            extra_body: &self.extra_body,
            amends: &self.amends,
            connect_timeout: Duration::from_secs(3),
        }
    }

    fn encode(&self, format: Format, request: &Request) -> (Value, HttpRequest, Vec<String>) {
        let (http, warnings) = format
            .codec()
            .encode(&self.target(format), request)
            .unwrap();
        (serde_json::from_slice(&http.body).unwrap(), http, warnings)
    }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let parse = |(name, value): &(&str, &str)| {
        (HeaderName::try_from(*name).unwrap(), value.parse().unwrap())
    };
    pairs.iter().map(parse).collect()
}

fn decode(format: Format, status: u16, body: &str) -> Result<Completion, Failure> {
    decode_with(
        format,
        &Setup::default(),
        &asking("Hi"),
        status,
        &[("x-request-id", "r-1")],
        body,
    )
}

fn decode_with(
    format: Format,
    setup: &Setup,
    request: &Request,
    status: u16,
    pairs: &[(&str, &str)],
    body: &str,
) -> Result<Completion, Failure> {
    let answer = HttpAnswer {
        status,
        headers: headers(pairs),
        body: body.to_owned().into(),
    };
    format
        .codec()
        .decode(&setup.target(format), request, &answer, 1_000_000)
}

fn asking(text: &str) -> Request {
    Request {
        messages: vec![Message::user(text)],
        ..Request::default()
    }
}

fn request(messages: Value, options: Value) -> (Request, Params) {
    let options = Options::from_value(options).unwrap();
    let messages = messages.as_array().unwrap().iter().enumerate();
    let request = Request {
        messages: messages
            .map(|(i, message)| {
                Message::from_value(message.clone(), &format!("messages[{i}]")).unwrap()
            })
            .collect(),
        tools: options.tools,
        tool_choice: options.tool_choice,
        response_format: options.response_format,
        extra_body: options.extra_body,
        idempotency_key: options.idempotency_key,
    };
    (request, options.params)
}

fn call(id: &str, name: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

// ---------------------------------------------------------------- answers

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
        assert_eq!(
            got.finish.raw.as_deref(),
            Some(if format == Format::Chat {
                "stop"
            } else {
                "end_turn"
            })
        );
        let usage = got.usage.unwrap();
        assert_eq!(
            (usage.input, usage.cached_input, usage.cache_write),
            (30, 8, 2)
        );
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
        let calls: Vec<_> = got
            .tool_calls
            .iter()
            .map(|call| {
                (
                    call.id.as_str(),
                    call.name.as_str(),
                    call.arguments.as_str(),
                )
            })
            .collect();
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
    assert_eq!(
        (got.tool_calls.len(), got.finish.unified.as_str()),
        (0, "length")
    );
    let whole = json!({"choices": [{"finish_reason": "tool_calls", "message": {"tool_calls": [call("c", "go", "{\"wh")]}}]});
    assert_eq!(
        decode(Format::Chat, 200, &whole.to_string())
            .unwrap_err()
            .kind
            .as_str(),
        "malformed_response"
    );
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
        assert_eq!(
            (got.text.as_str(), got.finish.unified.as_str()),
            ("I will not.", "refusal")
        );
        let length = format.answer(
            json!({"content": "To be co"}),
            json!([{"type": "text", "text": "To be co"}]),
            ["length", "max_tokens"],
        );
        assert_eq!(
            decode(format, 200, &length.to_string())
                .unwrap()
                .finish
                .unified
                .as_str(),
            "length"
        );
    }
    let filtered =
        json!({"choices": [{"finish_reason": "content_filter", "message": {"content": ""}}]});
    assert_eq!(
        decode(Format::Chat, 200, &filtered.to_string())
            .unwrap()
            .finish
            .unified
            .as_str(),
        "content_filter"
    );
    let down = json!({"choices": [{"finish_reason": "stop", "message": {"content": "Hi"},
        "content_filter_results": {"error": {"code": "content_filter_error", "message": "down"}}}]});
    assert_eq!(
        decode(Format::Chat, 200, &down.to_string())
            .unwrap()
            .warnings
            .len(),
        1
    );
}

#[test]
fn a_full_window() {
    for format in FORMATS {
        let reason = ["model_context_window_exceeded"; 2];
        let silent = format.answer(json!({"content": ""}), json!([]), reason);
        let failure = decode(format, 200, &silent.to_string()).unwrap_err();
        assert_eq!(failure.kind.as_str(), "context_overflow");
        assert!(failure.usage.is_some());
        let begun = format.answer(
            json!({"content": "So"}),
            json!([{"type": "text", "text": "So"}]),
            reason,
        );
        assert_eq!(
            decode(format, 200, &begun.to_string())
                .unwrap()
                .finish
                .unified
                .as_str(),
            "length"
        );
    }
}

#[test]
fn silence() {
    for format in FORMATS {
        let body = format
            .answer(json!({"content": null}), json!([]), ["stop", "end_turn"])
            .to_string();
        let kind = |setup: &Setup, request: &Request| {
            decode_with(format, setup, request, 200, &[], &body)
                .map(|_| ())
                .map_err(|failure| failure.kind.as_str())
        };
        let plain = Setup::default();
        assert_eq!(kind(&plain, &asking("Hi")), Err("malformed_response"));
        let stops = Setup {
            params: Params {
                stop: Some(vec!["#".into()]),
                ..Params::default()
            },
            ..Setup::default()
        };
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
fn bodies_that_are_no_answer() {
    for format in FORMATS {
        let whole = format
            .answer(
                json!({"content": "Hello"}),
                json!([{"type": "text", "text": "Hello"}]),
                ["stop", "end_turn"],
            )
            .to_string();
        let html = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>secret prompt</body></html>";
        for body in [
            "",
            "  \n",
            html,
            "not json",
            "{}",
            "[]",
            "null",
            "{\"choices\":[]}",
            &whole[..whole.len() - 9],
        ] {
            let failure = decode(format, 200, body).unwrap_err();
            assert_eq!(
                failure.kind.as_str(),
                "malformed_response",
                "{format:?} {body}"
            );
            assert_eq!(failure.request_id.as_deref(), Some("r-1"));
            assert!(!failure.message.contains("secret prompt"));
        }
        let failure = decode(format, 502, html).unwrap_err();
        assert_eq!(
            (failure.kind.as_str(), failure.message.as_str()),
            ("server_error", "HTML page \"sign in\"")
        );
        let failure = decode(format, 308, "").unwrap_err();
        assert!(failure.message.contains("redirects are not followed"));
    }
}

#[test]
fn compatible_servers_count_in_their_own_ways() {
    let usage = |usage: Value| {
        let body = json!({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": usage});
        let usage = decode(Format::Chat, 200, &body.to_string())
            .unwrap()
            .usage
            .unwrap();
        [
            usage.input,
            usage.cached_input,
            usage.cache_write,
            usage.output,
            usage.reasoning,
        ]
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
    assert_eq!(
        usage(json!({"prompt_tokens": -7, "completion_tokens": 3, "total_tokens": -1})),
        [0, 0, 0, 3, 0]
    );
}

#[test]
fn anthropic_rounds_are_summed_where_the_top_level_leaves_them_out() {
    let mut body = Format::Messages.answer(
        json!({}),
        json!([{"type": "text", "text": "x"}]),
        ["", "end_turn"],
    );
    body["usage"] = json!({"input_tokens": 229, "output_tokens": 5, "iterations": [
        {"type": "compaction", "input_tokens": 100, "cache_creation_input_tokens": 55096, "output_tokens": 131},
        {"type": "message", "input_tokens": 229, "output_tokens": 5}]});
    let usage = decode(Format::Messages, 200, &body.to_string())
        .unwrap()
        .usage
        .unwrap();
    assert_eq!(
        (usage.input, usage.cache_write, usage.output),
        (55_425, 55_096, 136)
    );
}

#[test]
fn stated_costs() {
    let cost = |extra: Value| {
        let mut body = json!({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        decode(Format::Chat, 200, &body.to_string()).unwrap().cost
    };
    assert_eq!(cost(json!({"usage": {"cost": 0.25}})), Some(0.25));
    assert_eq!(
        cost(
            json!({"usage": {"cost": 0.25, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.5}}})
        ),
        Some(0.75)
    );
    assert_eq!(
        cost(json!({"usage": {"cost": {"total_cost": 0.006}}})),
        Some(0.006)
    );
    assert_eq!(cost(json!({"usage": {"cost": -1}})), None);
}

// ---------------------------------------------------------------- errors

/// Status, code, type, message → kind and subkind, in both formats.
type Case = (
    u16,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
);

const ERRORS: &[Case] = &[
    (
        429,
        "rate_limit_exceeded",
        "tokens",
        "Rate limit reached",
        "rate_limited",
        None,
    ),
    (
        429,
        "slow_down",
        "rate_limit_error",
        "Slow down",
        "rate_limited",
        Some("ramp"),
    ),
    (
        429,
        "",
        "rate_limit_error",
        "Request too large for m on tokens per min (TPM): Limit 30000, Requested 30601.",
        "request_too_large",
        Some("tpm"),
    ),
    (
        413,
        "rate_limit_exceeded",
        "tokens",
        "on tokens per minute (TPM): Limit 6000, Requested 10338, please reduce",
        "request_too_large",
        Some("tpm"),
    ),
    (
        429,
        "rate_limit_exceeded",
        "tokens",
        "on tokens per day (TPD): Limit 100000, Used 92808, Requested 9550.",
        "provider_quota",
        Some("daily"),
    ),
    (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota",
        "provider_quota",
        None,
    ),
    (
        429,
        "enforced_spend_limit_reached",
        "rate_limit_error",
        "Limit reached",
        "provider_quota",
        None,
    ),
    (
        400,
        "",
        "invalid_request_error",
        "You have reached your specified API usage limits.",
        "provider_quota",
        None,
    ),
    (
        400,
        "",
        "invalid_request_error",
        "Your credit balance is too low to access the API.",
        "provider_quota",
        None,
    ),
    (402, "", "", "Pay", "provider_quota", None),
    (
        503,
        "server_is_overloaded",
        "service_unavailable_error",
        "Busy",
        "overloaded",
        None,
    ),
    (
        529,
        "",
        "overloaded_error",
        "Overloaded",
        "overloaded",
        None,
    ),
    (500, "", "api_error", "Overloaded", "overloaded", None),
    (
        429,
        "",
        "",
        "System is experiencing high demand",
        "overloaded",
        None,
    ),
    (
        503,
        "",
        "unavailable_error",
        "Loading model",
        "overloaded",
        Some("cold"),
    ),
    (498, "", "", "capacity", "overloaded", None),
    (500, "", "server_error", "Oops", "server_error", None),
    (520, "", "", "", "server_error", None),
    (599, "", "", "", "server_error", None),
    (504, "", "timeout_error", "slow", "timeout", None),
    (408, "", "", "", "timeout", None),
    (499, "", "", "", "timeout", None),
    (409, "", "", "", "server_error", Some("conflict")),
    (425, "", "", "", "server_error", Some("conflict")),
    (
        400,
        "context_length_exceeded",
        "invalid_request_error",
        "Too long",
        "context_overflow",
        None,
    ),
    (
        400,
        "",
        "invalid_request_error",
        "prompt is too long: 208310 tokens > 200000 maximum",
        "context_overflow",
        None,
    ),
    (
        400,
        "",
        "invalid_request_error",
        "input length and `max_tokens` exceed context limit: 196353 + 21333 > 200000",
        "invalid_request",
        Some("output_cap"),
    ),
    (
        413,
        "",
        "request_too_large",
        "Request exceeds the maximum size",
        "request_too_large",
        None,
    ),
    (
        400,
        "content_filter",
        "",
        "Filtered",
        "content_filtered",
        Some("input"),
    ),
    (
        403,
        "",
        "",
        "Your input was flagged",
        "content_filtered",
        Some("input"),
    ),
    (401, "", "authentication_error", "No", "auth", None),
    (
        400,
        "",
        "",
        "Incorrect API key provided: sk***YA.",
        "auth",
        None,
    ),
    (
        403,
        "",
        "permission_error",
        "Not for you",
        "permission",
        None,
    ),
    (
        403,
        "permission-denied",
        "",
        "Your team has used all available credits or reached its monthly spending limit.",
        "provider_quota",
        None,
    ),
    (404, "model_not_found", "", "no", "model_not_found", None),
    (
        404,
        "",
        "not_found_error",
        "model: x",
        "model_not_found",
        None,
    ),
    (
        400,
        "",
        "",
        "x/y is not a valid model ID",
        "model_not_found",
        None,
    ),
    (
        404,
        "",
        "",
        "No endpoints found that support tool use.",
        "unsupported",
        None,
    ),
    (
        400,
        "",
        "invalid_request_error",
        "`temperature` is deprecated for this model",
        "unsupported",
        None,
    ),
    (501, "", "not_supported_error", "no", "unsupported", None),
    (
        400,
        "",
        "invalid_request_error",
        "Invalid `signature` in `thinking` block",
        "invalid_request",
        Some("history"),
    ),
    (
        400,
        "",
        "invalid_request_error",
        "messages: wrong",
        "invalid_request",
        None,
    ),
    (418, "", "", "teapot", "invalid_request", None),
    (
        400,
        "tool_use_failed",
        "invalid_request_error",
        "Tool choice is required",
        "malformed_response",
        None,
    ),
];

#[test]
fn errors() {
    for format in FORMATS {
        for (status, code, kind, message, want, subkind) in ERRORS {
            let body = format.error(code, kind, message).to_string();
            let failure = decode(format, *status, &body).unwrap_err();
            assert_eq!(
                (failure.kind.as_str(), failure.subkind),
                (*want, *subkind),
                "{format:?} {status} {body}"
            );
            assert_eq!(failure.status, Some(*status));
        }
    }
}

#[test]
fn every_shape_of_an_error_is_read() {
    for format in FORMATS {
        let shapes = [
            r#"{"error":{"message":"Slow","code":429}}"#,
            r#"{"error":"Slow"}"#,
            r#"{"code":"x","error":"Slow"}"#,
            r#"{"message":"Slow"}"#,
            r#"{"object":"error","message":"Slow","type":"y"}"#,
            r#"{"detail":"Slow"}"#,
            r#"{"detail":[{"loc":["body","x"],"msg":"Slow"}]}"#,
            r#"[{"error":{"message":"Slow","status":"RESOURCE_EXHAUSTED"}}]"#,
            r#"{"error":{"message":"{\"error\":{\"message\":\"Slow\"}}"}}"#,
            "Slow",
        ];
        for shape in shapes {
            let failure = decode(format, 429, shape).unwrap_err();
            assert_eq!(failure.kind.as_str(), "rate_limited", "{shape}");
            assert!(
                failure.message.ends_with("Slow"),
                "{shape}: {}",
                failure.message
            );
        }
        for nothing in [
            "",
            "null",
            "{}",
            "[]",
            "{\"error\":{}}",
            "\"\"",
            "[[[[[]]]]]",
        ] {
            assert_eq!(
                decode(format, 429, nothing).unwrap_err().kind.as_str(),
                "rate_limited"
            );
        }
    }
}

#[test]
fn errors_inside_a_200() {
    for format in FORMATS {
        let cases = [
            (
                r#"{"error":{"message":"Upstream is down","code":502}}"#,
                "server_error",
            ),
            (
                r#"{"error":{"message":"rate limited","code":"rate_limit_exceeded"}}"#,
                "rate_limited",
            ),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                "overloaded",
            ),
            (
                r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota","message":"x"}}"#,
                "provider_quota",
            ),
            (
                r#"[{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}]"#,
                "overloaded",
            ),
            (r#"{"detail":"Invalid API Key"}"#, "auth"),
            (
                r#"{"object":"error","message":"m","code":400}"#,
                "invalid_request",
            ),
        ];
        for (body, want) in cases {
            let failure = decode(format, 200, body).unwrap_err();
            assert_eq!(
                (failure.kind.as_str(), failure.status),
                (want, Some(200)),
                "{body}"
            );
        }
    }
    let body = json!({"choices": [{"finish_reason": "error", "error": {"code": 429, "message": "busy"}, "message": {"content": ""}}]});
    assert_eq!(
        decode(Format::Chat, 200, &body.to_string())
            .unwrap_err()
            .kind
            .as_str(),
        "rate_limited"
    );
    for reason in ["error", "insufficient_system_resource", "abort"] {
        let body = json!({"choices": [{"finish_reason": reason, "message": {"content": "Hal"}}]});
        let failure = decode(Format::Chat, 200, &body.to_string()).unwrap_err();
        assert_eq!(
            (failure.kind.as_str(), failure.provider_code.as_deref()),
            ("malformed_response", Some(reason))
        );
    }
    let fine =
        json!({"error": null, "choices": [{"finish_reason": "stop", "message": {"content": "x"}}]});
    assert!(decode(Format::Chat, 200, &fine.to_string()).is_ok());
}

#[test]
fn failures_carry_what_helps() {
    for format in FORMATS {
        let failed = |status, pairs: &[(&str, &str)], message: &str| {
            let body = format
                .error("", "invalid_request_error", message)
                .to_string();
            decode_with(
                format,
                &Setup::default(),
                &asking("Hi"),
                status,
                pairs,
                &body,
            )
            .unwrap_err()
        };
        let failure = failed(
            429,
            &[
                ("retry-after-ms", "0"),
                ("retry-after", "3"),
                ("x-should-retry", "false"),
                ("request-id", "q"),
            ],
            "Slow",
        );
        assert_eq!(failure.retry_after, Some(Duration::from_secs(3)));
        assert_eq!(
            (failure.should_retry, failure.request_id.as_deref()),
            (Some(false), Some("q"))
        );
        assert_eq!(
            failed(429, &[], "Please try again in 33m57.5s.").retry_after,
            Some(Duration::from_millis(2_037_500))
        );
        assert_eq!(
            failed(400, &[], "prompt is too long: 9 tokens > 8 maximum").overflow,
            Some((Some(9), Some(8)))
        );
        assert_eq!(
            failed(
                400,
                &[],
                "max_tokens: 9 > 8, which is the maximum allowed number of output tokens"
            )
            .amend,
            Some(Amend::ClampOutput(8))
        );
        assert_eq!(
            failed(400, &[], "`temperature` is deprecated for this model").amend,
            Some(Amend::Drop("temperature".into()))
        );
        assert_eq!(
            failed(400, &[], "This model does not support `tools`").amend,
            None
        );
        assert_eq!(
            failed(400, &[], "Invalid `signature` in `thinking` block").amend,
            Some(Amend::StripReasoning)
        );
        let failure = failed(
            400,
            &[],
            &format!("key sk-very-secret {}", "x".repeat(9000)),
        );
        assert!(!failure.message.contains("very-secret") && failure.message.chars().count() < 520);
    }
    let named = r#"{"error":{"message":"Unsupported value","param":"reasoning.effort","code":"unsupported_value"}}"#;
    assert_eq!(
        decode(Format::Chat, 400, named).unwrap_err().amend,
        Some(Amend::Drop("reasoning_effort".into()))
    );
    let listed = r#"{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted"}]}"#;
    let failure = decode(Format::Chat, 422, listed).unwrap_err();
    assert_eq!(
        (failure.kind.as_str(), failure.amend),
        ("unsupported", Some(Amend::Drop("seed".into())))
    );
    let in_flight = r#"{"error":{"code":402,"message":"wait","metadata":{"limit_source":"openrouter_in_flight_budget"}}}"#;
    let wait = decode_with(
        Format::Chat,
        &Setup::default(),
        &asking("Hi"),
        402,
        &[("retry-after", "2")],
        in_flight,
    );
    assert_eq!(wait.unwrap_err().kind.as_str(), "rate_limited");
    assert_eq!(
        decode(Format::Chat, 402, in_flight)
            .unwrap_err()
            .kind
            .as_str(),
        "provider_quota"
    );
}

// ---------------------------------------------------------------- requests

#[test]
fn addresses_and_headers() {
    let mut request = asking("Hi");
    request.idempotency_key = Some("once".into());
    let setup = Setup {
        headers: vec![("x-extra", "1"), ("accept", "text/plain")],
        ..Setup::default()
    };
    for format in FORMATS {
        let (_, http, _) = setup.encode(format, &request);
        let header = |name: &str| http.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("idempotency-key"), Some("once"));
        assert_eq!(
            (header("x-extra"), header("accept")),
            (Some("1"), Some("text/plain"))
        );
        assert_eq!(http.connect_timeout, Duration::from_secs(3));
        match format {
            Format::Chat => {
                assert_eq!(http.url, "https://api.test/v1/chat/completions");
                assert_eq!(header("authorization"), Some("Bearer sk-very-secret"));
            }
            Format::Messages => {
                assert_eq!(http.url, "https://api.test/v1/messages");
                assert_eq!(
                    (header("x-api-key"), header("anthropic-version")),
                    (Some("sk-very-secret"), Some("2023-06-01"))
                );
                let bare = Setup {
                    base_url: Some("https://api.test"),
                    ..Setup::default()
                };
                assert_eq!(
                    bare.encode(format, &request).1.url,
                    "https://api.test/v1/messages"
                );
            }
        }
        let bad = Setup {
            headers: vec![("x-bad", "line\nbreak")],
            ..Setup::default()
        };
        let failure = format
            .codec()
            .encode(&bad.target(format), &request)
            .unwrap_err();
        assert_eq!(failure.kind.as_str(), "config");
        assert!(!failure.message.contains("break"));
    }
}

#[test]
fn extra_body_wins() {
    let (request, params) = request(
        json!([{"role": "user", "content": "Hi"}]),
        json!({"temperature": 0.5, "extra_body": {"p": {"top_k": 2, "stream": true}, "q": {"no": 1}}}),
    );
    let extra = json!({"top_k": 1, "temperature": 0.1, "own": true});
    let setup = Setup {
        params,
        extra_body: extra.as_object().unwrap().clone(),
        ..Setup::default()
    };
    for format in FORMATS {
        let (body, _, warnings) = setup.encode(format, &request);
        assert_eq!(
            (&body["top_k"], &body["temperature"], &body["own"]),
            (&json!(2), &json!(0.1), &json!(true))
        );
        assert!(body.get("no").is_none() && body.get("stream").is_none());
        assert_eq!(warnings.len(), 1);
    }
}

#[test]
fn amends_change_the_request() {
    let (request, params) = request(
        json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo", "reasoning_content": "hm"}, {"role": "user", "content": "?"}]),
        json!({"temperature": 0.5, "max_output_tokens": 900}),
    );
    let amends = vec![
        Amend::Drop("temperature".into()),
        Amend::ClampOutput(100),
        Amend::StripReasoning,
        Amend::Drop("seed".into()),
    ];
    let setup = Setup {
        kind: Some("vllm"),
        params,
        amends,
        ..Setup::default()
    };
    for format in FORMATS {
        let (body, _, warnings) = setup.encode(format, &request);
        assert!(body.get("temperature").is_none());
        assert_eq!(body["max_tokens"], 100);
        assert!(!body.to_string().contains("hm"));
        assert_eq!(warnings.len(), 3);
    }
}

#[test]
fn openai_dialects() {
    let (request, params) = request(
        json!([{"role": "developer", "content": "Be brief"}, {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [call("call_long_id", "f", "{}")]},
            {"role": "tool", "tool_call_id": "call_long_id", "content": "1"}]),
        json!({"max_output_tokens": 9, "seed": 4, "reasoning_effort": "low", "tool_choice": "required",
            "tools": [{"name": "f", "parameters": {"type": "object", "properties": {"z": {}, "a": {}}}}]}),
    );
    let body = |kind| {
        let setup = Setup {
            kind: Some(kind),
            params: params.clone(),
            ..Setup::default()
        };
        setup.encode(Format::Chat, &request).0
    };
    let openai = body("openai");
    assert_eq!(
        (
            &openai["max_completion_tokens"],
            &openai["messages"][0]["role"]
        ),
        (&json!(9), &json!("developer"))
    );
    assert_eq!(openai["reasoning_effort"], "low");
    assert!(openai["messages"][2].get("reasoning_content").is_none());
    let schema = openai["tools"][0]["function"]["parameters"]["properties"]
        .as_object()
        .unwrap();
    assert_eq!(schema.keys().collect::<Vec<_>>(), ["z", "a"]);
    let plain = body("openai_compatible");
    assert_eq!(
        (&plain["max_tokens"], &plain["messages"][0]["role"]),
        (&json!(9), &json!("system"))
    );
    assert_eq!(plain["messages"][2]["reasoning_content"], "hm");
    let mistral = body("mistral");
    let id = mistral["messages"][2]["tool_calls"][0]["id"]
        .as_str()
        .unwrap();
    assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_eq!(mistral["messages"][3]["tool_call_id"], id);
    assert_eq!(
        (&mistral["random_seed"], &mistral["tool_choice"]),
        (&json!(4), &json!("any"))
    );
    assert_eq!(body("openrouter")["reasoning"], json!({"effort": "low"}));
}

#[test]
fn anthropic_history() {
    let (request, _) = request(
        json!([{"role": "system", "content": "S1"}, {"role": "developer", "content": "S2"},
            {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "text", "text": " "},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, {"type": "image_url", "image_url": {"url": "https://x.test/i.png"}}]},
            {"role": "assistant", "content": "", "tool_calls": [call("a.b", "f", "{\"x\":1}"), call("a:b", "g", ""), call("c", "h", "")]},
            {"role": "system", "content": "mid"},
            {"role": "tool", "tool_call_id": "a:b", "content": "2"},
            {"role": "tool", "tool_call_id": "a.b", "content": "1"},
            {"role": "user", "content": "go on"}]),
        json!({}),
    );
    let (body, _, warnings) = Setup::default().encode(Format::Messages, &request);
    assert_eq!(body["system"], "S1\n\nS2");
    assert_eq!(body["max_tokens"], DEFAULT_MAX_TOKENS);
    let messages = body["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 3);
    assert_eq!(
        messages[0]["content"],
        json!([{"type": "text", "text": "look"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://x.test/i.png"}}])
    );
    let calls = messages[1]["content"].as_array().unwrap();
    assert_eq!(
        (&calls[0]["input"], &calls[1]["input"]),
        (&json!({"x": 1}), &json!({}))
    );
    let ids: Vec<_> = calls.iter().map(|call| call["id"].clone()).collect();
    assert!(
        ids[0] != ids[1]
            && ids
                .iter()
                .all(|id| !id.as_str().unwrap().contains(['.', ':']))
    );
    let results = messages[2]["content"].as_array().unwrap();
    let named: Vec<_> = results[..3]
        .iter()
        .map(|result| result["tool_use_id"].clone())
        .collect();
    assert_eq!(named, ids);
    assert_eq!(results[0]["content"][0]["text"], "1");
    assert_eq!(
        (&results[2]["content"], &results[2]["is_error"]),
        (&json!("No result provided"), &json!(true))
    );
    assert_eq!(
        (&results[3]["text"], &results[4]["text"]),
        (&json!("mid"), &json!("go on"))
    );
    assert_eq!(warnings.len(), 1);
}

#[test]
fn anthropic_parameters() {
    let body = |model, options: Value| {
        let (request, params) = request(json!([{"role": "user", "content": "Hi"}]), options);
        let setup = Setup {
            model: Some(model),
            params,
            ..Setup::default()
        };
        let (body, _, warnings) = setup.encode(Format::Messages, &request);
        (body, warnings.len())
    };
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let (got, warnings) = body(
        "claude-x",
        json!({"temperature": 1.5, "seed": 1, "stop": "#", "tool_choice": "required",
        "tools": [{"name": "f"}], "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}}),
    );
    assert_eq!(
        (
            &got["temperature"],
            &got["stop_sequences"],
            &got["tool_choice"]
        ),
        (&json!(1.0), &json!(["#"]), &json!({"type": "any"}))
    );
    assert_eq!(
        got["output_config"]["format"],
        json!({"type": "json_schema", "schema": schema})
    );
    assert_eq!(got["tools"][0]["input_schema"]["type"], "object");
    assert!(got.get("seed").is_none());
    assert_eq!(warnings, 2);
    let (got, warnings) = body(
        "claude-x",
        json!({"response_format": {"type": "json_object"}}),
    );
    assert!(got["system"].as_str().unwrap().contains("JSON"));
    assert_eq!(warnings, 1);
    let (got, _) = body(
        "claude-opus-4-8",
        json!({"reasoning_effort": "high", "temperature": 0.2}),
    );
    assert_eq!(
        (&got["thinking"]["type"], &got["output_config"]["effort"]),
        (&json!("adaptive"), &json!("high"))
    );
    assert!(got.get("temperature").is_none());
    let (got, _) = body(
        "claude-sonnet-4-5",
        json!({"reasoning_effort": "low", "max_tokens": 3000}),
    );
    assert_eq!(
        got["thinking"],
        json!({"type": "enabled", "budget_tokens": 1024})
    );
    let (got, _) = body("claude-opus-4-8", json!({"reasoning_effort": "none"}));
    assert_eq!(got["thinking"], json!({"type": "disabled"}));
    let (odd, _) = request(
        json!([{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]),
        json!({}),
    );
    let setup = Setup::default();
    let failure = ANTHROPIC
        .encode(&setup.target(Format::Messages), &odd)
        .unwrap_err();
    assert_eq!(failure.kind.as_str(), "unsupported");
}

// ---------------------------------------------------------------- anything at all

/// JSON whose members have the names that codecs look for.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z_ ]{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "stop",
            "length",
            "error",
            "text",
            "tool_use",
            "max_tokens",
            "{\"a\":",
            "refusal"
        ])
        .prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "choices",
        "message",
        "content",
        "type",
        "text",
        "tool_calls",
        "function",
        "arguments",
        "name",
        "id",
        "error",
        "code",
        "usage",
        "prompt_tokens",
        "total_tokens",
        "finish_reason",
        "stop_reason",
        "detail",
        "details",
        "loc",
        "msg",
        "metadata",
        "raw",
        "iterations",
        "input",
        "input_tokens",
        "cost",
        "violations",
        "reasoning_details",
        "object",
        "status",
        "param",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|members| {
                members
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_body_makes_a_codec_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), status in 200u16..600) {
        for format in FORMATS {
            let answer = HttpAnswer { status, headers: HeaderMap::new(), body: bytes.clone().into() };
            let _ = format.codec().decode(&Setup::default().target(format), &asking("Hi"), &answer, 0);
        }
    }

    #[test]
    fn no_json_makes_a_codec_panic(body in any_json(), status in prop::sample::select(vec![200u16, 400, 404, 413, 422, 429, 500, 503])) {
        for format in FORMATS {
            for body in [body.clone(), json!({"choices": [{"message": body}]}), json!({"choices": [body]}), json!({"content": [body]}), json!({"error": body})] {
                if let Err(failure) = decode(format, status, &body.to_string()) {
                    prop_assert!(!failure.message.is_empty());
                }
            }
        }
    }

    #[test]
    fn no_text_makes_a_classifier_panic(words in "(max_tokens|limit |requested |context length|prompt is too long: |[0-9,_]{0,24}| > |é|try again in |[a-z`'\"(]{0,4}| ){0,12}") {
        for format in FORMATS {
            for status in [400, 429] {
                let _ = decode(format, status, &json!({"error": {"message": words}}).to_string());
            }
        }
    }
}
