//! YAML as a tree that knows its lines.
//!
//! Aliases are copied where they stand, and every copy counts, so that a small file cannot grow without bounds.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

/// The most nodes a file may have, copies included.
const MOST_NODES: usize = 100_000;
/// How deep it may be.
const DEEPEST: usize = 64;

type Entries = Vec<(String, Node)>;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// From 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(Entries),
}

impl Node {
    /// What a key of a map holds; null counts as nothing.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let found = self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node);
        found.filter(|node| !matches!(node.value, Value::Null))
    }

    /// The entries of a map; of anything else none.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The items of a list; of anything else none.
    pub(super) fn items(&self) -> &[Self] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// A text, also one that reads as a number.
    pub(super) fn name(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A number, also one written as text.
    pub(super) fn number(&self) -> Option<f64> {
        let number = match &self.value {
            Value::Number(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|number| number.is_finite())
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        if let Value::Bool(flag) = self.value { Some(flag) } else { None }
    }

    fn nodes(&self) -> usize {
        match &self.value {
            Value::List(items) => 1 + items.iter().map(Self::nodes).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|(_, node)| node.nodes()).sum::<usize>(),
            _ => 1,
        }
    }
}

/// The one document of a text.
///
/// # Errors
/// What is wrong, after `line:column: `. No value is repeated.
pub(super) fn parse(text: &str) -> Result<Node, String> {
    let mut tree = Tree { parser: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0 };
    loop {
        match tree.next()? {
            (Event::StreamEnd, _) => return Ok(Node { line: 1, value: Value::Null }),
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (event, span) => {
                let root = tree.node(event, span, 0)?;
                return tree.end().map(|()| root);
            }
        }
    }
}

struct Tree<'input> {
    parser: Parser<'input, StrInput<'input>>,
    /// Anchored nodes with their sizes.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl<'input> Tree<'input> {
    fn next(&mut self) -> Result<(Event<'input>, Span), String> {
        match self.parser.next_event() {
            None => Ok((Event::StreamEnd, Span::default())),
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(scan_problem(&error)),
        }
    }

    /// Nothing may follow but the end.
    fn end(&mut self) -> Result<(), String> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentStart(_), span) => return Err(at(span.start, "a second document")),
                _ => {}
            }
        }
    }

    fn count(&mut self, nodes: usize, place: Marker) -> Result<(), String> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MOST_NODES {
            return Err(at(place, &format!("more than {MOST_NODES} values, aliases included")));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'input>, span: Span, depth: usize) -> Result<Node, String> {
        let place = span.start;
        if depth > DEEPEST {
            return Err(at(place, &format!("deeper than {DEEPEST} levels")));
        }
        if let Event::Alias(anchor) = event {
            let (node, nodes) = self.anchors.get(&anchor).cloned().ok_or_else(|| at(place, "an alias of itself"))?;
            self.count(nodes, place)?;
            return Ok(node);
        }
        self.count(1, place)?;
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, _) => (anchor, scalar(&text, style)),
            Event::SequenceStart(anchor, _) => (anchor, self.list(depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.map(depth)?),
            _ => return Err(at(place, "unexpected end")),
        };
        let node = Node { line: place.line(), value };
        if anchor != 0 {
            let nodes = node.nodes();
            self.anchors.insert(anchor, (node.clone(), nodes));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, String> {
        let (mut entries, mut merged) = (Entries::new(), Entries::new());
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let Event::Scalar(key, ..) = event else {
                return Err(at(span.start, "a key that is no text"));
            };
            let (event, value_span) = self.next()?;
            let node = self.node(event, value_span, depth + 1)?;
            if key == "<<" {
                let sources = if node.items().is_empty() { std::slice::from_ref(&node) } else { node.items() };
                merged.extend(sources.iter().flat_map(Node::entries).cloned());
            } else if entries.iter().any(|(name, _)| *name == key) {
                return Err(at(span.start, "a key that is there already"));
            } else {
                entries.push((key.into_owned(), node));
            }
        }
        // What a map says itself wins over what it merges in, and the first source over the next.
        for (key, node) in merged {
            if !entries.iter().any(|(name, _)| *name == key) {
                entries.push((key, node));
            }
        }
        Ok(Value::Map(entries))
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "on" | "On" => Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "off" | "Off" => Value::Bool(false),
        _ if text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) => {
            text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Number)
        }
        _ => Value::Text(text.to_owned()),
    }
}

fn at(place: Marker, problem: &str) -> String {
    format!("{}:{}: {problem}", place.line(), place.col() + 1)
}

fn scan_problem(error: &ScanError) -> String {
    at(*error.marker(), error.info())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn anchors_are_copied_and_merged() {
        let root = parse("base: &b {model: a, rpm: 1}\nother:\n  <<: *b\n  rpm: 2\nlist: [*b, ~]\n").unwrap();
        let other = root.get("other").unwrap();
        assert_eq!(other.get("model").unwrap().text(), Some("a"));
        assert_eq!(other.get("rpm").unwrap().number(), Some(2.0));
        let list = root.get("list").unwrap().items();
        assert_eq!((list.len(), list.first().unwrap().line), (2, 1));
    }

    #[test]
    fn growth_and_depth_have_bounds() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..30 {
            let below = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![below; 9].join(", ")));
        }
        assert!(parse(&bomb).unwrap_err().contains("aliases included"));
        let deep = "- ".repeat(5_000);
        assert!(parse(&format!("{deep}x")).unwrap_err().contains("deeper than 64"));
        assert!(parse("a: &a [*a]").unwrap_err().contains("an alias of itself"));
    }

    #[test]
    fn problems_have_a_place() {
        for (text, place) in [("a: 1\nb: [1, 2\nc: 3\n", "3:"), ("a: 1\na: 2\n", "2:1: "), ("a\n---\nb\n", "2:1: ")] {
            let problem = parse(text).unwrap_err();
            assert!(problem.starts_with(place), "{problem}");
        }
    }
}
