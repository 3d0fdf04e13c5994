//! What many calls did and cost, as rows: the report of `Router::usage` and of `locum report`.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::attempt::columns;
use super::parse::ParseError;
use super::time;

/// What rows are made by. By model and provider they count attempts, else calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UsageBy {
    /// The task that was called.
    #[default]
    Task,
    /// For whom calls were made.
    Customer,
    /// The day on which calls began (UTC).
    Day,
    /// `provider/model`.
    Model,
    /// The provider's name.
    Provider,
}

impl UsageBy {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Task, Self::Customer, Self::Day, Self::Model, Self::Provider];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Customer => "customer",
            Self::Day => "day",
            Self::Model => "model",
            Self::Provider => "provider",
        }
    }

    /// What is counted: `calls` or `attempts`.
    #[must_use]
    pub const fn counted(self) -> &'static str {
        if matches!(self, Self::Model | Self::Provider) { "attempts" } else { "calls" }
    }

    pub(crate) fn read(word: &str) -> Result<Self, ParseError> {
        Self::ALL.into_iter().find(|by| by.as_str() == word).ok_or_else(|| {
            let words = Self::ALL.map(Self::as_str).join(", ");
            ParseError::new("by", format!("expected one of {words}"))
        })
    }
}

/// A time of whole days, the first and the last of them included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Days {
    since: Option<u64>,
    until: Option<u64>,
}

impl Days {
    pub(crate) fn read(since: Option<&str>, until: Option<&str>) -> Result<Self, ParseError> {
        let day = |name: &str, text: Option<&str>| match text.map(time::day) {
            None => Ok(None),
            Some(Some(second)) => Ok(Some(second)),
            Some(None) => Err(ParseError::new(name, "expected a day such as 2026-11-24")),
        };
        let days = Self { since: day("since", since)?, until: day("until", until)? };
        if days.since.zip(days.until).is_some_and(|(since, until)| until < since) {
            return Err(ParseError::new("until", "is before since"));
        }
        Ok(days)
    }

    /// The first and the last of them, where they are given.
    #[cfg(feature = "cli")]
    pub(crate) fn ends(self) -> [Option<String>; 2] {
        [self.since, self.until].map(|second| second.map(time::day_of))
    }

    /// From when, and until before when, in milliseconds since the Unix epoch.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn milliseconds(self) -> [f64; 2] {
        let until = self.until.map_or(f64::INFINITY, |until| (until + 86_400) as f64 * 1e3);
        [self.since.unwrap_or_default() as f64 * 1e3, until]
    }

    /// Whether this second since the Unix epoch is in it.
    pub(crate) fn contain(self, second: f64) -> bool {
        self.since.is_none_or(|since| second >= since as f64)
            && self.until.is_none_or(|until| second < (until + 86_400) as f64)
    }
}

/// What costs are shown in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Currency {
    /// Such as `EUR`.
    pub(crate) code: String,
    /// What a dollar is in it.
    pub(crate) per_usd: f64,
}

impl Default for Currency {
    fn default() -> Self {
        Self { code: "USD".to_owned(), per_usd: 1.0 }
    }
}

impl std::str::FromStr for Currency {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "expected a code and what a dollar is in it, such as EUR=0.92";
        let (code, per_usd) = text.split_once('=').ok_or(SHAPE)?;
        let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        let per_usd = per_usd.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0 && is_code);
        Ok(Self { code: code.to_owned(), per_usd: per_usd.ok_or(SHAPE)? })
    }
}

/// What calls did and cost.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageReport {
    /// What rows are made by.
    pub by: UsageBy,
    /// The day of the built-in price table (`2026-07-02`). What models cost may have changed since.
    pub prices_date: &'static str,
    /// In the order of their names.
    pub rows: Vec<UsageRow>,
    /// All of them together, named `total`.
    pub total: UsageRow,
    /// What is missing in it, and why.
    pub warnings: Vec<String>,
}

/// Calls of one name, or attempts where rows are made by model or provider.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UsageRow {
    /// The task, the day, …; `(none)` for calls without a customer.
    pub name: String,
    /// How many there were.
    pub count: u64,
    /// Calls that were answered; attempts that brought the answer.
    pub ok: u64,
    /// Those of them that a stand-in answered.
    pub fallbacks: u64,
    /// Tokens of all prompts.
    pub input_tokens: u64,
    /// Those of them that were read from a cache.
    pub cached_input_tokens: u64,
    /// Tokens of all answers.
    pub output_tokens: u64,
    /// Those of them that were spent on reasoning.
    pub reasoning_tokens: u64,
    /// USD for the attempts whose cost is known; absent where none is.
    pub cost_usd: Option<f64>,
    /// Attempts that used tokens whose price nobody knows.
    pub unpriced_attempts: u64,
    /// Attempts whose tokens or cost are estimates.
    pub estimated_attempts: u64,
    /// Milliseconds within which half of those that were answered were; within one per cent, as all percentiles here.
    pub latency_ms_p50: Option<f64>,
    /// The same of 95 in a hundred.
    pub latency_ms_p95: Option<f64>,
    /// The first content of streams, half of them.
    pub first_token_ms_p50: Option<f64>,
    /// The same of 95 in a hundred.
    pub first_token_ms_p95: Option<f64>,
}

