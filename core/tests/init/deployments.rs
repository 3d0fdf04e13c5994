//! Deployments of a LiteLLM configuration: their addresses, keys, parameters and prices.

use super::{converted, names};

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
    let (policy, text, stderr) = converted(
        "plain",
        "model_list:\n- {model_name: there, litellm_params: {model: openai/a, api_base: 'http://localhost.example.com/v1'}}\n\
         - {model_name: here, litellm_params: {model: hosted_vllm/b, api_base: 'http://127.0.0.2:8000/v1'}}\n",
    );
    assert_eq!(policy.providers["openai_compatible"].base_url, "http://localhost.example.com/v1");
    assert!(stderr.contains("model_list[0].litellm_params: no api_key, so none is sent"), "{stderr}");
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
fn providers_that_cannot_be_converted_are_told() {
    let (policy, text, stderr) = converted(
        "clouds",
        "model_list:\n- {model_name: chat, litellm_params: {model: azure/dep, api_base: x, api_key: sk-azure}}\n\
         - {model_name: chat, litellm_params: {model: openai/a}}\n- {model_name: rock, litellm_params: {model: bedrock/b}}\n\
         - {model_name: g, litellm_params: {model: gemini/c}}\n- {model_name: v, litellm_params: {model: vertex_ai/d}}\n\
         - {model_name: f, litellm_params: {model: fireworks_ai/accounts/fireworks/models/m}}\n\
         - {model_name: w, litellm_params: {model: watsonx/m}}\n",
    );
    assert_eq!((policy.tasks.len(), names(&policy, "chat")), (3, vec!["openai/a".to_owned()]));
    assert_eq!(names(&policy, "g"), ["gemini/c"]);
    assert_eq!(names(&policy, "f"), ["fireworks/accounts/fireworks/models/m"]);
    assert!(
        stderr.contains("after docs/providers") && stderr.contains("no wire format for this provider;"),
        "{stderr}"
    );
    for (line, name) in [(2, "azure/dep"), (4, "bedrock/b"), (6, "vertex_ai/d"), (8, "watsonx/m")] {
        let told =
            |text: &str| text.lines().any(|at| at.contains(&format!("clouds.yaml:{line}:")) && at.contains(name));
        assert!(told(&text) && told(&stderr), "{name}: {text}");
    }
    assert!(!text.contains("sk-azure"), "{text}");
}
