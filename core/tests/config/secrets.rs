//! Where keys come from, and that none is ever shown.

use locum::Secret;
use locum::config::{Credential, Policy};
use serde_json::json;

use super::{Folder, problems, toml};

/// A key that must never be seen.
const KEY: &str = "sk-very-secret-0123456789";

#[test]
fn a_missing_key_is_no_problem_but_a_lint() {
    let policy = toml(
        "[providers.openai]\napi_key = \"env:LOCUM_TEST_UNSET\"\n\
         [tasks.a]\nprimary = \"openai/x\"\nfallback = [\"ollama/y\"]\n",
    );
    let Credential::Missing(sentence) = &policy.providers["openai"].credential else { panic!("a key") };
    assert_eq!(sentence, "environment variable LOCUM_TEST_UNSET is not set");
    assert_eq!(policy.lints, [format!("line 1: providers.openai: its models will be skipped: {sentence}")]);
    let blank = json!({"providers": {"groq": {"api_key": " "}}, "tasks": {"a": {"primary": "groq/x"}}});
    let policy = Policy::from_value(blank).unwrap();
    let key = &policy.providers["groq"].credential;
    assert!(matches!(key, Credential::Missing(sentence) if sentence == "the value is empty"));
}

#[test]
fn secrets_come_from_files_beside_the_configuration() {
    let folder = Folder::new("secrets");
    folder.write("key.txt", format!("\u{feff}{KEY}\r\n"));
    folder.write("bad.txt", format!("{KEY}\n{KEY}"));
    folder.write("binary.txt", [0xff, 0xfe]);
    let load = |reference: &str| {
        let text = format!("[providers.openai]\napi_key = \"file:{reference}\"\n[tasks.a]\nprimary = \"openai/x\"\n");
        Policy::from_file(folder.write("locum.toml", text))
    };
    let policy = load("key.txt").unwrap();
    let key = &policy.providers["openai"].credential;
    assert!(matches!(key, Credential::Keys(keys) if keys[0].secret == Secret::new(KEY)));
    assert_eq!(policy.lints, Vec::<String>::new());

    let policy = load("none.txt").unwrap();
    let looked_at = folder.0.join("none.txt").display().to_string();
    let key = &policy.providers["openai"].credential;
    assert!(matches!(key, Credential::Missing(sentence) if sentence.contains(&looked_at)));

    for (name, problem) in [("bad.txt", "holds characters that no header can carry"), ("binary.txt", "is not UTF-8")] {
        let found = problems(load(name));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("locum.toml:2: providers.openai.api_key: file "));
        assert!(found[0].contains(problem) && !found[0].contains(KEY), "{found:?}");
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
        let config = json!({"providers": {"openai": provider}, "tasks": {"a": {"primary": "openai/x"}}});
        let error = Policy::from_value(config).expect_err("a problem");
        let shown = format!("{error} {error:?} {:?} {}", error.problems(), error.to_value());
        assert!(!shown.contains("very-secret"), "{shown}");
    }
    for text in [format!("[providers.openai]\napi_key = {KEY}\n"), format!("[providers.openai]\napi_key = \"{KEY}\n")] {
        let error = Policy::from_toml_str(&text).expect_err("a syntax error");
        assert!(!error.to_string().contains("very-secret"), "{error}");
    }
    let text = format!("{{\"api_key\": {KEY}}}");
    let error = Policy::from_json_str(&text).expect_err("a syntax error");
    assert!(!error.to_string().contains("very-secret"), "{error}");
}
