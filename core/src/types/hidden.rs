//! What people and models wrote, in debug prints: how much of it there is, never a word of it.

use std::fmt;

use serde_json::{Map, Value};

/// A text, shown as `[12 bytes]`.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

/// An object, shown by the names of its members.
pub(super) struct Members<'a>(pub(super) &'a Map<String, Value>);

impl fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
