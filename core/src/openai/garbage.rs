//! Whatever a client sends, it is understood or refused with the client's fault as the reason; and headers hold what they may.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use http::Request;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Asked, Stamp, headers, read};
use crate::types::{Attempt, Outcome};

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "user",
            "function",
            "message",
            "input_text",
            "json_schema",
            "support_chat",
            "\u{1f600}"
        ])
        .prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "type",
        "role",
        "content",
        "text",
        "name",
        "function",
        "call_id",
        "id",
        "arguments",
        "image_url",
        "url",
        "schema",
        "json_schema",
        "format",
        "effort",
        "include_usage",
        "locum_timeout_ms",
    ]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..5).prop_map(|all| all
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<Map<_, _>>()
                .into()),
        ]
    })
}

fn body() -> impl Strategy<Value = Value> {
    let members = prop::sample::select(vec![
        "messages",
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "response_format",
        "text",
        "reasoning",
        "stream",
        "stream_options",
        "metadata",
        "n",
        "stop",
        "temperature",
        "max_tokens",
        "max_output_tokens",
        "logprobs",
        "seed",
        "reasoning_effort",
        "modalities",
        "previous_response_id",
        "user",
        "top_k",
        "truncation",
    ]);
    prop::collection::vec((members, json()), 0..6).prop_map(|all| {
        let mut body: Map<String, Value> = all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        body.insert("model".into(), "support_chat".into());
        body.entry("messages").or_insert_with(|| json!([{"role": "user", "content": "Hi"}]));
        body.entry("input").or_insert_with(|| "Hi".into());
        body.into()
    })
}

fn asked(path: &str, body: &[u8]) -> Result<bool, u16> {
    let request = Request::post(path).body(body).unwrap();
    match read(&request, &["support_chat"], Stamp { id: "0".into(), created: 0 }) {
        Ok(asked) => Ok(matches!(asked, Asked::Call(_))),
        Err(refusal) => {
            let told = refusal.body();
            assert!(told["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{told}");
            Err(refusal.status)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_is_understood_or_refused(body in body(), chat in any::<bool>()) {
        let path = if chat { "/v1/chat/completions" } else { "/v1/responses" };
        match asked(path, body.to_string().as_bytes()) {
            Ok(call) => prop_assert!(call),
            Err(status) => prop_assert!((400..500).contains(&status), "{status}"),
        }
    }

    #[test]
    fn no_bytes_and_no_path_do_harm(body in prop::collection::vec(any::<u8>(), 0..200), path in "/[a-z/.%]{0,40}") {
        prop_assert!(asked(&path, &body).is_err());
        prop_assert!(asked("/v1/chat/completions", &body).is_err());
    }

    #[test]
    fn headers_hold_what_they_may(task in any::<String>(), model in any::<String>(), many in 0..200_usize) {
        let line = Attempt::new(model.clone(), Outcome::Skipped, std::time::Duration::ZERO);
        let headers = headers(&task, &model, &vec![line; many]);
        prop_assert!(headers.values().all(|value| value.to_str().is_ok()));
        let attempts = headers.get("x-locum-attempts").unwrap();
        prop_assert!(attempts.len() <= 1024 + 5, "{}", attempts.len());
    }
}
