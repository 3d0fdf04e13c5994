//! What happens inside a router, for whoever watches.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::attempt::millis;
use super::call_record::CallRecord;
use crate::error::ErrorKind;

/// Something that happened in a call. It names tasks, models and errors, never what was asked or answered.
#[derive(Debug, Clone, PartialEq)]
pub struct RouterEvent {
    /// What happened.
    pub what: Happening,
    /// When, since the Unix epoch.
    pub at: Duration,
    /// Of which call; numbers count up from 1 in each router.
    pub call: u64,
    /// The task of that call.
    pub task: String,
    /// The model it is about, as `provider/model`.
    pub model: String,
    /// Which of the provider's keys, from 1; absent where there is only one.
    pub key: Option<u32>,
    /// Which attempt of the call, from 0.
    pub attempt: Option<usize>,
    /// The kind of failure behind it.
    pub kind: Option<ErrorKind>,
    /// Why, as a sentence.
    pub reason: Option<String>,
    /// The model that was asked before.
    pub from: Option<String>,
    /// What a breaker or cooldown is about: `candidate`, `model`, `key` or `provider`.
    pub scope: Option<&'static str>,
    /// How long a breaker is open or a cooldown lasts.
    pub lasts: Option<Duration>,
    /// How long the provider asked to wait.
    pub retry_after: Option<Duration>,
    /// How long the attempt, or the call, took.
    pub latency: Option<Duration>,
    /// What the call did and cost, where it has ended.
    pub record: Option<Arc<CallRecord>>,
}

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// A candidate is asked.
    AttemptStarted,
    /// It answered.
    AttemptAnswered,
    /// It failed.
    AttemptFailed,
    /// The next candidate is asked.
    Switched,
    /// The next candidate is asked beside a slow one, or in its place.
    Hedged,
    /// A circuit breaker opened.
    BreakerOpened,
    /// An attempt tries whether a candidate is back.
    HalfOpen,
    /// A candidate is back.
    Closed,
    /// A cooldown began or became longer.
    Cooled,
    /// A retry or hedge was not made, since the provider's retry budget is spent.
    BudgetEmpty,
    /// A call has ended; what it did and cost is in its record.
    CallEnded,
}

impl Happening {
    /// The word in events: `attempt_started`, `attempt_answered`, `attempt_failed`, `switched`, `hedged`, `breaker_opened`,
    /// `half_open`, `closed`, `cooled`, `budget_empty`, `call_ended`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AttemptStarted => "attempt_started",
            Self::AttemptAnswered => "attempt_answered",
            Self::AttemptFailed => "attempt_failed",
            Self::Switched => "switched",
            Self::Hedged => "hedged",
            Self::BreakerOpened => "breaker_opened",
            Self::HalfOpen => "half_open",
            Self::Closed => "closed",
            Self::Cooled => "cooled",
            Self::BudgetEmpty => "budget_empty",
            Self::CallEnded => "call_ended",
        }
    }

    /// How much it matters to an operator.
    #[must_use]
    pub fn level(self) -> Level {
        match self {
            Self::BreakerOpened | Self::BudgetEmpty => Level::Warning,
            Self::Cooled | Self::Closed => Level::Info,
            _ => Level::Debug,
        }
    }
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// To those who follow single calls.
    Debug,
    /// To those who watch providers.
    Info,
    /// To those who may have to do something.
    Warning,
}

impl Level {
    /// `debug`, `info` or `warning`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
        }
    }
}

impl RouterEvent {
    /// As an object with the public field names; durations in milliseconds, unknown fields null.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
        put("type", self.what.as_str().into());
        put("level", self.what.level().as_str().into());
        put("at_ms", millis(self.at).into());
        put("call", self.call.into());
        put("task", self.task.as_str().into());
        put("model", self.model.as_str().into());
        put("key", self.key.into());
        put("attempt", self.attempt.into());
        put("kind", self.kind.map(ErrorKind::as_str).into());
        put("reason", self.reason.as_deref().into());
        put("from", self.from.as_deref().into());
        put("scope", self.scope.into());
        put("lasts_ms", self.lasts.map(millis).into());
        put("retry_after_ms", self.retry_after.map(millis).into());
        put("latency_ms", self.latency.map(millis).into());
        put("record", self.record.as_deref().map(CallRecord::to_value).unwrap_or_default());
        put("message", self.to_string().into());
        Value::Object(map)
    }
}

/// As a sentence for a log.
impl std::fmt::Display for RouterEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { task, model, .. } = self;
        write!(f, "{task}: ")?;
        let ms = |time: Option<Duration>| time.unwrap_or_default().as_millis();
        let kind = self.kind.map_or("", ErrorKind::as_str);
        let from = self.from.as_deref().unwrap_or_default();
        let scope = self.scope.unwrap_or_default();
        match self.what {
            Happening::AttemptStarted => write!(f, "{model} is asked"),
            Happening::AttemptAnswered => write!(f, "{model} answered after {} ms", ms(self.latency)),
            Happening::AttemptFailed => write!(f, "{model} failed after {} ms: {kind}", ms(self.latency)),
            Happening::Switched => write!(f, "on from {from} to {model}"),
            Happening::Hedged => write!(f, "{model} is asked beside {from}, which is slow"),
            Happening::BreakerOpened => write!(f, "{model}: circuit opened for {} ms ({scope})", ms(self.lasts)),
            Happening::HalfOpen => write!(f, "{model}: one call tries whether it is back"),
            Happening::Closed => write!(f, "{model} is back"),
            Happening::Cooled => write!(f, "{model} cools down for {} ms after {kind} ({scope})", ms(self.lasts)),
            Happening::CallEnded if kind.is_empty() => {
                write!(f, "answered by {model} after {} ms", ms(self.latency))
            }
            Happening::CallEnded => write!(f, "ended without an answer after {} ms: {kind}", ms(self.latency)),
            Happening::BudgetEmpty => write!(f, "{model}: no retry and no hedge, since the retry budget is spent"),
        }
    }
}
