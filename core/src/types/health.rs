//! What is known of the health of a candidate.

use std::time::Duration;

use serde_json::{Map, Value};

use super::attempt::millis;
use crate::error::ErrorKind;

/// A candidate's health at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CandidateHealth {
    /// `provider/model`.
    pub model: String,
    /// The provider's name.
    pub provider: String,
    /// Which of the provider's keys, from 1; absent where there is only one.
    pub key: Option<u32>,
    /// Whether a call would try it now.
    pub available: bool,
    /// Why not, or why another is asked first, as a sentence.
    pub reason: Option<String>,
    /// How long until it is tried again, where that is known.
    pub recovers: Option<Duration>,
    /// Its circuit breaker.
    pub breaker: BreakerState,
    /// Its longest cooldown.
    pub cooldown: Option<Cooldown>,
    /// Failures in a row that count for the circuit breaker.
    pub failures: u32,
    /// Its last failure.
    pub last_error: Option<LastError>,
    /// Calls that its key has at this moment.
    pub in_flight: u32,
    /// How many it may have, where that is limited.
    pub max_concurrency: Option<u32>,
    /// How many retries the provider's budget allows at once.
    pub retries_left: u64,
    /// Its times to the first content of a stream.
    pub first_token: Option<Percentiles>,
    /// Its times to a whole answer.
    pub latency: Option<Percentiles>,
}

/// How a circuit breaker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum BreakerState {
    /// Calls pass.
    #[default]
    Closed,
    /// One call may pass, to see whether the candidate is back.
    HalfOpen,
    /// No call passes.
    Open,
}

impl BreakerState {
    /// `closed`, `half_open` or `open`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// A time in which a candidate is not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cooldown {
    /// What is cooling: `candidate`, `model`, `key` or `provider`.
    pub scope: &'static str,
    /// The failure behind it.
    pub kind: ErrorKind,
    /// How long it still lasts.
    pub left: Duration,
}

/// A candidate's last failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// What happened.
    pub kind: ErrorKind,
    /// As a sentence.
    pub message: String,
    /// How long ago.
    pub ago: Duration,
}

/// Percentiles of measured times, within one per cent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentiles {
    /// Of how many times; older ones are forgotten.
    pub samples: u64,
    /// Half of them were shorter.
    pub p50: Duration,
    /// 95 in 100 were shorter.
    pub p95: Duration,
    /// 99 in 100 were shorter.
    pub p99: Duration,
}

impl CandidateHealth {
    /// As an object with the public field names; durations in milliseconds, unknown fields null.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
        put("model", self.model.as_str().into());
        put("provider", self.provider.as_str().into());
        put("key", self.key.into());
        put("available", self.available.into());
        put("reason", self.reason.as_deref().into());
        put("recovers_ms", self.recovers.map(millis).into());
        put("breaker", self.breaker.as_str().into());
        put("cooldown", self.cooldown.map(Cooldown::to_value).unwrap_or_default());
        put("failures", self.failures.into());
        put("last_error", self.last_error.as_ref().map(LastError::to_value).unwrap_or_default());
        put("in_flight", self.in_flight.into());
        put("max_concurrency", self.max_concurrency.into());
        put("retries_left", self.retries_left.into());
        put("first_token_ms", self.first_token.map(Percentiles::to_value).unwrap_or_default());
        put("latency_ms", self.latency.map(Percentiles::to_value).unwrap_or_default());
        Value::Object(map)
    }
}

impl Cooldown {
    fn to_value(self) -> Value {
        serde_json::json!({"scope": self.scope, "kind": self.kind.as_str(), "left_ms": millis(self.left)})
    }
}

impl LastError {
    fn to_value(&self) -> Value {
        serde_json::json!({"kind": self.kind.as_str(), "message": self.message, "ago_ms": millis(self.ago)})
    }
}

impl Percentiles {
    fn to_value(self) -> Value {
        serde_json::json!({
            "samples": self.samples, "p50": millis(self.p50), "p95": millis(self.p95), "p99": millis(self.p99),
        })
    }
}
