//! What an error is by the table, from the words of its body.

use serde_json::Value;

/// Every string and number in a body, in lower case, members' names left out.
fn words(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.to_lowercase()),
        Value::Number(number) => into.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| words(item, into)),
        Value::Object(map) => {
            map.iter().filter(|(key, _)| *key != "failed_generation").for_each(|(_, value)| words(value, into));
        }
        _ => {}
    }
}

/// The kind the table gives to a status and a body. Reads all words of the body at once, unlike the codec.
pub(crate) fn expected_kind(api: &str, status: u16, body: &str) -> &'static str {
    let mut list = Vec::new();
    match serde_json::from_str::<Value>(body) {
        Ok(value) => words(&value, &mut list),
        Err(_) => list.push(body.to_lowercase()),
    }
    let text = list.join(" | ");
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    let is = |names: &[&str]| list.iter().any(|word| names.contains(&word.as_str()));
    let client = matches!(status, 400 | 404 | 422);

    // Row 6, then 7: money, wherever it is said.
    if says(&[
        "insufficient_quota",
        "credit balance is too low",
        "specified api usage limits",
        "enforced_spend_limit",
        "used all available credits",
        "insufficient balance",
        "billing_hard_limit",
        "spend_limit_exceeded",
    ]) {
        return "provider_quota";
    }
    if status == 402 {
        return "provider_quota";
    }
    // Row 3 before row 5 before rows 8 and 1.
    if matches!(status, 413 | 429) && says(&["request too large for", "token budget exceeded"]) {
        return "request_too_large";
    }
    if status == 429 {
        return if says(&["per day", "per-day", "per month", "/ month", "perday"]) {
            "provider_quota"
        } else if says(&["high demand", "capacity exceeded", "overloaded"]) {
            "overloaded"
        } else {
            "rate_limited"
        };
    }
    // Row 31 for what the model wrote, row 18 for filters.
    if is(&["tool_use_failed", "json_validate_failed"]) || (status == 422 && api == "groq-chat") {
        return "malformed_response";
    }
    if is(&["content_filter", "content_policy_violation", "responsibleaipolicyviolation", "invalid_prompt"]) {
        return "content_filtered";
    }
    // Row 21.
    if status == 401 || (status == 400 && says(&["incorrect api key", "api key not valid", "invalid api key"])) {
        return "auth";
    }
    // Row 8.
    if matches!(status, 503 | 529 | 498) || says(&["overloaded"]) {
        return "overloaded";
    }
    if client && let Some(kind) = expected_of_size(&text) {
        return kind;
    }
    // Rows 23 and 24; images of a wrong format are row 26.
    if is(&["invalid_image_format", "invalid_image_url"]) {
        return "invalid_request";
    }
    if client && says(&["no endpoints found that support"]) {
        return "unsupported";
    }
    if is(&["model_not_found", "invalid_model", "1500", "deploymentnotfound"])
        || says(&[
            "is not a valid model id",
            "supported api model names are",
            "not found for api version",
            "model identifier is invalid",
            "on-demand throughput",
            "invalid model",
            "model not found",
            "does not exist",
        ]) && client
    {
        return "model_not_found";
    }
    if (client || status == 500)
        && says(&[
            "not supported",
            "does not support",
            "unsupported",
            "deprecated for this model",
            "may only be set to",
            "may not be enabled when",
            "schema is too complex",
            "too many strict",
            "too many optional",
            "union types",
            "circular reference",
            "unknown variant",
            "extraneous key",
            "not enabled for this model",
            "cannot use both json_schema and grammar",
            "requires --jinja",
        ])
    {
        return "unsupported";
    }
    // Row 25.
    if client && says(&["`signature`", "thought_signature", "tool_use_id", "no tool output found"]) {
        return "invalid_request";
    }
    match status {
        403 => "permission",
        404 => "model_not_found",
        408 | 499 | 504 => "timeout",
        409 | 425 | 500 | 502 | 520..=527 => "server_error",
        413 => "request_too_large",
        501 => "unsupported",
        505.. => "server_error",
        _ => "invalid_request",
    }
}

/// Rows 15 and 16: a prompt too long for the window, or an answer asked for that is too long.
fn expected_of_size(text: &str) -> Option<&'static str> {
    let numbers: Vec<u64> = text
        .split(|c: char| !c.is_ascii_digit() && c != ',')
        .filter_map(|word| word.replace(',', "").parse().ok())
        .collect();
    if text.contains("max_tokens")
        && (text.contains("maximum allowed number of output") || text.contains("max_tokens is too large"))
    {
        return Some("invalid_request");
    }
    // "A + B > N": the first number is the prompt. "window … requested T (P in the messages, C in the completion)".
    if text.contains("exceed context limit") {
        return Some(if numbers[0] < numbers[2] { "invalid_request" } else { "context_overflow" });
    }
    if text.contains("maximum context length is") && text.contains("in the messages") {
        return Some(if numbers[2] < numbers[0] { "invalid_request" } else { "context_overflow" });
    }
    // "'max_tokens' … is too large: A. … maximum context length is N tokens and your request has P input tokens".
    if text.contains("is too large") && text.contains("input tokens") && text.contains("max_tokens") {
        return Some("invalid_request");
    }
    let caps = ["less than or equal to", "valid range of max_tokens", "maximum tokens you requested exceed"];
    if caps.iter().any(|cap| text.contains(cap)) && (text.contains("max_tokens") || text.contains("maximum tokens")) {
        return Some("invalid_request");
    }
    let phrases = [
        "prompt is too long",
        "prompt too long",
        "context_length_exceeded",
        "context window",
        "maximum context length",
        "maximum number of tokens",
        "maximum prompt length",
        "available context size",
        "greater than the context length",
        "prompt token count",
        "too_many_prompt_tokens",
        "reduce the length",
        "input is too long",
        "input tokens exceeded",
        "size limit exceeded",
        "token limit",
        "too large for model with",
    ];
    phrases.iter().any(|phrase| text.contains(phrase)).then_some("context_overflow")
}
