//! The parameters of one attempt: what was asked, changed as this model is known to need.

use serde_json::{Map, Value};

use super::Target;
use crate::types::{Amend, Params, Part, Request, ToolChoice};

/// Members of a message that hold another model's reasoning.
pub(super) const REASONING_MEMBERS: [&str; 5] =
    ["reasoning_content", "reasoning", "reasoning_details", "thinking", "thinking_blocks"];

/// The member that asks for usage at the end of a stream.
const STREAM_OPTIONS: &str = "stream_options";

/// Members no request can do without; dropping them would change what is asked.
const VITAL: [&str; 14] = [
    "messages",
    "model",
    "tools",
    "functions",
    "response_format",
    "output_config",
    "system",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "prompt",
    "input",
    "body",
    "stream",
];

/// The canonical name of a droppable parameter by what providers call it.
const NAMES: [(&str, &str); 18] = [
    (STREAM_OPTIONS, STREAM_OPTIONS),
    ("tool_choice", "tool_choice"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("reasoning_effort", "reasoning_effort"),
    ("effort parameter", "reasoning_effort"),
    ("adaptive thinking", "reasoning_effort"),
    ("reasoning.effort", "reasoning_effort"),
    ("output_config.effort", "reasoning_effort"),
    ("thinking", "reasoning_effort"),
    ("reasoning", "reasoning_effort"),
    ("effort", "reasoning_effort"),
    ("stop_sequences", "stop"),
    ("stop", "stop"),
    ("random_seed", "seed"),
    ("seed", "seed"),
    ("logprobs", "logprobs"),
    ("top_k", "top_k"),
];

/// Of those, the words that mean the parameter even without quotes around them.
const UNQUOTED: usize = 7;

/// The droppable parameter an error is about, by its canonical name: from the member the provider named, else from
/// the message (in lower case).
pub(super) fn droppable(param: Option<&str>, text: &str) -> Option<String> {
    if let Some(param) = param {
        if let Some(name) = canonical(param) {
            return Some(name.to_owned());
        }
        let root = param.split(['.', '[']).next().unwrap_or(param);
        return match canonical(root) {
            Some(name) => Some(name.to_owned()),
            None if root.is_empty() || VITAL.contains(&root) => None,
            None => Some(root.to_owned()),
        };
    }
    // Older models do not know strict tools: "tools.0.custom.strict: Extra inputs are not permitted".
    if text.contains(".strict: ") {
        return Some("strict".to_owned());
    }
    let quoted = |word: &str| {
        ['`', '\'', '"']
            .iter()
            .any(|quote| text.contains(&format!("{quote}{word}{quote}")) || text.contains(&format!("{quote}{word}.")))
    };
    let starts = |word: &str| text.trim_start().starts_with(&format!("{word}:"));
    let unquoted = NAMES.iter().take(UNQUOTED).find(|(word, _)| text.contains(word));
    NAMES
        .iter()
        .find(|(word, _)| quoted(word) || starts(word))
        .or(unquoted)
        // "thinking.type.enabled is not supported for this model"
        .or_else(|| NAMES.iter().find(|(word, _)| text.contains(&format!("{word}.type"))))
        .map(|(_, name)| (*name).to_owned())
        .or_else(|| text.contains("logprobs").then(|| "logprobs".to_owned()))
}

fn canonical(word: &str) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == word).map(|(_, name)| *name)
}

/// What is asked of this model, with its amends applied.
pub(super) struct Asked<'a> {
    pub(super) params: Params,
    pub(super) tool_choice: Option<&'a ToolChoice>,
    /// Whether reasoning state of the history is left out.
    pub(super) strip_reasoning: bool,
    /// Whether tools may promise that their arguments match the schema.
    pub(super) strict_tools: bool,
    /// Whether a stream may be asked to end with usage.
    pub(super) stream_options: bool,
    /// Members of `extra_body`, the call's over the alias's; empty values included.
    pub(super) extra: Map<String, Value>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(target: &Target<'_>, request: &'a Request) -> Self {
        let mut extra = target.extra_body.clone();
        if let Some(over) = request.extra_body.get(target.provider) {
            extra.extend(over.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        let mut asked = Self {
            params: target.params.clone(),
            tool_choice: request.tool_choice.as_ref(),
            strip_reasoning: false,
            strict_tools: true,
            stream_options: target.stream,
            extra,
            warnings: Vec::new(),
        };
        for member in ["stream", STREAM_OPTIONS] {
            if asked.extra.shift_remove(member).is_some() {
                asked.warn(format!("extra_body.{member} left out: the call itself says how its answer travels"));
            }
        }
        for amend in target.amends {
            asked.amend(amend, target, request);
        }
        asked
    }

    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    fn amend(&mut self, amend: &Amend, target: &Target<'_>, request: &Request) {
        match amend {
            Amend::Drop(name) => {
                if name == "strict" {
                    self.strict_tools = false;
                    self.warn(format!("strict tools left out: {} does not know them", target.model));
                } else if name == STREAM_OPTIONS {
                    if std::mem::take(&mut self.stream_options) {
                        let model = target.model;
                        self.warn(format!("{name} left out: {model} does not accept it; usage may be missing"));
                    }
                } else if self.drop(name) {
                    self.warn(format!("{name} left out: {} does not accept it", target.model));
                }
            }
            Amend::ClampOutput(cap) => {
                let asked = self.params.max_output_tokens;
                if asked.is_none_or(|asked| asked > *cap) {
                    self.params.max_output_tokens = Some(*cap);
                    self.warn(format!("max_output_tokens lowered to {cap}, the most {} accepts here", target.model));
                }
            }
            Amend::StripReasoning => {
                self.strip_reasoning = true;
                if request.messages.iter().any(holds_reasoning) {
                    self.warn("reasoning of earlier turns left out: another model wrote it");
                }
            }
            Amend::NoPrefill | Amend::Refresh => {}
        }
    }

    /// Leaves a parameter out; says whether it was there.
    fn drop(&mut self, name: &str) -> bool {
        let params = &mut self.params;
        let known = match name {
            "temperature" => params.temperature.take().is_some(),
            "top_p" => params.top_p.take().is_some(),
            "stop" => params.stop.take().is_some(),
            "seed" => params.seed.take().is_some(),
            "reasoning_effort" => params.reasoning_effort.take().is_some(),
            "tool_choice" => self.tool_choice.take().is_some(),
            _ => false,
        };
        self.extra.shift_remove(name).is_some() || known
    }
}

/// Whether a part is a block of reasoning.
pub(super) fn is_reasoning(part: &Part) -> bool {
    match part {
        Part::Other(map) => {
            matches!(map.get("type").and_then(Value::as_str), Some("thinking" | "redacted_thinking" | "reasoning"))
        }
        _ => false,
    }
}

fn holds_reasoning(message: &crate::types::Message) -> bool {
    REASONING_MEMBERS.iter().any(|member| message.extra.contains_key(*member))
        || matches!(&message.content, crate::types::Content::Parts(parts) if parts.iter().any(is_reasoning))
}
