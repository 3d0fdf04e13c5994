//! What many calls did and cost, put together from their records.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;
use serde_json::{Value, json};
use sketches_ddsketch::{Config, DDSketch};

use crate::types::{columns, time};

/// What rows are made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Task,
    Customer,
    Day,
    Model,
    Provider,
}

/// As much of a record as a report needs.
#[derive(Deserialize)]
pub(crate) struct Line {
    at_ms: f64,
    task: String,
    customer: Option<String>,
    outcome: String,
    fallback_used: bool,
    latency_ms: f64,
    first_token_ms: Option<f64>,
    attempts: Vec<Made>,
}

#[derive(Deserialize)]
struct Made {
    model: String,
    provider: String,
    outcome: String,
    depth: usize,
    latency_ms: f64,
    first_token_ms: Option<f64>,
    usage: Option<Tokens>,
    usage_is_estimate: bool,
    cost: Option<f64>,
    cost_is_estimate: bool,
}

#[derive(Deserialize, Clone, Copy)]
struct Tokens {
    input: u64,
    cached_input: u64,
    output: u64,
    reasoning: u64,
}

impl Line {
    /// When the call began, in seconds since the Unix epoch.
    pub(crate) fn at(&self) -> f64 {
        self.at_ms / 1e3
    }
}

/// Rows by a name, and one for all.
pub(crate) struct Report {
    by: By,
    rows: BTreeMap<String, Row>,
    all: Row,
}

/// Calls, or attempts where rows are made by model or provider.
struct Row {
    count: u64,
    ok: u64,
    by_stand_in: u64,
    input: u64,
    cached_input: u64,
    output: u64,
    reasoning: u64,
    cost: Option<f64>,
    /// Attempts that used tokens whose price nobody knows.
    unpriced: u64,
    /// Attempts whose tokens or cost are estimates.
    estimated: u64,
    latency: DDSketch,
    first_token: DDSketch,
}

impl Default for Row {
    fn default() -> Self {
        let sketch = || DDSketch::new(Config::defaults());
        Self {
            count: 0,
            ok: 0,
            by_stand_in: 0,
            input: 0,
            cached_input: 0,
            output: 0,
            reasoning: 0,
            cost: None,
            unpriced: 0,
            estimated: 0,
            latency: sketch(),
            first_token: sketch(),
        }
    }
}

impl Row {
    fn came(&mut self, ok: bool, by_stand_in: bool, latency: f64, first_token: Option<f64>) {
        self.count += 1;
        self.ok += u64::from(ok);
        self.by_stand_in += u64::from(ok && by_stand_in);
        if ok {
            self.latency.add(latency);
        }
        if let Some(first_token) = first_token.filter(|_| ok) {
            self.first_token.add(first_token);
        }
    }

    fn cost(&mut self, made: &Made) {
        if let Some(tokens) = made.usage {
            self.input += tokens.input;
            self.cached_input += tokens.cached_input;
            self.output += tokens.output;
            self.reasoning += tokens.reasoning;
        }
        if let Some(cost) = made.cost {
            *self.cost.get_or_insert(0.0) += cost;
        }
        self.unpriced += u64::from(made.usage.is_some() && made.cost.is_none());
        self.estimated += u64::from(made.usage_is_estimate || made.cost_is_estimate);
    }

    fn to_value(&self) -> Value {
        let rate = |part: u64| (self.count > 0).then(|| part as f64 / self.count as f64);
        let at =
            |sketch: &DDSketch, quantile| sketch.quantile(quantile).ok().flatten().map(|ms| (ms * 10.0).round() / 10.0);
        json!({
            "count": self.count,
            "ok": self.ok,
            "success_rate": rate(self.ok),
            "fallbacks": self.by_stand_in,
            "fallback_rate": rate(self.by_stand_in),
            "input_tokens": self.input,
            "cached_input_tokens": self.cached_input,
            "output_tokens": self.output,
            "reasoning_tokens": self.reasoning,
            "cost_usd": self.cost,
            "unpriced_attempts": self.unpriced,
            "estimated_attempts": self.estimated,
            "latency_ms_p50": at(&self.latency, 0.5),
            "latency_ms_p95": at(&self.latency, 0.95),
            "first_token_ms_p50": at(&self.first_token, 0.5),
            "first_token_ms_p95": at(&self.first_token, 0.95),
        })
    }
}

impl Report {
    pub(crate) fn new(by: By) -> Self {
        Self { by, rows: BTreeMap::new(), all: Row::default() }
    }

