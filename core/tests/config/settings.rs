//! The keys that say how candidates are paced, shared out and paid: right values, and the words for each wrong one.

use std::time::Duration;

use locum::config::{Policy, Sharing};
use locum::types::{Concurrency, FirstToken, HedgeAfter, Price, Sticky};
use serde_json::{Value, json};

use super::{problems, toml, toml_problems};

pub(super) const EVERY_KEY: &str = r#"
state = "router"
[breaker]
failures = 5
open_ms = 1000
max_open_ms = 60000
[providers.gpu]
kind = "vllm"
api_keys = ["env:CARGO_PKG_NAME", "env:CARGO_PKG_VERSION"]
max_concurrency = 8
[providers.ollama]
max_concurrency = "auto"
[models.a]
use = "gpu/a"
price = { input = 2, output = 8.0, cached_input = 0.5, cache_write = 2.5 }
first_token_ms = 3000
[models.b]
use = "ollama/b"
price = { input = 0, output = 0 }
first_token_ms = "auto"
[tasks.split]
primary = [{ model = "a", weight = 95 }, { model = "b", weight = 5 }, { model = "gpu/c", weight = 0 }]
fallback = ["ollama/d"]
sticky = "customer"
hedge = false
hedge_after_ms = 1200
first_token_ms = "auto"
max_input_tokens = 9000
too_long = { use_task = "tail" }
[tasks.tail]
primary = [{ model = "a", weight = 1 }]
hedge_after_ms = "p95"
first_token_ms = 4000
"#;

#[test]
fn every_key_has_its_place_in_the_policy() {
    let policy = toml(EVERY_KEY);
    assert_eq!(policy.state, Sharing::Router);
    let breaker = policy.breaker;
    assert_eq!(
        (breaker.failures, breaker.open, breaker.max_open),
        (5, Duration::from_secs(1), Duration::from_secs(60))
    );
    assert_eq!(policy.providers["gpu"].max_concurrency, Some(Concurrency::Fixed(8)));
    assert_eq!(policy.providers["ollama"].max_concurrency, Some(Concurrency::Auto));
    let (a, b) = (&policy.models["a"], &policy.models["b"]);
    let price = Price { input: 2.0, output: 8.0, cached_input: Some(0.5), cache_write: Some(2.5), tier: None };
    assert_eq!(a.price, Some(price));
    assert_eq!(b.price, Some(Price { input: 0.0, output: 0.0, cached_input: None, cache_write: None, tier: None }));
    assert_eq!(a.first_token, Some(FirstToken::After(Duration::from_secs(3))));
    assert_eq!(b.first_token, Some(FirstToken::Auto));

    let split = &policy.tasks["split"];
    let names: Vec<_> = split.candidates.iter().map(|model| model.name()).collect();
    assert_eq!(names, ["gpu/a", "ollama/b", "gpu/c", "ollama/d"]);
    assert_eq!((split.weights.as_slice(), split.sticky), (&[95, 5, 0][..], Some(Sticky::Customer)));
    assert_eq!((split.hedge, split.hedge_after), (false, Some(HedgeAfter::After(Duration::from_millis(1200)))));
    assert_eq!(split.first_token, Some(FirstToken::Auto));
    let tail = &policy.tasks["tail"];
    assert_eq!((tail.candidates.len(), tail.weights.len()), (1, 0));
    assert_eq!((tail.hedge, tail.hedge_after), (true, Some(HedgeAfter::Percentile(95))));
    assert_eq!(tail.first_token, Some(FirstToken::After(Duration::from_secs(4))));
}

#[test]
fn what_is_not_said_has_its_default() {
    let policy = toml("[models.a]\nuse = \"ollama/a\"\n[tasks.t]\nprimary = \"a\"\n");
    assert_eq!(policy.state, Sharing::Process);
    let breaker = policy.breaker;
    assert_eq!(
        (breaker.failures, breaker.open, breaker.max_open),
        (3, Duration::from_secs(5), Duration::from_secs(20))
    );
    assert_eq!(policy.providers["ollama"].max_concurrency, None);
    let (task, model) = (&policy.tasks["t"], &policy.models["a"]);
    assert_eq!((task.hedge, task.hedge_after, task.first_token, task.sticky), (true, None, None, None));
    assert!(task.weights.is_empty() && task.too_long.is_none());
    assert!(model.price.is_none() && model.first_token.is_none());
}

