//! What a configuration becomes, and how each mistake in it is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value
)]

use std::path::PathBuf;
use std::time::Duration;

use locum::config::{Credential, Format, JSON_SCHEMA, Policy, Secret};
use locum::types::{FallbackOn, Feature, Strict};
use locum::{Error, ErrorKind};
use serde_json::{Value, json};

/// A key that must never be seen.
const KEY: &str = "sk-very-secret-0123456789";

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
lacks = ["vision", "json_schema"]
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
drop_unsupported = true
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
    assert_eq!(policy.lints, Vec::<String>::new());
    assert_eq!(policy.tasks.len(), 5);
    let chat = &policy.tasks["support_chat"];
    let names: Vec<_> = chat.candidates.iter().map(|model| model.name()).collect();
    assert_eq!(
        names,
        [
            "openai/gpt-4.1",
            "anthropic/claude-sonnet-4-5",
            "local/qwen3:8b"
        ]
    );
    assert_eq!(chat.max_latency, Some(Duration::from_secs(8)));
    assert_eq!(chat.max_input_tokens, Some(16000));
    assert_eq!(chat.retries, 1);
    assert_eq!(chat.max_retry_wait, Duration::from_secs(2));
    assert!(chat.allow_fallback && !chat.drop_unsupported);
    assert!(chat.fallback_on.is_empty() && chat.strict.is_empty());
    assert_eq!(chat.candidates[0].params.temperature, Some(0.2));
    assert_eq!(chat.candidates[0].alias.as_deref(), Some("flagship"));

    let extraction = &policy.tasks["data_extraction"];
    assert_eq!(extraction.retries, 0);
    assert_eq!(extraction.max_retry_wait, Duration::from_millis(500));
    assert!(extraction.fallback_on.contains(&FallbackOn::ContentFilter));
    assert!(extraction.fallback_on.contains(&FallbackOn::Length));
    assert!(extraction.strict.contains(&Strict::Auth) && extraction.drop_unsupported);
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
    let lacks: Vec<_> = careful.lacks.iter().copied().collect();
    assert_eq!(lacks, [Feature::Vision, Feature::JsonSchema]);
    assert_eq!(
        Value::from(careful.extra_body.clone()),
        json!({"thinking": {"type": "disabled"}, "userTag": 1})
    );
    assert_eq!(careful.provider.format, Format::AnthropicMessages);
    assert_eq!(careful.provider.base_url, "https://api.anthropic.com");
    let headers: Vec<_> = careful.provider.headers.keys().collect();
    assert_eq!(headers, ["anthropic-beta", "x-team"]);
    assert!(careful.provider.headers["x-team"] == Secret::new("locum"));

    let local = &policy.providers["local"];
    assert_eq!(local.kind, "ollama");
    assert_eq!(local.base_url, "http://127.0.0.1:11434/v1");
    assert_eq!(local.connect_timeout, Duration::from_millis(200));
    assert!(matches!(local.api_key, Credential::None));
    let openai = &policy.providers["openai"];
    assert_eq!(openai.connect_timeout, Duration::from_secs(5));
    assert!(matches!(&openai.api_key, Credential::Key(key) if *key == Secret::new("locum")));
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
    for policy in [
        Policy::from_value(config.clone()),
        Policy::from_json_str(&config.to_string()),
    ] {
        let policy = policy.unwrap_or_else(|error| panic!("{error}"));
        let task = &policy.tasks["supportChat"];
        assert_eq!(task.max_latency, Some(Duration::from_millis(900)));
        assert!(task.fallback_on.contains(&FallbackOn::ContentFilter));
        let model = &policy.models["myModel"];
        let headers: Vec<_> = model.provider.headers.keys().collect();
        assert_eq!(headers, ["x-camelcase"]);
        assert_eq!(model.provider.connect_timeout, Duration::from_millis(100));
        assert_eq!(model.name(), "my-gpu/some/model");
        assert_eq!(
            Value::from(model.extra_body.clone()),
            json!({"topK": 5, "nothing": null})
        );
        assert_eq!(model.context_window, None);
        assert!(model.lacks.contains(&Feature::JsonSchema));
    }
}

