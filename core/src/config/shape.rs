//! Holds a tree against the JSON Schema of the file: types, unknown and missing keys, words, bounds.
//!
//! What passes comes out as a plain value with canonical (snake_case) keys, which the types of `schema` read without
//! a failure. Whether names and references make sense is decided by `validate`. Values are never repeated in a
//! problem, but for words of a fixed list: they may be keys.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::located::{Entry, Kind, Node};
use super::problem::{Findings, Place, Places, join};
use crate::types::parse::{did_you_mean, snake_case};

/// JSON Schema (draft 2020-12) of the configuration.
pub const JSON_SCHEMA: &str = include_str!("../../schema/locum.schema.json");

static SCHEMA: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(JSON_SCHEMA).unwrap_or_default());

/// The schema that takes everything.
static ANYTHING: Value = Value::Bool(true);

/// Checks `root`. What is wrong goes to `findings`; the value holds what is right.
pub(super) fn check(root: &Node, findings: &mut Findings) -> (Value, Places) {
    let mut walk = Walk { findings, places: Places::default() };
    let place = Place { path: String::new(), line: root.line };
    let value = walk.value(root, &SCHEMA, "", &place).unwrap_or_default();
    (value, walk.places)
}

struct Walk<'a> {
    findings: &'a mut Findings,
    places: Places,
}

impl Walk<'_> {
    /// The checked value, or nothing where it is unusable.
    fn value(&mut self, node: &Node, schema: &Value, canonical: &str, place: &Place) -> Option<Value> {
        self.places.insert(canonical.to_owned(), place.clone());
        let union = schema;
        let Some(schema) = branch(resolve(schema), node) else {
            let types = types(union);
            let found = match &node.kind {
                Kind::Leaf(Value::Number(_)) if !types.contains(&"number") && types.contains(&"integer") => {
                    "a fraction"
                }
                kind => kind.name(),
            };
            self.findings.add(place.clone(), format!("expected {}, found {found}", ways(union).join(" or ")));
            return None;
        };
        match &node.kind {
            Kind::Leaf(value) => self.leaf(value, schema, union, place),
            Kind::Array(items) if items.is_empty() && schema.get("minItems").is_some() => {
                self.findings.add(place.clone(), "must not be empty");
                None
            }
            Kind::Array(items) => self.array(items, schema, canonical, place),
            Kind::Object(entries) => self.object(entries, schema, canonical, place),
            Kind::Foreign(name) => {
                self.findings.add(place.clone(), format!("{name} cannot be used here"));
                None
            }
        }
    }

    /// `schema` is the branch of `union` that speaks of values like this one.
    fn leaf(&mut self, value: &Value, schema: &Value, union: &Value, place: &Place) -> Option<Value> {
        match value {
            Value::String(word) => {
                let words = words(schema);
                if words.is_empty() {
                    return Some(value.clone());
                }
                if let Some(known) = words.iter().find(|known| **known == word || **known == snake_case(word)) {
                    return Some(Value::from(*known));
                }
                let ways = ways(union);
                let hint = match did_you_mean(word, words.iter().copied()) {
                    _ if ways.len() > 1 => format!(" (known: {})", ways.join(" or ")),
                    hint if hint.is_empty() => format!(" (known: {})", words.join(", ")),
                    hint => hint,
                };
                self.findings.add(place.clone(), format!("unknown word {word:?}{hint}"));
                None
            }
            Value::Number(number) => {
                if let Some(problem) = out_of_bounds(number.as_f64()?, schema) {
                    let others = ways(union).into_iter().filter(|way| *way != "a whole number" && *way != "a number");
                    let others: String = others.map(|way| format!(", or {way}")).collect();
                    self.findings.add(place.clone(), problem + &others);
                    return None;
                }
                if !types(schema).contains(&"integer") || number.is_i64() {
                    return Some(value.clone());
                }
                let signed = schema.get("format").and_then(Value::as_str) == Some("int64");
                let whole = number.as_u64().filter(|_| !signed).map(Value::from).or_else(|| whole(number.as_f64()?));
                if whole.is_none() {
                    self.findings.add(place.clone(), "is too large a number");
                }
                whole
            }
            other => Some(other.clone()),
        }
    }

    /// All items or nothing: without one, the others would change their places.
    fn array(&mut self, items: &[Node], schema: &Value, canonical: &str, place: &Place) -> Option<Value> {
        let item_schema = schema.get("items").unwrap_or(&ANYTHING);
        let checked: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(i, item)| {
                let place = Place { path: format!("{}[{i}]", place.path), line: item.line };
                self.value(item, item_schema, &format!("{canonical}[{i}]"), &place)
            })
            .collect();
        checked.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
    }

    /// The entries that are right, or nothing where a required one is not among them. The document itself is always
    /// there, so that its other parts are checked too.
    fn object(&mut self, entries: &[Entry], schema: &Value, canonical: &str, place: &Place) -> Option<Value> {
        let required = required(schema);
        let is_map = properties(schema).is_none();
        let mut first: BTreeMap<String, &Entry> = BTreeMap::new();
        let mut checked = Map::new();
        for entry in entries {
            let here = Place { path: join(&place.path, &entry.key), line: entry.line };
            let Some((key, inner)) = slot(schema, &entry.key) else {
                let known = properties(schema).into_iter().flat_map(Map::keys);
                let hint = did_you_mean(&snake_case(&entry.key), known.map(String::as_str));
                self.findings.add(here, format!("unknown key{hint}"));
                continue;
            };
            if let Some(earlier) = first.get(&key) {
                self.findings.add(here, repeated(earlier, entry));
                continue;
            }
            first.insert(key.clone(), entry);
            // A null at a fixed key is how languages with optional members say that it is not set.
            let is_null = matches!(entry.node.kind, Kind::Leaf(Value::Null));
            if is_null && !is_map && !required.contains(&key.as_str()) {
                continue;
            }
            if let Some(value) = self.value(&entry.node, inner, &join(canonical, &key), &here) {
                checked.insert(key, value);
            }
        }
        if entries.is_empty() && schema.get("minProperties").is_some() {
            self.findings.add(place.clone(), "must not be empty");
        }
        for key in &required {
            if !first.contains_key(*key) {
                self.findings.add(place.clone(), format!("{key:?} is missing"));
            }
        }
        let whole = required.iter().all(|key| checked.contains_key(*key));
        (whole || canonical.is_empty()).then_some(Value::Object(checked))
    }
}

