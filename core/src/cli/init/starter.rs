//! The file for the keys found in the environment.

use super::text::list;
use crate::config::PRESETS;

/// What a provider may be given to do at first.
struct Sample {
    kind: &'static str,
    large: &'static str,
    small: &'static str,
    /// Whether the large one takes a million tokens.
    long: bool,
}

const fn sample(kind: &'static str, large: &'static str, small: &'static str, long: bool) -> Sample {
    Sample { kind, large, small, long }
}

/// In order of preference.
const SAMPLES: [Sample; 9] = [
    sample("openai", "gpt-5.4", "gpt-5.4-mini", true),
    sample("anthropic", "claude-sonnet-4-6", "claude-haiku-4-5", true),
    sample("gemini", "gemini-pro-latest", "gemini-flash-latest", true),
    sample("mistral", "mistral-large-latest", "mistral-small-latest", false),
    sample("deepseek", "deepseek-v4-pro", "deepseek-v4-flash", true),
    sample("xai", "grok-4.3", "grok-4.3", true),
    sample("groq", "openai/gpt-oss-120b", "openai/gpt-oss-20b", false),
    sample("together", "zai-org/GLM-5.2", "openai/gpt-oss-120b", false),
    sample("openrouter", "google/gemini-3-flash-preview", "openai/gpt-oss-120b", false),
];

/// The most providers that are put to work at first.
const MOST: usize = 3;

/// A configuration for the variables that are set.
pub(super) fn write(is_set: &dyn Fn(&str) -> bool) -> String {
    let variable = |kind: &str| PRESETS.iter().find(|preset| preset.kind == kind).and_then(|preset| preset.key);
    let found: Vec<&Sample> = SAMPLES.iter().filter(|sample| variable(sample.kind).is_some_and(is_set)).collect();
    let none = found.is_empty();
    let mut chosen: Vec<&Sample> = if none { SAMPLES.iter().take(2).collect() } else { found };
    let spare = chosen.split_off(chosen.len().min(MOST));
    let mut out = String::from(
        "# Which model does which work, who stands in, and within which limits.\n\
         # `locum check` validates this file, `locum explain support_chat` tells what a call would do.\n",
    );
    let names: Vec<&str> = chosen.iter().filter_map(|sample| variable(sample.kind)).collect();
    if none {
        out.push_str(&format!("#\n# No API key was found in the environment. Set: {}\n", names.join(", ")));
    }
    out.push_str("\n# Accounts. Keys are references: env:NAME or file:PATH.\n");
    for sample in &chosen {
        if let Some(name) = variable(sample.kind) {
            out.push_str(&format!("[providers.{}]\napi_key = \"env:{name}\"\n", sample.kind));
        }
    }
    if !spare.is_empty() {
        let kinds: Vec<&str> = spare.iter().map(|sample| sample.kind).collect();
        let kinds = kinds.join(", ");
        out.push_str(&format!(
            "# Keys were found for these too; a fallback may name them without a section: {kinds}\n"
        ));
    }
    out.push_str(
        "\n# Kinds of work, by the names your application uses. The models are examples: put in those you want.\n",
    );
    if chosen.len() == 1 {
        out.push_str(
            "# With one provider nobody can stand in: set a second key and add `fallback = [\"provider/model\"]`.\n",
        );
    }
    let large: Vec<String> = chosen.iter().map(|sample| format!("{}/{}", sample.kind, sample.large)).collect();
    let small: Vec<String> = chosen.iter().map(|sample| format!("{}/{}", sample.kind, sample.small)).collect();
    let long: Vec<String> =
        chosen.iter().filter(|sample| sample.long).map(|sample| format!("{}/{}", sample.kind, sample.large)).collect();
    task(
        &mut out,
        "support_chat",
        &large,
        "max_latency_ms = 20000            # the whole ladder, retries and stand-ins included\n",
    );
    task(&mut out, "document_summary", &small, "max_latency_ms = 60000\n");
    task(
        &mut out,
        "data_extraction",
        &small,
        "temperature = 0\nfallback_on = [\"invalid_output\"]  # an answer that is not the JSON asked for is tried elsewhere\n",
    );
    task(&mut out, "title_generation", &small, "max_latency_ms = 5000\nmax_output_tokens = 200\n");
    task(&mut out, "long_context_analysis", &long, "max_latency_ms = 300000\n");
    out
}

fn task(out: &mut String, name: &str, models: &[String], limits: &str) {
    let Some((primary, others)) = models.split_first() else { return };
    out.push_str(&format!("\n[tasks.{name}]\nprimary = \"{primary}\"\n"));
    if !others.is_empty() {
        out.push_str(&format!("fallback = {}\n", list(others.iter().map(String::as_str))));
    }
    out.push_str(limits);
}
