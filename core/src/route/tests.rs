//! Who does a call: splits, keys, pins and hand-overs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::needless_pass_by_value)]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::tokens::{Prompt, Ruler};
use crate::types::Message;

fn policy(tasks: Value) -> Policy {
    let config = json!({
        "providers": {"keys": {"kind": "openai", "api_keys": ["sk-one", "sk-two"]}},
        "models": {"small": {"use": "ollama/a"}},
        "tasks": tasks,
    });
    Policy::from_value(config).unwrap_or_else(|error| panic!("{error}"))
}

fn request(bytes: usize) -> Request {
    Request { messages: vec![Message::user("x".repeat(bytes))], ..Request::default() }
}

/// Routed, by the estimate of each model.
fn route(policy: &Policy, task: &str, request: Request, asked: &Options, draw: u64) -> Result<Route, Error> {
    let prompt = Prompt::new(request);
    let beyond = |model: &Model, limit: u64| prompt.beyond(limit, || Ruler::new(&model.id, 1.0));
    super::route(policy, &policy.tasks[task], &prompt.request, asked, draw, &beyond)
}

fn options(value: Value) -> Options {
    Options::from_value(value).unwrap()
}

fn names(route: &Route) -> Vec<String> {
    route.choices.iter().map(|choice| choice.model.name()).collect()
}

/// The candidates of a call of `split` with these options and this draw.
fn split(task: &Value, asked: Value, draw: u64) -> Vec<String> {
    let policy = policy(json!({"split": task}));
    names(&route(&policy, "split", request(1), &options(asked), draw).unwrap())
}

fn canary() -> Value {
    json!({
        "primary": [{"model": "small", "weight": 1}, {"model": "ollama/b", "weight": 0}, {"model": "ollama/c", "weight": 1}],
        "fallback": ["ollama/d"],
        "sticky": "customer",
    })
}

#[test]
fn the_chosen_primary_comes_first_and_the_others_stand_in_as_written() {
    assert_eq!(split(&canary(), json!({}), 0), ["ollama/a", "ollama/b", "ollama/c", "ollama/d"]);
    assert_eq!(split(&canary(), json!({}), u64::MAX), ["ollama/c", "ollama/a", "ollama/b", "ollama/d"]);
    assert_eq!(split(&canary(), json!({"allow_fallback": false}), u64::MAX), ["ollama/c"]);
}

#[test]
fn a_pin_wins_over_the_split() {
    for draw in [0, u64::MAX] {
        assert_eq!(split(&canary(), json!({"model": "ollama/b"}), draw), ["ollama/b"]);
        assert_eq!(split(&canary(), json!({"model": "small"}), draw), ["ollama/a"]);
    }
    let pinned = split(&canary(), json!({"model": "ollama/d", "allow_fallback": true}), u64::MAX);
    assert_eq!(pinned, ["ollama/d", "ollama/c", "ollama/a", "ollama/b"]);
}

/// Who comes first over many keys and both ends of the draw.
fn firsts(task: &Value, asked: impl Fn(usize) -> Value) -> (BTreeSet<String>, bool) {
    let mut found = BTreeSet::new();
    let mut drawn = false;
    for i in 0..40 {
        let [low, high] = [0, u64::MAX].map(|draw| split(task, asked(i), draw)[0].clone());
        drawn |= low != high;
        found.extend([low, high]);
    }
    (found, drawn)
}

#[test]
fn the_same_customer_gets_the_same_model_whatever_is_drawn() {
    let both = BTreeSet::from(["ollama/a".to_owned(), "ollama/c".to_owned()]);
    assert_eq!(firsts(&canary(), |i| json!({"customer": format!("c{i}")})), (both.clone(), false));
    // Without a customer, the call's own key decides; without either, the draw.
    assert_eq!(firsts(&canary(), |i| json!({"idempotency_key": format!("k{i}")})), (both.clone(), false));
    assert_eq!(firsts(&canary(), |_| json!({})), (both.clone(), true));
    // One customer, many calls.
    let one = |i| json!({"customer": "acme", "idempotency_key": format!("k{i}")});
    assert_eq!(firsts(&canary(), one).0.len(), 1);
    let mut loose = canary();
    loose["sticky"] = Value::Null;
    assert_eq!(firsts(&loose, one), (both.clone(), false));
    assert_eq!(firsts(&loose, |_| json!({"customer": "acme"})), (both, true));
}

#[test]
fn every_key_of_a_model_is_a_candidate_at_the_same_place() {
    let policy = policy(json!({"t": {"primary": "keys/m", "fallback": ["small"]}}));
    let route = route(&policy, "t", request(1), &Options::default(), 0).unwrap();
    let found: Vec<_> = route
        .choices
        .iter()
        .map(|choice| (choice.model.name(), choice.key.as_ref().and_then(|key| key.number), choice.place))
        .collect();
    let expected = [("keys/m", Some(1), 0), ("keys/m", Some(2), 0), ("ollama/a", None, 1)];
    assert_eq!(found, expected.map(|(name, number, place)| (name.to_owned(), number, place)));
}

fn chain() -> Policy {
    policy(json!({
        "short": {"primary": "ollama/s", "max_input_tokens": 10, "too_long": {"use_task": "middle"}},
        "middle": {"primary": "ollama/m", "max_input_tokens": 20, "too_long": {"use_task": "long"}, "retries": 3},
        "long": {"primary": "ollama/l", "max_input_tokens": 100, "fallback": ["small"]},
    }))
}

fn handed(bytes: usize, asked: Value) -> Result<Route, Error> {
    let policy = chain();
    route(&policy, "short", request(bytes), &options(asked), 0)
}

#[test]
fn an_input_that_is_too_long_goes_to_the_task_that_takes_it() {
    // A message adds four tokens.
    let route = handed(24, json!({})).unwrap();
    assert_eq!((route.task.name.as_str(), names(&route)), ("short", vec!["ollama/s".to_owned()]));
    assert_eq!(route.warnings, Vec::<String>::new());

    let route = handed(28, json!({})).unwrap();
    assert_eq!((route.task.name.as_str(), route.task.retries), ("middle", 3));
    assert_eq!(names(&route), ["ollama/m"]);
    assert_eq!(route.warnings, ["about 11 tokens, short allows 10: handed to middle"]);

    let route = handed(200, json!({})).unwrap();
    assert_eq!(names(&route), ["ollama/l", "ollama/a"]);
    assert_eq!(
        route.warnings,
        ["about 54 tokens, short allows 10: handed to middle", "about 54 tokens, middle allows 20: handed to long"]
    );
}

#[test]
fn the_last_task_of_the_way_refuses_what_it_cannot_take() {
    let error = handed(2000, json!({})).expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::InputTooLong);
    let expected =
        "the input is about 504 tokens, \"long\", the last to take it, allows 100 (max_input_tokens); nothing was sent";
    assert_eq!(error.message(), expected);
}

#[test]
fn options_are_those_of_a_call_of_the_task_that_takes_it() {
    assert_eq!(names(&handed(200, json!({"model": "small"})).unwrap()), ["ollama/a"]);
    let error = handed(200, json!({"model": "ollama/s"})).expect_err("no candidate");
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("is no candidate of \"long\", which takes this input"), "{error}");
}
