//! The tokens of OpenAI's models, by their own vocabulary.

/// How the ids of the models begin that share the vocabulary `o200k_base`, by OpenAI's `tiktoken`. Older models have another one,
/// which is not worth its size.
#[cfg(feature = "bpe")]
const MODELS: [&str; 10] =
    ["gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "gpt-oss", "chatgpt-4o", "o1", "o3", "o4-mini", "codex-"];

/// Whether the text of this model's prompts can be counted. Asking it loads no vocabulary.
#[cfg(feature = "bpe")]
pub(super) fn counts(id: &str) -> bool {
    let id = id.rsplit('/').next().unwrap_or(id);
    let id = id.strip_prefix("ft:").unwrap_or(id);
    MODELS.iter().any(|model| id.starts_with(model))
}

#[cfg(feature = "bpe")]
pub(super) fn count(text: &str) -> u64 {
    tiktoken::get_encoding("o200k_base").map_or(0, |vocabulary| vocabulary.count(text) as u64)
}

#[cfg(not(feature = "bpe"))]
pub(super) fn counts(_id: &str) -> bool {
    false
}

#[cfg(not(feature = "bpe"))]
pub(super) fn count(_text: &str) -> u64 {
    0
}

#[cfg(all(test, feature = "bpe"))]
mod tests {
    use super::*;

    #[test]
    fn models_are_known_by_their_ids() {
        for id in ["gpt-4o-mini", "o3", "openai/gpt-5.2", "ft:gpt-4.1-nano-2025-04-14:acme::x", "gpt-4o-prod"] {
            assert!(counts(id), "{id}");
        }
        for id in ["gpt-4-turbo", "gpt-3.5-turbo", "claude-opus-4-7", "mistral-large"] {
            assert!(!counts(id), "{id}");
        }
    }

    /// As OpenAI's own `tiktoken` 0.14 counts them.
    #[test]
    fn counts_are_those_of_the_vocabulary() {
        let counted = [
            ("hello world", 2),
            ("Der Donaudampfschifffahrtskapitän wünscht guten Morgen.", 17),
            ("日本語の文章をトークンに分割する。", 13),
            ("fn main() {\n    println!(\"{}\", 1 + 1);\n}\n", 14),
            ("<|endoftext|>", 7),
            ("👩‍👩‍👧‍👦 🇩🇪", 15),
        ];
        for (text, tokens) in counted {
            assert_eq!(count(text), tokens, "{text}");
        }
    }

    #[test]
    fn a_long_word_does_not_stop_the_count() {
        assert!(count(&"a".repeat(1_000_000)) > 1_000);
    }
}
