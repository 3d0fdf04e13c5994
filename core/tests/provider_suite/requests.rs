//! What is asked arrives.

use std::time::Duration;

use locum::provider::{ANTHROPIC, DEFAULT_MAX_TOKENS, Provider};
use locum::types::Amend;
use serde_json::{Value, json};

use crate::{FORMATS, Format, Setup, asking, call, further, request};

#[test]
fn addresses_and_headers() {
    let mut request = asking("Hi");
    request.idempotency_key = Some("once".into());
    let setup = Setup { headers: further(&[("x-extra", "1"), ("accept", "text/plain")]), ..Setup::default() };
    for format in FORMATS {
        let (_, http, _) = setup.encode(format, &request);
        let header = |name: &str| http.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("idempotency-key"), Some("once"));
        assert_eq!((header("x-extra"), header("accept")), (Some("1"), Some("text/plain")));
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
                let bare = Setup { base_url: Some("https://api.test"), ..Setup::default() };
                assert_eq!(bare.encode(format, &request).1.url, "https://api.test/v1/messages");
            }
        }
        let bad = Setup { headers: further(&[("x-bad", "line\nbreak")]), ..Setup::default() };
        let failure = format.codec().encode(&bad.target(format), &request).unwrap_err();
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
    let setup = Setup { params, extra_body: extra.as_object().unwrap().clone(), ..Setup::default() };
    for format in FORMATS {
        let (body, _, warnings) = setup.encode(format, &request);
        assert_eq!((&body["top_k"], &body["temperature"], &body["own"]), (&json!(2), &json!(0.1), &json!(true)));
        assert!(body.get("no").is_none() && body.get("stream").is_none());
        assert_eq!(warnings, ["extra_body.stream left out: the call itself says how its answer travels"]);
        let streamed = Setup { stream: true, params: setup.params.clone(), ..Setup::default() };
        assert_eq!(streamed.encode(format, &request).0["stream"], true);
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
    let setup = Setup { kind: Some("vllm"), params, amends, ..Setup::default() };
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
        let setup = Setup { kind: Some(kind), params: params.clone(), ..Setup::default() };
        setup.encode(Format::Chat, &request).0
    };
    let openai = body("openai");
    assert_eq!((&openai["max_completion_tokens"], &openai["messages"][0]["role"]), (&json!(9), &json!("developer")));
    assert_eq!(openai["reasoning_effort"], "low");
    assert!(openai["messages"][2].get("reasoning_content").is_none());
    let schema = openai["tools"][0]["function"]["parameters"]["properties"].as_object().unwrap();
    assert_eq!(schema.keys().collect::<Vec<_>>(), ["z", "a"]);
    let plain = body("openai_compatible");
    assert_eq!((&plain["max_tokens"], &plain["messages"][0]["role"]), (&json!(9), &json!("system")));
    assert_eq!(plain["messages"][2]["reasoning_content"], "hm");
    let mistral = body("mistral");
    let id = mistral["messages"][2]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_eq!(mistral["messages"][3]["tool_call_id"], id);
    assert_eq!((&mistral["random_seed"], &mistral["tool_choice"]), (&json!(4), &json!("any")));
    assert_eq!(body("openrouter")["reasoning"], json!({"effort": "low"}));
}