#[test]
fn a_breaker_that_opens_for_long_stays_open_as_long() {
    let breaker = |text: &str| toml(&format!("[breaker]\n{text}\n[tasks.t]\nprimary = \"ollama/x\"\n")).breaker;
    assert_eq!(breaker("open_ms = 30000").max_open, Duration::from_secs(30));
    assert_eq!(breaker("open_ms = 9000").max_open, Duration::from_secs(20));
    assert_eq!(breaker("open_ms = 700\nmax_open_ms = 700").max_open, Duration::from_millis(700));
}

#[test]
fn the_same_in_camel_case() {
    let config = json!({
        "state": "process",
        "breaker": {"openMs": 1000, "maxOpenMs": 2000, "failures": null},
        "providers": {"gpu": {"kind": "vllm", "maxConcurrency": 10000.0}},
        "models": {"m": {"use": "gpu/m", "firstTokenMs": "auto", "price": {
            "input": 1, "output": 2, "cachedInput": 0.1, "cacheWrite": null,
        }}},
        "tasks": {"t": {
            "primary": [{"model": "m", "weight": 1000000}, {"model": "gpu/n", "weight": 1.0}],
            "hedgeAfterMs": "p1", "firstTokenMs": 86400000, "hedge": null,
        }},
    });
    for policy in [Policy::from_value(config.clone()), Policy::from_json_str(&config.to_string())] {
        let policy = policy.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(policy.breaker.max_open, Duration::from_secs(2));
        assert_eq!(policy.providers["gpu"].max_concurrency, Some(Concurrency::Fixed(10_000)));
        let model = &policy.models["m"];
        assert_eq!(model.first_token, Some(FirstToken::Auto));
        let price = Price { input: 1.0, output: 2.0, cached_input: Some(0.1), cache_write: None, tier: None };
        assert_eq!(model.price, Some(price));
        let task = &policy.tasks["t"];
        assert_eq!(task.weights, [1_000_000, 1]);
        assert_eq!(task.hedge_after, Some(HedgeAfter::Percentile(1)));
        assert_eq!(task.first_token, Some(FirstToken::After(Duration::from_secs(86400))));
    }
}

/// What is wrong with this value at this key of a task, without the task's path.
fn of_task(key: &str, value: Value) -> Vec<String> {
    let mut task = json!({"primary": "ollama/x"});
    task[key] = value;
    of(json!({"tasks": {"t": task}}), "tasks.t.")
}

fn of(config: Value, path: &str) -> Vec<String> {
    let found = problems(Policy::from_value(config));
    found.iter().map(|problem| problem.strip_prefix(path).unwrap_or(problem).to_owned()).collect()
}

#[test]
fn wrong_values_of_a_task_are_told() {
    const TIMES: &str = "(known: a whole number or \"p1\" to \"p99\")";
    for (key, value, expected) in [
        ("hedge", json!("no"), "hedge: expected true or false, found a string"),
        ("hedge_after_ms", json!(0), "hedge_after_ms: must be between 1 and 86400000, or \"p1\" to \"p99\""),
        ("hedgeAfterMs", json!(true), "hedgeAfterMs: expected a whole number or \"p1\" to \"p99\", found a boolean"),
        (
            "hedge_after_ms",
            json!(1.5),
            "hedge_after_ms: expected a whole number or \"p1\" to \"p99\", found a fraction",
        ),
        ("hedge_after_ms", json!("p100"), &format!("hedge_after_ms: unknown word \"p100\" {TIMES}")),
        ("hedge_after_ms", json!("p0"), &format!("hedge_after_ms: unknown word \"p0\" {TIMES}")),
        ("hedge_after_ms", json!("p9.5"), &format!("hedge_after_ms: unknown word \"p9.5\" {TIMES}")),
        ("hedge_after_ms", json!("auto"), &format!("hedge_after_ms: unknown word \"auto\" {TIMES}")),
        ("first_token_ms", json!("p95"), "first_token_ms: unknown word \"p95\" (known: a whole number or \"auto\")"),
        ("firstTokenMs", json!(0), "firstTokenMs: must be between 1 and 86400000, or \"auto\""),
        ("first_token_ms", json!([1]), "first_token_ms: expected a whole number or \"auto\", found an array"),
        ("sticky", json!("custmer"), "sticky: unknown word \"custmer\", did you mean \"customer\"?"),
        ("sticky", json!(true), "sticky: expected a string, found a boolean"),
    ] {
        assert_eq!(of_task(key, value), [expected]);
    }
}

