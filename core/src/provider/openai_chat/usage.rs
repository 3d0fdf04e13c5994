//! Tokens and cost as OpenAI-compatible servers count them, normalised by arithmetic.

use serde_json::Value;

use crate::provider::wire::{count, count_at};
use crate::types::Usage;

/// The usage of a completion, if there is one.
pub(super) fn usage(body: &Value) -> Option<Usage> {
    let usage = body.get("usage").filter(|usage| usage.is_object())?;
    let at = |paths: &[&str]| count_at(usage, paths).unwrap_or(0);
    let mut input = at(&["/prompt_tokens", "/input_tokens"]);
    let mut output = at(&["/completion_tokens", "/output_tokens"]);
    let total = count(usage.get("total_tokens")).unwrap_or(0);
    // One count under several names: a server that fills one of them leaves the others at 0.
    let most = |paths: &[&str]| paths.iter().filter_map(|path| count(usage.pointer(path))).max().unwrap_or(0);
    let reasoning = most(&["/completion_tokens_details/reasoning_tokens", "/reasoning_tokens"]);
    let cached = most(&CACHED);
    let written = most(&["/prompt_tokens_details/cache_write_tokens", "/cache_creation_input_tokens"]);
    let audio = at(&["/prompt_tokens_details/audio_tokens"]);

    let sum = |a: u64, b: u64, c: u64| a.saturating_add(b).saturating_add(c);
    // Mistral counts audio beside the prompt.
    if audio > 0 && total == sum(input, output, audio) {
        input = input.saturating_add(audio);
    }
    let beside = cached > 0 && cached != reasoning && total == sum(input, output, cached);
    if beside {
        input = input.saturating_add(cached);
    } else if total > input {
        // xAI, and Gemini's compatible endpoint, leave reasoning out of the output but not out of the total.
        output = total - input;
    }
    let cached = cached.min(input);
    Some(Usage {
        input,
        cached_input: cached,
        cache_write: written.min(input - cached),
        output,
        reasoning: reasoning.min(output),
    })
}

/// Where servers say how much of the prompt came from a cache: OpenAI, Anthropic behind a gateway, DeepSeek, Mistral,
/// Together.
const CACHED: [&str; 5] = [
    "/prompt_tokens_details/cached_tokens",
    "/cache_read_input_tokens",
    "/prompt_cache_hit_tokens",
    "/num_cached_tokens",
    "/cached_tokens",
];

/// USD, where the server states them: OpenRouter's `usage.cost` (with the upstream's bill beside it when the caller's
/// own key was used there), Perplexity's `usage.cost.total_cost`, Venice's `cost.usd`, xAI's ticks of 1e-10 USD.
pub(super) fn cost(body: &Value) -> Option<f64> {
    let number = |path: &str| body.pointer(path).and_then(Value::as_f64);
    let own_key = body.pointer("/usage/is_byok") == Some(&Value::Bool(true));
    let upstream = number("/usage/cost_details/upstream_inference_cost").filter(|_| own_key);
    number("/usage/cost")
        .map(|cost| cost + upstream.unwrap_or(0.0))
        .or_else(|| number("/usage/cost/total_cost"))
        .or_else(|| number("/cost/usd"))
        .or_else(|| number("/usage/cost_in_usd_ticks").map(|ticks| ticks * 1e-10))
        .filter(|cost| *cost >= 0.0 && cost.is_finite())
}
