//! What is asked where the answer is to stream, or to go on where another broke off.

use locum::types::{Amend, Request};
use serde_json::{Value, json};

use crate::{FORMATS, Format, Setup, asking, decode_with, request};

const BROKEN: &str = "The moon is made of ";

/// A target that goes on with a broken answer, and takes words put into its mouth.
fn resuming(kind: &'static str) -> Setup {
    Setup { kind: Some(kind), resume: Some(BROKEN), prefill: true, ..Setup::default() }
}

fn body(setup: &Setup, format: Format, request: &Request) -> Value {
    setup.encode(format, request).0
}

#[test]
fn a_stream_is_asked_for() {
    for format in FORMATS {
        let setup = Setup { stream: true, ..Setup::default() };
        let (body, http, warnings) = setup.encode(format, &asking("Hi"));
        assert_eq!(body["stream"], true);
        assert_eq!(http.headers["accept"], "text/event-stream");
        assert!(warnings.is_empty());
        let (body, http, _) = Setup::default().encode(format, &asking("Hi"));
        assert!(body.get("stream").is_none() && body.get("stream_options").is_none());
        assert_eq!(http.headers["accept"], "application/json");
    }
}

#[test]
fn usage_is_asked_for_where_the_server_knows_how() {
    let asks = |kind: &'static str, format| {
        let setup = Setup { kind: Some(kind), stream: true, ..Setup::default() };
        body(&setup, format, &asking("Hi")).get("stream_options").cloned()
    };
    for kind in ["openai", "azure", "groq", "deepseek", "llamacpp", "ollama", "openrouter", "vllm", "openai_compatible"]
    {
        assert_eq!(asks(kind, Format::Chat), Some(json!({"include_usage": true})), "{kind}");
    }
    assert_eq!(asks("mistral", Format::Chat), None);
    assert_eq!(asks("anthropic", Format::Messages), None);
}