#[test]
fn wrong_splits_are_told() {
    let share = |model: &str, weight: u32| json!({"model": model, "weight": weight});
    for (primary, expected) in [
        (json!([]), vec!["primary: must not be empty"]),
        (json!({"model": "ollama/x"}), vec!["primary: expected a string or an array, found an object"]),
        (json!(["ollama/x"]), vec!["primary[0]: expected an object, found a string"]),
        (json!([{"model": "ollama/x"}]), vec!["primary[0]: \"weight\" is missing"]),
        (
            json!([{"modle": "ollama/x", "weight": 1}]),
            vec!["primary[0].modle: unknown key, did you mean \"model\"?", "primary[0]: \"model\" is missing"],
        ),
        (json!([share("ollama/x", 1_000_001)]), vec!["primary[0].weight: must be between 0 and 1000000"]),
        (
            json!([{"model": "ollama/x", "weight": 0.5}]),
            vec!["primary[0].weight: expected a whole number, found a fraction"],
        ),
        (json!([{"model": "ollama/x", "weight": -1}]), vec!["primary[0].weight: must be between 0 and 1000000"]),
        (json!([share("ollama/x", 0)]), vec!["primary: at least one weight must be above 0"]),
        (json!([share("ollama/x", 0), share("ollama/y", 0)]), vec!["primary: at least one weight must be above 0"]),
        (
            json!([share("ollama/x", 1), share("ollama/x", 1)]),
            vec!["primary[1].model: \"ollama/x\" is a candidate already, as tasks.t.primary[0].model"],
        ),
        (json!([share("flagship", 1)]), vec!["primary[0].model: unknown alias \"flagship\""]),
    ] {
        assert_eq!(of_task("primary", primary), expected);
    }
    let text = "[tasks.t]\nprimary = [\n  { model = \"ollama/x\", weight = 1 },\n  { model = \"ollama/y\", weight = 1 },\n]\n\
                fallback = [\"ollama/y\"]\n";
    assert_eq!(
        toml_problems(text),
        ["line 6: tasks.t.fallback[0]: \"ollama/y\" is a candidate already, as tasks.t.primary[1].model"]
    );
}

#[test]
fn wrong_values_of_models_and_providers_are_told() {
    let price = |price: Value| json!({"models": {"m": {"use": "ollama/x", "price": price}}});
    let limit = |limit: Value| json!({"providers": {"ollama": {"max_concurrency": limit}}});
    for (config, expected) in [
        (price(json!({"input": 1})), "models.m.price: \"output\" is missing"),
        (price(json!({"input": -1, "output": 1})), "models.m.price.input: must be 0 or more"),
        (price(json!({"input": "1", "output": 1})), "models.m.price.input: expected a number, found a string"),
        (
            price(json!({"input": 1, "output": 1, "cached": 1})),
            "models.m.price.cached: unknown key, did you mean \"cached_input\"?",
        ),
        (price(json!(2.0)), "models.m.price: expected an object, found a number"),
        (
            json!({"models": {"m": {"use": "ollama/x", "first_token_ms": "fast"}}}),
            "models.m.first_token_ms: unknown word \"fast\" (known: a whole number or \"auto\")",
        ),
        (limit(json!(0)), "providers.ollama.max_concurrency: must be between 1 and 10000, or \"auto\""),
        (limit(json!(10_001)), "providers.ollama.max_concurrency: must be between 1 and 10000, or \"auto\""),
        (
            limit(json!("all")),
            "providers.ollama.max_concurrency: unknown word \"all\" (known: a whole number or \"auto\")",
        ),
        (limit(json!(false)), "providers.ollama.max_concurrency: expected a whole number or \"auto\", found a boolean"),
        (json!({"state": "redis"}), "state: unknown word \"redis\" (known: process, router)"),
        (json!({"state": 1}), "state: expected a string, found a number"),
        (json!({"breaker": true}), "breaker: expected an object, found a boolean"),
        (json!({"breaker": {"failures": 0}}), "breaker.failures: must be between 1 and 100"),
        (json!({"breaker": {"failures": 101}}), "breaker.failures: must be between 1 and 100"),
        (json!({"breaker": {"openMs": 0}}), "breaker.openMs: must be between 1 and 86400000"),
        (json!({"breaker": {"maxOpenMs": 4999}}), "breaker.maxOpenMs: must not be below open_ms (5000)"),
        (json!({"breaker": {"open_ms": 70, "max_open_ms": 69}}), "breaker.max_open_ms: must not be below open_ms (70)"),
        (json!({"breaker": {"open": 1}}), "breaker.open: unknown key, did you mean \"open_ms\"?"),
    ] {
        let mut config = config;
        config["tasks"] = json!({"t": {"primary": "ollama/y"}});
        assert_eq!(of(config, ""), [expected]);
    }
    let text = "[breaker]\nopen_ms = 70\nmax_open_ms = 69\n[tasks.t]\nprimary = \"ollama/y\"\n";
    assert_eq!(toml_problems(text), ["line 3: breaker.max_open_ms: must not be below open_ms (70)"]);
}