#[test]
fn every_problem_is_told_at_once_in_the_order_of_the_file() {
    let text = r#"[providers.opnai]
api_key = "env:CARGO_PKG_NAME"
[models.flagship]
use = "openai/gpt-4.1"
temprature = 0.2
[models.broken]
temperature = "hot"
[tasks.support_chat]
primary = "flagshp"
fallbak = ["careful"]
maxLatencyMs = 0
max_latency_ms = 8000
retries = 11
fallback_on = ["refusals"]
[tasks.other]
primary = "broken"
fallback = ["ollama/x", 7]
"#;
    let expected = [
        "1: providers.opnai: \"opnai\" is no known kind, did you mean \"openai\"? Set kind (known: openai, anthropic, \
         groq, mistral, deepseek, openrouter, together, xai, ollama, vllm, llamacpp, lmstudio, openai_compatible)",
        "5: models.flagship.temprature: unknown key, did you mean \"temperature\"?",
        "6: models.broken: \"use\" is missing",
        "7: models.broken.temperature: expected a number, found a string",
        "9: tasks.support_chat.primary: unknown alias \"flagshp\", did you mean \"flagship\"?",
        "10: tasks.support_chat.fallbak: unknown key, did you mean \"fallback\"?",
        "11: tasks.support_chat.maxLatencyMs: must be between 1 and 86400000",
        "12: tasks.support_chat.max_latency_ms: is another spelling of \"maxLatencyMs\" on line 11; keep one of them",
        "13: tasks.support_chat.retries: must be between 0 and 10",
        "14: tasks.support_chat.fallback_on[0]: unknown word \"refusals\", did you mean \"refusal\"?",
        "17: tasks.other.fallback[1]: expected a string, found a number",
    ];
    let folder = Folder::new("all");
    let path = folder.write("locum.toml", text);
    let error = Policy::from_file(&path).expect_err("problems");
    let expected: Vec<_> = expected
        .iter()
        .map(|text| format!("{}:{text}", path.display()))
        .collect();
    assert_eq!(error.problems(), expected);
    assert!(error.to_string().contains("locum.toml: 11 problems\n  "));
}

#[test]
fn json_problems_name_their_lines() {
    let text = r#"{
        "tasks": {
            "chat": {
                "primary": "ollama/a",
                "fallback": [
                    "ollama/b",
                    "olama/c"
                ],
                "retries": 1.5,
                "primary": "x"
            }
        }
    }"#;
    assert_eq!(
        problems(Policy::from_json_str(text)),
        [
            "line 7: tasks.chat.fallback[1]: unknown provider \"olama\", did you mean \"ollama\"?",
            "line 9: tasks.chat.retries: expected a whole number, found a fraction",
            "line 10: tasks.chat.primary: given a second time, first on line 4",
        ]
    );
}

#[test]
fn problems_of_objects_have_paths_only() {
    let config = json!({
        "tasks": {"my chat": {"primary": "ollama/a", "fallbak": [], "allowFallback": "yes"}},
        "task": {},
    });
    assert_eq!(
        problems(Policy::from_value(config)),
        [
            "tasks.\"my chat\".fallbak: unknown key, did you mean \"fallback\"?",
            "tasks.\"my chat\".allowFallback: expected true or false, found a string",
            "task: unknown key, did you mean \"tasks\"?",
        ]
    );
    for (config, problem) in [
        (json!([1]), "expected an object, found an array"),
        (json!({}), "\"tasks\" is missing"),
        (json!({"tasks": {}}), "tasks: must not be empty"),
        (
            json!({"tasks": null}),
            "tasks: expected an object, found null",
        ),
        (
            json!({"tasks": {"a": {"primary": "ollama/a", "maxLatencyMs": 5, "max_latency_ms": 5}}}),
            "tasks.a.max_latency_ms: is another spelling of \"maxLatencyMs\"; keep one of them",
        ),
        (
            json!({"tasks": {"a": {"primary": "ollama/a", "seed": u64::MAX}}}),
            "tasks.a.seed: is too large a number",
        ),
    ] {
        assert_eq!(problems(Policy::from_value(config)), [problem]);
    }
}

#[test]
fn references_must_lead_somewhere() {
    let text = r#"
[providers.gpu]
kind = "vllm"
[providers."a/b"]
kind = "vllm"
[models."x/y"]
use = "gpu/m"
[models.one]
use = "gpu"
[models.two]
use = "gpu/"
[tasks.a]
primary = "gpu"
fallback = ["gpu/m", "gpu/m", "openai_compatible/m", "nothing/like/this"]
"#;
    let slash = "a name must not hold a slash, which separates provider and model";
    assert_eq!(
        toml_problems(text),
        [
            &format!("line 4: providers.\"a/b\": {slash}"),
            &format!("line 6: models.\"x/y\": {slash}"),
            "line 9: models.one.use: \"gpu\" is not of the form provider/model",
            "line 11: models.two.use: \"gpu/\" names no model behind the slash",
            "line 13: tasks.a.primary: \"gpu\" is a provider; name its model too, as \"gpu/MODEL\"",
            "line 14: tasks.a.fallback[1]: \"gpu/m\" is a candidate already, as tasks.a.fallback[0]",
            "line 14: tasks.a.fallback[2]: kind \"openai_compatible\" needs a [providers] section with its base_url",
            "line 14: tasks.a.fallback[3]: unknown provider \"nothing\"",
        ]
    );
}

