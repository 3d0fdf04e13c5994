//! A JSON Schema, ready to hold values against.

use std::error::Error;
use std::fmt;

use boon::{Compiler, Draft, ErrorKind, InstanceToken, SchemaIndex, Schemas, UrlLoader, ValidationError};
use regex::Regex;
use serde_json::Value;

/// The address under which a schema refers to itself. Nothing is ever loaded from it.
const ADDRESS: &str = "locum:///schema";

/// The most problems that are told of one value: what is wrong with the first says enough.
const MOST_PROBLEMS: usize = 5;

/// A JSON Schema of draft 4 to 2020-12; without `$schema` it is read as 2020-12. What it refers to must be in it.
pub struct Schema {
    source: Value,
    schemas: Schemas,
    root: SchemaIndex,
}

/// Nothing is fetched: neither from the network nor from the disk.
struct Nowhere;

impl UrlLoader for Nowhere {
    fn load(&self, _: &str) -> Result<Value, Box<dyn Error>> {
        Err("a schema refers to nothing outside of itself".into())
    }
}

/// What a value does not fulfil.
pub(super) struct Mismatch {
    /// Without a word of the value.
    pub(super) discreet: String,
    /// With its words.
    pub(super) full: String,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn new(source: Value) -> Result<Self, String> {
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.set_default_draft(Draft::V2020_12);
        compiler.use_loader(Box::new(Nowhere));
        let added = compiler.add_resource(ADDRESS, source.clone());
        let root = added.and_then(|()| compiler.compile(ADDRESS, &mut schemas)).map_err(|error| {
            let lines = format!("{error:#}").replace(&format!("{ADDRESS}#"), "#").replace(ADDRESS, "the schema");
            lines.split_whitespace().collect::<Vec<_>>().join(" ")
        })?;
        Ok(Self { source, schemas, root })
    }

    /// Reads a schema that somebody wrote for a provider, without the patterns that only others understand: those with
    /// look-around or references back. Also tells how many were left out.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(super) fn lenient(mut source: Value) -> Result<(Self, usize), String> {
        Self::new(source.clone()).map(|schema| (schema, 0)).or_else(|problem| match leave_out_patterns(&mut source) {
            0 => Err(problem),
            count => Self::new(source).map(|schema| (schema, count)),
        })
    }

    /// The schema as it was given.
    #[must_use]
    pub fn source(&self) -> &Value {
        &self.source
    }

    pub(super) fn mismatch(&self, value: &Value) -> Option<Mismatch> {
        let error = self.schemas.validate(value, self.root).err()?;
        let mut found = Vec::new();
        leaves(&error, &mut found);
        let more = found.len().saturating_sub(MOST_PROBLEMS);
        let list = |tell: fn(&ValidationError<'_, '_>) -> String| {
            let told: Vec<String> = found.iter().take(MOST_PROBLEMS).map(|error| tell(error)).collect();
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            told.join("; ") + &more
        };
        Some(Mismatch { discreet: list(discreet), full: list(full) })
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.source).finish()
    }
}

/// Takes out the patterns that the regex engine does not take; how many those were.
fn leave_out_patterns(schema: &mut Value) -> usize {
    let unusable = |pattern: &str| Regex::new(pattern).is_err();
    let mut count = 0;
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| count += leave_out_patterns(item)),
        Value::Object(members) => members.retain(|name, member| {
            match (name.as_str(), &mut *member) {
                // Values, not schemas.
                ("enum" | "const" | "default" | "examples", _) => return true,
                ("pattern", Value::String(pattern)) if unusable(pattern) => {
                    count += 1;
                    return false;
                }
                ("patternProperties", Value::Object(patterns)) => {
                    let before = patterns.len();
                    patterns.retain(|pattern, _| !unusable(pattern));
                    count += before - patterns.len();
                }
                _ => {}
            }
            count += leave_out_patterns(member);
            true
        }),
        _ => {}
    }
    count
}

