//! Going on with an answer that broke off: the chat as the model that takes over gets to see it.

use std::borrow::Cow;

use serde_json::Value;

use super::Target;
use crate::error::ErrorKind;
use crate::types::{Amend, Content, Failure, Message, Part, Request, Role};

/// What the user turn after a broken answer says to a model that takes no words put into its mouth.
const INSTRUCTION: &str = "Your last answer broke off. Go on exactly where it stopped, in the middle of a word if need \
     be. Repeat nothing of it, and add neither an introduction nor a comment.";

/// What servers say of a chat that ends with an assistant message. Lower case.
const REFUSALS: [&str; 6] = [
    "prefill",
    "expected last role",
    "must end with a user message",
    "continue_final_message",
    "add_generation_prompt",
    "assistant messages at the end",
];

/// Marks a message to go on with, where a server wants the mark.
const PREFIX: &str = "prefix";

/// Whether a model is known to continue an assistant message at the end of the chat.
///
/// - Anthropic: Claude up to 4.5; from 4.6 on such a chat is answered with status 400
///   (<https://platform.claude.com/docs/en/about-claude/models/migration-guide>). A name that tells no version counts
///   as a newer one.
/// - Mistral: every model, with `prefix` (<https://docs.mistral.ai/api/>).
/// - Others leave it to the model and its chat template, or answer anew; the configuration may say otherwise.
#[must_use]
pub fn prefills(kind: &str, model: &str) -> bool {
    match kind {
        "anthropic" => older_claude(model),
        // `eu.anthropic.claude-sonnet-4-5-20250929-v1:0`
        "bedrock" => model.split_once("anthropic.").is_some_and(|(_, model)| older_claude(model)),
        "mistral" => true,
        _ => false,
    }
}

/// `claude-3-haiku-…` and before by their generation; `claude-sonnet-4`, `claude-opus-4-20250514`,
/// `claude-haiku-4-5@20251001` by family and version.
fn older_claude(model: &str) -> bool {
    let Some(name) = model.strip_prefix("claude-") else {
        return false;
    };
    let mut words = name.split(['-', '@', '.']);
    match (words.next(), words.next()) {
        (Some("2" | "instant" | "3"), _) => true,
        (Some("opus" | "sonnet" | "haiku"), Some("4")) => words.next().is_none_or(|word| {
            let date = word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_digit());
            date || matches!(word.parse(), Ok(0..=5_u8))
        }),
        _ => false,
    }
}

/// The broken text to go on with. White space alone is nothing to go on with.
fn broken<'a>(target: &Target<'a>) -> Option<&'a str> {
    target.resume.filter(|text| !text.trim().is_empty())
}

/// Whether the request puts the broken text into the model's mouth.
pub(super) fn prefilled(target: &Target<'_>) -> bool {
    target.prefill && broken(target).is_some() && !target.amends.contains(&Amend::NoPrefill)
}

/// The chat to send: the request's own, or with the broken text at its end, which stands there as the beginning of the
/// answer (`prefill`, with `prefix: true` where `mark` says so) or before an instruction.
///
/// A chat that already ends with words put into the model's mouth has them and the broken text in one message.
pub(super) fn chat<'a>(target: &Target<'_>, request: &'a Request, prefill: bool, mark: bool) -> Cow<'a, [Message]> {
    let Some(text) = broken(target) else {
        return Cow::Borrowed(&request.messages);
    };
    let mut messages = request.messages.clone();
    match messages.last_mut().filter(|last| last.role == Role::Assistant && last.tool_calls.is_empty()) {
        Some(last) => join(last, text),
        None => messages.push(Message { role: Role::Assistant, ..Message::user(text) }),
    }
    if let Some(last) = messages.last_mut() {
        last.extra.shift_remove(PREFIX);
        if prefill && mark {
            last.extra.insert(PREFIX.to_owned(), Value::Bool(true));
        }
    }
    if !prefill {
        messages.push(Message::user(INSTRUCTION));
    }
    Cow::Owned(messages)
}

/// The failure of an exchange, seen as a refusal to go on with words put into the model's mouth where it was that: in
/// words, or a refusal of the request for no reason that another change would help with. Servers complain of such words
/// in many ways, and of little else in a chat that another model has just answered.
pub(super) fn failure(target: &Target<'_>, failure: Failure) -> Failure {
    let about_request = matches!(failure.status, Some(200 | 400 | 422 | 500 | 501));
    let refused = matches!(failure.status, Some(400 | 422))
        && matches!(failure.kind, ErrorKind::InvalidRequest | ErrorKind::Unsupported)
        && failure.subkind.is_none()
        && failure.amend.is_none();
    let says_so = || {
        let words = failure.message.to_lowercase();
        REFUSALS.iter().any(|refusal| words.contains(refusal))
    };
    if !prefilled(target) || !about_request || !(refused || says_so()) {
        return failure;
    }
    Failure { kind: ErrorKind::Unsupported, subkind: None, amend: Some(Amend::NoPrefill), ..failure }
}

fn join(message: &mut Message, text: &str) {
    match &mut message.content {
        Content::Text(begun) => begun.push_str(text),
        Content::Parts(parts) => match parts.last_mut() {
            Some(Part::Text(begun)) => begun.push_str(text),
            _ => parts.push(Part::Text(text.to_owned())),
        },
        content @ Content::None => *content = Content::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::prefills;

    #[test]
    fn who_takes_words_put_into_its_mouth() {
        let takes = [
            "claude-2",
            "claude-2.1",
            "claude-instant-1.2",
            "claude-3-haiku-20240307",
            "claude-3-5-sonnet-latest",
            "claude-3-7-sonnet-20250219",
            "claude-opus-4",
            "claude-opus-4-0",
            "claude-opus-4-20250514",
            "claude-sonnet-4@20250514",
            "claude-opus-4-1",
            "claude-opus-4-1-20250805",
            "claude-sonnet-4-5",
            "claude-sonnet-4-5-20250929",
            "claude-haiku-4-5@20251001",
        ];
        let refuses = [
            "claude-opus-4-6",
            "claude-opus-4-6-20260205",
            "claude-sonnet-4-6",
            "claude-opus-4-10",
            "claude-opus-40",
            "claude-sonnet-5",
            "claude-opus-5-20270101",
            "claude-30",
            "claude-20",
            "claude-opus-4-latest",
            "claude-newest",
            "claude-",
            "sonnet-4-5",
            "",
        ];
        for model in takes {
            assert!(prefills("anthropic", model), "{model}");
            assert!(!prefills("openai_compatible", model), "{model}");
        }
        for model in refuses {
            assert!(!prefills("anthropic", model), "{model}");
        }
        assert!(prefills("mistral", "mistral-small-latest"));
        for kind in ["openai", "deepseek", "vllm", "openrouter", "llamacpp"] {
            assert!(!prefills(kind, "any"), "{kind}");
        }
    }
}