#[test]
fn values_are_checked() {
    let text = with_task(
        r#"[models.m]
use = "ollama/x"
temperature = -1
top_p = 1.1
max_output_tokens = 0
stop = [""]
timeout_ms = 86400001
lacks = ["sight"]
reasoning_effort = ""
extra_body = { when = 2026-01-01 }
seed = 2026-01-01
context_window = nan
[tasks.""]
primary = "ollama/x""#,
    );
    assert_eq!(
        toml_problems(&text),
        [
            "line 3: models.m.temperature: must be 0 or more",
            "line 4: models.m.top_p: must be between 0 and 1",
            "line 5: models.m.max_output_tokens: must be 1 or more",
            "line 6: models.m.stop: must not hold an empty text",
            "line 7: models.m.timeout_ms: must be between 1 and 86400000",
            "line 8: models.m.lacks[0]: unknown word \"sight\" (known: tools, vision, json_schema)",
            "line 9: models.m.reasoning_effort: must not be empty",
            "line 10: models.m.extra_body.when: a date or time cannot be used here",
            "line 11: models.m.seed: expected a whole number, found a date or time",
            "line 12: models.m.context_window: expected a whole number, found a number that is not finite",
            "line 13: tasks.\"\": a name must not be empty",
        ]
    );
}

#[test]
fn addresses_are_checked_and_never_repeated() {
    const ADDRESS: &str = "must be an address such as https://llm.example.com/v1";
    const PLAIN: &str = "plain http would send the key in clear to another machine; use https, or set allow_http = true";
    const CALL: &str =
        "must be where the API starts, without the path of a call (/chat/completions, /messages)";
    for (url, problem) in [
        ("localhost:8000", ADDRESS),
        ("ftp://example.com", ADDRESS),
        ("/v1", ADDRESS),
        ("https://a b", ADDRESS),
        (
            "https://user:hunter2@example.com/v1",
            "must not hold a user or password; use api_key or headers",
        ),
        (
            "https://example.com/v1?key=hunter2",
            "must not have a query or fragment",
        ),
        (
            "https://example.com/v1#x",
            "must not have a query or fragment",
        ),
        ("https://example.com/v1/chat/completions", CALL),
        ("http://192.168.1.5:8000/v1", PLAIN),
        ("http://localhost.example.com/v1", PLAIN),
    ] {
        let text = with_task(&format!(
            "[providers.x]\nkind = \"vllm\"\nbase_url = \"{url}\""
        ));
        assert_eq!(
            toml_problems(&text),
            [format!("line 3: providers.x.base_url: {problem}")]
        );
    }
    for url in [
        "http://localhost:1/v1",
        "http://127.8.0.1/v1",
        "http://[::1]:8000/v1",
        "https://example.com:8443/a/b",
    ] {
        let text = with_task(&format!(
            "[providers.x]\nkind = \"vllm\"\nbase_url = \"{url}\""
        ));
        assert_eq!(toml(&text).providers["x"].base_url, url);
    }
    let policy = toml(&with_task(
        "[providers.vllm]\nbase_url = \"http://gpu:8000/v1/\"\nallow_http = true",
    ));
    assert_eq!(policy.providers["vllm"].base_url, "http://gpu:8000/v1");
    let policy = toml(&with_task(
        "[providers.anthropic]\nbase_url = \"https://proxy.example.com/v1\"",
    ));
    assert_eq!(
        policy.providers["anthropic"].base_url,
        "https://proxy.example.com"
    );
}

