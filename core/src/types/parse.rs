//! Reading loosely typed input: every complaint names the place it was found at.

use serde_json::{Map, Value};

/// What is wrong with a value the caller passed in, and where: `messages[2].role: expected a string, found 7`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Where, in the field's own notation (`messages[0].content[1]`).
    pub path: String,
    /// What is wrong there, as a clause.
    pub problem: String,
}

impl ParseError {
    pub(crate) fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into() }
    }

    pub(crate) fn expected(path: &str, what: &str, found: &Value) -> Self {
        Self::new(path, format!("expected {what}, found {}", kind_of(found)))
    }
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

impl std::error::Error for ParseError {}

/// The JSON type of a value, never its contents: prompt text must not reach an error.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

pub(crate) fn string(value: Value, path: &str) -> Result<String, ParseError> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(ParseError::expected(path, "a string", &other)),
    }
}

pub(crate) fn object(value: Value, path: &str) -> Result<Map<String, Value>, ParseError> {
    match value {
        Value::Object(map) => Ok(map),
        other => Err(ParseError::expected(path, "an object", &other)),
    }
}

pub(crate) fn array(value: Value, path: &str) -> Result<Vec<Value>, ParseError> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(ParseError::expected(path, "an array", &other)),
    }
}

pub(crate) fn number(value: &Value, path: &str) -> Result<f64, ParseError> {
    value.as_f64().ok_or_else(|| ParseError::expected(path, "a number", value))
}

pub(crate) fn whole(value: &Value, path: &str) -> Result<u64, ParseError> {
    value.as_u64().ok_or_else(|| ParseError::expected(path, "a whole number of 0 or more", value))
}

pub(crate) fn boolean(value: &Value, path: &str) -> Result<bool, ParseError> {
    value.as_bool().ok_or_else(|| ParseError::expected(path, "true or false", value))
}

/// `maxOutputTokens` → `max_output_tokens`; snake_case stays as it is.
pub(crate) fn snake_case(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
            out.push(c.to_ascii_lowercase());
        } else {
            out.push(c);
        }
    }
    out
}

/// The closest of `known` to `word`, if it is close enough to be a slip of the keyboard.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// `, did you mean "primary"?`, or nothing.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |name| format!(", did you mean \"{name}\"?"))
}
