//! No response whatsoever makes a codec panic.

use locum::transport::{HeaderMap, HttpAnswer};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{FORMATS, Setup, asking, decode};

/// JSON whose members have the names that codecs look for.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z_ ]{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["stop", "length", "error", "text", "tool_use", "max_tokens", "{\"a\":", "refusal"])
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
        "candidates",
        "parts",
        "functionCall",
        "partialArgs",
        "jsonPath",
        "willContinue",
        "finishReason",
        "output",
        "item",
        "delta",
        "output_index",
        "toolUse",
        "contentBlockIndex",
        "reasoningContent",
        "tool_plan",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| { members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect() }),
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
