//! Groups, fallbacks and settings of a LiteLLM configuration.

use super::support::{file, locum};
use super::{converted, names};

#[test]
fn a_simple_configuration_becomes_tasks() {
    let (policy, text, stderr) = converted(
        "simple",
        "model_list:\n  - model_name: chat\n    litellm_params:\n      model: openai/gpt-4.1\n      api_key: os.environ/OPENAI_TEAM_KEY\n\
         \x20     temperature: 0.2\n      max_tokens: 512\n      timeout: 2.5\n      rpm: 100\n\
         \x20 - model_name: local\n    litellm_params: {model: ollama/qwen3, api_base: http://localhost:11434}\n\
         general_settings:\n  master_key: sk-master-secret\n  database_url: postgres://secret\n",
    );
    let chat = &policy.tasks["chat"].candidates[0];
    assert_eq!(
        (names(&policy, "chat"), names(&policy, "local")),
        (vec!["openai/gpt-4.1".into()], vec!["ollama/qwen3".into()])
    );
    assert_eq!((chat.params.temperature, chat.params.max_output_tokens), (Some(0.2), Some(512)));
    assert_eq!(chat.timeout.unwrap().as_millis(), 2_500);
    assert_eq!(policy.providers["ollama"].base_url, "http://localhost:11434/v1");
    assert!(text.contains("api_key = \"env:OPENAI_TEAM_KEY\"") && text.contains("env:LOCUM_SERVE_TOKEN"), "{text}");
    assert!(!text.contains("secret") && !stderr.contains("secret"), "{text}{stderr}");
    for note in ["simple.yaml:9: model_list[0].litellm_params.rpm", "simple.yaml:14: general_settings.database_url"] {
        assert!(stderr.contains(note) && text.contains(note), "{note}\n{stderr}");
    }
}

#[test]
fn deployments_share_by_weight_order_and_key() {
    let (policy, text, _) = converted(
        "weights",
        "x-base: &base {model: gpt-4.1, weight: 0.9}\nmodel_list:\n\
         - {model_name: chat, litellm_params: {<<: *base, api_key: os.environ/ONE}}\n\
         - {model_name: chat, litellm_params: {model: anthropic/claude-sonnet-4-6, weight: 0.1, api_key: os.environ/TWO}}\n\
         - {model_name: tier, litellm_params: {model: groq/b, order: 2}}\n\
         - {model_name: tier, litellm_params: {model: groq/a, order: 1}}\n\
         - {model_name: keys, litellm_params: {model: mistral/m, api_key: os.environ/ONE}}\n\
         - {model_name: keys, litellm_params: {model: mistral/m, api_key: sk-literal}}\n\
         - {model_name: even, litellm_params: {model: openai/a, api_base: 'https://llm.example.com/v1'}}\n\
         - {model_name: even, litellm_params: {model: openai/b}}\n\
         router_settings: {routing_strategy: latency-based-routing, model_group_alias: {old: tier, new: {model: chat, hidden: true}}}\n",
    );
    assert_eq!(policy.tasks["chat"].weights, [900, 100]);
    assert_eq!(names(&policy, "tier"), ["groq/a", "groq/b"]);
    assert_eq!(names(&policy, "old"), names(&policy, "tier"));
    assert_eq!(names(&policy, "new"), names(&policy, "chat"));
    assert_eq!(
        (policy.tasks["even"].weights.as_slice(), policy.providers["openai_compatible"].kind.as_str()),
        (&[1, 1][..], "openai_compatible")
    );
    assert!(
        text.contains("api_keys = [\"env:ONE\", \"env:MISTRAL_API_KEY_LINE_8\"]") && !text.contains("sk-literal"),
        "{text}"
    );
    assert!(text.contains("router_settings.routing_strategy: no equivalent"), "{text}");
}

#[test]
fn small_and_large_weights_keep_their_proportion() {
    for (number, (one, other, shares)) in
        [("0.00001", "0.00003", [333, 1000]), ("2e9", "1e9", [1000, 500]), ("1e-9", "1", [1, 1000])]
            .into_iter()
            .enumerate()
    {
        let (policy, text, _) = converted(
            &format!("scale-{number}"),
            &format!(
                "model_list:\n- {{model_name: a, litellm_params: {{model: groq/a, weight: {one}}}}}\n\
                 - {{model_name: a, litellm_params: {{model: xai/b, weight: {other}}}}}\n"
            ),
        );
        assert_eq!(policy.tasks["a"].weights, shares, "{text}");
    }
}

