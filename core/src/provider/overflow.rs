//! Too many tokens: what providers write when a prompt, or prompt and answer together, do not fit, and with which numbers.

use super::errors::ErrorBody;

/// What does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// The prompt itself, with its tokens and the window's as far as stated.
    Prompt(Option<u64>, Option<u64>),
    /// Only the answer that was asked for; this many tokens are allowed, if stated.
    Output(Option<u64>),
}

/// Any of these says that the prompt does not fit. Lower case.
const PROMPT_PHRASES: &[&str] = &[
    "prompt is too long",
    "prompt too long",
    "exceed context limit",
    "exceeds the context window",
    "exceeds the model's context",
    "maximum context length",
    "model's context length",
    "exceeds the maximum number of tokens",
    "maximum prompt length",
    "reduce the length of the messages",
    "reduce the length of the input",
    "available context size",
    "greater than the context length",
    "prompt token count",
    "context window exceeds limit",
    "exceeded model token limit",
    "exceeded max context length",
    "input is too long",
    "input length exceeds",
    "input tokens exceeded",
    "too many tokens",
    "context size has been exceeded",
    "maximum model length",
    "context length of only",
    "prompt exceeds max length",
    "`inputs` must have less than",
    "total length of all messages is too long",
    "range of input length should be",
    "`inputs` tokens + `max_new_tokens` must be",
];

/// Names of the output limit on the wire.
const OUTPUT_NAMES: &[&str] =
    &["max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens", "maximum tokens you requested"];

/// Beside one of those names, any of these says that it was set too high.
const OUTPUT_PHRASES: &[&str] = &[
    "too large",
    "maximum allowed number of output tokens",
    "exceed the model limit",
    "exceeds the model",
    "supports at most",
    "less than or equal to",
    "valid range of max_tokens",
    "must be <=",
    "cannot be greater than",
    "must be less than",
];

/// The number after one of these is the largest answer.
const CAP_AFTER: &[&str] = &[
    "supports at most ",
    "less than or equal to ",
    "valid range of max_tokens is [1, ",
    "exceed the model limit of ",
    "must be <= ",
    "cannot be greater than ",
    " > ",
];

/// The number after one of these is the window.
const WINDOW_AFTER: &[&str] = &[
    "maximum context length is ",
    "context length is only ",
    "context length of only ",
    "maximum model length of ",
    "`inputs` must have less than ",
    "maximum context length: ",
    "maximum number of tokens allowed ",
    "maximum prompt length is ",
    "too large for model with ",
    "available context size ",
    "greater than the context length ",
    "exceeds the limit of ",
    "model token limit: ",
    "tokens + `max_new_tokens` must be <= ",
    " > ",
];

/// The number after one of these is the prompt.
const PROMPT_AFTER: &[&str] = &[
    "prompt is too long: ",
    "exceed context limit: ",
    "input token count ",
    "prompt token count of ",
    "request contains ",
    "decoder prompt (length ",
    "prompt contains at least ",
    "prompt contains ",
    "messages resulted in ",
    "(requested: ",
    "given: ",
];

/// The number before one of these is the prompt.
const PROMPT_BEFORE: &[&str] = &[" in the messages", " input tokens", " of text input"];

/// Reads from a refusal what does not fit, if that is what it is about. `certain` when a code already said so.
pub(super) fn misfit(body: &ErrorBody, certain: bool) -> Option<Misfit> {
    let text = body.text.as_str();
    let has = |list: &[&str]| list.iter().any(|phrase| text.contains(phrase));
    let about_output = has(OUTPUT_NAMES) && has(OUTPUT_PHRASES);
    if !(certain || about_output || has(PROMPT_PHRASES)) {
        return None;
    }
    let window = body.window.or_else(|| first_after(text, WINDOW_AFTER));
    let prompt = body.prompt_tokens.or_else(|| {
        first_after(text, PROMPT_AFTER).or_else(|| PROMPT_BEFORE.iter().find_map(|phrase| number_before(text, phrase)))
    });
    if about_output && prompt.is_none() {
        return Some(Misfit::Output(first_after(text, CAP_AFTER)));
    }
    // The provider's own numbers may show that the prompt alone would fit.
    match (prompt, window) {
        (Some(prompt), Some(window)) if prompt < window => Some(Misfit::Output(Some(window - prompt))),
        (prompt, window) => Some(Misfit::Prompt(prompt, window)),
    }
}

