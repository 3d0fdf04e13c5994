//! What a call asks: its messages, within the prompt of its task.

use std::collections::BTreeMap;

use crate::config::{Model, Task};
use crate::prompt::Parts;
use crate::tokens::Prompt;
use crate::types::{Message, Messages, Options, ParseError, Request, ResponseFormat};

/// The name that a task's schema is given where a provider wants one.
const SCHEMA_NAME: &str = "answer";

/// What a call asks.
pub(super) struct Asked {
    pub(super) prompt: Prompt,
    /// What it asks of candidates with a prompt of their own, by the name by which the task names them.
    own: BTreeMap<String, Prompt>,
}

impl Asked {
    /// Every prompt is filled in before anybody is asked: a variable that only a stand-in needs is missed at once.
    pub(super) fn new(task: &Task, messages: Messages, options: &Options) -> Result<Self, ParseError> {
        let request = |messages| Request {
            messages,
            tools: options.tools.clone(),
            tool_choice: options.tool_choice.clone(),
            response_format: options.response_format.clone().or_else(|| format(task)),
            extra_body: options.extra_body.clone(),
            idempotency_key: options.idempotency_key.clone(),
        };
        let Some(prompt) = &task.prompt else {
            if !options.variables.0.is_empty() {
                return Err(ParseError::new("variables", "this task has no prompt for them to fill in"));
            }
            return Ok(Self { prompt: Prompt::new(request(filled(messages.0)?)), own: BTreeMap::new() });
        };
        let within = |parts: &Parts| {
            let messages = filled(parts.around(&messages.0, &options.variables.0)?)?;
            Ok(Prompt::new(request(messages)))
        };
        let own = prompt.models.iter();
        let own = own.map(|(name, parts)| Ok((name.clone(), within(&prompt.parts.merged(parts))?)));
        Ok(Self { prompt: within(&prompt.parts)?, own: own.collect::<Result<_, _>>()? })
    }

    /// What it asks of this model.
    pub(super) fn of(&self, model: &Model) -> &Prompt {
        let own = if self.own.is_empty() { None } else { self.own.get(&model.reference()) };
        own.unwrap_or(&self.prompt)
    }

    /// Counts the tokens of everything it may ask.
    pub(super) fn count(&self) {
        self.own.values().chain([&self.prompt]).for_each(Prompt::count);
    }
}

fn filled(messages: Vec<Message>) -> Result<Vec<Message>, ParseError> {
    if messages.is_empty() {
        return Err(ParseError::new("messages", "empty: at least one message is needed"));
    }
    Ok(messages)
}

/// The format that the task's schema asks for.
fn format(task: &Task) -> Option<ResponseFormat> {
    let schema = task.accept.as_ref()?.json_schema.as_ref()?;
    Some(ResponseFormat::JsonSchema { name: SCHEMA_NAME.to_owned(), schema: schema.source().clone(), strict: None })
}
