//! A router over scripted providers on loopback.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use locum::Router;
use locum::testkit::{Mock, Script};
use serde_json::{Value, json};

pub(crate) const KEY: &str = "sk-very-secret-0123456789";

/// Providers that play `script`, and a router over them with one task, `t`: `a/big` by OpenAI chat, then `b/small` by Anthropic
/// Messages, without retries, or as `task` says.
pub(crate) async fn play(script: Value, task: Value) -> (Mock, Router) {
    let mock = Mock::start(Script::from_value(script).unwrap()).await.unwrap();
    let mut config = json!({
        "providers": {
            "a": {"kind": "openai", "base_url": mock.url("a"), "api_key": KEY},
            "b": {"kind": "anthropic", "base_url": mock.url("b"), "api_key": KEY},
        },
        "tasks": {"t": {"primary": "a/big", "fallback": ["b/small"], "retries": 0}},
    });
    config["tasks"]["t"].as_object_mut().unwrap().extend(task.as_object().unwrap().clone());
    let router = Router::from_value(config).unwrap();
    (mock, router)
}
