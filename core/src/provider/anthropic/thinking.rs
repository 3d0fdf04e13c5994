//! The reasoning effort as Claude models take it.

use serde_json::{Value, json};

/// Model ids that start with one of these take a budget of thinking tokens; newer ones think adaptively and take an
/// effort, and the newest reject budgets.
const BUDGETED: &[&str] = &[
    "claude-3-7",
    "claude-sonnet-4-0",
    "claude-sonnet-4-2",
    "claude-sonnet-4-5",
    "claude-opus-4-0",
    "claude-opus-4-1",
    "claude-opus-4-2",
    "claude-opus-4-5",
    "claude-haiku-4-5",
];

/// Effort in words, tokens to think with, and the word for `output_config.effort`.
const EFFORTS: &[(&str, u64, &str)] = &[
    ("minimal", 1024, "low"),
    ("low", 1024, "low"),
    ("medium", 4096, "medium"),
    ("high", 16_384, "high"),
    ("xhigh", 24_576, "xhigh"),
    ("max", 24_576, "max"),
];

/// What to send for an effort.
pub(in crate::provider) struct Thinking {
    /// The member `thinking`.
    pub(in crate::provider) thinking: Value,
    /// `output_config.effort`.
    pub(in crate::provider) effort: Option<&'static str>,
    /// Tokens that thinking may take of `max_tokens`.
    pub(in crate::provider) room: u64,
}

impl Thinking {
    pub(in crate::provider) fn enabled(&self) -> bool {
        self.room > 0
    }
}

/// The effort's meaning for `model`; none for a word that this format does not know.
pub(in crate::provider) fn of(effort: &str, model: &str) -> Option<Thinking> {
    if effort == "none" {
        return Some(Thinking { thinking: json!({"type": "disabled"}), effort: None, room: 0 });
    }
    let (_, budget, word) = EFFORTS.iter().find(|(known, ..)| *known == effort)?;
    let budgeted = BUDGETED.iter().any(|prefix| model.starts_with(prefix));
    Some(if budgeted {
        Thinking { thinking: json!({"type": "enabled", "budget_tokens": budget}), effort: None, room: *budget }
    } else {
        Thinking { thinking: json!({"type": "adaptive"}), effort: Some(word), room: *budget }
    })
}
