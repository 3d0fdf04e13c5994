//! The prompt of a task.

use std::collections::BTreeMap;

use super::Check;
use crate::config::defaults::LARGEST_TEXT;
use crate::config::problem::join;
use crate::config::schema::PromptConfig;
use crate::prompt::{Parts, Prompt, Template};
use crate::types::parse::did_you_mean;

impl Check<'_> {
    /// `candidates` are those of the task, by the names by which it names them.
    pub(super) fn prompt(&mut self, path: &str, config: PromptConfig, candidates: &BTreeMap<String, String>) -> Prompt {
        let parts = self.parts(path, config.system, config.user);
        let mut models = BTreeMap::new();
        for (name, own) in config.models.into_iter().flatten() {
            let path = join(&join(path, "models"), &name);
            if !candidates.contains_key(&name) {
                let hint = did_you_mean(&name, candidates.keys().map(String::as_str));
                self.problem(&path, format!("is no candidate of this task{hint}"));
            }
            models.insert(name, self.parts(&path, own.system, own.user));
        }
        Prompt { parts, models }
    }

    fn parts(&mut self, path: &str, system: Option<String>, user: Option<String>) -> Parts {
        Parts { system: self.template(&join(path, "system"), system), user: self.template(&join(path, "user"), user) }
    }

    fn template(&mut self, path: &str, text: Option<String>) -> Option<Template> {
        let text = text?;
        let text = match text.strip_prefix("file:") {
            Some(file) => self.sources.text(file, LARGEST_TEXT).map_err(String::from),
            None => Ok(text),
        };
        let template =
            text.and_then(|text| Template::new(path, text).map_err(|problem| format!("is no template: {problem}")));
        template.map_err(|problem| self.problem(path, problem)).ok()
    }
}
