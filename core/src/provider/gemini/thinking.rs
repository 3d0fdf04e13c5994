//! The reasoning effort as Gemini models take it: none before 2.5, a budget of tokens in 2.5, a level from 3 on
//! (<https://ai.google.dev/gemini-api/docs/thinking>).

use serde_json::{Value, json};

/// Effort in words, the budget of Gemini 2.5, the level of Gemini 3. The budgets are those that Google's own
/// OpenAI-compatible endpoint gives these words.
const EFFORTS: &[(&str, u64, &str)] = &[
    ("minimal", 1024, "minimal"),
    ("low", 1024, "low"),
    ("medium", 8192, "medium"),
    ("high", 24_576, "high"),
    ("xhigh", 24_576, "high"),
    ("max", 24_576, "high"),
];

/// The smallest budget of the model that always thinks, Gemini 2.5 Pro.
const LEAST: u64 = 128;

/// The generation of a model by its name, as major and minor; none for other families and unknown names.
fn generation(model: &str) -> Option<(u32, u32)> {
    let name = model.rsplit('/').next().unwrap_or(model).strip_prefix("gemini-")?;
    let version = name.split('-').next()?;
    let mut numbers = version.split('.');
    match numbers.next()?.parse() {
        Ok(major) => Some((major, numbers.next().and_then(|minor| minor.parse().ok()).unwrap_or(0))),
        // `gemini-flash-latest` is the newest there is.
        Err(_) if name.ends_with("latest") => Some((u32::MAX, 0)),
        Err(_) => None,
    }
}

/// Whether the model refuses calls in the history that are not signed.
pub(super) fn signs(model: &str) -> bool {
    generation(model).is_some_and(|(major, _)| major >= 3)
}

/// The member `thinkingConfig` for an effort, or why there is none; and what the model does instead.
pub(super) fn of(effort: &str, model: &str) -> Result<(Value, Option<String>), String> {
    let known = EFFORTS.iter().find(|(word, ..)| *word == effort);
    if known.is_none() && effort != "none" {
        return Err(format!("reasoning_effort \"{effort}\" left out: Gemini has no such word"));
    }
    match (generation(model), known) {
        (None | Some((0..=1, _) | (2, 0..=4)), _) => {
            Err(format!("reasoning_effort left out: {model} does not think, or takes no word for how much"))
        }
        (Some((2, _)), Some((_, budget, _))) => Ok((json!({"thinkingBudget": budget, "includeThoughts": true}), None)),
        (Some((2, _)), None) if model.contains("pro") => {
            Ok((json!({"thinkingBudget": LEAST}), Some(format!("{model} always thinks; it was given {LEAST} tokens"))))
        }
        (Some((2, _)), None) => Ok((json!({"thinkingBudget": 0}), None)),
        (Some(_), Some((_, _, level))) => Ok((json!({"thinkingLevel": level, "includeThoughts": true}), None)),
        (Some(_), None) => {
            let level = if model.contains("pro") { "low" } else { "minimal" };
            Ok((
                json!({"thinkingLevel": level}),
                Some(format!("{model} always thinks; it was asked to at level {level}")),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn generations() {
        for model in ["gemini-3-pro-preview", "gemini-3.1-flash", "gemini-flash-latest", "models/gemini-4-x"] {
            assert!(signs(model), "{model}");
        }
        for model in ["gemini-2.5-pro", "gemini-2.0-flash-001", "gemma-3-27b-it", "gemini-exp", "tuned"] {
            assert!(!signs(model), "{model}");
        }
    }

    #[test]
    fn efforts_by_generation() {
        let config = |effort, model| of(effort, model).map(|(config, _)| config).ok();
        let high = json!({"thinkingBudget": 24_576, "includeThoughts": true});
        assert_eq!(config("high", "gemini-2.5-flash"), Some(high));
        assert_eq!(config("none", "gemini-2.5-flash"), Some(json!({"thinkingBudget": 0})));
        assert_eq!(config("none", "gemini-2.5-pro"), Some(json!({"thinkingBudget": 128})));
        let low = json!({"thinkingLevel": "low", "includeThoughts": true});
        assert_eq!(config("low", "gemini-3-pro-preview"), Some(low));
        assert!(of("none", "gemini-3-pro-preview").unwrap().1.is_some());
        assert_eq!(config("low", "gemini-2.0-flash"), None);
        assert_eq!(config("enormous", "gemini-3-pro-preview"), None);
    }
}
