//! `locum init`: what it writes is a configuration, and says what the environment or the other file said.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::process::{Command, Output};

use locum::Policy;
use support::{KEY, file, locum};

const KEYS: [&str; 8] = [
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "MISTRAL_API_KEY",
    "DEEPSEEK_API_KEY",
    "XAI_API_KEY",
    "GROQ_API_KEY",
    "TOGETHER_API_KEY",
    "OPENROUTER_API_KEY",
];

/// These keys and no others, each of its own.
fn environment(command: &mut Command, keys: &[&str]) {
    for name in KEYS {
        command.env_remove(name);
    }
    for name in keys {
        command.env(name, format!("{KEY}-{name}"));
    }
}

fn init(arguments: &[&str], keys: &[&str]) -> (Option<i32>, String, String) {
    let mut command = locum(&[&["init"], arguments].concat());
    environment(&mut command, keys);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert!(!format!("{stdout}{stderr}").contains(KEY), "a key was printed");
    (status.code(), stdout, stderr)
}

/// A task's candidates, and how many of them share the work of the primary.
fn names(policy: &Policy, task: &str) -> Vec<String> {
    policy.tasks[task].candidates.iter().map(|model| model.name()).collect()
}

#[test]
fn the_keys_found_become_providers() {
    let (code, text, _) = init(&["--stdout"], &["ANTHROPIC_API_KEY", "GROQ_API_KEY"]);
    let policy = Policy::from_toml_str(&text).unwrap();
    assert_eq!(code, Some(0));
    assert_eq!(policy.providers.keys().collect::<Vec<_>>(), ["anthropic", "groq"]);
    assert_eq!(names(&policy, "support_chat"), ["anthropic/claude-sonnet-4-6", "groq/openai/gpt-oss-120b"]);
    assert_eq!(names(&policy, "long_context_analysis"), ["anthropic/claude-sonnet-4-6"]);
    assert!(text.contains("api_key = \"env:GROQ_API_KEY\""), "{text}");
}

#[test]
fn without_keys_it_names_the_variables_to_set() {
    let (code, text, _) = init(&["--stdout"], &[]);
    assert_eq!(code, Some(0));
    assert!(text.contains("Set: OPENAI_API_KEY, ANTHROPIC_API_KEY"), "{text}");
    assert_eq!(Policy::from_toml_str(&text).unwrap().tasks.len(), 5);
}

#[test]
fn every_set_of_keys_passes_check_without_a_warning() {
    for count in 1..=KEYS.len() {
        let keys = &KEYS[KEYS.len() - count..];
        let path = file(&format!("init-{count}.toml"), "");
        assert_eq!(init(&["--force", "--output", &path], keys).0, Some(0));
        let mut check = locum(&["check", "--strict", &path]);
        environment(&mut check, keys);
        let output = check.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{keys:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn a_file_that_is_there_stays() {
    let path = file("init-there.toml", "mine");
    let (code, _, stderr) = init(&["--output", &path], &[]);
    assert_eq!((code, std::fs::read_to_string(&path).unwrap().as_str()), (Some(1), "mine"));
    assert!(stderr.contains("--force"), "{stderr}");
    assert_eq!(init(&["--output", &path, "--force"], &[]).0, Some(0));
    assert!(std::fs::read_to_string(&path).unwrap().contains("[tasks.support_chat]"));
}

/// What a LiteLLM configuration becomes: the policy, the text and what was said on stderr.
fn converted(name: &str, yaml: &str) -> (Policy, String, String) {
    let path = file(&format!("{name}.yaml"), yaml);
    let (code, text, stderr) = init(&["--stdout", "--from-litellm", &path], &[]);
    assert_eq!(code, Some(0), "{stderr}\n{text}");
    (Policy::from_toml_str(&text).unwrap(), text, stderr)
}

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
fn providers_without_a_wire_format_are_told() {
    let (policy, text, stderr) = converted(
        "clouds",
        "model_list:\n- {model_name: chat, litellm_params: {model: azure/dep, api_base: x, api_key: sk-azure}}\n\
         - {model_name: chat, litellm_params: {model: openai/a}}\n- {model_name: rock, litellm_params: {model: bedrock/b}}\n\
         - {model_name: g, litellm_params: {model: gemini/c}}\n- {model_name: v, litellm_params: {model: vertex_ai/d}}\n",
    );
    assert_eq!((policy.tasks.len(), names(&policy, "chat")), (1, vec!["openai/a".to_owned()]));
    for (line, name) in [(2, "azure/dep"), (4, "bedrock/b"), (5, "gemini/c"), (6, "vertex_ai/d")] {
        let told =
            |text: &str| text.lines().any(|at| at.contains(&format!("clouds.yaml:{line}:")) && at.contains(name));
        assert!(told(&text) && told(&stderr), "{name}: {text}");
    }
    assert!(!text.contains("sk-azure"), "{text}");
}

#[test]
fn broken_yaml_is_told_with_its_place() {
    let path = file("broken.yaml", "model_list:\n  - model_name: [a\n  b: c\n");
    let output = file("broken.toml", "mine");
    let (code, _, stderr) = init(&["--from-litellm", &path, "--force", "-o", &output], &[]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("broken.yaml:3:"), "{stderr}");
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "mine");
}
