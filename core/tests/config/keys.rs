//! Several keys of one provider.

use locum::Secret;
use locum::config::{Credential, Policy};
use serde_json::{Value, json};

use super::{problems, toml, toml_problems};

/// A key that must never be seen.
const KEY: &str = "sk-very-secret-0123456789";

fn config(provider: Value) -> Value {
    json!({"providers": {"openai": provider}, "tasks": {"a": {"primary": "openai/x"}}})
}

fn numbers(policy: &Policy) -> Vec<(Secret, Option<u32>)> {
    match &policy.providers["openai"].credential {
        Credential::Keys(keys) => keys.iter().map(|key| (key.secret.clone(), key.number)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_serve_in_their_order() {
    for name in ["api_keys", "apiKeys"] {
        let policy = Policy::from_value(config(json!({name: ["env:CARGO_PKG_NAME", "sk-b", "sk-a"]}))).unwrap();
        let expected = [("locum", Some(1)), ("sk-b", Some(2)), ("sk-a", Some(3))];
        assert_eq!(numbers(&policy), expected.map(|(key, number)| (Secret::new(key), number)));
        assert_eq!(policy.lints, [""; 0]);
    }
    let policy = Policy::from_value(config(json!({"api_keys": ["sk-a"]}))).unwrap();
    assert_eq!(numbers(&policy), [(Secret::new("sk-a"), None)]);
}

#[test]
fn a_missing_key_leaves_the_work_to_the_others() {
    let text = "[providers.openai]\napi_keys = [\n  \"env:LOCUM_TEST_UNSET\",\n  \"env:CARGO_PKG_NAME\",\n]\n\
                [tasks.a]\nprimary = \"openai/x\"\n";
    let policy = toml(text);
    assert_eq!(numbers(&policy), [(Secret::new("locum"), Some(2))]);
    assert_eq!(
        policy.lints,
        [
            "line 3: providers.openai.api_keys[0]: key 1 will be passed over: environment variable LOCUM_TEST_UNSET is not set"
        ]
    );
}

#[test]
fn without_any_key_the_provider_is_skipped() {
    let references = json!(["env:LOCUM_TEST_UNSET", "env:LOCUM_TEST_UNSET_TOO"]);
    let policy = Policy::from_value(config(json!({"api_keys": references}))).unwrap();
    let Credential::Missing(sentence) = &policy.providers["openai"].credential else { panic!("a key") };
    let expected =
        "environment variable LOCUM_TEST_UNSET is not set, environment variable LOCUM_TEST_UNSET_TOO is not set";
    assert_eq!(sentence, expected);
    assert_eq!(policy.lints, [format!("providers.openai: its models will be skipped: {expected}")]);
}

#[test]
fn wrong_lists_are_told_and_show_no_key() {
    for (provider, expected) in [
        (json!({"api_key": KEY, "api_keys": [KEY]}), "api_keys: api_key is given too; keep one of them"),
        (json!({"apiKeys": []}), "apiKeys: must not be empty"),
        (json!({"api_keys": KEY}), "api_keys: expected an array, found a string"),
        (json!({"api_keys": [KEY, 7]}), "api_keys[1]: expected a string, found a number"),
        (json!({"api_keys": ["sk-a", KEY, KEY]}), "api_keys[2]: the same key as number 2"),
        (
            json!({"api_keys": ["env:LOCUM_TEST_UNSET", "env:LOCUM_TEST_UNSET"]}),
            "api_keys[1]: the same key as number 1",
        ),
        (json!({"apiKeys": ["env:CARGO_PKG_NAME", " locum "]}), "apiKeys[1]: the same key as number 1"),
        (
            json!({"api_keys": [KEY, format!("env:{KEY}")]}),
            "api_keys[1]: env: must be followed by the name of a variable",
        ),
    ] {
        let found = problems(Policy::from_value(config(provider)));
        assert_eq!(found, [format!("providers.openai.{expected}")]);
        assert!(!found[0].contains("very-secret"));
    }
    let text =
        format!("[providers.openai]\napi_keys = [\n  \"{KEY}\",\n  \"{KEY}\",\n]\n[tasks.a]\nprimary = \"openai/x\"\n");
    assert_eq!(toml_problems(&text), ["line 4: providers.openai.api_keys[1]: the same key as number 1"]);
}

#[test]
fn a_key_written_out_in_a_file_is_named_by_its_place() {
    let text = format!(
        "[providers.openai]\napi_keys = [\"env:CARGO_PKG_NAME\", \"{KEY}\"]\n[tasks.a]\nprimary = \"openai/x\"\n"
    );
    let policy = toml(&text);
    assert_eq!(
        policy.lints,
        ["line 2: providers.openai.api_keys[1]: a key written out in a file; use env:NAME or file:PATH"]
    );
    assert!(!format!("{policy:?}").contains("very-secret"));
}