    pub(crate) fn add(&mut self, line: &Line) {
        let ok = line.outcome == "ok";
        let whole = |row: &mut Row| {
            row.came(ok, line.fallback_used, line.latency_ms, line.first_token_ms);
            line.attempts.iter().for_each(|made| row.cost(made));
        };
        let name = match self.by {
            By::Task => line.task.clone(),
            By::Customer => line.customer.clone().unwrap_or_else(|| "(none)".to_owned()),
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            By::Day => {
                let (year, month, day) = time::date(line.at() as u64 / 86_400);
                format!("{year}-{month:02}-{day:02}")
            }
            By::Model | By::Provider => {
                for made in &line.attempts {
                    let name = if self.by == By::Model { &made.model } else { &made.provider };
                    let row = self.rows.entry(name.clone()).or_default();
                    for row in [row, &mut self.all] {
                        row.came(made.outcome == "ok", made.depth > 0, made.latency_ms, made.first_token_ms);
                        row.cost(made);
                    }
                }
                return;
            }
        };
        whole(self.rows.entry(name).or_default());
        whole(&mut self.all);
    }

    /// The word for what is counted.
    fn counted(&self) -> &'static str {
        if matches!(self.by, By::Model | By::Provider) { "attempts" } else { "calls" }
    }

    fn word(&self) -> &'static str {
        match self.by {
            By::Task => "task",
            By::Customer => "customer",
            By::Day => "day",
            By::Model => "model",
            By::Provider => "provider",
        }
    }

    fn rows(&self) -> impl Iterator<Item = (&str, Value)> {
        let rows = self.rows.iter().map(|(name, row)| (name.as_str(), row.to_value()));
        rows.chain(std::iter::once(("total", self.all.to_value())))
    }

    /// `{by, counted, rows, total}`.
    pub(crate) fn to_value(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|(name, row)| {
                let mut value = json!({ self.word(): name });
                value.as_object_mut().into_iter().for_each(|map| {
                    map.extend(row.to_value().as_object().cloned().unwrap_or_default());
                });
                value
            })
            .collect();
        json!({"by": self.word(), "counted": self.counted(), "rows": rows, "total": self.all.to_value()})
    }

    /// A head and a row a line, by RFC 4180; what is unknown is empty.
    pub(crate) fn to_csv(&self) -> String {
        let mut csv = String::new();
        for (number, (name, row)) in self.rows().enumerate() {
            let row = row.as_object().cloned().unwrap_or_default();
            if number == 0 {
                let names = row.keys().map(|key| if key == "count" { self.counted() } else { key.as_str() });
                let _ = writeln!(csv, "{},{}", self.word(), names.collect::<Vec<_>>().join(","));
            }
            let cells = row.values().map(|value| if value.is_null() { String::new() } else { value.to_string() });
            let _ = writeln!(csv, "{},{}", quoted(name), cells.collect::<Vec<_>>().join(","));
        }
        csv
    }

    /// A table for people.
    pub(crate) fn to_table(&self) -> String {
        let head = [
            self.word(),
            self.counted(),
            "ok %",
            "stand-in %",
            "input",
            "cached",
            "output",
            "USD",
            "unpriced",
            "p50 ms",
            "p95 ms",
            "first p50",
            "first p95",
        ];
        let rows = self.rows().map(|(name, row)| {
            let count = |key: &str| row.get(key).and_then(Value::as_u64).unwrap_or_default().to_string();
            let rate = |key: &str| {
                row.get(key).and_then(Value::as_f64).map_or_else(String::new, |rate| format!("{:.1}", rate * 100.0))
            };
            let ms = |key: &str| row.get(key).and_then(Value::as_f64).map_or_else(String::new, |ms| format!("{ms:.0}"));
            let cost = row.get("cost_usd").and_then(Value::as_f64);
            [
                name.to_owned(),
                count("count"),
                rate("success_rate"),
                rate("fallback_rate"),
                count("input_tokens"),
                count("cached_input_tokens"),
                count("output_tokens"),
                cost.map_or_else(|| "unknown".to_owned(), |cost| format!("{cost:.4}")),
                count("unpriced_attempts"),
                ms("latency_ms_p50"),
                ms("latency_ms_p95"),
                ms("first_token_ms_p50"),
                ms("first_token_ms_p95"),
            ]
        });
        columns(head, rows)
    }
}

/// Spreadsheets take a cell that begins with one of these signs for a formula.
fn quoted(cell: &str) -> String {
    let armed = if cell.starts_with(['=', '+', '-', '@']) { format!("'{cell}") } else { cell.to_owned() };
    if armed.contains([',', '"', '\n', '\r']) { format!("\"{}\"", armed.replace('"', "\"\"")) } else { armed }
}
