//! `locum mock` as a process of its own, and files for it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, dead_code)]

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
    pub(crate) base_url: String,
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
        let base_url = next()["base_url"].as_str().unwrap().to_owned();
        assert_eq!(next(), json!({"ready": true}));
        Self { child, lines, base_url }
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
