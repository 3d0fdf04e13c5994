//! The section `[serve]`.

use std::time::Duration;

use locum::Secret;
use locum::config::{Policy, Serve};
use serde_json::{Value, json};

use super::{problems, toml, toml_problems, with_task};

/// A token that must never be seen.
const TOKEN: &str = "tok-very-secret-0123456789";

fn from_code(serve: Value) -> Serve {
    let config = json!({"tasks": {"a": {"primary": "ollama/x"}}, "serve": serve});
    Policy::from_value(config).unwrap_or_else(|error| panic!("{error}")).serve
}

#[test]
fn nothing_said_means_this_machine_alone() {
    let serve = toml(&with_task("")).serve;
    assert_eq!(serve.listen.to_string(), "127.0.0.1:4100");
    assert!(serve.tokens.is_empty() && serve.missing.is_empty());
    assert_eq!((serve.max_body_bytes, serve.max_connections), (32 << 20, 10_000));
    let times = [serve.header_timeout, serve.body_timeout, serve.idle_timeout, serve.shutdown];
    assert_eq!(times.map(|time| time.as_secs()), [10, 60, 75, 25]);
}

#[test]
fn every_setting_in_both_spellings() {
    for config in [
        json!({"listen": "[::1]:80", "max_body_bytes": 1, "max_connections": 2, "header_timeout_ms": 3,
               "body_timeout_ms": 4, "idle_timeout_ms": 5, "shutdown_ms": 0}),
        json!({"listen": "[::1]:80", "maxBodyBytes": 1, "maxConnections": 2, "headerTimeoutMs": 3,
               "bodyTimeoutMs": 4, "idleTimeoutMs": 5, "shutdownMs": 0}),
    ] {
        let serve = from_code(config);
        assert_eq!((serve.listen.to_string().as_str(), serve.max_body_bytes), ("[::1]:80", 1));
        let times = [serve.header_timeout, serve.body_timeout, serve.idle_timeout, serve.shutdown];
        assert_eq!((serve.max_connections, times), (2, [3, 4, 5, 0].map(Duration::from_millis)));
    }
}

#[test]
fn tokens_are_secrets_with_or_without_a_customer() {
    let text = with_task(
        "[serve]\ntokens = [\"env:CARGO_PKG_NAME\", { token = \"tok-very-secret-0123456789\", customer = \"acme\" },\n\
         \"env:LOCUM_TEST_UNSET\"]",
    );
    let policy = toml(&text);
    let tokens: Vec<_> = policy.serve.tokens.iter().map(|token| (&token.secret, token.customer.as_deref())).collect();
    assert_eq!(tokens, [(&Secret::new("locum"), None), (&Secret::new(TOKEN), Some("acme"))]);
    assert_eq!(policy.serve.missing, ["serve.tokens[2]: environment variable LOCUM_TEST_UNSET is not set"]);
    assert_eq!(
        policy.lints,
        [
            "line 2: serve.tokens[1].token: a key written out in a file; use env:NAME or file:PATH",
            "line 3: serve.tokens[2]: locum serve will not start: environment variable LOCUM_TEST_UNSET is not set",
        ]
    );
    assert!(!format!("{policy:?}{:?}", policy.lints).contains(TOKEN));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let text = with_task(
        "[serve]\nlisten = \"localhost\"\nmax_body_bytes = 0\nshutdown_ms = 90000000\nlisten_on = 1\ntokens = [\n\
         \"tok-very-secret-0123456789\",\n{ token = \"tok-very-secret-0123456789\" },\n\
         { token = \"$APP\", customer = \" \" },\n{ customer = \"acme\" },\n7,\n]\n",
    );
    let found = toml_problems(&text);
    assert_eq!(
        found,
        [
            "line 2: serve.listen: must be an IP address and a port, such as 127.0.0.1:4100",
            "line 3: serve.max_body_bytes: must be between 1 and 1073741824",
            "line 4: serve.shutdown_ms: must be between 0 and 86400000",
            "line 5: serve.listen_on: unknown key, did you mean \"listen\"?",
            "line 10: serve.tokens[3]: \"token\" is missing",
            "line 11: serve.tokens[4]: expected a string or an object, found a number",
        ]
    );
    assert!(!found.concat().contains(TOKEN));
}

#[test]
fn tokens_are_told_apart_and_customers_are_names() {
    let config = json!({"tasks": {"a": {"primary": "ollama/x"}}, "serve": {"tokens": [
        TOKEN, {"token": TOKEN, "customer": "acme"}, {"token": "$APP"}, {"token": "b", "customer": " "},
        {"token": "c", "customer": "Zoë"},
    ]}});
    assert_eq!(
        problems(Policy::from_value(config)),
        [
            "serve.tokens[1].token: the same token is there already",
            "serve.tokens[2].token: variables are written env:NAME, not with a dollar sign",
            "serve.tokens[3].customer: must be a name of printable ASCII characters",
            "serve.tokens[4].customer: must be a name of printable ASCII characters",
        ]
    );
    let empty = json!({"tasks": {"a": {"primary": "ollama/x"}}, "serve": {"tokens": []}});
    assert_eq!(problems(Policy::from_value(empty)), ["serve.tokens: must not be empty"]);
}
