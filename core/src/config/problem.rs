//! Problems and lints: collected with the place they were found at, rendered in the order of the file.

use std::collections::BTreeMap;

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The path in the user's own spelling: `tasks.support_chat.fallback[1]`; empty for the whole document.
    pub(super) path: String,
    /// The line, from 1; absent for objects.
    pub(super) line: Option<usize>,
}

/// The path of `key` below `parent`; keys that are no bare words are quoted.
pub(super) fn join(parent: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$'));
    let dot = if parent.is_empty() { "" } else { "." };
    if bare { format!("{parent}{dot}{key}") } else { format!("{parent}{dot}{key:?}") }
}

/// Where each canonical path (snake_case) was written, so that later checks can name the line.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<String, Place>);

impl Places {
    pub(super) fn insert(&mut self, canonical: String, place: Place) {
        self.0.insert(canonical, place);
    }

    /// Whether something was written there, be it right or wrong.
    pub(super) fn written(&self, canonical: &str) -> bool {
        self.0.contains_key(canonical)
    }

    /// The place of `canonical`; for something that was not written, its path with the line of what encloses it.
    pub(super) fn find(&self, canonical: &str) -> Place {
        if let Some(place) = self.0.get(canonical) {
            return place.clone();
        }
        let mut enclosing = canonical;
        let mut line = None;
        while let Some(end) = enclosing.rfind(['.', '[']) {
            enclosing = enclosing.get(..end).unwrap_or_default();
            if let Some(place) = self.0.get(enclosing) {
                line = place.line;
                break;
            }
        }
        Place { path: canonical.to_owned(), line }
    }
}

/// A growing list of sentences, each with its place.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<(Place, String)>);

impl Findings {
    pub(super) fn add(&mut self, place: Place, sentence: impl Into<String>) {
        self.0.push((place, sentence.into()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One line of text each: `locum.toml:12: tasks.chat.primary: …`, ordered by line.
    pub(super) fn render(mut self, file: Option<&str>) -> Vec<String> {
        self.0.sort_by_key(|(place, _)| place.line);
        self.0
            .into_iter()
            .map(|(place, sentence)| {
                let mut text = match (file, place.line) {
                    (Some(file), Some(line)) => format!("{file}:{line}: "),
                    (Some(file), None) => format!("{file}: "),
                    (None, Some(line)) => format!("line {line}: "),
                    (None, None) => String::new(),
                };
                if !place.path.is_empty() {
                    text.push_str(&place.path);
                    text.push_str(": ");
                }
                text.push_str(&sentence);
                text
            })
            .collect()
    }
}
