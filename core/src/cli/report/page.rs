//! The report as one page that loads nothing: what many calls did and cost, drawn by day, and as tables.
//!
//! The charts are drawn by uPlot (`uplot/`, as its authors publish it), which the page carries. They get nothing but days and
//! numbers; names stand in the tables only, where the template escapes them. And the page itself forbids its browser to load
//! anything, and to run any script but the two that it came with.

use std::cmp::Reverse;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::{Environment, Value as Cell, context};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{Line, Rows};
use crate::catalog;
use crate::types::{Currency, Days, UsageBy, UsageReport, UsageRow, time};

const TEMPLATE: &str = include_str!("page.html");
const UPLOT: &str = include_str!("uplot/uPlot.iife.min.js");
const CHARTS: &str = include_str!("page.js");
const STYLE: &str = concat!(include_str!("uplot/uPlot.min.css"), include_str!("page.css"));

/// The most rows of a table. Days have no such limit.
const MANY: usize = 100;
/// The most days for which those without calls are drawn, too.
const GAPLESS: u64 = 1_500;
const DAY: u64 = 86_400;

/// Rows by everything.
pub(super) struct Page {
    rows: Vec<Rows>,
}

impl Page {
    pub(super) fn new() -> Self {
        let all = [UsageBy::Task, UsageBy::Model, UsageBy::Provider, UsageBy::Customer, UsageBy::Day];
        Self { rows: all.map(Rows::new).into() }
    }

    pub(super) fn add(&mut self, line: &Line) {
        self.rows.iter_mut().for_each(|rows| rows.add(line));
    }

    /// The page. `problems` say what is missing.
    pub(super) fn finish(
        self,
        days: Days,
        currency: &Currency,
        problems: &[String],
    ) -> Result<String, minijinja::Error> {
        let reports: Vec<UsageReport> =
            self.rows.into_iter().map(|rows| rows.finish(catalog::date(), Vec::new())).collect();
        let by_day = reports.last().map_or(&[][..], |report| &report.rows);
        let total = reports.first().map(|report| &report.total);
        let [since, until] = days.ends();
        let name = |row: Option<&UsageRow>| row.map(|row| row.name.clone());
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.add_template("page.html", TEMPLATE)?;
        environment.get_template("page.html")?.render(context! {
            scripts => format!("'{}' '{}'", hash(UPLOT), hash(CHARTS)),
            styles => format!("'{}'", hash(STYLE)),
            style => Cell::from_safe_string(STYLE.to_owned()),
            uplot => Cell::from_safe_string(UPLOT.to_owned()),
            charts => Cell::from_safe_string(CHARTS.to_owned()),
            // `<` would end the element that the data stands in.
            data => Cell::from_safe_string(drawn(by_day, currency).to_string().replace('<', "\\u003c")),
            since => since.or_else(|| name(by_day.first())),
            until => until.or_else(|| name(by_day.last())),
            prices => catalog::date(),
            rate => (currency.code != "USD").then(|| format!("{} {}", currency.per_usd, currency.code)),
            version => env!("CARGO_PKG_VERSION"),
            problems,
            facts => total.map(|total| facts(total, currency)),
            tables => reports.iter().map(|report| table(report, currency)).collect::<Vec<_>>(),
        })
    }
}

/// How a page names a script or a style that may be in it (<https://www.w3.org/TR/CSP3/#grammardef-hash-source>).
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