#[test]
fn kinds_are_known_words_and_are_complained_about_once() {
    for (text, problem) in [
        (
            "[providers.x]\nkind = \"openai_compatible\"",
            "line 1: providers.x: \"base_url\" is missing; kind \"openai_compatible\" has no address of its own",
        ),
        (
            "[providers.x]\nkind = \"olama\"",
            "line 2: providers.x.kind: unknown word \"olama\", did you mean \"ollama\"?",
        ),
        (
            "[providers.openai_compatible]\nbase_url = 3",
            "line 2: providers.openai_compatible.base_url: expected a string, found a number",
        ),
    ] {
        assert_eq!(toml_problems(&with_task(text)), [problem]);
    }
}

#[test]
fn headers_are_checked() {
    let text = with_task(
        r#"[providers.vllm.headers]
"a b" = "v"
X-A = "1"
x-a = "2"
x-b = "a\nb"
x-c = "env:LOCUM_TEST_UNSET"
Content-Length = "3""#,
    );
    let found = toml_problems(&text);
    let expected = [
        "line 2: providers.vllm.headers.\"a b\": is not a valid header name",
        "line 4: providers.vllm.headers.x-a: is the same header in another spelling",
        "line 5: providers.vllm.headers.x-b: the value holds characters that no header can carry (line breaks, control \
         or non-ASCII characters)",
        "line 6: providers.vllm.headers.x-c: environment variable LOCUM_TEST_UNSET is not set",
        "line 7: providers.vllm.headers.Content-Length: is set by the HTTP client",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_missing_key_is_no_problem_but_a_lint() {
    let policy = toml(
        "[providers.openai]\napi_key = \"env:LOCUM_TEST_UNSET\"\n\
         [tasks.a]\nprimary = \"openai/x\"\nfallback = [\"ollama/y\"]\n",
    );
    let Credential::Missing(sentence) = &policy.providers["openai"].api_key else {
        panic!("a key")
    };
    assert_eq!(sentence, "environment variable LOCUM_TEST_UNSET is not set");
    assert_eq!(
        policy.lints,
        [format!(
            "line 1: providers.openai: its models will be skipped: {sentence}"
        )]
    );
    let blank =
        json!({"providers": {"groq": {"api_key": " "}}, "tasks": {"a": {"primary": "groq/x"}}});
    let policy = Policy::from_value(blank).unwrap();
    let key = &policy.providers["groq"].api_key;
    assert!(matches!(key, Credential::Missing(sentence) if sentence == "the value is empty"));
}

#[test]
fn secrets_come_from_files_beside_the_configuration() {
    let folder = Folder::new("secrets");
    folder.write("key.txt", format!("\u{feff}{KEY}\r\n"));
    folder.write("bad.txt", format!("{KEY}\n{KEY}"));
    folder.write("binary.txt", [0xff, 0xfe]);
    let load = |reference: &str| {
        let text = format!(
            "[providers.openai]\napi_key = \"file:{reference}\"\n[tasks.a]\nprimary = \"openai/x\"\n"
        );
        Policy::from_file(folder.write("locum.toml", text))
    };
    let policy = load("key.txt").unwrap();
    let key = &policy.providers["openai"].api_key;
    assert!(matches!(key, Credential::Key(key) if *key == Secret::new(KEY)));
    assert_eq!(policy.lints, Vec::<String>::new());

    let policy = load("none.txt").unwrap();
    let looked_at = folder.0.join("none.txt").display().to_string();
    let key = &policy.providers["openai"].api_key;
    assert!(matches!(key, Credential::Missing(sentence) if sentence.contains(&looked_at)));

    for (name, problem) in [
        ("bad.txt", "holds characters that no header can carry"),
        ("binary.txt", "is not UTF-8"),
    ] {
        let found = problems(load(name));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("locum.toml:2: providers.openai.api_key: file "));
        assert!(
            found[0].contains(problem) && !found[0].contains(KEY),
            "{found:?}"
        );
    }
}

#[test]
fn a_literal_key_is_accepted_and_never_shown() {
    let config = json!({
        "providers": {"openai": {"apiKey": KEY, "headers": {"x-api-key": KEY}}},
        "tasks": {"a": {"primary": "openai/x"}},
    });
    let from_code = Policy::from_value(config.clone()).unwrap();
    assert_eq!(from_code.lints, Vec::<String>::new());
    let from_text = Policy::from_json_str(&config.to_string()).unwrap();
    assert_eq!(
        from_text.lints,
        [
            "line 1: providers.openai.apiKey: a key written out in a file; use env:NAME or file:PATH",
            "line 1: providers.openai.headers.x-api-key: looks like a key written out in a file; use env:NAME or file:PATH",
        ]
    );
    for policy in [from_code, from_text] {
        let shown = format!("{policy:?} {policy:#?}");
        assert!(!shown.contains("very-secret") && shown.contains("[secret]"));
    }
}

#[test]
fn no_problem_shows_a_key_wherever_it_was_put() {
    for provider in [
        json!({"api_key": format!("{KEY}\n{KEY}")}),
        json!({"api_key": [KEY]}),
        json!({"api_key": {"env": KEY}}),
        json!({"api_key": format!("env:{KEY}")}),
        json!({"api_key": format!("${KEY}")}),
        json!({"base_url": format!("https://{KEY}@x.example/v1")}),
        json!({"base_url": KEY}),
        json!({"headers": {"authorization": format!("Bearer {KEY}\u{7f}")}}),
        json!({"connect_timeout_ms": KEY}),
    ] {
        let config =
            json!({"providers": {"openai": provider}, "tasks": {"a": {"primary": "openai/x"}}});
        let error = Policy::from_value(config).expect_err("a problem");
        let shown = format!(
            "{error} {error:?} {:?} {}",
            error.problems(),
            error.to_value()
        );
        assert!(!shown.contains("very-secret"), "{shown}");
    }
    for text in [
        format!("[providers.openai]\napi_key = {KEY}\n"),
        format!("[providers.openai]\napi_key = \"{KEY}\n"),
    ] {
        let error = Policy::from_toml_str(&text).expect_err("a syntax error");
        assert!(!error.to_string().contains("very-secret"), "{error}");
    }
    let text = format!("{{\"api_key\": {KEY}}}");
    let error = Policy::from_json_str(&text).expect_err("a syntax error");
    assert!(!error.to_string().contains("very-secret"), "{error}");
}

#[test]
fn known_providers_need_no_section() {
    let policy = toml(
        "[tasks.a]\nprimary = \"ollama/qwen3:8b\"\nfallback = [\"openrouter/meta-llama/llama-3\"]\n",
    );
    let model = &policy.tasks["a"].candidates[1];
    assert_eq!(model.provider.kind, "openrouter");
    assert_eq!(model.id, "meta-llama/llama-3");
    assert_eq!(model.provider.base_url, "https://openrouter.ai/api/v1");
    let names: Vec<_> = policy.providers.keys().collect();
    assert_eq!(names, ["ollama", "openrouter"]);
}

#[test]
fn lints_name_what_is_surely_not_meant() {
    let text = r#"[providers.gpu]
kind = "vllm"
[providers.idle]
kind = "ollama"
[models.slow]
use = "gpu/a"
timeout_ms = 9000
[models.idle]
use = "gpu/b"
[tasks.a]
primary = "slow"
fallback = ["gpu/b", "gpu/a"]
max_latency_ms = 8000
[tasks.b]
primary = "slow"
fallback = ["ollama/x"]
allow_fallback = false
"#;
    assert_eq!(
        toml(text).lints,
        [
            "line 3: providers.idle: no model is at this provider",
            "line 8: models.idle: no task uses this alias",
            "line 12: tasks.a.fallback: every stand-in is at \"gpu\" like the primary: one outage takes them all",
            "line 12: tasks.a.fallback[1]: the same model as an earlier candidate, gpu/a",
            "line 13: tasks.a.max_latency_ms: ends before the timeout_ms of \"slow\" (9000 ms), which never takes effect here",
            "line 16: tasks.b.fallback: nobody in this list stands in, since allow_fallback is false",
        ]
    );
}

#[test]
fn text_that_is_no_toml_or_json_says_where() {
    let found = toml_problems("[tasks.a]\nprimary = \n");
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("line 2: column 11: not valid TOML: "),
        "{found:?}"
    );
    let found = toml_problems("[tasks.a]\nprimary = \"x/y\"\nprimary = \"x/z\"\n");
    assert_eq!(found, ["line 3: column 1: not valid TOML: duplicate key"]);
    for (text, place) in [
        ("", "line 1: column 1: "),
        ("{\n // no\n}", "line 2: column 2: "),
        ("{\n \"tasks\": {},\n}", "line 2: column 13: "),
        ("{'tasks': {}}", "line 1: column 2: "),
        ("{} {}", "line 1: column 4: "),
    ] {
        let found = problems(Policy::from_json_str(text));
        assert_eq!(found.len(), 1);
        let start = format!("{place}not valid JSON: ");
        assert!(found[0].starts_with(&start), "{text:?} {found:?}");
    }
    let nested = "[".repeat(100_000);
    assert_eq!(problems(Policy::from_json_str(&nested)).len(), 1);
    assert_eq!(toml_problems(&format!("a = {nested}")).len(), 1);
}