/// Whether a message about a rate limit shows that the request alone is larger than the limit
/// (`Limit 6000, Requested 10338`).
pub(super) fn exceeds_rate(text: &str) -> bool {
    let limit = first_after(text, &["limit "]).or_else(|| first_after(text, &["limit: "]));
    let requested = first_after(text, &["requested ", "requested: "]);
    matches!((limit, requested), (Some(limit), Some(requested)) if requested > limit)
}

fn first_after(text: &str, phrases: &[&str]) -> Option<u64> {
    phrases.iter().find_map(|phrase| {
        text.match_indices(phrase).find_map(|(at, _)| leading_number(text.get(at + phrase.len()..)?))
    })
}

/// `200000 maximum`, `(1048575)`, "`8192`", `30,000`.
fn leading_number(text: &str) -> Option<u64> {
    let text = text.trim_start_matches(['(', '`', '\'', '"', '[', ' ']);
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == ',' || c == '_')).unwrap_or(text.len());
    digits(text.get(..end)?)
}

fn number_before(text: &str, phrase: &str) -> Option<u64> {
    text.match_indices(phrase).find_map(|(at, _)| {
        let head = text.get(..at)?;
        let start = head.rfind(|c: char| !(c.is_ascii_digit() || c == ',')).map_or(0, |at| at + 1);
        digits(head.get(start..)?)
    })
}

fn digits(text: &str) -> Option<u64> {
    text.replace([',', '_'], "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str) -> Option<Misfit> {
        let body = ErrorBody { text: message.to_lowercase(), ..ErrorBody::default() };
        misfit(&body, false)
    }

    #[test]
    fn prompts_that_do_not_fit() {
        let cases = [
            ("prompt is too long: 208310 tokens > 200000 maximum", Some(208_310), Some(200_000)),
            (
                "This model's maximum context length is 1048565 tokens. However, you requested 1250025 tokens (1250025 in the messages, 0 in the completion).",
                Some(1_250_025),
                Some(1_048_565),
            ),
            (
                "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
                Some(9001),
                Some(8192),
            ),
            (
                "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
                Some(1_196_265),
                Some(1_048_575),
            ),
            (
                "This model's maximum prompt length is 500000 but the request contains 637815 tokens.",
                Some(637_815),
                Some(500_000),
            ),
            (
                "Prompt contains 10000 tokens and 0 draft tokens, too large for model with 8192 maximum context length",
                Some(10_000),
                Some(8192),
            ),
            ("prompt token count of 130001 exceeds the limit of 128,000", Some(130_001), Some(128_000)),
            ("The total length of all messages is too long.", None, None),
            ("Your input exceeds the context window of this model.", None, None),
        ];
        for (message, prompt, window) in cases {
            assert_eq!(read(message), Some(Misfit::Prompt(prompt, window)), "{message}");
        }
    }

    #[test]
    fn answers_that_do_not_fit() {
        let cases = [
            (
                "input length and `max_tokens` exceed context limit: 196353 + 21333 > 200000, decrease input length",
                Some(3647),
            ),
            ("max_tokens: 65536 > 64000, which is the maximum allowed number of output tokens for m", Some(64_000)),
            ("max_tokens is too large: 5000. This model supports at most 4096 completion tokens", Some(4096)),
            (
                "This model's maximum context length is 32768 tokens. However, you requested 54692 tokens (21924 in the messages, 32768 in the completion).",
                Some(10_844),
            ),
            (
                "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 4096 tokens and your request has 20 input tokens (4096 > 4096 - 20).",
                Some(4076),
            ),
            ("`max_tokens` must be less than or equal to `8192`, the maximum value", Some(8192)),
            ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", Some(8192)),
        ];
        for (message, cap) in cases {
            assert_eq!(read(message), Some(Misfit::Output(cap)), "{message}");
        }
    }

    #[test]
    fn other_complaints_are_none() {
        for message in
            ["Unsupported parameter: 'max_tokens' is not supported with this model.", "Logprobs are not enabled"]
        {
            assert_eq!(read(message), None, "{message}");
        }
    }

    #[test]
    fn a_request_larger_than_its_rate() {
        assert!(exceeds_rate("tokens per minute (tpm): limit 6000, requested 10338, please"));
        assert!(!exceeds_rate("limit 12000, used 2542, requested 9855. please"));
    }
}