/// The problems themselves, without those that only say that there are some below.
fn leaves<'a, 's, 'v>(error: &'a ValidationError<'s, 'v>, found: &mut Vec<&'a ValidationError<'s, 'v>>) {
    // Of alternatives, what is wrong with each says less than that none fits.
    let alternatives = matches!(error.kind, ErrorKind::AnyOf | ErrorKind::OneOf(_) | ErrorKind::Not);
    if error.causes.is_empty() || alternatives {
        found.push(error);
    } else {
        error.causes.iter().for_each(|cause| leaves(cause, found));
    }
}

fn full(error: &ValidationError<'_, '_>) -> String {
    let place = error.instance_location.to_string();
    let place = if place.is_empty() { "the value itself".to_owned() } else { place };
    format!("at {place}: {}", error.kind)
}

/// By the places of the schema: names of members that the answer chose itself are words of the answer.
fn discreet(error: &ValidationError<'_, '_>) -> String {
    let place = error.schema_url.split_once('#').map_or("", |(_, place)| place);
    let place = if place.is_empty() { "/" } else { place };
    let item = error.instance_location.tokens.iter().rev().find_map(|token| match token {
        InstanceToken::Item(item) => Some(format!(" (item {item})")),
        InstanceToken::Prop(_) => None,
    });
    let what = match &error.kind {
        kind @ (ErrorKind::Type { .. }
        | ErrorKind::Enum { .. }
        | ErrorKind::Const { .. }
        | ErrorKind::MinProperties { .. }
        | ErrorKind::MaxProperties { .. }
        | ErrorKind::Required { .. }
        | ErrorKind::Dependency { .. }
        | ErrorKind::DependentRequired { .. }
        | ErrorKind::MinItems { .. }
        | ErrorKind::MaxItems { .. }
        | ErrorKind::MinContains { .. }
        | ErrorKind::MaxContains { .. }
        | ErrorKind::Contains
        | ErrorKind::UniqueItems { .. }
        | ErrorKind::AdditionalItems { .. }
        | ErrorKind::MinLength { .. }
        | ErrorKind::MaxLength { .. }
        | ErrorKind::FalseSchema
        | ErrorKind::Not
        | ErrorKind::AllOf
        | ErrorKind::AnyOf
        | ErrorKind::OneOf(_)) => kind.to_string(),
        ErrorKind::AdditionalProperties { got } => format!("{} members that are not allowed", got.len()),
        ErrorKind::Pattern { want, .. } => format!("does not match the pattern {want:?}"),
        ErrorKind::Format { want, .. } => format!("is not valid as {want}"),
        ErrorKind::Minimum { want, .. } => format!("must be {want} or more"),
        ErrorKind::Maximum { want, .. } => format!("must be {want} or less"),
        ErrorKind::ExclusiveMinimum { want, .. } => format!("must be more than {want}"),
        ErrorKind::ExclusiveMaximum { want, .. } => format!("must be less than {want}"),
        ErrorKind::MultipleOf { want, .. } => format!("must be a multiple of {want}"),
        _ => "is not valid".to_owned(),
    };
    format!("{place}{}: {what}", item.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use serde_json::json;

    use super::*;

    fn invoice() -> Schema {
        Schema::new(json!({
            "type": "object",
            "properties": {
                "total": {"type": "number", "minimum": 0},
                "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
                "currency": {"enum": ["EUR", "USD"]},
            },
            "required": ["total", "lines"],
            "additionalProperties": false,
            "$defs": {"line": {"type": "object", "properties": {"text": {"type": "string", "pattern": "^[A-Z]"}}}},
        }))
        .unwrap()
    }

    #[test]
    fn values_that_fit_have_no_mismatch() {
        assert!(invoice().mismatch(&json!({"total": 3, "lines": [{"text": "Ink"}]})).is_none());
    }

    #[test]
    fn a_mismatch_is_told_by_the_schema_and_never_in_the_words_of_the_value() {
        let value = json!({
            "total": -417,
            "lines": [{"text": "Ink"}, {"text": "classified"}],
            "currency": "secret-coin",
            "whistle": "blown",
        });
        let found = invoice().mismatch(&value).unwrap();
        for word in ["417", "classified", "secret-coin", "whistle", "blown"] {
            assert!(!found.discreet.contains(word), "{word} in {}", found.discreet);
        }
        for word in [
            "/properties/total: must be 0 or more",
            "/$defs/line/properties/text (item 1): does not match the pattern \"^[A-Z]\"",
            "/properties/currency: value must be one of 'EUR', 'USD'",
            "/: 1 members that are not allowed",
        ] {
            assert!(found.discreet.contains(word), "{word} not in {}", found.discreet);
        }
        for word in ["at /total", "-417", "at /lines/1/text", "'classified'", "'whistle'"] {
            assert!(found.full.contains(word), "{word} not in {}", found.full);
        }
    }

    #[test]
    fn a_long_list_of_problems_is_cut() {
        let schema = Schema::new(json!({"items": {"type": "string"}})).unwrap();
        let found = schema.mismatch(&json!([1, 2, 3, 4, 5, 6, 7])).unwrap();
        assert!(found.discreet.ends_with("; and 2 more"), "{}", found.discreet);
        assert_eq!(found.discreet.matches("want string").count(), 5);
    }

    #[test]
    fn what_is_no_schema_is_told() {
        let problem = |schema| Schema::new(schema).err().unwrap();
        assert!(problem(json!({"type": "strin"})).contains("at '/type'"), "{}", problem(json!({"type": "strin"})));
        assert!(problem(json!({"pattern": "("})).contains("regex"));
        assert!(problem(json!({"$ref": "#/$defs/none"})).contains("#/$defs/none"));
        assert!(problem(json!(3)).contains("want boolean or object") || problem(json!(3)).contains("not valid"));
    }

    #[test]
    fn nothing_is_loaded() {
        for address in ["https://example.com/a.json", "file:///etc/passwd", "other.json"] {
            let problem = Schema::new(json!({"$ref": address})).err().unwrap();
            assert!(problem.contains("nothing outside of itself"), "{problem}");
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_is_no_endless_loop() {
        let schema = Schema::new(json!({
            "properties": {"next": {"$ref": "#"}, "n": {"type": "integer"}}, "required": ["n"],
        }))
        .unwrap();
        assert!(schema.mismatch(&json!({"n": 1, "next": {"n": 2}})).is_none());
        assert!(schema.mismatch(&json!({"n": 1, "next": {}})).is_some());
    }

    #[test]
    fn patterns_that_are_not_understood_are_left_out_and_the_rest_holds() {
        let source = json!({
            "type": "object",
            "properties": {
                "pattern": {"type": "string", "pattern": "^(?!x)"},
                "list": {"type": "array", "items": {"anyOf": [{"pattern": "(a)\\1"}, {"pattern": "^b"}]}},
            },
            "patternProperties": {"(?<=n)_": {"type": "null"}, "^x-": {"type": "integer"}},
            "default": {"pattern": "(?!"},
        });
        assert!(Schema::new(source.clone()).unwrap_err().contains("look-around"));
        let (schema, count) = Schema::lenient(source).unwrap();
        assert_eq!(count, 3);
        assert_eq!(schema.source().pointer("/default/pattern"), Some(&json!("(?!")));
        assert!(schema.mismatch(&json!({"pattern": "x", "list": ["aa"], "n_": 1, "x-1": 2})).is_none());
        assert!(schema.mismatch(&json!({"pattern": 7})).is_some());
        assert!(schema.mismatch(&json!({"x-1": "two"})).is_some());
        assert_eq!(Schema::lenient(json!({"type": "number"})).unwrap().1, 0);
        assert!(Schema::lenient(json!({"type": "nothing"})).is_err());
    }
}
