//! Which task takes the calls that are too long for another.

use locum::config::Policy;
use serde_json::json;

use super::{problems, toml, toml_problems};

/// Tasks `name → target`, all with a limit.
fn tasks(ways: &[(&str, &str)]) -> String {
    let task = |(name, target): &(&str, &str)| {
        let hand_over =
            if target.is_empty() { String::new() } else { format!("too_long = {{ use_task = \"{target}\" }}\n") };
        format!("[tasks.{name}]\nprimary = \"ollama/x\"\nmax_input_tokens = 10\n{hand_over}")
    };
    ways.iter().map(task).collect()
}

#[test]
fn ways_that_end_are_fine() {
    let policy = toml(&tasks(&[("a", "b"), ("b", "c"), ("d", "c"), ("c", "")]));
    let target = |name: &str| policy.tasks[name].too_long.as_deref();
    assert_eq!([target("a"), target("b"), target("c"), target("d")], [Some("b"), Some("c"), None, Some("c")]);
    let config = json!({"tasks": {
        "a": {"primary": "ollama/x", "maxInputTokens": 10, "tooLong": {"useTask": "b"}},
        "b": {"primary": "ollama/x"},
    }});
    assert_eq!(Policy::from_value(config).unwrap().tasks["a"].too_long.as_deref(), Some("b"));
}

#[test]
fn loops_are_refused_once_each() {
    let found = toml_problems(&tasks(&[("x", "b"), ("b", "c"), ("c", "a"), ("a", "b"), ("me", "me")]));
    assert_eq!(
        found,
        [
            "line 16: tasks.a.too_long.use_task: hands over in a loop: a → b → c → a",
            "line 20: tasks.me.too_long.use_task: hands over in a loop: me → me",
        ]
    );
}

#[test]
fn a_hand_over_needs_a_limit_and_a_task() {
    let config = json!({"tasks": {
        "short": {"primary": "ollama/x", "tooLong": {"use_task": "long"}},
        "other": {"primary": "ollama/x", "max_input_tokens": 5, "tooLong": {"useTask": "lnog"}},
        "third": {"primary": "ollama/x", "max_input_tokens": 5, "too_long": {"usetask": "long"}},
        "fourth": {"primary": "ollama/x", "max_input_tokens": 5, "too_long": "long"},
        "long": {"primary": "ollama/x"},
    }});
    let mut found = problems(Policy::from_value(config));
    found.sort();
    assert_eq!(
        found,
        [
            "tasks.fourth.too_long: expected an object, found a string",
            "tasks.other.tooLong.useTask: unknown task \"lnog\", did you mean \"long\"?",
            "tasks.short.tooLong: needs max_input_tokens, above which a call is too long",
            "tasks.third.too_long.usetask: unknown key, did you mean \"use_task\"?",
            "tasks.third.too_long: \"use_task\" is missing",
        ]
    );
}

#[test]
fn a_task_with_problems_of_its_own_is_not_unknown() {
    let text = format!("{}[tasks.b]\nprimary = 7\n", tasks(&[("a", "b")]));
    assert_eq!(toml_problems(&text), ["line 6: tasks.b.primary: expected a string or an array, found a number"]);
    // A limit that is wrong is told, not that it is missing.
    let text = tasks(&[("a", "b"), ("b", "")]).replacen("= 10", "= 0", 1);
    assert_eq!(toml_problems(&text), ["line 3: tasks.a.max_input_tokens: must be 1 or more"]);
}
