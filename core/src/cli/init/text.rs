//! Pieces of TOML.

use super::yaml::{Node, Value};

/// A basic string, quotes included.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\U{:08X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A key, bare where that is possible.
pub(super) fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name.to_owned() } else { quoted(name) }
}

/// A list of strings.
pub(super) fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    format!("[{}]", texts.into_iter().map(quoted).collect::<Vec<_>>().join(", "))
}

/// Text for a comment: what would end its line is left out.
pub(super) fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A number, whole where it is.
pub(super) fn number(number: f64) -> String {
    let whole = number.fract() == 0.0 && number.abs() < 1e15;
    if whole { format!("{number:.0}") } else { format!("{number:?}") }
}

/// What stands below a name, in one line. Nothing where TOML has no such value, or where it may be a key.
pub(super) fn inline(name: &str, node: &Node) -> Option<String> {
    match &node.value {
        Value::Null => None,
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(given) => given.is_finite().then(|| number(*given)),
        Value::Text(text) => (!looks_secret(name, text) && !text.starts_with("os.environ/")).then(|| quoted(text)),
        Value::List(items) => {
            let items: Option<Vec<String>> = items.iter().map(|item| inline(name, item)).collect();
            items.map(|items| format!("[{}]", items.join(", ")))
        }
        Value::Map(entries) => {
            let entries: Option<Vec<String>> =
                entries.iter().map(|(name, node)| Some(format!("{} = {}", key(name), inline(name, node)?))).collect();
            entries.map(|entries| format!("{{ {} }}", entries.join(", ")))
        }
    }
}

/// Whether a text may be a key: by its name, or because it is a long run of letters with digits.
pub(super) fn looks_secret(name: &str, text: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["key", "token", "secret", "auth", "cookie", "password"].iter().any(|word| name.contains(word))
        || text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|run| run.len() >= 24 || (run.len() >= 12 && run.contains(|c: char| c.is_ascii_digit())))
}
