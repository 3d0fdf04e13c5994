//! Who may come in, and as whom.

use std::collections::BTreeSet;

use locum::testkit::{Mock, Script};
use locum::{ErrorKind, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::client::{Got, ask, get, post};
use super::{Place, body, router};

const TOKENS: [&str; 2] = ["tok-app-0123456789", "tok-acme-0123456789"];

fn tokens() -> Value {
    json!({"tokens": [TOKENS[0], {"token": TOKENS[1], "customer": "acme"}]})
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

#[tokio::test]
async fn without_a_known_token_nobody_is_served() {
    let place = Place::open(json!([{"answer": "Hello"}]), tokens()).await;
    let long = "x".repeat(30_000);
    for headers in
        ["", "authorization: Bearer \r\n", "authorization: Basic dG9r\r\n", &bearer("tok-app"), &bearer(&long)]
    {
        let got = post(place.address, headers, &body(false)).await;
        assert_eq!((got.status, got.code()), (401, "invalid_api_key".to_owned()), "{headers}");
        assert_eq!((got.header("www-authenticate"), got.header("x-should-retry")), ("Bearer realm=\"locum\"", "false"));
        assert!(got.header("x-request-id").starts_with("req_"));
    }
    for path in ["/v1/models", "/anything"] {
        assert_eq!(get(place.address, path).await.status, 401, "{path}");
    }
    assert_eq!(place.mock.count("a"), 0);
    for token in TOKENS {
        let got = post(place.address, &bearer(token), &body(false)).await;
        assert_eq!(got.status, 200, "{got:?}");
    }
    assert_eq!(place.mock.count("a"), 2);
    assert!(!place.mock.log()[0].headers.values().any(|value| value.contains("tok-")));
}

#[tokio::test]
async fn probes_need_no_token() {
    let place = Place::open(json!([]), tokens()).await;
    for (path, text) in [("/healthz", "alive\n"), ("/readyz", "ready\n")] {
        let got = get(place.address, path).await;
        assert_eq!((got.status, got.text.as_str()), (200, text));
    }
    let got = get(place.address, "/metrics").await;
    assert_eq!((got.status, got.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(ask(place.address, "POST", "/healthz", "", "").await.status, 401);
    let got = ask(place.address, "POST", "/healthz", &bearer(TOKENS[0]), "{}").await;
    assert_eq!((got.status, got.code()), (404, "unsupported_endpoint".to_owned()));
}

/// Two primaries that the customer chooses between.
async fn shared() -> Place {
    let script = json!({"a": [{"answer": "Hello"}], "b": [{"answer": "Hello"}]});
    let mock = Mock::start(Script::from_value(script).unwrap()).await.unwrap();
    let provider = |name: &str| json!({"kind": "openai", "base_url": mock.url(name), "api_key": "sk-upstream"});
    let router = Router::from_value(json!({
        "state": "router",
        "providers": {"a": provider("a"), "b": provider("b")},
        "tasks": {"t": {
            "primary": [{"model": "a/m", "weight": 1}, {"model": "b/m", "weight": 1}],
            "sticky": "customer",
        }},
        "serve": tokens(),
    }))
    .unwrap();
    let settings = router.policy().serve.clone();
    Place::with(mock, router, &settings).await
}

/// Which models serve calls in the names of twenty customers.
async fn served_by(place: &Place, token: &str, told: impl Fn(usize) -> (String, Value)) -> BTreeSet<String> {
    let mut models = BTreeSet::new();
    for n in 0..20 {
        let (headers, metadata) = told(n);
        let mut body = body(false);
        body["metadata"] = metadata;
        let got: Got = post(place.address, &(bearer(token) + &headers), &body).await;
        assert_eq!(got.status, 200, "{got:?}");
        models.insert(got.header("x-locum-model").to_owned());
    }
    models
}

#[tokio::test]
async fn the_customer_of_a_token_is_not_for_the_client_to_choose() {
    let place = shared().await;
    let in_header = |n: usize| (format!("x-locum-customer: c{n}\r\nX-Locum-Customer: d{n}\r\n"), json!({}));
    let in_metadata = |n: usize| (String::new(), json!({"locum_customer": format!("c{n}")}));
    assert_eq!(served_by(&place, TOKENS[0], in_header).await.len(), 2);
    assert_eq!(served_by(&place, TOKENS[0], in_metadata).await.len(), 2);
    let of_acme = served_by(&place, TOKENS[1], |_| (String::new(), json!({}))).await;
    assert_eq!(of_acme.len(), 1);
    assert_eq!(served_by(&place, TOKENS[1], in_header).await, of_acme);
    assert_eq!(served_by(&place, TOKENS[1], in_metadata).await, of_acme);
}

#[tokio::test]
async fn other_machines_are_let_in_by_token_only() {
    let mock = Mock::start(Script::from_value(json!({"a": [{"answer": "Hello"}]})).unwrap()).await.unwrap();
    let open = || async { TcpListener::bind("0.0.0.0:0").await.unwrap() };
    let plain = router(&mock, json!(null));
    let refused = locum::serve::serve(open().await, plain.clone(), &plain.policy().serve, async {}).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Config);
    assert!(refused.message().contains("[serve] tokens"), "{refused}");

    let guarded = router(&mock, tokens());
    let listener = open().await;
    let port = listener.local_addr().unwrap().port();
    let never = std::future::pending();
    tokio::spawn(locum::serve::serve(listener, guarded.clone(), &guarded.policy().serve, never).unwrap());
    let address = ([127, 0, 0, 1], port).into();
    assert_eq!(post(address, &bearer(TOKENS[0]), &body(false)).await.status, 200);
    assert_eq!(get(address, "/readyz").await.status, 200);
    // Names of tasks and models are nobody's business.
    assert_eq!(get(address, "/metrics").await.status, 401);
    assert_eq!(ask(address, "GET", "/metrics", &bearer(TOKENS[1]), "").await.status, 200);
}

#[tokio::test]
async fn a_server_does_not_start_without_a_token_it_should_know() {
    let mock = Mock::start(Script::from_value(json!({"a": []})).unwrap()).await.unwrap();
    let router = router(&mock, json!({"tokens": ["env:LOCUM_TEST_UNSET", TOKENS[0]]}));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = locum::serve::serve(listener, router.clone(), &router.policy().serve, async {}).err().unwrap();
    assert_eq!(refused.message(), "serve.tokens[0]: environment variable LOCUM_TEST_UNSET is not set");
}

#[tokio::test]
async fn without_tokens_a_page_from_elsewhere_may_not_call() {
    let place = Place::open(json!([{"answer": "Hello"}]), json!(null)).await;
    let got = post(place.address, "origin: https://example.com\r\n", &body(false)).await;
    assert_eq!((got.status, got.code()), (403, "cross_origin".to_owned()));
    assert_eq!(post(place.address, "origin: http://localhost:3000\r\n", &body(false)).await.status, 200);
}

#[tokio::test]
async fn counts_tell_of_tasks_and_models_and_nothing_that_was_said() {
    let mock =
        Mock::start(Script::from_value(json!({"a": [{"status": 503}], "b": [{"answer": "Fine"}]})).unwrap()).await;
    let mock = mock.unwrap();
    let provider = |name: &str| json!({"kind": "openai", "base_url": mock.url(name), "api_key": "sk-upstream"});
    let router = Router::from_value(json!({
        "state": "router",
        "providers": {"a": provider("a"), "b": provider("b")},
        "tasks": {"say \"hi\"": {"primary": "a/m", "fallback": ["b/m"], "retries": 0}},
        "serve": tokens(),
    }))
    .unwrap();
    let settings = router.policy().serve.clone();
    let place = Place::with(mock, router, &settings).await;
    let mut body = body(true);
    body["model"] = "say \"hi\"".into();
    for _ in 0..4 {
        assert_eq!(post(place.address, &bearer(TOKENS[1]), &body).await.status, 200);
    }
    let page = get(place.address, "/metrics").await.text;
    for line in [
        r#"locum_requests_total{route="/chat/completions",task="say \"hi\"",status="200"} 4"#,
        r#"locum_attempts_total{task="say \"hi\"",model="a/m",outcome="overloaded"} 1"#,
        r#"locum_attempts_total{task="say \"hi\"",model="b/m",outcome="ok"} 4"#,
        r#"locum_fallbacks_total{task="say \"hi\"",model="b/m"} 1"#,
        r#"locum_candidate_available{model="a/m",key=""} 0"#,
        r#"locum_candidate_breaker{model="b/m",key="",state="closed"} 1"#,
        "locum_requests_running 0",
        "locum_streams 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    assert!(!["tok-", "acme", "Fine", "Hi\""].iter().any(|word| page.contains(word)), "{page}");
}
