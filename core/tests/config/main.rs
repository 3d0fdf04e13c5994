//! What a configuration becomes, and how each mistake in it is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::needless_pass_by_value)]

mod hand_over;
mod keys;
mod lints;
mod places;
mod problems;
mod secrets;
mod serve;
mod settings;
mod ways_in;

use std::path::PathBuf;
use std::time::Duration;

use locum::Secret;
use locum::config::{Credential, Format, JSON_SCHEMA, Policy};
use locum::types::{FallbackOn, Feature, Strict};
use locum::{Error, ErrorKind};
use serde_json::{Value, json};

fn problems(result: Result<Policy, Error>) -> Vec<String> {
    let error = result.expect_err("a problem");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(!error.retryable());
    error.problems().to_vec()
}

fn toml_problems(text: &str) -> Vec<String> {
    problems(Policy::from_toml_str(text))
}

fn toml(text: &str) -> Policy {
    Policy::from_toml_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A task on a local server, which needs no key.
fn with_task(rest: &str) -> String {
    format!("{rest}\n[tasks.chat]\nprimary = \"ollama/qwen3:8b\"\n")
}

/// A folder of its own for each test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("locum-config-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

// Cargo sets CARGO_PKG_NAME for every test, so it serves as a variable that is surely there.
const FIVE_TASKS: &str = r#"
[providers.openai]
api_key = "env:CARGO_PKG_NAME"
[providers.anthropic]
api_key = "env:CARGO_PKG_NAME"
headers = { anthropic-beta = "context-1m", x-team = "env:CARGO_PKG_NAME" }
[providers.local]
kind = "ollama"
base_url = "http://127.0.0.1:11434/v1/"
connect_timeout_ms = 200

[models.flagship]
use = "openai/gpt-4.1"
temperature = 0.2
[models.careful]
use = "anthropic/claude-sonnet-4-5"
max_output_tokens = 2048
timeout_ms = 5000
context_window = 200000
extra_body = { thinking = { type = "disabled" }, userTag = 1 }

[tasks.support_chat]
primary = "flagship"
fallback = ["careful", "local/qwen3:8b"]
max_latency_ms = 8000
max_input_tokens = 16000
[tasks.document_summary]
primary = "careful"
fallback = ["flagship"]
stop = "END"
[tasks.data_extraction]
primary = "openai/gpt-4.1-mini"
fallback = ["careful"]
retries = 0
max_retry_wait_ms = 500
fallback_on = ["content_filter", "length"]
strict = ["auth"]
drop_unsupported = false
[tasks.title_generation]
primary = "openai/gpt-4.1-nano"
allow_fallback = false
[tasks.long_context_analysis]
primary = "local/meta-llama/llama-4"
fallback = ["careful"]
temperature = 1
top_p = 0.9
seed = -7
stop = ["a", "b"]
reasoning_effort = "high"
"#;

#[test]
fn the_five_classic_tasks() {
    let policy = toml(FIVE_TASKS);
    // What becomes of a model is no matter of the file.
    let remarks: Vec<_> = policy.lints.iter().filter(|lint| !lint.contains("by the built-in catalog")).collect();
    assert_eq!(remarks, Vec::<&String>::new());
    assert_eq!(policy.tasks.len(), 5);
    let chat = &policy.tasks["support_chat"];
    let names: Vec<_> = chat.candidates.iter().map(|model| model.name()).collect();
    assert_eq!(names, ["openai/gpt-4.1", "anthropic/claude-sonnet-4-5", "local/qwen3:8b"]);
    assert_eq!(chat.max_latency, Some(Duration::from_secs(8)));
    assert_eq!(chat.max_input_tokens, Some(16000));
    assert_eq!(chat.retries, 1);
    assert_eq!(chat.max_retry_wait, Duration::from_secs(2));
    assert!(chat.allow_fallback && chat.drop_unsupported);
    assert!(chat.fallback_on.is_empty() && chat.strict.is_empty());
    assert_eq!(chat.candidates[0].params.temperature, Some(0.2));
    assert_eq!(chat.candidates[0].alias.as_deref(), Some("flagship"));

    let extraction = &policy.tasks["data_extraction"];
    assert_eq!(extraction.retries, 0);
    assert_eq!(extraction.max_retry_wait, Duration::from_millis(500));
    assert!(extraction.fallback_on.contains(&FallbackOn::ContentFilter));
    assert!(extraction.fallback_on.contains(&FallbackOn::Length));
    assert!(extraction.strict.contains(&Strict::Auth) && !extraction.drop_unsupported);
    let stop = &policy.tasks["document_summary"].params.stop;
    assert_eq!(*stop, Some(vec!["END".to_owned()]));
    assert!(!policy.tasks["title_generation"].allow_fallback);
    let long = &policy.tasks["long_context_analysis"];
    assert_eq!(long.candidates[0].id, "meta-llama/llama-4");
    assert_eq!(long.params.temperature, Some(1.0));
    assert_eq!((long.params.top_p, long.params.seed), (Some(0.9), Some(-7)));
    assert_eq!(long.params.reasoning_effort.as_deref(), Some("high"));
}

#[test]
fn models_and_providers_of_the_five_tasks() {
    let policy = toml(FIVE_TASKS);
    let careful = &policy.models["careful"];
    assert_eq!(careful.params.max_output_tokens, Some(2048));
    assert_eq!(careful.timeout, Some(Duration::from_secs(5)));
    assert_eq!(careful.context_window, Some(200_000));
    assert_eq!(Value::from(careful.extra_body.clone()), json!({"thinking": {"type": "disabled"}, "userTag": 1}));
    assert_eq!(careful.provider.format, Format::AnthropicMessages);
    assert_eq!(careful.provider.base_url, "https://api.anthropic.com");
    let headers: Vec<_> = careful.provider.headers.keys().collect();
    assert_eq!(headers, ["anthropic-beta", "x-team"]);
    assert!(careful.provider.headers["x-team"] == Secret::new("locum"));

    let local = &policy.providers["local"];
    assert_eq!(local.kind, "ollama");
    assert_eq!(local.base_url, "http://127.0.0.1:11434/v1");
    assert_eq!(local.connect_timeout, Duration::from_millis(200));
    assert!(matches!(local.credential, Credential::None));
    let openai = &policy.providers["openai"];
    assert_eq!(openai.connect_timeout, Duration::from_secs(5));
    assert!(matches!(&openai.credential, Credential::Keys(keys) if keys[0].secret == Secret::new("locum")));
}

#[test]
fn json_and_objects_read_the_same_in_both_spellings() {
    let config = json!({
        "$schema": "locum.schema.json",
        "providers": {"my-gpu": {
            "kind": "openaiCompatible", "baseUrl": "https://gpu.example.com/v1", "apiKey": "env:CARGO_PKG_NAME",
            "headers": {"X-CamelCase": "v"}, "connectTimeoutMs": 100.0,
        }},
        "models": {"myModel": {
            "use": "my-gpu/some/model", "maxOutputTokens": 10, "contextWindow": null, "lacks": ["jsonSchema"],
            "extraBody": {"topK": 5, "nothing": null},
        }},
        "tasks": {"supportChat": {"primary": "myModel", "maxLatencyMs": 900, "fallbackOn": ["contentFilter"]}},
    });
    for policy in [Policy::from_value(config.clone()), Policy::from_json_str(&config.to_string())] {
        let policy = policy.unwrap_or_else(|error| panic!("{error}"));
        let task = &policy.tasks["supportChat"];
        assert_eq!(task.max_latency, Some(Duration::from_millis(900)));
        assert!(task.fallback_on.contains(&FallbackOn::ContentFilter));
        let model = &policy.models["myModel"];
        let headers: Vec<_> = model.provider.headers.keys().collect();
        assert_eq!(headers, ["x-camelcase"]);
        assert_eq!(model.provider.connect_timeout, Duration::from_millis(100));
        assert_eq!(model.name(), "my-gpu/some/model");
        assert_eq!(Value::from(model.extra_body.clone()), json!({"topK": 5, "nothing": null}));
        assert_eq!(model.context_window, None);
        assert!(model.lacks.contains(&Feature::JsonSchema));
    }
}

#[test]
fn known_providers_need_no_section() {
    let policy = toml("[tasks.a]\nprimary = \"ollama/qwen3:8b\"\nfallback = [\"openrouter/meta-llama/llama-3\"]\n");
    let model = &policy.tasks["a"].candidates[1];
    assert_eq!(model.provider.kind, "openrouter");
    assert_eq!(model.id, "meta-llama/llama-3");
    assert_eq!(model.provider.base_url, "https://openrouter.ai/api/v1");
    let names: Vec<_> = policy.providers.keys().collect();
    assert_eq!(names, ["ollama", "openrouter"]);
}

#[test]
fn every_key_of_the_schema_is_described() {
    let schema: Value = serde_json::from_str(JSON_SCHEMA).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["title"].is_string() && schema["description"].is_string());
    assert!(schema.get("$id").is_none());
    for (kind, definition) in schema["$defs"].as_object().unwrap() {
        let properties = definition.get("properties").and_then(Value::as_object);
        for (key, property) in properties.into_iter().flatten() {
            assert!(property["description"].is_string(), "{kind}.{key} lacks a description");
        }
    }
}

#[test]
fn the_documentation_shows_what_there_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let example = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(toml(example).tasks["support_chat"].candidates.len(), 3);

    let schema: Value = serde_json::from_str(JSON_SCHEMA).unwrap();
    for kind in schema["$defs"].as_object().unwrap().values() {
        let properties = kind.get("properties").and_then(Value::as_object);
        for key in properties.into_iter().flat_map(|keys| keys.keys()) {
            assert!(text.contains(&format!("\n| `{key}` |")), "{key}");
        }
    }
    for key in schema["properties"].as_object().unwrap().keys().filter(|key| *key != "$schema") {
        assert!(text.contains(&format!("\n| `{key}` |")) || text.contains(&format!("\n## `[{key}.")), "{key}");
    }
    let kinds = &schema["$defs"]["ProviderConfig"]["properties"]["kind"]["enum"];
    for kind in kinds.as_array().unwrap().iter().filter_map(Value::as_str) {
        let address = if ["azure", "openai_compatible"].contains(&kind) { "`base_url`" } else { "`http" };
        assert!(text.contains(&format!("\n| `{kind}` | {address}")), "{kind}");
    }
}