/// Half a file, or one with a line missing, is an everyday accident: it is told with a place, or makes sense.
#[test]
fn damaged_files_are_told_with_a_line() {
    let told = |text: &str| {
        if let Err(error) = Policy::from_toml_str(text) {
            assert!(!error.problems().is_empty());
            for problem in error.problems() {
                assert!(problem.starts_with("line "), "{problem}");
            }
        }
    };
    for end in 0..FIVE_TASKS.len() {
        told(&FIVE_TASKS[..end]);
    }
    let lines: Vec<_> = FIVE_TASKS.lines().collect();
    for missing in 0..lines.len() {
        let mut rest = lines.clone();
        rest.remove(missing);
        told(&rest.join("\n"));
    }
    let json =
        json!({"tasks": {"a": {"primary": "ollama/x", "stop": ["\u{e9}", "b"], "seed": -1.0}}});
    let json = serde_json::to_string_pretty(&json).unwrap();
    assert!(Policy::from_json_str(&json).is_ok());
    for end in (0..json.len()).filter(|end| json.is_char_boundary(*end)) {
        let found = problems(Policy::from_json_str(&json[..end]));
        assert!(found[0].starts_with("line "), "{found:?}");
    }
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let folder = Folder::new("files");
    let one = |path: PathBuf| problems(Policy::from_file(path)).join("|");
    let missing = folder.0.join("none.toml");
    let looked_at = format!("(looked at {})", missing.display());
    let found = one(missing);
    assert!(found.contains("cannot be read") && found.contains(&looked_at));
    let relative = one(PathBuf::from("no-such-folder/locum.toml"));
    let full = std::env::current_dir().unwrap();
    let full = full.join("no-such-folder/locum.toml");
    assert!(relative.contains(&full.display().to_string()), "{relative}");
    for (name, bytes, problem) in [
        (
            "locum.yaml",
            b"".to_vec(),
            "the file's name must end in .toml or .json",
        ),
        (
            "latin.toml",
            b"a = 1\n# \xe9\n".to_vec(),
            "line 2 is not UTF-8; save the file as UTF-8",
        ),
        (
            "large.toml",
            vec![b'#'; 1024 * 1024 + 1],
            "is larger than 1048576 bytes",
        ),
    ] {
        let found = one(folder.write(name, bytes));
        assert!(found.ends_with(&format!("{name}: {problem}")), "{found}");
    }
    for (name, text) in [
        ("bom.TOML", format!("\u{feff}{}", with_task(""))),
        ("crlf.toml", with_task("").replace('\n', "\r\n")),
        (
            "locum.json",
            r#"{"tasks": {"chat": {"primary": "ollama/x"}}}"#.to_owned(),
        ),
    ] {
        let policy = Policy::from_file(folder.write(name, text)).unwrap();
        assert!(policy.tasks.contains_key("chat"));
    }
}

