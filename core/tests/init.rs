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

/// What is said of a configuration that cannot be converted; the file that is there stays.
fn refused(name: &str, yaml: &str) -> String {
    let path = file(&format!("{name}.yaml"), yaml);
    let output = file(&format!("{name}-refused.toml"), "mine");
    let (code, _, stderr) = init(&["--from-litellm", &path, "--force", "-o", &output], &[]);
    assert_eq!((code, std::fs::read_to_string(&output).unwrap().as_str()), (Some(1), "mine"), "{stderr}");
    stderr
}

#[test]
fn further_keys_are_named_in_a_comment() {
    let (_, text, _) = init(&["--stdout"], &["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "MISTRAL_API_KEY", "XAI_API_KEY"]);
    assert_eq!(Policy::from_toml_str(&text).unwrap().providers.len(), 3);
    assert!(text.lines().any(|line| line.starts_with("# Keys were found") && line.ends_with(": xai")), "{text}");
}

#[test]
fn an_address_that_cannot_be_taken_over_leaves_its_deployment_out() {
    for (number, address) in [
        "os.environ/BASE",
        "https://me:pw@llm.example.com/v1",
        "https://llm.example.com/v1?key=pw",
        "llm.example.com",
        "''",
    ]
    .into_iter()
    .enumerate()
    {
        let yaml = format!(
            "model_list:\n- {{model_name: chat, litellm_params: {{model: openai/gpt-4.1, api_base: {address}, api_key: os.environ/TEAM}}}}\n\
             - {{model_name: other, litellm_params: {{model: groq/a}}}}\n"
        );
        let (policy, text, stderr) = converted(&format!("astray-{number}"), &yaml);
        assert_eq!(policy.tasks.keys().collect::<Vec<_>>(), ["other"], "{text}");
        assert!(!text.contains("TEAM") && !text.contains("pw"), "{text}");
        assert!(stderr.contains(".yaml:2: model_list[0].litellm_params.api_base: left out: "), "{stderr}");
    }
    let (policy, _, stderr) = converted(
        "elsewhere",
        "model_list:\n- {model_name: chat, litellm_params: {model: openai/gpt-4.1, litellm_credential_name: team}}\n\
         - {model_name: other, litellm_params: {model: groq/a}}\n- {model_name: near, litellm_params: {model: gpt-4.1, api_base: 'https://api.openai.com.example.com/v1'}}\n",
    );
    assert_eq!(policy.tasks.keys().collect::<Vec<_>>(), ["near", "other"]);
    assert!(stderr.contains("model_list[0].litellm_params.litellm_credential_name: left out: "), "{stderr}");
    assert_eq!(policy.tasks["near"].candidates[0].provider.kind, "openai_compatible");
}

#[test]
fn an_address_for_all_is_that_of_each() {
    let models = "model_list:\n- {model_name: chat, litellm_params: {model: openai/a, api_key: os.environ/TEAM}}\n\
                  - {model_name: other, litellm_params: {model: groq/a, api_base: 'https://groq.example.com'}}\n";
    for (number, (rest, line)) in [
        ("litellm_settings: {api_base: 'https://llm.example.com/v1'}", "litellm_settings.api_base"),
        (
            "environment_variables: {OPENAI_API_BASE: 'https://llm.example.com/v1'}",
            "environment_variables.OPENAI_API_BASE",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let (policy, ..) = converted(&format!("general-{number}"), &format!("{models}{rest}\n"));
        assert_eq!(policy.tasks["chat"].candidates[0].provider.base_url, "https://llm.example.com/v1");
        assert_eq!(policy.tasks["other"].candidates[0].provider.base_url, "https://groq.example.com");
        let astray = rest.replace("https://", "https://me:pw@");
        let (policy, _, stderr) = converted(&format!("general-astray-{number}"), &format!("{models}{astray}\n"));
        assert_eq!(policy.tasks.keys().collect::<Vec<_>>(), ["other"]);
        assert!(stderr.contains(&format!("{line}: left out: ")) && !stderr.contains("pw"), "{stderr}");
    }
}

#[test]
fn an_address_of_another_machine_over_plain_http_is_allowed_in_words() {
    let (policy, text, _) = converted(
        "plain",
        "model_list:\n- {model_name: there, litellm_params: {model: openai/a, api_base: 'http://localhost.example.com/v1'}}\n\
         - {model_name: here, litellm_params: {model: hosted_vllm/b, api_base: 'http://127.0.0.2:8000/v1'}}\n",
    );
    assert_eq!(policy.providers["openai_compatible"].base_url, "http://localhost.example.com/v1");
    let allowed: Vec<&str> = text.split("\n\n").filter(|section| section.contains("allow_http = true")).collect();
    assert!(matches!(allowed.as_slice(), [one] if one.contains("localhost.example.com")), "{text}");
}

#[test]
fn parameters_prices_and_abilities_are_taken_over() {
    let (policy, text, stderr) = converted(
        "params",
        "model_list:\n- model_name: chat\n  litellm_params:\n    model: openai/a\n    stop: [END, \"\\n\"]\n    stream_timeout: 1.5\n\
         \x20   extra_headers: {X-Team: red, X-Trace: os.environ/CARGO_PKG_NAME, Authorization: Bearer sk-hidden, X-Odd: 0123456789abcdef0123}\n\
         \x20   extra_body: {top_k: 5, deep: {list: [1.5, true, text]}}\n    input_cost_per_token: 2e-6\n    output_cost_per_token: 0.000008\n\
         \x20   max_tokens: 0.5\n    top_p: 2\n    seed: 1e30\n\
         \x20 model_info: {cache_read_input_token_cost: 5e-7, cache_creation_input_token_cost: 2.5e-6, supports_vision: false,\n\
         \x20   supports_function_calling: false, supports_response_schema: true, supports_pdf_input: false, supports_assistant_prefill: true, max_input_tokens: 128000}\n\
         - {model_name: half, litellm_params: {model: openai/b, organization: os.environ/CARGO_PKG_NAME, input_cost_per_token: 1e-6, stop: '', extra_body: {a: ~}}}\n",
    );
    let chat = &policy.tasks["chat"].candidates[0];
    let price = chat.price.as_ref().unwrap();
    assert_eq!(
        (price.input, price.output, price.cached_input, price.cache_write),
        (2.0, 8.0, Some(0.5), Some(2.5)),
        "{text}"
    );
    assert_eq!(chat.params.stop.as_deref(), Some(&["END".to_owned(), "\n".to_owned()][..]));
    assert_eq!((chat.lacks.len(), chat.prefill), (2, Some(true)));
    assert_eq!(serde_json::to_value(&chat.extra_body).unwrap()["deep"]["list"][0], 1.5);
    for line in [
        "first_token_ms = 1500",
        "openai-organization = \"env:CARGO_PKG_NAME\"",
        "x-team = \"red\"",
        "x-trace = \"env:CARGO_PKG_NAME\"",
        "lacks = [\"vision\", \"tools\"]",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("hidden") && !text.contains("0123456789abcdef"), "{text}");
    for note in [
        "extra_headers.Authorization: ",
        "extra_headers.X-Odd: ",
        "[0].litellm_params.max_tokens: ",
        "[0].litellm_params.top_p: ",
        "[0].litellm_params.seed: ",
        "supports_pdf_input: ",
        "max_input_tokens: ",
        "[1].litellm_params.input_cost_per_token: ",
        "[1].litellm_params.stop: ",
        "[1].litellm_params.extra_body.a: ",
    ] {
        assert!(stderr.contains(note), "{note}\n{stderr}");
    }
    assert!(!stderr.contains("supports_response_schema"), "{stderr}");
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
fn a_placeholder_is_no_key_and_a_key_has_one_variable() {
    let (policy, text, _) = converted(
        "literals",
        "model_list:\n- {model_name: a, litellm_params: {api_key: EMPTY, model: openai/a, api_base: 'http://localhost:8000/v1'}}\n\
         - {model_name: b, litellm_params: {model: hosted_vllm/b, api_key: none, api_base: 'http://10.0.0.7:8000/v1'}}\n\
         - {model_name: c, litellm_params: {model: groq/c, api_key: sk-same}}\n\
         - {model_name: d, litellm_params: {model: groq/d, api_key: sk-same}}\n\
         - [{x: 1}]\n\
         - {model_name: e, litellm_params: {model: openai/e, api_key: dummy, api_base: 'https://llm.example.com/v1'}}\n",
    );
    for name in ["openai_compatible", "vllm"] {
        let section = text.split("\n\n").find(|section| section.starts_with(&format!("[providers.{name}]"))).unwrap();
        assert!(!section.contains("api_key"), "{section}");
    }
    assert_eq!(text.matches("api_key = \"env:GROQ_API_KEY_LINE_4\"").count(), 1, "{text}");
    assert!(!text.contains("[providers.groq_2]") && text.contains("env:LOCUM_API_KEY_LINE_7"), "{text}");
    assert_eq!(policy.tasks.len(), 5);
}

#[test]
fn two_keys_on_one_line_have_two_variables() {
    let (_, text, _) = converted(
        "one-line",
        "model_list: [{model_name: a, litellm_params: {model: groq/a, api_key: sk-1}}, {model_name: a, litellm_params: {model: groq/a, api_key: sk-2}}]\n",
    );
    assert!(text.contains("api_keys = [\"env:GROQ_API_KEY_LINE_1\", \"env:GROQ_API_KEY_LINE_1_2\"]"), "{text}");
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
fn what_does_not_load_is_not_written() {
    let stderr = refused("unsound", "model_list: [{model_name: a, litellm_params: {model: 'openai/ gpt'}}]\n");
    assert!(stderr.contains("nothing was written") && stderr.contains("names no model"), "{stderr}");
    let path = file("unsound.yaml", "model_list: [{model_name: a, litellm_params: {model: 'openai/ gpt'}}]\n");
    assert_eq!(init(&["--from-litellm", &path, "--stdout"], &[]).1, "");
    // A header whose variable is not set yet is no reason.
    converted_unset();
}

/// A header refers to a variable that is set later.
fn converted_unset() {
    let path = file(
        "unset.yaml",
        "model_list: [{model_name: a, litellm_params: {model: groq/a, extra_headers: {X-A: os.environ/LOCUM_TEST_UNSET}}}]\n",
    );
    let (code, text, stderr) = init(&["--from-litellm", &path, "--stdout"], &[]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(text.contains("x-a = \"env:LOCUM_TEST_UNSET\""), "{text}");
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let stderr = refused("large", &"#".repeat((4 << 20) + 1));
    assert!(stderr.contains("large.yaml: is larger than 4194304 bytes"), "{stderr}");
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