/// What to say where `entry` gives a key that `earlier` gave already.
fn repeated(earlier: &Entry, entry: &Entry) -> String {
    let line = earlier.line.map_or_else(String::new, |line| format!(" on line {line}"));
    if earlier.key == entry.key {
        format!("given a second time, first{line}")
    } else {
        format!("is another spelling of {:?}{line}; keep one of them", earlier.key)
    }
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}

/// Where `key` belongs: its canonical spelling and its schema; nothing where the schema knows no such key.
fn slot<'a>(schema: &'a Value, key: &str) -> Option<(String, &'a Value)> {
    if let Some(known) = properties(schema) {
        let snake = snake_case(key);
        let spelled = [key, &snake].into_iter().find_map(|key| known.get_key_value(key));
        if let Some((key, inner)) = spelled {
            return Some((key.clone(), inner));
        }
    }
    match schema.get("additionalProperties") {
        Some(Value::Bool(false)) => None,
        inner => Some((key.to_owned(), inner.unwrap_or(&ANYTHING))),
    }
}

fn required(schema: &Value) -> Vec<&str> {
    strings(schema.get("required"))
}

fn strings(list: Option<&Value>) -> Vec<&str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Follows a `$ref` into `$defs`.
fn resolve(schema: &Value) -> &Value {
    schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|pointer| SCHEMA.pointer(pointer.trim_start_matches('#')))
        .unwrap_or(schema)
}

fn branches(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("anyOf").and_then(Value::as_array)
}

/// The part of `schema` that speaks of values like `node`'s.
fn branch<'a>(schema: &'a Value, node: &Node) -> Option<&'a Value> {
    if let Some(branches) = branches(schema) {
        return branches.iter().find_map(|inner| branch(resolve(inner), node));
    }
    let types = types(schema);
    let fits = |name: &&str| match &node.kind {
        Kind::Leaf(Value::Null) => *name == "null",
        Kind::Leaf(Value::Bool(_)) => *name == "boolean",
        Kind::Leaf(Value::Number(number)) => {
            *name == "number" || (*name == "integer" && number.as_f64().is_some_and(|n| n.fract() == 0.0))
        }
        Kind::Leaf(Value::String(_)) => *name == "string",
        Kind::Leaf(_) | Kind::Foreign(_) => false,
        Kind::Array(_) => *name == "array",
        Kind::Object(_) => *name == "object",
    };
    (types.is_empty() || types.iter().any(fits)).then_some(schema)
}

