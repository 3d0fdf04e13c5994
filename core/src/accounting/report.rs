//! What many calls did and cost, put together from their records.

use std::collections::BTreeMap;

use sketches_ddsketch::{Config, DDSketch};

use super::ledger::{Line, Made};
use crate::types::{UsageBy, UsageReport, UsageRow, time};

/// Rows by a name, and one for all.
pub(crate) struct Report {
    by: UsageBy,
    rows: BTreeMap<String, Row>,
    all: Row,
}

/// Calls, or attempts where rows are made by model or provider.
struct Row {
    counts: UsageRow,
    latency: DDSketch,
    first_token: DDSketch,
}

impl Default for Row {
    fn default() -> Self {
        let sketch = || DDSketch::new(Config::defaults());
        Self { counts: UsageRow::default(), latency: sketch(), first_token: sketch() }
    }
}

impl Row {
    fn came(&mut self, ok: bool, by_stand_in: bool, latency: f64, first_token: Option<f64>) {
        self.counts.count += 1;
        self.counts.ok += u64::from(ok);
        self.counts.fallbacks += u64::from(ok && by_stand_in);
        if ok {
            self.latency.add(latency);
        }
        if let Some(first_token) = first_token.filter(|_| ok) {
            self.first_token.add(first_token);
        }
    }

    fn cost(&mut self, made: &Made) {
        let counts = &mut self.counts;
        if let Some(tokens) = made.usage {
            counts.input_tokens += tokens.input;
            counts.cached_input_tokens += tokens.cached_input;
            counts.output_tokens += tokens.output;
            counts.reasoning_tokens += tokens.reasoning;
        }
        if let Some(cost) = made.cost {
            *counts.cost_usd.get_or_insert(0.0) += cost;
        }
        counts.unpriced_attempts += u64::from(made.usage.is_some() && made.cost.is_none());
        counts.estimated_attempts += u64::from(made.usage_is_estimate || made.cost_is_estimate);
    }

    fn finish(self, name: String) -> UsageRow {
        let at =
            |sketch: &DDSketch, quantile| sketch.quantile(quantile).ok().flatten().map(|ms| (ms * 10.0).round() / 10.0);
        UsageRow {
            name,
            latency_ms_p50: at(&self.latency, 0.5),
            latency_ms_p95: at(&self.latency, 0.95),
            first_token_ms_p50: at(&self.first_token, 0.5),
            first_token_ms_p95: at(&self.first_token, 0.95),
            ..self.counts
        }
    }
}

impl Report {
    pub(crate) fn new(by: UsageBy) -> Self {
        Self { by, rows: BTreeMap::new(), all: Row::default() }
    }

    pub(crate) fn add(&mut self, line: &Line) {
        let ok = line.outcome == "ok";
        let name = match self.by {
            UsageBy::Task => line.task.clone(),
            UsageBy::Customer => line.customer.clone().unwrap_or_else(|| "(none)".to_owned()),
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            UsageBy::Day => time::day_of(line.at() as u64),
            UsageBy::Model | UsageBy::Provider => {
                for made in &line.attempts {
                    let name = if self.by == UsageBy::Model { &made.model } else { &made.provider };
                    let row = self.rows.entry(name.clone()).or_default();
                    for row in [row, &mut self.all] {
                        row.came(made.outcome == "ok", made.depth > 0, made.latency_ms, made.first_token_ms);
                        row.cost(made);
                    }
                }
                return;
            }
        };
        for row in [self.rows.entry(name).or_default(), &mut self.all] {
            row.came(ok, line.fallback_used, line.latency_ms, line.first_token_ms);
            line.attempts.iter().for_each(|made| row.cost(made));
        }
    }

    /// The whole of it. `warnings` say what is missing.
    pub(crate) fn finish(self, prices_date: &'static str, warnings: Vec<String>) -> UsageReport {
        UsageReport {
            by: self.by,
            prices_date,
            rows: self.rows.into_iter().map(|(name, row)| row.finish(name)).collect(),
            total: self.all.finish("total".to_owned()),
            warnings,
        }
    }
}
