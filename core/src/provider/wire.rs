//! Small readings that both formats share: counts, half-written tool calls, who may end a turn without a word.

use serde_json::Value;

use super::Target;
use crate::transport::HttpAnswer;
use crate::types::{Finish, FinishReason, Request, Role, ToolCall};

/// What the reading of an answer depends on beside the answer.
pub(super) struct Setting<'a> {
    /// The provider's kind.
    pub(super) kind: &'a str,
    /// Whether an answer without a word may be meant so.
    pub(super) may_be_silent: bool,
    /// The response.
    pub(super) answer: &'a HttpAnswer,
    /// The wall clock in seconds since the Unix epoch.
    pub(super) now: u64,
    /// Whether the answer came as a stream. What was said before it broke off then counts: it may have been delivered.
    pub(super) streamed: bool,
}

impl<'a> Setting<'a> {
    /// The setting of a body read whole.
    pub(super) fn of(target: &Target<'a>, request: &Request, answer: &'a HttpAnswer, now: u64) -> Self {
        Self { kind: target.kind, may_be_silent: may_be_silent(target, request), answer, now, streamed: false }
    }
}

/// What there is to say about a call that is none.
fn not_json(name: &str) -> String {
    format!("the arguments of the call of tool {name} are not JSON")
}

/// A count of tokens: a whole number, or a number that stands for one; never negative.
pub(super) fn count(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| value.as_i64().map(|_| 0)).or_else(|| value.as_f64().map(|number| number.max(0.0) as u64))
}

/// The count at the first of `paths` (JSON pointers) that has one.
pub(super) fn count_at(value: &Value, paths: &[&str]) -> Option<u64> {
    paths.iter().find_map(|path| count(value.pointer(path)))
}

/// Tool calls as read, and what there is to say about those left out.
pub(super) struct Calls {
    pub(super) whole: Vec<ToolCall>,
    pub(super) warnings: Vec<String>,
    /// The names of calls whose arguments are no JSON although the answer was not cut.
    pub(super) broken: Vec<String>,
}

impl Calls {
    /// A call that is no call makes the answer none, unless what came of it may have been `delivered`: then it is told.
    pub(super) fn judge(&mut self, delivered: bool) -> Result<(), String> {
        let (Some(name), false) = (self.broken.first(), delivered) else {
            self.warnings.extend(self.broken.iter().map(|name| format!("{}; it was left out", not_json(name))));
            return Ok(());
        };
        Err(not_json(name))
    }
}

/// What a normal stop is called that brought nothing.
pub(super) const SILENCE: &str = "a normal stop with no text, tool call, reasoning or refusal";

/// What a model is told that cannot be asked for JSON in another way.
pub(super) fn ask_for_json(schema: Option<&Value>) -> String {
    let shape = schema.map(|schema| format!(" It matches this JSON Schema: {schema}")).unwrap_or_default();
    format!("Your final answer is one valid JSON value and nothing else, without a code fence.{shape}")
}

/// Tells whole calls from half-written ones. `cut` when the answer ended at a length: then a call that does not parse
/// is left out, and so is a last call that got no further than `""` or `{}`. Otherwise `""` means no arguments.
pub(super) fn whole_calls(calls: Vec<ToolCall>, cut: bool) -> Calls {
    let mut found = Calls { whole: Vec::with_capacity(calls.len()), warnings: Vec::new(), broken: Vec::new() };
    let last = calls.len().saturating_sub(1);
    for (i, mut call) in calls.into_iter().enumerate() {
        let arguments = call.arguments.trim();
        let begun_only = cut && i == last && matches!(arguments, "" | "{}");
        if arguments.is_empty() {
            call.arguments = "{}".to_owned();
        }
        let parses = serde_json::from_str::<serde::de::IgnoredAny>(&call.arguments).is_ok();
        if cut && (begun_only || !parses) {
            found.warnings.push(format!("the call of tool {} was cut off and left out", call.name));
        } else if parses {
            found.whole.push(call);
        } else {
            found.broken.push(call.name);
        }
    }
    found
}

/// Whether an answer without a word may be meant so: a stop sequence was asked for, or the model was to go on after a
/// tool's result, after words put into its mouth, or after an answer that broke off behind its last word.
pub(super) fn may_be_silent(target: &Target<'_>, request: &Request) -> bool {
    let stops = |value: &Value| match value {
        Value::Array(items) => !items.is_empty(),
        value => value.is_string(),
    };
    let extra = request.extra_body.get(target.provider);
    target.resume.is_some()
        || target.params.stop.as_ref().is_some_and(|stop| !stop.is_empty())
        || ["stop", "stop_sequences"].iter().any(|key| {
            target.extra_body.get(*key).is_some_and(stops) || extra.and_then(|extra| extra.get(*key)).is_some_and(stops)
        })
        || request.messages.last().is_some_and(|last| matches!(last.role, Role::Tool | Role::Assistant))
}

/// A finish with the provider's word for it.
pub(super) fn finish(unified: FinishReason, raw: Option<&str>) -> Finish {
    Finish { unified, raw: raw.map(str::to_owned) }
}