/// The JSON types that `schema` allows; none where it allows all.
fn types(schema: &Value) -> Vec<&str> {
    let schema = resolve(schema);
    if let Some(branches) = branches(schema) {
        return branches.iter().flat_map(types).collect();
    }
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(list) => strings(Some(list)),
        None if !words(schema).is_empty() => vec!["string"],
        None => Vec::new(),
    }
}

/// What may stand where `schema` is asked for, in words. Fixed words stand for themselves only beside something else.
fn ways(schema: &Value) -> Vec<String> {
    fn leaves<'a>(schema: &'a Value, found: &mut Vec<&'a Value>) {
        let schema = resolve(schema);
        match branches(schema) {
            Some(branches) => branches.iter().for_each(|inner| leaves(inner, found)),
            None => found.push(schema),
        }
    }
    let mut parts = Vec::new();
    leaves(schema, &mut parts);
    parts.retain(|part| part.get("type").and_then(Value::as_str) != Some("null"));
    let several = parts.len() > 1;
    let of_part = |part: &&Value| match words(part).as_slice() {
        [word] if several => vec![format!("{word:?}")],
        [first, .., last] if several => vec![format!("{first:?} to {last:?}")],
        _ => types(part).into_iter().filter(|name| *name != "null").map(|name| article(name).to_owned()).collect(),
    };
    parts.iter().flat_map(of_part).collect()
}

/// The words a string may be; none where it is free.
fn words(schema: &Value) -> Vec<&str> {
    let described = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let described = described.filter_map(|word| word.get("const").and_then(Value::as_str));
    strings(schema.get("enum")).into_iter().chain(described).collect()
}

fn out_of_bounds(number: f64, schema: &Value) -> Option<String> {
    let bound = |key| schema.get(key).and_then(Value::as_f64);
    let (min, max) = (bound("minimum"), bound("maximum"));
    if min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max) {
        return None;
    }
    Some(match (min, max) {
        (Some(min), Some(max)) => format!("must be between {min} and {max}"),
        (Some(min), None) => format!("must be {min} or more"),
        (None, Some(max)) => format!("must be {max} or less"),
        (None, None) => return None,
    })
}

/// `8000.0` as the integer it is, where a float can hold integers exactly.
fn whole(number: f64) -> Option<Value> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT).then(|| Value::from(number as i64))
}

fn article(name: &str) -> &str {
    match name {
        "string" => "a string",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "an array",
        "object" => "an object",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    /// A keyword the walk does not know would be a rule that editors enforce and Locum ignores.
    #[test]
    fn the_walk_knows_every_keyword_of_the_schema() {
        const CHECKED: [&str; 14] = [
            "$ref",
            "additionalProperties",
            "anyOf",
            "const",
            "enum",
            "format",
            "items",
            "maximum",
            "minItems",
            "minProperties",
            "minimum",
            "oneOf",
            "required",
            "type",
        ];
        const REMARKS: [&str; 4] = ["$schema", "default", "description", "title"];
        fn visit(schema: &Value) {
            let Some(members) = schema.as_object() else {
                return;
            };
            for (keyword, inner) in members {
                match (keyword.as_str(), inner) {
                    ("properties" | "$defs", Value::Object(map)) => map.values().for_each(visit),
                    ("oneOf", Value::Array(list)) => {
                        assert!(list.iter().all(|word| word["const"].is_string()), "{list:?}");
                        list.iter().for_each(visit);
                    }
                    ("anyOf", Value::Array(list)) => list.iter().for_each(visit),
                    ("items" | "additionalProperties", inner) => visit(inner),
                    // The walk knows only of an empty list.
                    ("minItems", least) => assert_eq!(least, 1),
                    ("format", format) => {
                        assert!(
                            ["int64", "uint64", "uint32", "double"].contains(&format.as_str().unwrap()),
                            "{format}"
                        );
                    }
                    (keyword, _) => assert!(CHECKED.contains(&keyword) || REMARKS.contains(&keyword), "{keyword}"),
                }
            }
        }
        assert!(SCHEMA["properties"]["tasks"].is_object());
        visit(&SCHEMA);
    }
}
