//! `locum mock` as a process of its own, and files for it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, dead_code)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

pub(crate) const KEY: &str = "sk-very-secret-0123456789";

pub(crate) fn locum(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_locum"));
    command.args(arguments).env_remove("LOCUM_CONFIG").env("LOCUM_CLI_KEY", KEY);
    command
}

pub(crate) fn file(name: &str, content: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// `locum mock` under way.
pub(crate) struct Mock {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    /// The first upstream's.
    pub(crate) base_url: String,
    /// Everyone's, by name.
    pub(crate) urls: BTreeMap<String, String>,
}

impl Mock {
    pub(crate) fn start(name: &str, script: &Value) -> Self {
        Self::start_with(name, script, &[])
    }

    pub(crate) fn start_with(name: &str, script: &Value, arguments: &[&str]) -> Self {
        let path = file(&format!("{name}.mock.json"), &script.to_string());
        let arguments = [&["mock", path.as_str()], arguments].concat();
        let mut child = locum(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
        let mut urls = BTreeMap::new();
        let end = loop {
            let line = next();
            let Some(url) = line["base_url"].as_str() else { break line };
            urls.insert(line["upstream"].as_str().unwrap().to_owned(), url.to_owned());
        };
        assert_eq!(end, json!({"ready": true}));
        let base_url = urls.values().next().unwrap().clone();
        Self { child, lines, base_url, urls }
    }

    pub(crate) fn seen(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
