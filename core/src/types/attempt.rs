//! The trail: what was tried, what was passed over, and why.

use std::time::Duration;

use serde_json::{Map, Value};

use super::completion::Usage;
use crate::error::ErrorKind;

/// How an attempt, or the look at a candidate, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It brought the answer.
    Ok,
    /// It failed.
    Failed,
    /// The candidate was not tried.
    Skipped,
    /// The caller cancelled, or the deadline passed.
    Cancelled,
    /// Another attempt that ran beside it was first.
    HedgedOut,
}

impl Outcome {
    /// `ok`, `failed`, `skipped`, `cancelled` or `hedged_out`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::HedgedOut => "hedged_out",
        }
    }
}

/// What was decided after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try the same candidate again.
    Retry,
    /// Go to the next candidate.
    Fallback,
    /// Leave it to the attempt that already runs beside this one.
    Race,
    /// Give up and raise.
    Fail,
}

impl Next {
    /// `retry`, `fallback`, `race` or `fail`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Fallback => "fallback",
            Self::Race => "race",
            Self::Fail => "fail",
        }
    }
}

/// One line of the trail.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// `provider/model`.
    pub model: String,
    /// Which of the provider's keys, from 1; absent where there is only one.
    pub key: Option<u32>,
    /// How it ended.
    pub outcome: Outcome,
    /// The kind of failure.
    pub kind: Option<ErrorKind>,
    /// The kind's flavour.
    pub subkind: Option<&'static str>,
    /// Why, as a sentence.
    pub reason: Option<String>,
    /// HTTP status.
    pub status: Option<u16>,
    /// The provider's own error code.
    pub provider_code: Option<String>,
    /// The provider's id of the exchange.
    pub request_id: Option<String>,
    /// When it began, from the start of the call.
    pub started: Duration,
    /// How long it took.
    pub latency: Duration,
    /// From its start to its first content, for streams.
    pub first_token: Option<Duration>,
    /// Tokens it cost.
    pub usage: Option<Usage>,
    /// Tokens it cost at least, where the provider did not tell them, or not to the end.
    pub estimate: Option<Usage>,
    /// USD it cost, as far as known.
    pub cost: Option<f64>,
    /// Whether that cost is an estimate.
    pub cost_is_estimate: bool,
    /// How long the provider asked to wait.
    pub retry_after: Option<Duration>,
    /// What was decided after it.
    pub next: Option<Next>,
    /// Why that was decided.
    pub next_reason: Option<String>,
}

impl Attempt {
    /// A line for `model` with nothing else known yet.
    pub fn new(model: impl Into<String>, outcome: Outcome, started: Duration) -> Self {
        Self {
            model: model.into(),
            key: None,
            outcome,
            kind: None,
            subkind: None,
            reason: None,
            status: None,
            provider_code: None,
            request_id: None,
            started,
            latency: Duration::ZERO,
            first_token: None,
            usage: None,
            estimate: None,
            cost: None,
            cost_is_estimate: false,
            retry_after: None,
            next: None,
            next_reason: None,
        }
    }

    /// The line as an object with the public field names; durations in milliseconds, unknown fields null.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
        put("model", self.model.as_str().into());
        put("key", self.key.into());
        put("outcome", self.outcome.as_str().into());
        put("kind", self.kind.map(ErrorKind::as_str).into());
        put("subkind", self.subkind.into());
        put("reason", self.reason.as_deref().into());
        put("status", self.status.into());
        put("provider_code", self.provider_code.as_deref().into());
        put("request_id", self.request_id.as_deref().into());
        put("started_ms", millis(self.started).into());
        put("latency_ms", millis(self.latency).into());
        put("first_token_ms", self.first_token.map(millis).into());
        put("usage", self.usage.map(Usage::to_value).unwrap_or_default());
        put("cost", self.cost.into());
        put("cost_is_estimate", self.cost_is_estimate.into());
        put("retry_after_ms", self.retry_after.map(millis).into());
        put("next", self.next.map(Next::as_str).into());
        put("next_reason", self.next_reason.as_deref().into());
        Value::Object(map)
    }
}

/// Milliseconds with a microsecond's precision, as every public `…_ms` field has them.
pub(crate) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// A trail as a table for people: a line per attempt, columns aligned, ending in a line break. Empty for an empty trail.
pub(crate) fn table(attempts: &[Attempt]) -> String {
    if attempts.is_empty() {
        return String::new();
    }
    const HEAD: [&str; 8] = ["model", "outcome", "kind", "status", "start ms", "took ms", "next", "reason"];
    columns(HEAD, attempts.iter().map(row))
}

/// Rows below a head, columns aligned, ending in a line break.
pub(crate) fn columns<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut table = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        table.push_str(cells.join("  ").trim_end());
        table.push('\n');
    }
    table
}

/// A model's name, with the number of its key where there are several.
pub(crate) fn with_key(model: &str, key: Option<u32>) -> String {
    key.map_or_else(|| model.to_owned(), |key| format!("{model} (key {key})"))
}

fn row(attempt: &Attempt) -> [String; 8] {
    let tried = attempt.outcome != Outcome::Skipped;
    let ms = |duration: Duration| {
        if tried { duration.as_millis().to_string() } else { String::new() }
    };
    let reason = attempt.reason.as_deref().unwrap_or_default();
    [
        with_key(&attempt.model, attempt.key),
        attempt.outcome.as_str().to_owned(),
        attempt.kind.map(ErrorKind::as_str).unwrap_or_default().to_owned(),
        attempt.status.map(|status| status.to_string()).unwrap_or_default(),
        ms(attempt.started),
        ms(attempt.latency),
        attempt.next.map(Next::as_str).unwrap_or_default().to_owned(),
        reason.lines().next().unwrap_or_default().to_owned(),
    ]
}