#[test]
fn fallbacks_of_all_kinds_become_one_order() {
    let (policy, text, _) = converted(
        "fallbacks",
        "model_list:\n\
         - {model_name: main, litellm_params: {model: openai/a}}\n\
         - {model_name: spare, litellm_params: {model: anthropic/b}, model_info: {id: spare-1}}\n\
         - {model_name: wide, litellm_params: {model: xai/c}}\n\
         - {model_name: mild, litellm_params: {model: mistral/d}}\n\
         litellm_settings:\n  num_retries: 3\n  request_timeout: 10\n  drop_params: false\n  default_fallbacks: [wide]\n\
         \x20 fallbacks: [{main: [spare-1, gone]}]\n  context_window_fallbacks: [{main: [wide]}]\n  content_policy_fallbacks: [{main: [mild]}]\n\
         router_settings: {allowed_fails: 4, cooldown_time: 30, redis_host: x}\n",
    );
    let main = &policy.tasks["main"];
    assert_eq!(names(&policy, "main"), ["openai/a", "anthropic/b", "xai/c", "mistral/d"]);
    assert_eq!((main.retries, main.drop_unsupported, main.fallback_on.len()), (3, false, 1));
    assert_eq!(main.candidates[3].timeout.unwrap().as_secs(), 10);
    assert_eq!(names(&policy, "mild"), ["mistral/d", "xai/c"]);
    assert_eq!((policy.breaker.failures, policy.breaker.open.as_secs()), (5, 30));
    assert!(text.contains("fallbacks.yaml:11: litellm_settings.fallbacks.main: a target is left out"), "{text}");
    assert!(text.contains("router_settings.redis_host: no equivalent"), "{text}");
}

#[test]
fn nothing_is_lost_in_silence() {
    let (policy, _, stderr) = converted(
        "silent",
        "model_list:\n- {model_name: a, litellm_params: {model: openai/a, weight: heavy, order: first, timeout: soon}, tpm: 5, model_info: {id: one}}\n\
         - {model_name: b, litellm_params: {model: mistral/b, api_key: os.environ/ONE}, model_info: {id: b-1}}\n\
         - {model_name: b, litellm_params: {model: mistral/b, api_key: os.environ/TWO}, model_info: {id: b-2}}\n\
         - {model_name: c, litellm_params: {model: groq/c, weight: -1}}\n\
         router_settings: {num_retries: 2, timeout: 5, request_timeout: 6, fallbacks: [{a: [b-2]}], cooldown_time: long}\n\
         litellm_settings: {num_retries: 4, default_fallbacks: [b, gone], fallbacks: [{c: [a]}], context_window_fallbacks: {a: [c]}, drop_params: maybe}\n",
    );
    assert_eq!(names(&policy, "a"), ["openai/a", "mistral/b"]);
    assert_eq!(policy.tasks["a"].retries, 2);
    for note in [
        "[0].litellm_params.weight: ",
        "[0].litellm_params.order: ",
        "[0].litellm_params.timeout: ",
        "model_list[0].tpm: ",
        "[3].litellm_params.weight: ",
        "litellm_settings.num_retries: passed over: router_settings.num_retries",
        "router_settings.request_timeout: passed over",
        "litellm_settings.fallbacks: passed over",
        "litellm_settings.default_fallbacks: an entry is left out",
        "router_settings.cooldown_time: ",
        "litellm_settings.context_window_fallbacks: left out",
        "litellm_settings.drop_params: ",
    ] {
        assert!(stderr.contains(note), "{note}\n{stderr}");
    }
}

#[test]
fn the_proxys_key_becomes_a_token() {
    for (number, (master, variable)) in
        [("os.environ/PROXY_KEY", "PROXY_KEY"), ("sk-master-secret", "LOCUM_SERVE_TOKEN")].into_iter().enumerate()
    {
        let (policy, text, _) = converted(
            &format!("master-{number}"),
            &format!(
                "model_list: [{{model_name: a, litellm_params: {{model: groq/a}}}}]\ngeneral_settings: {{master_key: {master}}}\n"
            ),
        );
        assert!(text.contains(&format!("\n[serve]\ntokens = [\"env:{variable}\"]")), "{text}");
        assert_eq!(policy.serve.missing.len(), 1, "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn fallbacks_of_another_shape_are_told() {
    let (policy, _, stderr) = converted(
        "shapes",
        "model_list:\n- {model_name: a, litellm_params: {model: openai/a}}\n- {model_name: b, litellm_params: {model: groq/b}}\n\
         - {model_name: c, litellm_params: {model: xai/c}}\n\
         router_settings:\n  fallbacks: [{a: [b]}, {b: c}, c, {a: [c]}]\n  model_group_alias: {d: {model: a, hidden: true}}\n",
    );
    assert_eq!((names(&policy, "a").len(), names(&policy, "b").len()), (2, 1));
    for note in [
        "fallbacks.b: left out: a list is expected",
        "fallbacks: an entry is left out: a group with its list is expected",
        "fallbacks.a: passed over: the first entry of a group counts",
        "model_group_alias.d.hidden: no equivalent",
    ] {
        assert!(stderr.contains(note), "{note}\n{stderr}");
    }
}

#[test]
fn the_guide_shows_what_is_written() {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/migration.md")).unwrap();
    let block = |language: &str| {
        let (_, rest) = guide.split_once(&format!("```{language}\n")).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let path = file("config.yaml", &block("yaml"));
    let mut command = locum(&["init", "--stdout", "--from-litellm", "config.yaml"]);
    let output = command.current_dir(std::path::Path::new(&path).parent().unwrap()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), block("toml"));
}
