//! Prompts that a task fills in: templates for what stands before and after the messages of a call, with a shape of their own
//! for some candidates. Pure.

mod template;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use self::template::Template;
use crate::types::{Message, ParseError};

/// What a task says beside the messages of its calls.
#[derive(Debug, Clone, Default)]
pub struct Prompt {
    /// For every candidate without a shape of its own.
    pub parts: Parts,
    /// For single candidates, as the task names them.
    pub models: BTreeMap<String, Parts>,
}

/// The parts of a prompt.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// The system message that stands before all others.
    pub system: Option<Template>,
    /// The user message that stands behind all others.
    pub user: Option<Template>,
}

impl Parts {
    /// These parts with those that `over` sets replaced.
    #[must_use]
    pub fn merged(&self, over: &Self) -> Self {
        Self {
            system: over.system.clone().or_else(|| self.system.clone()),
            user: over.user.clone().or_else(|| self.user.clone()),
        }
    }

    /// `messages` with the parts around them. A part that comes out empty is left out.
    ///
    /// # Errors
    /// Names the variables that are missing, or what else keeps a template from being filled.
    pub fn around(&self, messages: &[Message], variables: &Map<String, Value>) -> Result<Vec<Message>, ParseError> {
        let fill = |part: &Option<Template>| -> Result<Option<String>, ParseError> {
            let text = part.as_ref().map(|template| template.fill(variables)).transpose()?;
            Ok(text.filter(|text| !text.trim().is_empty()))
        };
        let first = fill(&self.system)?.map(Message::system);
        let last = fill(&self.user)?.map(Message::user);
        Ok(first.into_iter().chain(messages.iter().cloned()).chain(last).collect())
    }
}