impl UsageRow {
    /// The part of all that was answered; absent where there was nothing.
    #[must_use]
    pub fn success_rate(&self) -> Option<f64> {
        self.rate(self.ok)
    }

    /// The part of all that a stand-in answered.
    #[must_use]
    pub fn fallback_rate(&self) -> Option<f64> {
        self.rate(self.fallbacks)
    }

    fn rate(&self, part: u64) -> Option<f64> {
        (self.count > 0).then(|| part as f64 / self.count as f64)
    }

    /// As an object with the public field names; what is unknown is null.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
        put("name", self.name.as_str().into());
        put("count", self.count.into());
        put("ok", self.ok.into());
        put("success_rate", self.success_rate().into());
        put("fallbacks", self.fallbacks.into());
        put("fallback_rate", self.fallback_rate().into());
        put("input_tokens", self.input_tokens.into());
        put("cached_input_tokens", self.cached_input_tokens.into());
        put("output_tokens", self.output_tokens.into());
        put("reasoning_tokens", self.reasoning_tokens.into());
        put("cost_usd", self.cost_usd.into());
        put("unpriced_attempts", self.unpriced_attempts.into());
        put("estimated_attempts", self.estimated_attempts.into());
        put("latency_ms_p50", self.latency_ms_p50.into());
        put("latency_ms_p95", self.latency_ms_p95.into());
        put("first_token_ms_p50", self.first_token_ms_p50.into());
        put("first_token_ms_p95", self.first_token_ms_p95.into());
        Value::Object(map)
    }

    fn cells(&self, currency: &Currency) -> [String; 13] {
        let rate = |rate: Option<f64>| rate.map_or_else(String::new, |rate| format!("{:.1}", rate * 100.0));
        let ms = |ms: Option<f64>| ms.map_or_else(String::new, |ms| format!("{ms:.0}"));
        [
            self.name.clone(),
            self.count.to_string(),
            rate(self.success_rate()),
            rate(self.fallback_rate()),
            self.input_tokens.to_string(),
            self.cached_input_tokens.to_string(),
            self.output_tokens.to_string(),
            self.cost_usd.map_or_else(|| "unknown".to_owned(), |cost| format!("{:.4}", cost * currency.per_usd)),
            self.unpriced_attempts.to_string(),
            ms(self.latency_ms_p50),
            ms(self.latency_ms_p95),
            ms(self.first_token_ms_p50),
            ms(self.first_token_ms_p95),
        ]
    }
}

impl UsageReport {
    /// As an object with the public field names: `{by, counted, prices_date, rows, total, warnings}`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
        put("by", self.by.as_str().into());
        put("counted", self.by.counted().into());
        put("prices_date", self.prices_date.into());
        put("rows", self.rows.iter().map(UsageRow::to_value).collect());
        put("total", self.total.to_value());
        put("warnings", self.warnings.clone().into());
        Value::Object(map)
    }

    /// As a table for people, with costs in a currency.
    pub(crate) fn table(&self, currency: &Currency) -> String {
        let head = [
            self.by.as_str(),
            self.by.counted(),
            "ok %",
            "stand-in %",
            "input",
            "cached",
            "output",
            currency.code.as_str(),
            "unpriced",
            "p50 ms",
            "p95 ms",
            "first p50",
            "first p95",
        ];
        let rows = columns(head, self.rows.iter().chain([&self.total]).map(|row| row.cells(currency)));
        format!("{rows}built-in prices of {}\n", self.prices_date)
    }

    /// As lines of cells by RFC 4180, below a line of their names; what is unknown is empty.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut csv = String::new();
        for (number, row) in self.rows.iter().chain([&self.total]).enumerate() {
            let value = row.to_value();
            let cells = || value.as_object().into_iter().flatten().filter(|(key, _)| *key != "name");
            if number == 0 {
                let names = cells().map(|(key, _)| if key == "count" { self.by.counted() } else { key.as_str() });
                let _ = writeln!(csv, "{},{}", self.by.as_str(), names.collect::<Vec<_>>().join(","));
            }
            let cells = cells().map(|(_, value)| if value.is_null() { String::new() } else { value.to_string() });
            let _ = writeln!(csv, "{},{}", quoted(&row.name), cells.collect::<Vec<_>>().join(","));
        }
        csv
    }
}

/// As a table for people.
impl std::fmt::Display for UsageReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.table(&Currency::default()))
    }
}

/// Spreadsheets take a cell that begins with one of these signs for a formula.
fn quoted(cell: &str) -> String {
    let armed = if cell.starts_with(['=', '+', '-', '@']) { format!("'{cell}") } else { cell.to_owned() };
    if armed.contains([',', '"', '\n', '\r']) { format!("\"{}\"", armed.replace('"', "\"\"")) } else { armed }
}