#[test]
fn every_key_of_the_schema_is_described() {
    let schema: Value = serde_json::from_str(JSON_SCHEMA).unwrap();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert!(schema["title"].is_string() && schema["description"].is_string());
    assert!(schema.get("$id").is_none());
    for (kind, definition) in schema["$defs"].as_object().unwrap() {
        let properties = definition.get("properties").and_then(Value::as_object);
        for (key, property) in properties.into_iter().flatten() {
            assert!(
                property["description"].is_string(),
                "{kind}.{key} lacks a description"
            );
        }
    }
}

#[test]
fn the_documentation_shows_what_there_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let example = text
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    assert_eq!(toml(example).tasks["support_chat"].candidates.len(), 3);

    let schema: Value = serde_json::from_str(JSON_SCHEMA).unwrap();
    for kind in schema["$defs"].as_object().unwrap().values() {
        let properties = kind.get("properties").and_then(Value::as_object);
        for key in properties.into_iter().flat_map(|keys| keys.keys()) {
            assert!(text.contains(&format!("\n| `{key}` |")), "{key}");
        }
    }
    let kinds = &schema["$defs"]["ProviderConfig"]["properties"]["kind"]["enum"];
    for kind in kinds.as_array().unwrap().iter().filter_map(Value::as_str) {
        let address = if kind == "openai_compatible" {
            "`base_url`"
        } else {
            "`http"
        };
        assert!(
            text.contains(&format!("\n| `{kind}` | {address}")),
            "{kind}"
        );
    }
}
