//! What a call would do, told without making it.

use std::time::Duration;

use serde_json::{Map, Value};

use super::attempt::{columns, millis, with_key};

/// What a call would do at this moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The task.
    pub task: String,
    /// The task whose candidates take it, where the input is too long for its own.
    pub handed_to: Option<String>,
    /// About how many tokens the prompt has.
    pub input_tokens: u64,
    /// When the caller would have the answer at the latest, or an error.
    pub deadline: Option<Duration>,
    /// How long the call takes if every candidate is as slow or as broken as its limits allow.
    pub worst_case: Duration,
    /// USD that such a call costs at most; unknown where a price or an output limit is.
    pub worst_case_cost: Option<f64>,
    /// The candidates in the order in which they would be asked.
    pub candidates: Vec<Prospect>,
    /// Things worth knowing.
    pub warnings: Vec<String>,
}

/// What awaits one candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Prospect {
    /// `provider/model`.
    pub model: String,
    /// The provider's name.
    pub provider: String,
    /// Which of the provider's keys, from 1; absent where there is only one.
    pub key: Option<u32>,
    /// Whether it would be asked.
    pub kept: bool,
    /// Why not, or why last.
    pub reason: Option<String>,
    /// When it would be asked at the latest, as long as the others before it say nothing.
    pub starts: Option<Duration>,
    /// How often it would be asked at most.
    pub attempts: u32,
    /// How long it would work alone before the next one is asked.
    pub alone: Option<Duration>,
    /// The limit of one attempt.
    pub timeout: Option<Duration>,
    /// The limit of a stream's first content.
    pub first_token: Option<Duration>,
    /// How long a stream may pause.
    pub idle: Duration,
    /// USD that it costs at most, all its attempts together; unknown where its price or its output limit is.
    pub max_cost: Option<f64>,
}

impl Explanation {
    /// As an object with the public field names; durations in milliseconds, unknown fields null.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
        put("task", self.task.as_str().into());
        put("handed_to", self.handed_to.as_deref().into());
        put("input_tokens", self.input_tokens.into());
        put("deadline_ms", self.deadline.map(millis).into());
        put("worst_case_ms", millis(self.worst_case).into());
        put("worst_case_cost", self.worst_case_cost.into());
        put("candidates", self.candidates.iter().map(Prospect::to_value).collect());
        put("warnings", self.warnings.clone().into());
        Value::Object(map)
    }
}

impl Prospect {
    fn to_value(&self) -> Value {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
        put("model", self.model.as_str().into());
        put("provider", self.provider.as_str().into());
        put("key", self.key.into());
        put("kept", self.kept.into());
        put("reason", self.reason.as_deref().into());
        put("starts_ms", self.starts.map(millis).into());
        put("attempts", self.attempts.into());
        put("alone_ms", self.alone.map(millis).into());
        put("timeout_ms", self.timeout.map(millis).into());
        put("first_token_ms", self.first_token.map(millis).into());
        put("idle_ms", millis(self.idle).into());
        put("max_cost", self.max_cost.into());
        Value::Object(map)
    }
}

/// As a table for people: the candidates in order, then what the call takes and costs at worst.
impl std::fmt::Display for Explanation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const HEAD: [&str; 8] =
            ["candidate", "asked", "from ms", "alone ms", "limit ms", "first token ms", "max USD", "reason"];
        f.write_str(&columns(HEAD, self.candidates.iter().map(Prospect::row)))?;
        let deadline = self.deadline.map_or_else(|| "none".to_owned(), |time| format!("{} ms", time.as_millis()));
        let cost = self.worst_case_cost.map_or_else(|| "unknown".to_owned(), |cost| format!("{cost:.6} USD"));
        writeln!(f, "input: about {} tokens; deadline: {deadline}", self.input_tokens)?;
        writeln!(f, "at worst: {} ms, {cost}", self.worst_case.as_millis())?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))
    }
}

impl Prospect {
    fn row(&self) -> [String; 8] {
        let ms = |time: Option<Duration>| time.map_or_else(String::new, |time| time.as_millis().to_string());
        let asked = match self.attempts {
            0 if self.kept => "no".to_owned(),
            0 => "skipped".to_owned(),
            1 => "once".to_owned(),
            times => format!("{times} times at most"),
        };
        [
            with_key(&self.model, self.key),
            asked,
            ms(self.starts),
            ms(self.alone),
            ms(self.timeout),
            ms(self.first_token),
            self.max_cost.map_or_else(|| "unknown".to_owned(), |cost| format!("{cost:.6}")),
            self.reason.clone().unwrap_or_default(),
        ]
    }
}
