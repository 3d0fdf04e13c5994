//! What is allowed but worth a look: each lint with its place and words, and that sound files have none.

use std::fmt::Write as _;

use super::toml;

/// Two providers that are worlds apart, and a model at each.
const MODELS: &str = r#"[providers.near]
kind = "ollama"
[providers.far]
kind = "vllm"
[models.a]
use = "near/a"
[models.b]
use = "far/b"
"#;

/// The lints of a task on these models, without their lines: `rest` is what the task says, `models` goes before it.
fn lints(models: &str, task: &str) -> Vec<String> {
    let mut text = format!("{MODELS}{models}\n[tasks.t]\n{task}\n");
    // Everything is used, so that nothing is said of that.
    let names =
        MODELS.lines().chain(models.lines()).filter_map(|line| line.strip_prefix("[models.")?.strip_suffix(']'));
    for (i, name) in names.enumerate() {
        let _ = write!(text, "[tasks.other{i}]\nprimary = \"{name}\"\n");
    }
    let lints = toml(&text).lints;
    lints.iter().map(|lint| lint.split_once(": ").map_or("", |(_, rest)| rest).to_owned()).collect()
}

#[track_caller]
fn check(models: &str, task: &str, expected: &[&str]) {
    assert_eq!(lints(models, task), expected, "{task}");
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

const BOTH: &str = "primary = \"a\"\nfallback = [\"b\"]\n";

#[test]
fn a_sound_task_has_none() {
    let models = "[models.c]\nuse = \"far/c\"\ntimeout_ms = 7000\nfirst_token_ms = 2000\ncontext_window = 32000\n\
                  price = { input = 1, output = 2 }\n[models.d]\nuse = \"near/d\"\nprice = { input = 1, output = 2 }\n";
    let task = r#"primary = [{ model = "d", weight = 9 }, { model = "c", weight = 1 }]
fallback = ["xai/x"]
sticky = "customer"
max_latency_ms = 8000
max_input_tokens = 32000
hedge_after_ms = 1200
first_token_ms = 4000
too_long = { use_task = "other0" }"#;
    let unpriced = "tasks.t.fallback[0]: the cost of xai/x is unknown, unlike that of other candidates; set its price";
    let without_key = "providers.xai: its models will be skipped: environment variable XAI_API_KEY is not set";
    check(models, task, &[without_key, unpriced]);
    let task = task.replace("fallback = [\"xai/x\"]", "");
    check(models, &task, &[]);
    check("", &format!("{BOTH}max_latency_ms = 1000\nhedge_after_ms = \"p95\"\nfirst_token_ms = \"auto\""), &[]);
}

#[test]
fn one_key_under_two_names() {
    let providers = |key: &str| {
        format!(
            "[providers.direct]\nkind = \"vllm\"\nbase_url = \"http://127.0.0.1:1\"\napi_keys = [\"{key}\", \"sk-other\"]\n\
             [providers.proxy]\nkind = \"vllm\"\nbase_url = \"http://127.0.0.1:2\"\napi_key = \"{key}\"\n"
        )
    };
    // The keys stand in the file for this test; what is said of that is another matter.
    let of_task = |key: &str, fallback: &str| {
        let found = lints(&providers(key), &format!("primary = \"direct/x\"\nfallback = {fallback}"));
        found.into_iter().filter(|lint| lint.starts_with("tasks.")).collect::<Vec<_>>()
    };
    let one_limit =
        "tasks.t.fallback: every stand-in has the key of \"direct\" like the primary: one limit takes them all";
    assert_eq!(of_task("sk-shared", r#"["proxy/x"]"#), [one_limit]);
    assert_eq!(of_task("sk-shared", r#"["proxy/x", "direct/y"]"#), [one_limit]);
    assert_eq!(of_task("sk-shared", r#"["proxy/x", "a"]"#), [""; 0]);
    // A placeholder for a server that wants no key.
    assert_eq!(of_task("EMPTY", r#"["proxy/x"]"#), [""; 0]);
}

#[test]
fn primaries_stand_in_for_each_other() {
    let split = r#"primary = [{ model = "a", weight = 1 }, { model = "far/c", weight = 1 }]"#;
    check("", &format!("{split}\nfallback = [\"near/d\"]"), &[]);
    check("", &format!("{split}\nallow_fallback = false"), &[]);
    let nobody = "tasks.t.fallback: nobody in this list stands in, since allow_fallback is false";
    check("", &format!("{split}\nallow_fallback = false\nfallback = [\"b\"]"), &[nobody]);
}

#[test]
fn a_stand_in_that_is_not_up_to_the_task() {
    let small = "[models.small]\nuse = \"far/s\"\ncontext_window = 4000\nlacks = [\"vision\", \"tools\"]\n";
    check(
        small,
        "primary = \"a\"\nfallback = [\"small\"]\nmax_input_tokens = 4001",
        &[
            "tasks.t.fallback[0]: its context_window of 4000 is below the task's max_input_tokens (4001): it cannot take \
             the longest calls",
            "tasks.t.fallback[0]: lacks tools and vision, which the primary near/a does not: it cannot take such calls",
        ],
    );
    let able = small.replace("lacks = [\"vision\", \"tools\"]", "");
    check(&able, "primary = \"a\"\nfallback = [\"small\"]\nmax_input_tokens = 4000", &[]);
    check(&able, "primary = \"a\"\nfallback = [\"small\"]", &[]);
    // A primary may be the small one; whoever stands in for it takes the rest.
    check(small, "primary = \"small\"\nfallback = [\"a\"]\nmax_input_tokens = 5000", &[]);
    let blind = "[models.blind]\nuse = \"near/c\"\nlacks = [\"vision\", \"tools\", \"json_schema\"]\n";
    check(&format!("{small}{blind}"), "primary = \"blind\"\nfallback = [\"small\"]", &[]);
}

#[test]
fn limits_that_the_deadline_makes_idle() {
    let slow = "[models.slow]\nuse = \"near/s\"\ntimeout_ms = 3001\nfirst_token_ms = 3000\n";
    check(
        slow,
        "primary = \"slow\"\nfirst_token_ms = 3000\nmax_latency_ms = 3000",
        &[
            "tasks.t.first_token_ms: never takes effect, since max_latency_ms (3000 ms) is not above it",
            "tasks.t.max_latency_ms: ends before the timeout_ms of \"slow\" (3001 ms), which never takes effect here",
            "tasks.t.max_latency_ms: is no longer than the first_token_ms of \"slow\" (3000 ms), which never takes effect here",
        ],
    );
    check(slow, "primary = \"slow\"\nfirst_token_ms = 3000\nmax_latency_ms = 3001", &[]);
    check(slow, "primary = \"slow\"\nfirst_token_ms = 9000", &[]);
}

#[test]
fn candidates_that_the_deadline_hardly_reaches() {
    let four = r#"primary = "a"
fallback = ["b", "near/c", "far/d"]"#;
    check("", &format!("{four}\nmax_latency_ms = 4000"), &[]);
    check(
        "",
        &format!("{four}\nmax_latency_ms = 3999"),
        &["tasks.t.fallback[2]: begins with only 499 ms left of max_latency_ms while those before it are silent"],
    );
    check(
        "",
        &format!("{four}\nmax_latency_ms = 900"),
        &["tasks.t.fallback[0]: begins with only 450 ms left of max_latency_ms while those before it are silent"],
    );
    check("", &format!("{four}\nmax_latency_ms = 3500\nhedge_after_ms = 1000"), &[]);
    check(
        "",
        &format!("{four}\nmax_latency_ms = 3499\nhedge_after_ms = 1000"),
        &[
            "tasks.t.hedge_after_ms: far/d begins with only 499 ms left of max_latency_ms while those before it are silent",
        ],
    );
    check(
        "",
        &format!("{four}\nmax_latency_ms = 2000\nhedge_after_ms = 1000"),
        &["tasks.t.hedge_after_ms: near/c begins with no time left of max_latency_ms while those before it are silent"],
    );
    check(
        "",
        &format!("{BOTH}max_latency_ms = 2000\nhedge_after_ms = 2000"),
        &["tasks.t.hedge_after_ms: is not below max_latency_ms (2000 ms): no stand-in starts"],
    );
    check("", &format!("{BOTH}hedge_after_ms = 2000"), &[]);
}

#[test]
fn shares_that_share_nothing() {
    check(
        "",
        r#"primary = [{ model = "a", weight = 0 }, { model = "b", weight = 3 }]"#,
        &["tasks.t.primary: every call goes to far/b, since the other weights are 0"],
    );
    for primary in [r#""a""#, r#"[{ model = "a", weight = 3 }]"#] {
        check(
            "",
            &format!("primary = {primary}\nsticky = \"customer\""),
            &["tasks.t.sticky: makes no difference, since there is one primary"],
        );
    }
}

#[test]
fn a_price_that_is_known_of_some() {
    let priced = "[models.c]\nuse = \"far/c\"\nprice = { input = 1, output = 2 }\n";
    let rented = "[providers.rented]\nkind = \"openai_compatible\"\nbase_url = \"http://127.0.0.1:9/v1\"\n";
    let unknown = |place: &str, name: &str| {
        format!("tasks.t.{place}: the cost of {name} is unknown, unlike that of other candidates; set its price")
    };
    check(
        &format!("{rented}{priced}"),
        r#"primary = [{ model = "c", weight = 1 }, { model = "rented/e", weight = 1 }]
fallback = ["a"]"#,
        &[&unknown("primary[1].model", "rented/e")],
    );
    // What runs on a machine of one's own has none.
    check(priced, "primary = \"a\"\nfallback = [\"c\"]", &[]);
}

#[test]
fn a_hand_over_to_a_task_that_takes_no_more() {
    let task = |limit: u32| {
        format!(
            "primary = \"a\"\nmax_input_tokens = 100\ntoo_long = {{ use_task = \"long\" }}\n\
             [tasks.long]\nprimary = \"b\"\nmax_input_tokens = {limit}"
        )
    };
    check("", &task(101), &[]);
    check("", &task(100), &["tasks.t.too_long.use_task: \"long\" takes no longer input than this task"]);
}