/// A chat that was cut somewhere is whole again for servers that refuse calls without results, and results without calls.
#[test]
fn chat_history_is_settled() {
    let (request, _) = request(
        json!([{"role": "tool", "tool_call_id": "gone", "content": "42"}, {"role": "user", "content": "look"},
            {"role": "assistant", "content": null, "tool_calls": [call("a", "f", "{}"), call("b", "g", "{}")]},
            {"role": "user", "content": "well?"},
            {"role": "tool", "tool_call_id": "b", "content": "2", "is_error": true}]),
        json!({}),
    );
    let (body, _, warnings) = Setup::default().encode(Format::Chat, &request);
    let messages = body["messages"].as_array().unwrap();
    let said: Vec<_> =
        messages.iter().map(|message| (&message["role"], &message["tool_call_id"], &message["content"])).collect();
    let null = json!(null);
    assert_eq!(said[0], (&json!("user"), &null, &json!("42")));
    assert_eq!(said[3], (&json!("tool"), &json!("a"), &json!("No result provided")));
    assert_eq!(said[4], (&json!("tool"), &json!("b"), &json!("2")));
    assert_eq!(said[5], (&json!("user"), &null, &json!("well?")));
    assert!(messages.iter().all(|message| message.get("is_error").is_none()));
    assert_eq!(warnings.len(), 2);
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
    assert_eq!((&calls[0]["input"], &calls[1]["input"]), (&json!({"x": 1}), &json!({})));
    let ids: Vec<_> = calls.iter().map(|call| call["id"].clone()).collect();
    assert!(ids[0] != ids[1] && ids.iter().all(|id| !id.as_str().unwrap().contains(['.', ':'])));
    let results = messages[2]["content"].as_array().unwrap();
    let named: Vec<_> = results[..3].iter().map(|result| result["tool_use_id"].clone()).collect();
    assert_eq!(named, ids);
    assert_eq!(results[0]["content"][0]["text"], "1");
    assert_eq!(
        (&results[2]["content"][0]["text"], &results[2]["is_error"]),
        (&json!("No result provided"), &json!(true))
    );
    assert_eq!((&results[3]["text"], &results[4]["text"]), (&json!("mid"), &json!("go on")));
    assert_eq!(warnings.len(), 1);
}

#[test]
fn anthropic_parameters() {
    let body = |model, options: Value| {
        let (request, params) = request(json!([{"role": "user", "content": "Hi"}]), options);
        let setup = Setup { model: Some(model), params, ..Setup::default() };
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
        (&got["temperature"], &got["stop_sequences"], &got["tool_choice"]),
        (&json!(1.0), &json!(["#"]), &json!({"type": "any"}))
    );
    assert_eq!(got["output_config"]["format"], json!({"type": "json_schema", "schema": schema}));
    assert_eq!(got["tools"][0]["input_schema"]["type"], "object");
    assert!(got.get("seed").is_none());
    assert_eq!(warnings, 2);
    let (got, warnings) = body("claude-x", json!({"response_format": {"type": "json_object"}}));
    assert!(got["system"].as_str().unwrap().contains("JSON"));
    assert_eq!(warnings, 1);
    let (got, _) = body("claude-opus-4-8", json!({"reasoning_effort": "high", "temperature": 0.2}));
    assert_eq!((&got["thinking"]["type"], &got["output_config"]["effort"]), (&json!("adaptive"), &json!("high")));
    assert!(got.get("temperature").is_none());
    let (got, _) = body("claude-sonnet-4-5", json!({"reasoning_effort": "low", "max_tokens": 3000}));
    assert_eq!(got["thinking"], json!({"type": "enabled", "budget_tokens": 1024}));
    let (got, _) = body("claude-opus-4-8", json!({"reasoning_effort": "none"}));
    assert_eq!(got["thinking"], json!({"type": "disabled"}));
    let (odd, _) =
        request(json!([{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]), json!({}));
    let setup = Setup::default();
    let failure = ANTHROPIC.encode(&setup.target(Format::Messages), &odd).unwrap_err();
    assert_eq!(failure.kind.as_str(), "unsupported");
}

#[test]
fn strict_tools_can_be_left_out() {
    let (asked, _) =
        request(json!([{"role": "user", "content": "Hi"}]), json!({"tools": [{"name": "f", "strict": true}]}));
    let knows = Setup::default();
    let older = Setup { amends: vec![Amend::Drop("strict".into())], ..Setup::default() };
    for format in FORMATS {
        assert!(knows.encode(format, &asked).0.to_string().contains("strict"));
        let (body, _, warnings) = older.encode(format, &asked);
        assert!(!body.to_string().contains("strict"));
        assert_eq!(warnings.len(), 1);
    }
}

#[test]
fn a_target_prints_no_secret() {
    let setup = Setup { headers: further(&[("x-key", "hush")]), ..Setup::default() };
    let printed = format!("{:?}", setup.target(Format::Chat));
    assert!(!printed.contains("very-secret") && !printed.contains("hush"));
}
