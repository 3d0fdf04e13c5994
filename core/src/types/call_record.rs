//! What a call did and cost, for the books.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::attempt::{Attempt, Outcome, millis};
use super::completion::{FinishReason, Usage};
use super::trace_parent::TraceParent;
use crate::error::ErrorKind;

/// What a call did and cost, with every attempt that was made for it. It names tasks, customers and models, never what was asked
/// or answered.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    /// Its own among all calls: 32 hexadecimal digits, which grow with time.
    pub id: String,
    /// When the call began, since the Unix epoch.
    pub at: Duration,
    /// The task that was called.
    pub task: String,
    /// The task that its input was handed over to, if it was.
    pub handed_to: Option<String>,
    /// For whom the call was made.
    pub customer: Option<String>,
    /// The call's own labels.
    pub metadata: BTreeMap<String, String>,
    /// Whether its answer was handed on as it came.
    pub stream: bool,
    /// How it ended: `ok`, `failed` or `cancelled`.
    pub outcome: Outcome,
    /// The kind of failure that was raised.
    pub kind: Option<ErrorKind>,
    /// The kind's flavour.
    pub subkind: Option<&'static str>,
    /// Whose answer was delivered, as `provider/model`.
    pub model: Option<String>,
    /// Whether that was a stand-in.
    pub fallback_used: bool,
    /// How long the call took.
    pub latency: Duration,
    /// From its start to the first content that was handed on, for streams.
    pub first_token: Option<Duration>,
    /// USD for the attempts whose cost is known; absent where none is.
    pub cost: Option<f64>,
    /// Whether part of it is an estimate.
    pub cost_is_estimate: bool,
    /// The attempts that were made, in order.
    pub attempts: Vec<AttemptRecord>,
    /// The trace that the caller had, which the call's own spans join. Not part of the record as an object.
    pub traceparent: Option<TraceParent>,
    /// The model that the provider says answered. Not part of it either.
    pub served_by: Option<String>,
    /// Why that model stopped. Not part of it either.
    pub finish: Option<FinishReason>,
}

/// An attempt on the books.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRecord {
    /// Its line of the trail.
    pub attempt: Attempt,
    /// The provider's name.
    pub provider: String,
    /// The place of its model among the candidates: 0 is the primary.
    pub depth: usize,
    /// The tokens it cost: what the provider told, else what it cost at least. Absent where a request cost nothing.
    pub usage: Option<Usage>,
    /// Whether these tokens are an estimate.
    pub usage_is_estimate: bool,
}

impl CallRecord {
    /// As an object with the public field names; durations in milliseconds, unknown fields null.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
        put("id", self.id.as_str().into());
        put("at_ms", millis(self.at).into());
        put("task", self.task.as_str().into());
        put("handed_to", self.handed_to.as_deref().into());
        put("customer", self.customer.as_deref().into());
        put("metadata", self.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect());
        put("stream", self.stream.into());
        put("outcome", self.outcome.as_str().into());
        put("kind", self.kind.map(ErrorKind::as_str).into());
        put("subkind", self.subkind.into());
        put("model", self.model.as_deref().into());
        put("fallback_used", self.fallback_used.into());
        put("latency_ms", millis(self.latency).into());
        put("first_token_ms", self.first_token.map(millis).into());
        put("cost", self.cost.into());
        put("cost_is_estimate", self.cost_is_estimate.into());
        put("attempts", self.attempts.iter().map(AttemptRecord::to_value).collect());
        Value::Object(map)
    }
}

impl AttemptRecord {
    /// As an object with the public field names.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut value = self.attempt.to_value();
        if let Some(map) = value.as_object_mut() {
            map.insert("provider".to_owned(), self.provider.as_str().into());
            map.insert("depth".to_owned(), self.depth.into());
            map.insert("usage".to_owned(), self.usage.map(Usage::to_value).unwrap_or_default());
            map.insert("usage_is_estimate".to_owned(), self.usage_is_estimate.into());
        }
        value
    }
}