/// What the charts draw: a list for each line, with a number for each day, null where it is unknown.
fn drawn(rows: &[UsageRow], currency: &Currency) -> Value {
    let mut days: Vec<(u64, UsageRow)> = Vec::new();
    let second = |row: &UsageRow| time::day(&row.name);
    let span = rows.first().and_then(second).zip(rows.last().and_then(second));
    let gapless = span.is_some_and(|(first, last)| (last - first) / DAY <= GAPLESS);
    for row in rows {
        let Some(day) = second(row) else { continue };
        while let Some(next) = days.last().map(|(last, _)| last + DAY).filter(|next| gapless && *next < day) {
            // Where nobody called, nothing was spent.
            days.push((next, UsageRow { cost_usd: Some(0.0), ..UsageRow::default() }));
        }
        days.push((day, row.clone()));
    }
    let column = |cell: &dyn Fn(&UsageRow) -> Value| days.iter().map(|(_, row)| cell(row)).collect::<Value>();
    json!({
        "days": days.iter().map(|(day, _)| *day).collect::<Vec<_>>(),
        "calls": column(&|row| row.count.into()),
        "stand_ins": column(&|row| row.fallback_rate().map(|rate| rate * 100.0).into()),
        "currency": currency.code,
        "cost": column(&|row| row.cost_usd.map(|cost| cost * currency.per_usd).into()),
        "p50": column(&|row| row.latency_ms_p50.into()),
        "p95": column(&|row| row.latency_ms_p95.into()),
        "first_p50": column(&|row| row.first_token_ms_p50.into()),
        "first_p95": column(&|row| row.first_token_ms_p95.into()),
        "fresh": column(&|row| row.input_tokens.saturating_sub(row.cached_input_tokens).into()),
        "cached": column(&|row| row.cached_input_tokens.into()),
        "output": column(&|row| row.output_tokens.into()),
    })
}

/// The headline: names and values.
fn facts(total: &UsageRow, currency: &Currency) -> Vec<[String; 2]> {
    let fact = |name: &str, value: String| [name.to_owned(), value];
    vec![
        fact("Calls", grouped(total.count)),
        fact("Answered", percent(total.success_rate())),
        fact("By stand-ins", percent(total.fallback_rate())),
        fact("Cost", cost(total, currency)),
        fact("Unpriced", grouped(total.unpriced_attempts)),
        fact("Tokens in", short(total.input_tokens)),
        fact("Tokens out", short(total.output_tokens)),
        fact("Latency p50", seconds(total.latency_ms_p50)),
        fact("Latency p95", seconds(total.latency_ms_p95)),
        fact("First content p50", seconds(total.first_token_ms_p50)),
    ]
}

/// A table of the page; the rows that count most are first, days in their order.
fn table(report: &UsageReport, currency: &Currency) -> Cell {
    let mut rows: Vec<&UsageRow> = report.rows.iter().collect();
    let more = if report.by == UsageBy::Day {
        0
    } else {
        rows.sort_by_key(|row| Reverse(row.count));
        let more = rows.len().saturating_sub(MANY);
        rows.truncate(MANY);
        more
    };
    context! {
        by => report.by.as_str(),
        counted => report.by.counted(),
        rows => rows.into_iter().map(|row| cells(row, currency)).collect::<Vec<_>>(),
        total => cells(&report.total, currency),
        more,
    }
}

fn cells(row: &UsageRow, currency: &Currency) -> Vec<String> {
    vec![
        row.name.clone(),
        grouped(row.count),
        percent(row.success_rate()),
        percent(row.fallback_rate()),
        grouped(row.input_tokens),
        grouped(row.cached_input_tokens),
        grouped(row.output_tokens),
        cost(row, currency),
        grouped(row.unpriced_attempts),
        seconds(row.latency_ms_p50),
        seconds(row.latency_ms_p95),
        seconds(row.first_token_ms_p50),
        seconds(row.first_token_ms_p95),
    ]
}

fn cost(row: &UsageRow, currency: &Currency) -> String {
    let Some(cost) = row.cost_usd else {
        return if row.count == 0 { "–" } else { "unknown" }.to_owned();
    };
    let cost = cost * currency.per_usd;
    let text = if cost >= 100.0 { format!("{cost:.2}") } else { format!("{cost:.4}") };
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
    if currency.code == "USD" { format!("${whole}.{part}") } else { format!("{} {whole}.{part}", currency.code) }
}

fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| "–".to_owned(), |rate| format!("{:.1} %", rate * 100.0))
}

fn seconds(ms: Option<f64>) -> String {
    match ms {
        None => "–".to_owned(),
        Some(ms) if ms < 1000.0 => format!("{ms:.0} ms"),
        Some(ms) => format!("{:.2} s", ms / 1000.0),
    }
}

/// `1.23 M`, where it is long.
fn short(number: u64) -> String {
    let millions = number as f64 / 1e6;
    match number {
        0..1_000_000 => grouped(number),
        1_000_000..1_000_000_000 => format!("{millions:.2} M"),
        _ => format!("{:.2} B", millions / 1e3),
    }
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
