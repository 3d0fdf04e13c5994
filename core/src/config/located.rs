//! A tree of values that remembers lines, read from TOML, JSON or an object.
//!
//! It says nothing about what the values mean. JSON is strict: no comments, no trailing commas.

use jsonc_parser::{CollectOptions, ParseOptions, ast};
use serde_json::{Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and the line it starts on.
pub(super) struct Node {
    pub(super) line: Option<usize>,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    /// Null, boolean, number or string.
    Leaf(Value),
    Array(Vec<Node>),
    Object(Vec<Entry>),
    /// Something JSON has no value for: what it is, with its article.
    Foreign(&'static str),
}

/// A key with its value. JSON may repeat a key; what that means is decided elsewhere.
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: Option<usize>,
    pub(super) node: Node,
}

/// Text that is not TOML or JSON at all.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

impl Kind {
    /// The kind of value, never its contents: it may be a key.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Leaf(value) => crate::types::parse::kind_of(value),
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
            Self::Foreign(name) => name,
        }
    }
}

/// Byte offsets to lines.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    fn at(&self, offset: usize) -> Option<usize> {
        Some(self.0.partition_point(|end| *end < offset) + 1)
    }
}

pub(super) fn from_toml(text: &str) -> Result<Node, SyntaxError> {
    let table = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let before = text.get(..offset).unwrap_or_default();
        SyntaxError {
            line: before.matches('\n').count() + 1,
            column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
            message: error.message().replace('\n', ", "),
        }
    })?;
    Ok(toml_table(table.get_ref(), Some(1), &Lines::of(text)))
}

fn toml_table(table: &DeTable<'_>, line: Option<usize>, lines: &Lines) -> Node {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entries = entries
        .into_iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            line: lines.at(key.span().start),
            node: toml_value(value, lines),
        })
        .collect();
    Node { line, kind: Kind::Object(entries) }
}

fn toml_value(value: &Spanned<DeValue<'_>>, lines: &Lines) -> Node {
    let line = lines.at(value.span().start);
    let kind = match value.get_ref() {
        DeValue::String(text) => Kind::Leaf(Value::from(text.as_ref())),
        DeValue::Boolean(value) => Kind::Leaf(Value::Bool(*value)),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Kind::Foreign("a number beyond 64 bits"), |number| Kind::Leaf(number.into())),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map_or(Kind::Foreign("a number that is not finite"), |n| Kind::Leaf(n.into())),
        DeValue::Datetime(_) => Kind::Foreign("a date or time"),
        DeValue::Array(items) => Kind::Array(items.iter().map(|item| toml_value(item, lines)).collect()),
        DeValue::Table(table) => return toml_table(table, line, lines),
    };
    Node { line, kind }
}

pub(super) fn from_json(text: &str) -> Result<Node, SyntaxError> {
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed =
        jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &strict).map_err(|error| SyntaxError {
            line: error.line_display(),
            column: error.column_display(),
            message: lowered(&error.kind().to_string()),
        })?;
    match parsed.value {
        Some(value) => Ok(json_value(&value, &Lines::of(text))),
        None => Err(SyntaxError { line: 1, column: 1, message: "the text is empty".to_owned() }),
    }
}

/// The parser's messages are capitalised; ours continue a sentence.
fn lowered(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn json_value(value: &ast::Value<'_>, lines: &Lines) -> Node {
    use jsonc_parser::common::Ranged;
    let line = lines.at(value.range().start);
    let kind = match value {
        ast::Value::StringLit(text) => Kind::Leaf(Value::from(text.value.as_ref())),
        ast::Value::NumberLit(number) => serde_json::from_str::<Number>(number.value)
            .map_or(Kind::Foreign("a number out of range"), |number| Kind::Leaf(number.into())),
        ast::Value::BooleanLit(value) => Kind::Leaf(Value::Bool(value.value)),
        ast::Value::NullKeyword(_) => Kind::Leaf(Value::Null),
        ast::Value::Array(array) => Kind::Array(array.elements.iter().map(|item| json_value(item, lines)).collect()),
        ast::Value::Object(object) => Kind::Object(
            object
                .properties
                .iter()
                .map(|property| Entry {
                    key: property.name.as_str().to_owned(),
                    line: lines.at(property.range.start),
                    node: json_value(&property.value, lines),
                })
                .collect(),
        ),
    };
    Node { line, kind }
}

/// Deeper objects would exhaust the stack; the parsers of text have limits of their own.
const DEEPEST: usize = 128;

/// An object built in code; it has no lines.
pub(super) fn from_value(value: Value) -> Node {
    nested(value, DEEPEST)
}

fn nested(value: Value, levels: usize) -> Node {
    let kind = match (value, levels.checked_sub(1)) {
        (Value::Array(_) | Value::Object(_), None) => Kind::Foreign("nesting this deep"),
        (Value::Array(items), Some(left)) => Kind::Array(items.into_iter().map(|item| nested(item, left)).collect()),
        (Value::Object(map), Some(left)) => Kind::Object(
            map.into_iter().map(|(key, value)| Entry { key, line: None, node: nested(value, left) }).collect(),
        ),
        (leaf, _) => Kind::Leaf(leaf),
    };
    Node { line: None, kind }
}