#[test]
fn stream_options_can_be_left_out() {
    let refusals = [
        (
            400,
            r#"{"error":{"message":"Unrecognized request argument supplied: stream_options","type":"invalid_request_error"}}"#,
        ),
        (400, r#"{"error":{"message":"Unknown parameter","param":"stream_options","code":"unknown_parameter"}}"#),
        (400, r#"{"error":{"message":"stream_options.include_usage is not allowed here"}}"#),
        (
            422,
            r#"{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}"#,
        ),
    ];
    let dropped = Amend::Drop("stream_options".into());
    for (status, text) in refusals {
        let setup = Setup { stream: true, ..Setup::default() };
        let failure = decode_with(Format::Chat, &setup, &asking("Hi"), status, &[], text).unwrap_err();
        assert_eq!((failure.kind.as_str(), failure.amend), ("unsupported", Some(dropped.clone())), "{text}");
    }
    let setup = Setup { stream: true, amends: vec![dropped.clone()], ..Setup::default() };
    let (body, _, warnings) = setup.encode(Format::Chat, &asking("Hi"));
    assert_eq!((&body["stream"], body.get("stream_options")), (&json!(true), None));
    assert_eq!(warnings, ["stream_options left out: the-model does not accept it; usage may be missing"]);
    let whole = Setup { amends: vec![dropped], ..Setup::default() };
    assert!(whole.encode(Format::Chat, &asking("Hi")).2.is_empty());
}

#[test]
fn a_broken_answer_is_put_into_the_mouth() {
    let asked = asking("Tell me");
    let messages = body(&resuming("anthropic"), Format::Messages, &asked)["messages"].clone();
    assert_eq!(messages[0]["role"], "user");
    // This format takes no white space at the end of what is to be continued.
    assert_eq!(messages[1], json!({"role": "assistant", "content": [{"type": "text", "text": BROKEN.trim_end()}]}));
    assert_eq!(messages.as_array().unwrap().len(), 2);
    for (kind, mark) in [("openai_compatible", false), ("vllm", false), ("mistral", true), ("deepseek", true)] {
        let body = body(&resuming(kind), Format::Chat, &asked);
        let mut last = json!({"role": "assistant", "content": BROKEN});
        if mark {
            last["prefix"] = true.into();
        }
        assert_eq!(body["messages"], json!([{"role": "user", "content": "Tell me"}, last]), "{kind}");
        let go_on = (body.get("continue_final_message"), body.get("add_generation_prompt"));
        let want = if kind == "vllm" { (Some(&json!(true)), Some(&json!(false))) } else { (None, None) };
        assert_eq!(go_on, want, "{kind}");
    }
}

#[test]
fn a_broken_answer_is_gone_on_with_by_instruction() {
    let asked = asking("Tell me");
    let mut seen = Vec::new();
    for format in FORMATS {
        let refused = Setup { amends: vec![Amend::NoPrefill], ..resuming(format.kind()) };
        for setup in [Setup { prefill: false, ..resuming(format.kind()) }, refused] {
            let messages = body(&setup, format, &asked)["messages"].clone();
            assert_eq!(messages.as_array().unwrap().len(), 3);
            assert_eq!((&messages[1]["role"], &messages[2]["role"]), (&json!("assistant"), &json!("user")));
            let text = |message: &Value| match &message["content"] {
                Value::String(text) => text.clone(),
                blocks => blocks[0]["text"].as_str().unwrap().to_owned(),
            };
            assert_eq!(text(&messages[1]), BROKEN);
            seen.push(text(&messages[2]));
        }
    }
    assert!(seen[0].contains("exactly where it stopped"));
    assert!(seen.iter().all(|words| *words == seen[0]), "one wording for all: {seen:?}");
    let vllm = body(&Setup { prefill: false, ..resuming("vllm") }, Format::Chat, &asked);
    assert!(vllm.get("continue_final_message").is_none());
}

#[test]
fn words_put_into_the_mouth_before_are_kept() {
    let (begun, _) = request(
        json!([{"role": "user", "content": "Tell me"}, {"role": "assistant", "content": "Well: ", "prefix": true}]),
        json!({}),
    );
    let mistral = body(&resuming("mistral"), Format::Chat, &begun)["messages"].clone();
    assert_eq!(mistral[1], json!({"role": "assistant", "content": format!("Well: {BROKEN}"), "prefix": true}));
    assert_eq!(mistral.as_array().unwrap().len(), 2);
    let told = body(&Setup { prefill: false, ..resuming("mistral") }, Format::Chat, &begun)["messages"].clone();
    assert_eq!(told[1], json!({"role": "assistant", "content": format!("Well: {BROKEN}")}));
    assert_eq!((told.as_array().unwrap().len(), &told[2]["role"]), (3, &json!("user")));
    let (parts, _) = request(
        json!([{"role": "user", "content": "?"}, {"role": "assistant", "content": [{"type": "text", "text": "Well: "}]}]),
        json!({}),
    );
    let claude = body(&resuming("anthropic"), Format::Messages, &parts)["messages"].clone();
    assert_eq!(claude[1]["content"], json!([{"type": "text", "text": "Well: The moon is made of"}]));
}

#[test]
fn claude_takes_no_words_while_it_thinks() {
    let roles = |setup: &Setup, request: &Request| {
        let messages = body(setup, Format::Messages, request)["messages"].clone();
        messages
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["role"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (asked, params) = request(json!([{"role": "user", "content": "Hi"}]), json!({"reasoning_effort": "low"}));
    let thinking = Setup { params, model: Some("claude-sonnet-4-5"), ..resuming("anthropic") };
    assert_eq!(roles(&thinking, &asked), ["user", "assistant", "user"]);
    let (asked, params) = request(json!([{"role": "user", "content": "Hi"}]), json!({"reasoning_effort": "none"}));
    assert_eq!(roles(&Setup { params, ..resuming("anthropic") }, &asked), ["user", "assistant"]);
    let extra = |kind: &str| json!({"thinking": {"type": kind, "budget_tokens": 1024}}).as_object().unwrap().clone();
    let raw = Setup { extra_body: extra("enabled"), ..resuming("anthropic") };
    assert_eq!(roles(&raw, &asking("Hi")), ["user", "assistant", "user"]);
    let raw = Setup { extra_body: extra("disabled"), ..resuming("anthropic") };
    assert_eq!(roles(&raw, &asking("Hi")), ["user", "assistant"]);
}

#[test]
fn white_space_is_nothing_to_go_on_with() {
    for format in FORMATS {
        for prefill in [true, false] {
            let setup = Setup { resume: Some(" \n"), prefill, ..Setup::default() };
            assert_eq!(body(&setup, format, &asking("Hi")), body(&Setup::default(), format, &asking("Hi")));
        }
    }
}

#[test]
fn a_refused_prefill_is_known_for_what_it_is() {
    let words = [
        (400, "This model does not support assistant message prefill. The conversation must end with a user message."),
        (400, "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant"),
        (400, "Assistant response prefill is incompatible with enable_thinking."),
        (500, "Cannot have 2 or more assistant messages at the end of the list."),
        (422, "messages: wrong"),
        (400, "image_url is only supported by certain models."),
    ];
    for format in FORMATS {
        let failed = |setup: &Setup, status, message: &str| {
            let body = format.error("", "", message).to_string();
            decode_with(format, setup, &asking("Hi"), status, &[], &body).unwrap_err()
        };
        let resuming = resuming(format.kind());
        for (status, message) in words {
            let failure = failed(&resuming, status, message);
            assert_eq!((failure.kind.as_str(), failure.amend), ("unsupported", Some(Amend::NoPrefill)), "{message}");
            let told =
                Setup { amends: vec![Amend::NoPrefill], resume: Some(BROKEN), prefill: true, ..Setup::default() };
            for other in [Setup::default(), told, Setup { resume: None, prefill: true, ..Setup::default() }] {
                assert_ne!(failed(&other, status, message).amend, Some(Amend::NoPrefill), "{message}");
            }
        }
        // What has a reason of its own keeps it.
        for (status, message, kind) in [
            (400, "`temperature` is deprecated for this model", "unsupported"),
            (400, "prompt is too long: 208310 tokens > 200000 maximum", "context_overflow"),
            (400, "Your credit balance is too low to access the API.", "provider_quota"),
            (404, "no such model", "model_not_found"),
            (529, "Overloaded", "overloaded"),
        ] {
            let failure = failed(&resuming, status, message);
            assert_eq!(failure.kind.as_str(), kind, "{message}");
            assert_ne!(failure.amend, Some(Amend::NoPrefill), "{message}");
        }
    }
}
