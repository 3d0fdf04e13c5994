//! Each kind of problem, with its exact words and place.

use std::path::PathBuf;

use locum::config::Policy;
use serde_json::json;

use super::settings::EVERY_KEY;
use super::{FIVE_TASKS, Folder, problems, toml, toml_problems, with_task};

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
         gemini, vertex, bedrock, azure, cohere, groq, mistral, deepseek, openrouter, together, fireworks, \
         cerebras, perplexity, xai, ollama, vllm, llamacpp, lmstudio, openai_compatible)",
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
    let expected: Vec<_> = expected.iter().map(|text| format!("{}:{text}", path.display())).collect();
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
        (json!({"tasks": null}), "tasks: expected an object, found null"),
        (
            json!({"tasks": {"a": {"primary": "ollama/a", "maxLatencyMs": 5, "max_latency_ms": 5}}}),
            "tasks.a.max_latency_ms: is another spelling of \"maxLatencyMs\"; keep one of them",
        ),
        (json!({"tasks": {"a": {"primary": "ollama/a", "seed": u64::MAX}}}), "tasks.a.seed: is too large a number"),
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
            "line 8: models.m.lacks[0]: unknown word \"sight\" (known: tools, vision, json_schema, temperature)",
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
    const PLAIN: &str =
        "plain http would send the key in clear to another machine; use https, or set allow_http = true";
    const CALL: &str = "must be where the API starts, without the path of a call (/chat/completions, /messages)";
    for (url, problem) in [
        ("localhost:8000", ADDRESS),
        ("ftp://example.com", ADDRESS),
        ("/v1", ADDRESS),
        ("https://a b", ADDRESS),
        ("https://user:hunter2@example.com/v1", "must not hold a user or password; use api_key or headers"),
        ("https://example.com/v1?key=hunter2", "must not have a query or fragment"),
        ("https://example.com/v1#x", "must not have a query or fragment"),
        ("https://example.com/v1/chat/completions", CALL),
        ("http://192.168.1.5:8000/v1", PLAIN),
        ("http://localhost.example.com/v1", PLAIN),
        ("http://127.0.0.1.example.com/v1", PLAIN),
        ("http://[::2]:8000/v1", PLAIN),
        ("http://127.0.0.1:99999/v1", "names a port that does not exist"),
        ("https://[::1]:65536", "names a port that does not exist"),
    ] {
        let text = with_task(&format!("[providers.x]\nkind = \"vllm\"\nbase_url = \"{url}\""));
        assert_eq!(toml_problems(&text), [format!("line 3: providers.x.base_url: {problem}")]);
    }
    for url in ["http://localhost:1/v1", "http://127.8.0.1/v1", "http://[::1]:8000/v1", "https://example.com:8443/a/b"]
    {
        let text = with_task(&format!("[providers.x]\nkind = \"vllm\"\nbase_url = \"{url}\""));
        assert_eq!(toml(&text).providers["x"].base_url, url);
    }
    let policy = toml(&with_task("[providers.vllm]\nbase_url = \"http://gpu:8000/v1/\"\nallow_http = true"));
    assert_eq!(policy.providers["vllm"].base_url, "http://gpu:8000/v1");
    let policy = toml(&with_task("[providers.anthropic]\nbase_url = \"https://proxy.example.com/v1\""));
    assert_eq!(policy.providers["anthropic"].base_url, "https://proxy.example.com");
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
fn text_that_is_no_toml_or_json_says_where() {
    let found = toml_problems("[tasks.a]\nprimary = \n");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("line 2: column 11: not valid TOML: "), "{found:?}");
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
    for text in [FIVE_TASKS, EVERY_KEY] {
        for end in 0..text.len() {
            told(&text[..end]);
        }
        let lines: Vec<_> = text.lines().collect();
        for missing in 0..lines.len() {
            let mut rest = lines.clone();
            rest.remove(missing);
            told(&rest.join("\n"));
        }
    }
    let json = json!({"tasks": {"a": {"primary": "ollama/x", "stop": ["\u{e9}", "b"], "seed": -1.0}}});
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
        ("locum.yaml", b"".to_vec(), "the file's name must end in .toml or .json"),
        ("latin.toml", b"a = 1\n# \xe9\n".to_vec(), "line 2 is not UTF-8; save the file as UTF-8"),
        ("large.toml", vec![b'#'; 1024 * 1024 + 1], "is larger than 1048576 bytes"),
    ] {
        let found = one(folder.write(name, bytes));
        assert!(found.ends_with(&format!("{name}: {problem}")), "{found}");
    }
    for (name, text) in [
        ("bom.TOML", format!("\u{feff}{}", with_task(""))),
        ("crlf.toml", with_task("").replace('\n', "\r\n")),
        ("locum.json", r#"{"tasks": {"chat": {"primary": "ollama/x"}}}"#.to_owned()),
    ] {
        let policy = Policy::from_file(folder.write(name, text)).unwrap();
        assert!(policy.tasks.contains_key("chat"));
    }
}

#[cfg(not(feature = "otlp"))]
#[test]
fn a_build_that_sends_nothing_over_otlp_says_so() {
    let config = serde_json::json!({"tasks": {"t": {"primary": "ollama/x"}}, "accounting": {"otlp": {}}});
    let error = locum::Policy::from_value(config).expect_err("a problem");
    assert_eq!(
        error.problems(),
        ["accounting.otlp: this build of Locum sends nothing over OTLP: it lacks the feature \"otlp\""]
    );
}
