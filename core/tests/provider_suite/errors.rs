//! What fails gets the kind of the table.

use std::time::Duration;

use locum::types::Amend;
use serde_json::json;

use crate::{FORMATS, Format, Setup, asking, decode, decode_with};

/// Status, code, type, message → kind and subkind, in both formats.
type Case = (u16, &'static str, &'static str, &'static str, &'static str, Option<&'static str>);

#[rustfmt::skip]
const ERRORS: &[Case] = &[
    (429, "rate_limit_exceeded", "tokens", "Rate limit reached", "rate_limited", None),
    (429, "slow_down", "rate_limit_error", "Slow down", "rate_limited", Some("ramp")),
    (429, "", "rate_limit_error", "Request too large for m on tokens per min (TPM): Limit 30000, Requested 30601.", "request_too_large", Some("tpm")),
    (413, "rate_limit_exceeded", "tokens", "on tokens per minute (TPM): Limit 6000, Requested 10338, please reduce", "request_too_large", Some("tpm")),
    (429, "rate_limit_exceeded", "tokens", "on tokens per day (TPD): Limit 100000, Used 92808, Requested 9550.", "provider_quota", Some("daily")),
    (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota", "provider_quota", None),
    (429, "enforced_spend_limit_reached", "rate_limit_error", "Limit reached", "provider_quota", None),
    (400, "", "invalid_request_error", "You have reached your specified API usage limits.", "provider_quota", None),
    (400, "", "invalid_request_error", "Your credit balance is too low to access the API.", "provider_quota", None),
    (402, "", "", "Pay", "provider_quota", None),
    (503, "server_is_overloaded", "service_unavailable_error", "Busy", "overloaded", None),
    (529, "", "overloaded_error", "Overloaded", "overloaded", None),
    (500, "", "api_error", "Overloaded", "overloaded", None),
    (429, "", "", "System is experiencing high demand", "overloaded", None),
    (503, "", "unavailable_error", "Loading model", "overloaded", Some("cold")),
    (498, "", "", "capacity", "overloaded", None),
    (500, "", "server_error", "Oops", "server_error", None),
    (520, "", "", "", "server_error", None),
    (599, "", "", "", "server_error", None),
    (504, "", "timeout_error", "slow", "timeout", None),
    (408, "", "", "", "timeout", None),
    (499, "", "", "", "timeout", None),
    (409, "", "", "", "server_error", Some("conflict")),
    (425, "", "", "", "server_error", Some("conflict")),
    (400, "context_length_exceeded", "invalid_request_error", "Too long", "context_overflow", None),
    (400, "", "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum", "context_overflow", None),
    (400, "", "invalid_request_error", "input length and `max_tokens` exceed context limit: 196353 + 21333 > 200000", "invalid_request", Some("output_cap")),
    (413, "", "request_too_large", "Request exceeds the maximum size", "request_too_large", None),
    (400, "content_filter", "", "Filtered", "content_filtered", Some("input")),
    (403, "", "", "Your input was flagged", "content_filtered", Some("input")),
    (401, "", "authentication_error", "No", "auth", None),
    (400, "", "", "Incorrect API key provided: sk***YA.", "auth", None),
    (403, "", "permission_error", "Not for you", "permission", None),
    (403, "permission-denied", "", "Your team has used all available credits or reached its monthly spending limit.", "provider_quota", None),
    (404, "model_not_found", "", "no", "model_not_found", None),
    (404, "", "not_found_error", "model: x", "model_not_found", None),
    (400, "", "", "x/y is not a valid model ID", "model_not_found", None),
    (404, "", "", "No endpoints found that support tool use.", "unsupported", None),
    (400, "", "invalid_request_error", "`temperature` is deprecated for this model", "unsupported", None),
    (400, "", "invalid_request_error", "`temperature` may only be set to 1 when thinking is enabled", "unsupported", None),
    (400, "", "", "Thinking may not be enabled when tool_choice forces tool use.", "unsupported", None),
    (400, "", "invalid_request_error", "tools.0.custom.strict: Extra inputs are not permitted", "unsupported", None),
    (501, "", "not_supported_error", "no", "unsupported", None),
    (400, "", "invalid_request_error", "Invalid `signature` in `thinking` block", "invalid_request", Some("history")),
    (400, "", "invalid_request_error", "messages: wrong", "invalid_request", None),
    (418, "", "", "teapot", "invalid_request", None),
    (400, "tool_use_failed", "invalid_request_error", "Tool choice is required", "malformed_response", None),
    (429, "RateLimitReached", "", "Limit of 50 per 86400s exceeded", "provider_quota", Some("daily")),
    (400, "Arrearage", "", "The account is not in good standing", "provider_quota", None),
    (403, "AllocationQuota.FreeTierOnly", "", "The free tier is exhausted", "provider_quota", None),
    (403, "", "", "The team doesn't have any credits yet", "provider_quota", None),
    (429, "queue_exceeded", "too_many_requests_error", "High traffic", "overloaded", None),
    (413, "tokens_limit_reached", "", "Request body too large for m. Max size: 8000 tokens.", "context_overflow", None),
    (500, "", "server_error", "Context size has been exceeded.", "context_overflow", None),
    (400, "", "", "The decoder prompt (length 5000) is longer than the maximum model length of 4096.", "context_overflow", None),
    (400, "", "", "The model is loaded with context length of only 4096 tokens", "context_overflow", None),
    (400, "1261", "", "Prompt exceeds max length", "context_overflow", None),
    (422, "", "validation", "Input validation error: `inputs` must have less than 4095 tokens. Given: 5000", "context_overflow", None),
    (404, "", "", "No endpoints found that can handle the requested parameters.", "unsupported", None),
    (400, "", "invalid_request_error", "With thinking, the first block must be `thinking`. Found `text`.", "invalid_request", Some("history")),
    (400, "1301", "", "Unsafe content was detected", "content_filtered", Some("input")),
    (400, "", "", "User location is not supported for the API use.", "permission", None),
    (400, "", "", "Model Not Exist", "model_not_found", None),
    (400, "", "", "model 'x' not found", "model_not_found", None),
    (404, "", "", "This is not a chat model and thus not supported in this endpoint", "model_not_found", None),
    (400, "unsupported_api_for_model", "", "model x is not accessible here", "unsupported", None),
    (400, "", "", "image_url is only supported by certain models.", "unsupported", None),
    (404, "", "", "This model is only supported in v1/responses", "unsupported", None),
    (400, "", "", "json_schema is enabled only for api versions of last year and later", "unsupported", None),
    (400, "", "", "'web_search_options' is incompatible with model m", "unsupported", None),
    (400, "", "", "json mode cannot be combined with tool calling", "unsupported", None),
    (400, "", "", "This response_format type is unavailable now", "unsupported", None),
    (400, "", "", "Reasoning is mandatory for this endpoint and cannot be disabled.", "unsupported", None),
    (400, "", "", "invalid temperature: only 1 is allowed for this model", "unsupported", None),
    (400, "", "", "Grammar error: Unimplemented keys", "unsupported", None),
    (400, "", "", "At most 0 image(s) may be provided in one request.", "unsupported", None),
    (400, "", "", "Invalid JSON payload received. Unknown name \"seed\": Cannot find field.", "unsupported", None),
    (415, "", "", "Unsupported 'Content-Type' header", "invalid_request", None),
];

#[test]
fn errors() {
    for format in FORMATS {
        for (status, code, kind, message, want, subkind) in ERRORS {
            let body = format.error(code, kind, message).to_string();
            let failure = decode(format, *status, &body).unwrap_err();
            assert_eq!((failure.kind.as_str(), failure.subkind), (*want, *subkind), "{format:?} {status} {body}");
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
            assert!(failure.message.ends_with("Slow"), "{shape}: {}", failure.message);
        }
        for nothing in ["", "null", "{}", "[]", "{\"error\":{}}", "\"\"", "[[[[[]]]]]"] {
            assert_eq!(decode(format, 429, nothing).unwrap_err().kind.as_str(), "rate_limited");
        }
    }
}

#[test]
fn errors_inside_a_200() {
    for format in FORMATS {
        let cases = [
            (r#"{"error":{"message":"Upstream is down","code":502}}"#, "server_error"),
            (r#"{"error":{"message":"rate limited","code":"rate_limit_exceeded"}}"#, "rate_limited"),
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, "overloaded"),
            (r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota","message":"x"}}"#, "provider_quota"),
            (r#"[{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}]"#, "overloaded"),
            (r#"{"detail":"Invalid API Key"}"#, "auth"),
            (r#"{"type":"error","error":{"type":"invalid_request_error","message":"m"}}"#, "invalid_request"),
            (r#"{"object":"error","message":"m","code":400}"#, "invalid_request"),
        ];
        for (body, want) in cases {
            let failure = decode(format, 200, body).unwrap_err();
            assert_eq!((failure.kind.as_str(), failure.status), (want, Some(200)), "{body}");
        }
    }
    let body = json!({"choices": [{"finish_reason": "error", "error": {"code": 429, "message": "busy"}, "message": {"content": ""}}]});
    assert_eq!(decode(Format::Chat, 200, &body.to_string()).unwrap_err().kind.as_str(), "rate_limited");
    for reason in ["error", "insufficient_system_resource", "abort"] {
        let body = json!({"choices": [{"finish_reason": reason, "message": {"content": "Hal"}}]});
        let failure = decode(Format::Chat, 200, &body.to_string()).unwrap_err();
        assert_eq!((failure.kind.as_str(), failure.provider_code.as_deref()), ("malformed_response", Some(reason)));
    }
    let fine = json!({"error": null, "choices": [{"finish_reason": "stop", "message": {"content": "x"}}]});
    assert!(decode(Format::Chat, 200, &fine.to_string()).is_ok());
}

#[test]
fn failures_carry_what_helps() {
    for format in FORMATS {
        let failed = |status, pairs: &[(&str, &str)], message: &str| {
            let body = format.error("", "invalid_request_error", message).to_string();
            decode_with(format, &Setup::default(), &asking("Hi"), status, pairs, &body).unwrap_err()
        };
        let failure = failed(
            429,
            &[("retry-after-ms", "0"), ("retry-after", "3"), ("x-should-retry", "false"), ("request-id", "q")],
            "Slow",
        );
        assert_eq!(failure.retry_after, Some(Duration::from_secs(3)));
        assert_eq!((failure.should_retry, failure.request_id.as_deref()), (Some(false), Some("q")));
        assert_eq!(
            failed(429, &[], "Please try again in 33m57.5s.").retry_after,
            Some(Duration::from_millis(2_037_500))
        );
        assert_eq!(failed(400, &[], "prompt is too long: 9 tokens > 8 maximum").overflow, Some((Some(9), Some(8))));
        assert_eq!(
            failed(400, &[], "max_tokens: 9 > 8, which is the maximum allowed number of output tokens").amend,
            Some(Amend::ClampOutput(8))
        );
        assert_eq!(
            failed(400, &[], "`temperature` is deprecated for this model").amend,
            Some(Amend::Drop("temperature".into()))
        );
        assert_eq!(failed(400, &[], "This model does not support `tools`").amend, None);
        assert_eq!(failed(400, &[], "Invalid `signature` in `thinking` block").amend, Some(Amend::StripReasoning));
        let failure = failed(400, &[], &"x".repeat(9000));
        assert!(failure.message.chars().count() < 520);
    }
    let named = r#"{"error":{"message":"Unsupported value","param":"reasoning.effort","code":"unsupported_value"}}"#;
    assert_eq!(decode(Format::Chat, 400, named).unwrap_err().amend, Some(Amend::Drop("reasoning_effort".into())));
    let listed =
        r#"{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted"}]}"#;
    let failure = decode(Format::Chat, 422, listed).unwrap_err();
    assert_eq!((failure.kind.as_str(), failure.amend), ("unsupported", Some(Amend::Drop("seed".into()))));
    let in_flight =
        r#"{"error":{"code":402,"message":"wait","metadata":{"limit_source":"openrouter_in_flight_budget"}}}"#;
    let wait = decode_with(Format::Chat, &Setup::default(), &asking("Hi"), 402, &[("retry-after", "2")], in_flight);
    assert_eq!(wait.unwrap_err().kind.as_str(), "rate_limited");
    assert_eq!(decode(Format::Chat, 402, in_flight).unwrap_err().kind.as_str(), "provider_quota");
}
