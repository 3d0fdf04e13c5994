//! Keys found where a reference points.

use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;

use super::defaults::LARGEST_SECRET;
use crate::types::Secret;

/// Where references are looked up.
pub(super) struct Sources<'a> {
    /// The environment.
    pub(super) env: &'a dyn Fn(&str) -> Option<OsString>,
    /// What relative paths start from; the working directory where absent.
    pub(super) directory: Option<PathBuf>,
}

/// What a reference led to. No sentence in here shows a character of a key.
pub(super) enum Found {
    Secret {
        secret: Secret,
        /// Whether it was written out instead of referred to.
        literal: bool,
    },
    /// Nothing is there; the sentence says where.
    Missing(String),
    /// What is there, or the reference itself, cannot be used.
    Unusable(String),
}

impl Sources<'_> {
    /// Follows `env:NAME` and `file:PATH`; anything else is the key itself.
    pub(super) fn resolve(&self, reference: &str) -> Found {
        if let Some(name) = reference.strip_prefix("env:") {
            self.variable(name)
        } else if let Some(path) = reference.strip_prefix("file:") {
            self.file(path)
        } else if reference.starts_with('$') {
            Found::Unusable("variables are written env:NAME, not with a dollar sign".to_owned())
        } else {
            checked(reference, true, "the value")
        }
    }

    /// Follows a reference to a document in JSON, which no header has to carry.
    pub(super) fn document(&self, reference: &str) -> Result<Secret, Unread> {
        let text = if let Some(path) = reference.strip_prefix("file:") {
            self.text(path, LARGEST_SECRET)?
        } else if let Some(name) = reference.strip_prefix("env:") {
            let held = (self.env)(name).and_then(|value| value.into_string().ok());
            held.ok_or_else(|| Unread::Missing("the environment variable that it names is not set".to_owned()))?
        } else {
            reference.to_owned()
        };
        match serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(&text) {
            Ok(_) => Ok(Secret::new(text)),
            Err(_) => Err(Unread::Unusable("leads to no object in JSON".to_owned())),
        }
    }

    /// The key in an environment variable.
    pub(super) fn variable(&self, name: &str) -> Found {
        // The name appears in messages, so a key pasted behind `env:` must not pass for one.
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && name.starts_with(|c: char| !c.is_ascii_digit());
        if !is_name {
            return Found::Unusable("env: must be followed by the name of a variable".to_owned());
        }
        let place = format!("environment variable {name}");
        match (self.env)(name).map(OsString::into_string) {
            None => Found::Missing(format!("{place} is not set")),
            Some(Err(_)) => Found::Unusable(format!("{place} is not UTF-8")),
            Some(Ok(text)) => checked(&text, false, &place),
        }
    }

    fn file(&self, path: &str) -> Found {
        if path.is_empty() {
            return Found::Unusable("file: must be followed by a path".to_owned());
        }
        match self.text(path, LARGEST_SECRET) {
            Ok(text) => checked(&text, false, &format!("file {}", self.path(path).display())),
            Err(Unread::Missing(sentence)) => Found::Missing(sentence),
            Err(Unread::Unusable(sentence)) => Found::Unusable(sentence),
        }
    }

    /// The text of a file of at most so many bytes.
    pub(super) fn text(&self, path: &str, most: u64) -> Result<String, Unread> {
        let path = self.path(path);
        let place = format!("file {}", path.display());
        let mut bytes = Vec::new();
        let read = std::fs::File::open(&path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
        read.map_err(|error| Unread::Missing(format!("{place} cannot be read: {error}")))?;
        if bytes.len() as u64 > most {
            return Err(Unread::Unusable(format!("{place} is larger than {most} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|_| Unread::Unusable(format!("{place} is not UTF-8")))?;
        Ok(text.trim_start_matches('\u{feff}').to_owned())
    }

    /// The path that is meant.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.directory.as_ref().map_or_else(|| PathBuf::from(path), |directory| directory.join(path))
    }
}

/// Why a file gives no text.
pub(super) enum Unread {
    /// It is not there, or not for us.
    Missing(String),
    /// It is no text, or too long.
    Unusable(String),
}

impl From<Unread> for String {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Missing(sentence) | Unread::Unusable(sentence) => sentence,
        }
    }
}

/// A key travels in a header, so it must be printable ASCII.
fn checked(text: &str, literal: bool, place: &str) -> Found {
    let key = text.trim();
    if key.is_empty() {
        Found::Missing(format!("{place} is empty"))
    } else if key.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
        Found::Secret { secret: Secret::new(key), literal }
    } else {
        Found::Unusable(format!(
            "{place} holds characters that no header can carry (line breaks, control or non-ASCII characters)"
        ))
    }
}
