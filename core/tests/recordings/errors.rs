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

/// The kind of an error that a successful status carries, in the body or in its first choice (ruling 9): by the status
/// that the error states, else by what its words leave open.
pub(crate) fn error_inside(provider: &str, body: &Value) -> Option<&'static str> {
    let states = |error: &&Value| match error {
        Value::String(words) => !words.is_empty(),
        Value::Object(map) => map.values().any(|member| !member.is_null() && member != ""),
        _ => false,
    };
    let error = [&body["error"], &body["choices"][0]["error"]].into_iter().find(states)?;
    let text = error.to_string().to_lowercase();
    let stated = ["code", "status"].iter().find_map(|key| {
        let code = error[*key].as_u64().or_else(|| error[*key].as_str()?.parse().ok())?;
        u16::try_from(code).ok().filter(|code| (400..600).contains(code))
    });
    let status = stated.unwrap_or_else(|| match text.as_str() {
        text if text.contains("rate limit") || text.contains("rate_limit") => 429,
        text if text.contains("invalid_request_error") => 400,
        text if text.contains("authentication_error") => 401,
        text if text.contains("permission_error") => 403,
        text if text.contains("not_found_error") => 404,
        _ => 500,
    });
    Some(expected_kind(provider, status, &text))
}

/// Members of a request that change how it is answered, not what is asked.
const OPTIONAL: [&str; 13] = [
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "stop",
    "logprobs",
    "tool_choice",
    "reasoning_effort",
    "reasoning",
    "thinking",
    "effort",
    "verbosity",
    "strict",
];

/// The kind the table gives to a status and a body. Reads all words of the body at once, unlike the codec.
pub(crate) fn expected_kind(provider: &str, status: u16, body: &str) -> &'static str {
    let mut list = Vec::new();
    match serde_json::from_str::<Value>(body) {
        Ok(value) => words(&value, &mut list),
        Err(_) => list.push(body.to_lowercase()),
    }
    let text = list.join(" | ");
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    let is = |names: &[&str]| list.iter().any(|word| names.contains(&word.as_str()));
    let client = matches!(status, 400 | 404 | 422);

    // Rows 4 and 5: Google words every limit as an exceeded quota.
    if status == 429 && is(&["resource_exhausted"]) {
        return if says(&["perday"]) { "provider_quota" } else { "rate_limited" };
    }
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
        "exceeded_current_quota_error",
        "exceeded your current quota",
        "monthly spending limit",
        "monthly included credits",
        "insufficient credit",
        "more credits",
        "any credits yet",
        "key limit exceeded",
        "arrearage",
        "freetieronly",
        "billing_not_active",
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
        return if is(&["quota_exceeded"])
            || says(&["per day", "per-day", "per 86400s", "daily", "per month", "/ month", "monthly", "perday"])
        {
            "provider_quota"
        } else if says(&[
            "high demand",
            "capacity exceeded",
            "at capacity",
            "over capacity",
            "overloaded",
            "queue_exceeded",
        ]) {
            "overloaded"
        } else {
            "rate_limited"
        };
    }
    // Row 31 for what the model wrote, row 18 for filters.
    if is(&["tool_use_failed", "json_validate_failed", "output_parse_failed"]) || (status == 422 && provider == "groq")
    {
        return "malformed_response";
    }
    if is(&[
        "content_filter",
        "content_policy_violation",
        "image_content_policy_violation",
        "responsibleaipolicyviolation",
        "invalid_prompt",
        "bio_policy",
        "data_inspection_failed",
        "1301",
    ]) || (client || status == 403)
        && says(&[
            "content exists risk",
            "content filtering policy",
            "content management policy",
            "requires moderation",
            "was flagged",
            "usage guidelines",
        ])
    {
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
    // Cerebras says so without a word (2.7).
    if provider == "cerebras" && matches!(status, 400 | 413) && body.trim().is_empty() {
        return "context_overflow";
    }
    if is(&["tokens_limit_reached", "context_length_exceeded"]) && status == 413 {
        return "context_overflow";
    }
    if is(&["string_above_max_length", "string_too_long", "image_too_large"]) {
        return "request_too_large";
    }
    if (client || status == 500)
        && let Some(kind) = expected_of_size(&text)
    {
        return kind;
    }
    // Rows 23 and 24; images of a wrong format are row 26.
    if is(&["invalid_image_format", "invalid_image_url"]) {
        return "invalid_request";
    }
    if says(&["user location is not supported"])
        || is(&["model_terms_required", "unsupported_country_region_territory"])
    {
        return "permission";
    }
    if client
        && says(&["no endpoints found that support", "no endpoints found that can handle", "unsupported_api_for_model"])
    {
        return "unsupported";
    }
    if is(&[
        "model_not_found",
        "invalid_model",
        "1500",
        "deploymentnotfound",
        "unknown_model",
        "model_not_available",
        "model_not_supported",
        "model_decommissioned",
    ]) || says(&[
        "is not a valid model id",
        "supported api model names are",
        "not found for api version",
        "model identifier is invalid",
        "on-demand throughput",
        "invalid model",
        "model not found",
        "unknown model",
        "no such model",
        "model not exist",
        "not a chat model",
    ]) && client
        || client
            && text.contains("model")
            && says(&["does not exist", "' not found", "has been deprecated", "decommissioned"])
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
            "only supported",
            "enabled only for api versions",
            "incompatible with",
            "cannot be combined with",
            "unavailable now",
            "reasoning is mandatory",
            "is allowed for this model",
            "unimplemented keys",
            "at most 0 ",
            "not a multimodal model",
            "--enable-auto-tool-choice",
            "cannot both be specified",
            "operationnotsupported",
            "doesn't support",
            "do not support",
        ])
    {
        return "unsupported";
    }
    // Row 24: a member that this server does not know and that may be left out.
    if client
        && says(&[
            "extra inputs are not permitted",
            "unrecognized request argument",
            "unknown parameter",
            "unknown name",
        ])
        && text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| OPTIONAL.contains(&word))
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
        424 => "server_error",
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
    // "`inputs` tokens + `max_new_tokens` must be <= N. Given: P `inputs` tokens and C `max_new_tokens`".
    if text.contains("`inputs` tokens + `max_new_tokens`") {
        return Some(if numbers[1] < numbers[0] { "invalid_request" } else { "context_overflow" });
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
        "context size has been exceeded",
        "maximum model length",
        "context length of only",
        "prompt exceeds max length",
        "`inputs` must have less than",
        "range of input length should be",
        "exceeds the limit of",
        "total length of all messages",
    ];
    phrases.iter().any(|phrase| text.contains(phrase)).then_some("context_overflow")
}
