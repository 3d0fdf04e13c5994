//! What a task accepts of an answer.

use std::sync::Arc;

use regex::Regex;
use serde_json::Value;

use super::Check;
use crate::accept::{Accept, Schema};
use crate::config::defaults::LARGEST_TEXT;
use crate::config::problem::join;
use crate::config::schema::{AcceptConfig, SchemaConfig};

impl Check<'_> {
    pub(super) fn accept(&mut self, path: &str, config: AcceptConfig) -> Accept {
        if let (Some(least), Some(most)) = (config.min_chars, config.max_chars)
            && least > most
        {
            self.problem(&join(path, "max_chars"), format!("must not be below min_chars ({least})"));
        }
        let regex = config.regex.and_then(|regex| match Regex::new(&regex) {
            Ok(regex) => Some(regex),
            Err(error) => {
                let lines = error.to_string();
                // What is wrong stands on the last line, below a picture of where.
                let sentence = lines.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                self.problem(&join(path, "regex"), format!("is no regular expression: {sentence}"));
                None
            }
        });
        Accept {
            non_empty: config.non_empty.unwrap_or_default(),
            not_truncated: config.not_truncated.unwrap_or_default(),
            min_chars: config.min_chars,
            max_chars: config.max_chars,
            regex,
            json_schema: config.json_schema.and_then(|schema| self.schema(&join(path, "json_schema"), schema)),
        }
    }

    fn schema(&mut self, path: &str, config: SchemaConfig) -> Option<Arc<Schema>> {
        let read = match config {
            SchemaConfig::Inline(schema) => Ok(Value::Object(schema)),
            SchemaConfig::File(file) => {
                let file = file.strip_prefix("file:").unwrap_or(&file);
                self.sources.text(file, LARGEST_TEXT).map_err(String::from).and_then(|text| {
                    let place = self.sources.path(file);
                    serde_json::from_str(&text)
                        .map_err(|error| format!("file {}, line {}: {error}", place.display(), error.line()))
                })
            }
        };
        let schema = read.and_then(|schema| {
            Schema::new(schema).map_err(|problem| format!("is no JSON Schema that is understood: {problem}"))
        });
        match schema {
            Ok(schema) => Some(Arc::new(schema)),
            Err(problem) => {
                self.problem(path, problem);
                None
            }
        }
    }
}
