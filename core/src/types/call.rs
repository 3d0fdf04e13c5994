//! The request as a provider's codec sees it: the same for every candidate, encoded afresh for each.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::message::{Content, Message, Part};
use super::options::{ResponseFormat, Tool, ToolChoice};

/// Sampling and length. Merged task → model alias → call: the later one that is set wins.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Params {
    /// 0 is the most likely answer; the upper end depends on the provider.
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// The most tokens the answer may have, reasoning included.
    pub max_output_tokens: Option<u64>,
    /// Texts that end the answer.
    pub stop: Option<Vec<String>>,
    /// Asks for the same answer again, where the provider supports it.
    pub seed: Option<i64>,
    /// `none`, `minimal`, `low`, `medium`, `high`, … as the model understands it.
    pub reasoning_effort: Option<String>,
}

impl Params {
    /// These parameters with those that `over` sets replaced.
    #[must_use]
    pub fn merged(&self, over: &Self) -> Self {
        Self {
            temperature: over.temperature.or(self.temperature),
            top_p: over.top_p.or(self.top_p),
            max_output_tokens: over.max_output_tokens.or(self.max_output_tokens),
            stop: over.stop.clone().or_else(|| self.stop.clone()),
            seed: over.seed.or(self.seed),
            reasoning_effort: over.reasoning_effort.clone().or_else(|| self.reasoning_effort.clone()),
        }
    }

    /// Whether the model was asked to think before it speaks.
    #[must_use]
    pub fn reasons(&self) -> bool {
        self.reasoning_effort.as_deref().is_some_and(|effort| effort != "none")
    }
}

/// What a request needs that not every model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Function calling.
    Tools,
    /// Image input.
    Vision,
    /// Answers that match a JSON Schema.
    JsonSchema,
    /// A choice of temperature. What cannot do it is asked without.
    Temperature,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tools, Self::Vision, Self::JsonSchema, Self::Temperature];

    /// The word used in configuration and reasons.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Vision => "vision",
            Self::JsonSchema => "json_schema",
            Self::Temperature => "temperature",
        }
    }
}

/// A change of the request that lets a model accept what it refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Amend {
    /// Leave out a parameter (its canonical name: `temperature`, `stop`, …).
    Drop(String),
    /// Ask for at most this many output tokens.
    ClampOutput(u64),
    /// Leave out reasoning state that another model wrote.
    StripReasoning,
    /// Ask for the continuation of a broken answer in words, since the model takes none put into its mouth.
    NoPrefill,
    /// Ask with a newly fetched credential; the refused one is forgotten already.
    Refresh,
}

impl Amend {
    /// Whether it leaves out something that the caller asked for, and not only what Locum adds to a request.
    #[must_use]
    pub fn drops_asked(&self) -> bool {
        matches!(self, Self::Drop(parameter) if parameter != "stream_options")
    }
}

/// One call, before any translation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// The chat.
    pub messages: Vec<Message>,
    /// Tools the model may call.
    pub tools: Vec<Tool>,
    /// Whether and which tool must be called.
    pub tool_choice: Option<ToolChoice>,
    /// The shape of the answer.
    pub response_format: Option<ResponseFormat>,
    /// Members to set in the request body, by provider name.
    pub extra_body: BTreeMap<String, Map<String, Value>>,
    /// Sent as `Idempotency-Key`.
    pub idempotency_key: Option<String>,
}

impl Request {
    /// What this request needs of a model.
    #[must_use]
    pub fn features(&self) -> Vec<Feature> {
        let mut features = Vec::new();
        if !self.tools.is_empty() {
            features.push(Feature::Tools);
        }
        let has_image = |message: &Message| match &message.content {
            Content::Parts(parts) => parts.iter().any(|part| matches!(part, Part::Image { .. })),
            _ => false,
        };
        if self.messages.iter().any(has_image) {
            features.push(Feature::Vision);
        }
        if matches!(self.response_format, Some(ResponseFormat::JsonSchema { .. })) {
            features.push(Feature::JsonSchema);
        }
        features
    }
}
