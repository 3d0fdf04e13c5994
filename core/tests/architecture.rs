//! The import rule: a folder of `src` may name only the folders below it in the way of a request.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

/// Folder (or file) of `src` → what it may import from the rest of the crate. `*` is everything.
const RULE: &[(&str, &[&str])] = &[
    ("error", &["types"]),
    ("types", &["error"]),
    ("accounting", &["types", "error", "transport"]),
    ("catalog", &["types"]),
    ("accept", &["types"]),
    ("prompt", &["types"]),
    ("config", &["accept", "accounting", "catalog", "prompt", "types", "error"]),
    ("tokens", &["ladder", "types"]),
    ("route", &["config", "tokens", "types", "error"]),
    ("ladder", &["types", "error"]),
    ("credential", &["types", "error", "transport"]),
    ("driver", &["accept", "credential", "ladder", "provider", "transport", "state", "types", "error"]),
    ("state", &["ladder", "types", "error"]),
    ("provider", &["types", "error", "transport"]),
    ("transport", &[]),
    ("observe", &["types", "error"]),
    ("openai", &["types", "error"]),
    ("router", &["*"]),
    ("serve", &["config", "router", "openai", "types", "error"]),
    ("testkit", &["types", "config"]),
    ("cli", &["*"]),
    ("lib", &["*"]),
    ("main", &["*"]),
];

/// Words that mean IO, a clock or randomness, where everything is passed in.
const IMPURE: &[&str] = &[
    "tokio",
    "reqwest",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "fastrand::u",
    "fastrand::f",
    "Rng::new()",
];

#[test]
fn folders_import_downwards_only() {
    let mut offences = Vec::new();
    let mut files = 0;
    for (path, folder) in sources() {
        let allowed = RULE.iter().find(|(name, _)| *name == folder).map(|(_, allowed)| *allowed);
        let Some(allowed) = allowed else {
            offences.push(format!("{}: no rule for {folder}", path.display()));
            continue;
        };
        files += 1;
        let text = code(&path);
        for (at, _) in text.match_indices("crate::") {
            let rest = &text[at + "crate::".len()..];
            for target in targets(rest) {
                let known = RULE.iter().any(|(name, _)| *name == target);
                if known && target != folder && !allowed.contains(&"*") && !allowed.contains(&target.as_str()) {
                    offences.push(format!("{}: {folder} may not import {target}", path.display()));
                }
                // Re-exports of the facade hide where a thing lives.
                if !known
                    && target.starts_with(char::is_uppercase)
                    && folder != "lib"
                    && target != "Error"
                    && target != "ErrorKind"
                {
                    offences.push(format!("{}: name the module of {target}, not the facade", path.display()));
                }
            }
        }
    }
    assert!(files > 20, "only {files} files looked at");
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn what_decides_and_translates_is_pure() {
    let mut offences = Vec::new();
    let pure = ["accept", "ladder", "openai", "prompt", "provider"];
    for (path, folder) in sources().into_iter().filter(|(_, folder)| pure.contains(&folder.as_str())) {
        let text = code(&path);
        for word in IMPURE.iter().filter(|word| text.contains(**word)) {
            offences.push(format!("{}: {folder} is pure, found {word}", path.display()));
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn one_file_names_the_http_client() {
    for (path, _) in sources() {
        let named = code(&path).contains("reqwest::");
        assert!(
            !named || path.ends_with("transport/reqwest.rs") || path.ends_with("transport/mod.rs"),
            "{}",
            path.display()
        );
    }
}

#[test]
fn every_module_says_what_it_is_for() {
    for (path, _) in sources() {
        assert!(fs::read_to_string(&path).unwrap().starts_with("//!"), "{} has no //! comment", path.display());
    }
}

/// `types::{…}` → types; `{config::X, types::Y}` → both; `Error` → Error.
fn targets(rest: &str) -> Vec<String> {
    let word = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    match rest.strip_prefix('{') {
        None => vec![word(rest)],
        Some(list) => {
            let mut depth = 0;
            let mut found = vec![String::new()];
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.push(String::new()),
                    _ => {}
                }
                if let Some(last) = found.last_mut().filter(|_| c != ',' || depth > 0) {
                    last.push(c);
                }
            }
            found.iter().map(|item| word(item)).filter(|item| !item.is_empty()).collect()
        }
    }
}

/// A file's code without comments and without its test modules.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && path.file_name().unwrap() != "properties.rs" {
                let first = path.strip_prefix(&root).unwrap().components().next().unwrap();
                let name = first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
                found.push((path, name));
            }
        }
    }
    found
}
