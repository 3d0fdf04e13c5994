//! Two drills on the wire, against `locum mock` in a process of its own.
//!
//! **Outage**: 200 calls a second for 100 s; from second 10 to second 70 the primary answers 503 (or, in a second run, says
//! nothing). How many calls failed, what the primary saw meanwhile, when traffic came back, and what the stand-in's calls took.
//!
//! **Hedge**: a primary that stalls once in ten, alone and with `hedge_after_ms = 300`.
//!
//! `cargo bench -p locum --features cli --bench outage` (about four minutes; `-- quick` for a sixth of the times)

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    unreachable_pub
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use locum::{Outcome, Reply, Router};
use serde_json::{Value, json};
use support::Mock;
use tokio::time::{Instant, interval};

const PER_SECOND: u64 = 200;

/// A call: when it began, and how it went.
struct Call {
    at: Duration,
    took: Duration,
    reply: Result<Reply, locum::Error>,
}

fn router(mock: &Mock, task: &Value) -> Router {
    let provider = |name: &str| json!({"kind": "openai", "base_url": mock.urls[name], "api_key": "test"});
    let mut config = json!({
        "state": "router",
        "providers": {"primary": provider("primary"), "spare": provider("spare")},
        "models": {
            "big": {"use": "primary/big", "price": {"input": 2.0, "output": 8.0}},
            "small": {"use": "spare/small", "price": {"input": 0.5, "output": 2.0}},
        },
        "tasks": {"t": {"primary": "big", "fallback": ["small"], "max_latency_ms": 4000}},
    });
    config["tasks"]["t"].as_object_mut().unwrap().extend(task.as_object().unwrap().clone());
    Router::from_value(config).unwrap()
}

/// Calls at a steady pace, whether or not the earlier ones are over.
async fn calls(router: &Router, per_second: u64, lasts: Duration) -> Vec<Call> {
    let begin = Instant::now();
    let mut pace = interval(Duration::from_nanos(1_000_000_000 / per_second));
    let mut running = Vec::new();
    while begin.elapsed() < lasts {
        pace.tick().await;
        let (router, at) = (router.clone(), begin.elapsed());
        running.push(tokio::spawn(async move {
            let own = Instant::now();
            let reply = router.complete("t", "Hi").await;
            Call { at, took: own.elapsed(), reply }
        }));
    }
    let mut calls = Vec::new();
    for call in running {
        calls.push(call.await.unwrap());
    }
    calls
}

/// A percentile in milliseconds.
fn at(times: &mut [Duration], percent: usize) -> f64 {
    times.sort();
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).unwrap_or(&Duration::ZERO).as_secs_f64()
        * 1e3
}

fn asked(call: &Call, model: &str) -> usize {
    let attempts = match &call.reply {
        Ok(reply) => &reply.attempts[..],
        Err(error) => error.attempts(),
    };
    attempts.iter().filter(|attempt| attempt.model == model && attempt.outcome != Outcome::Skipped).count()
}

async fn outage(name: &str, step: Value, unit: Duration) {
    let (from, lasts) = (unit, unit * 6);
    let down = json!({"after_ms": from.as_millis() as u64, "for_ms": lasts.as_millis() as u64, "step": step});
    let script = json!({
        "primary": {"outage": down, "steps": [{"answer": "Hello", "delay_ms": 20}]},
        "spare": [{"answer": "Hello", "delay_ms": 20}],
    });
    let mock = Mock::start_with("outage", &script, &["--quiet"]);
    let router = router(&mock, &json!({}));
    let calls = calls(&router, PER_SECOND, unit * 10).await;
    let until = from + lasts;
    let failed = calls.iter().filter(|call| call.reply.is_err()).count();
    let within = |from: Duration, until: Duration| calls.iter().filter(move |call| call.at >= from && call.at < until);
    let probes: usize = within(from, until).map(|call| asked(call, "primary/big")).sum();
    let back = calls
        .iter()
        .find(|call| call.at >= until && call.reply.as_ref().is_ok_and(|reply| reply.model == "primary/big"));
    let back = back.map_or(f64::NAN, |call| (call.at + call.took - until).as_secs_f64());
    let mut well: Vec<Duration> = within(Duration::ZERO, from).map(|call| call.took).collect();
    let mut ill: Vec<Duration> = within(from, until).map(|call| call.took).collect();
    println!(
        "| {name} | {} | {failed} | {probes} | {back:.1} | {:.1} / {:.1} | {:.1} / {:.1} |",
        calls.len(),
        at(&mut well, 50),
        at(&mut well, 99),
        at(&mut ill, 50),
        at(&mut ill, 99),
    );
}

async fn hedge(name: &str, task: Value, lasts: Duration) {
    let script = json!({
        "primary": {"cycle": true, "steps": [
            {"answer": "Hello", "delay_ms": 50, "times": 9}, {"answer": "Hello", "delay_ms": 3000},
        ]},
        "spare": [{"answer": "Hello", "delay_ms": 50}],
    });
    let mock = Mock::start_with("hedge", &script, &["--quiet"]);
    let router = router(&mock, &task);
    let calls = calls(&router, 100, lasts).await;
    let mut times: Vec<Duration> = calls.iter().map(|call| call.took).collect();
    let extra: usize = calls.iter().map(|call| asked(call, "spare/small")).sum();
    let cost: f64 = calls.iter().filter_map(|call| call.reply.as_ref().ok()?.cost).sum();
    println!(
        "| {name} | {} | {} | {:.1} / {:.1} | {extra} ({:.1} %) | {:.2} |",
        calls.len(),
        calls.iter().filter(|call| call.reply.is_err()).count(),
        at(&mut times, 50),
        at(&mut times, 99),
        extra as f64 * 100.0 / calls.len() as f64,
        cost * 1e6 / calls.len() as f64,
    );
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "quick");
    let unit = Duration::from_secs(if quick { 2 } else { 10 });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        println!("| primary | calls | failed | asked of the primary while it was down | back after s | p50 / p99 ms before | p50 / p99 ms meanwhile |\n|---|---:|---:|---:|---:|---:|---:|");
        outage("503", json!({"status": 503}), unit).await;
        outage("500", json!({"status": 500}), unit).await;
        outage("silent", json!({"silence": true}), unit).await;
        println!("\n| stalls once in ten | calls | failed | p50 / p99 ms | asked of the stand-in | µUSD a call |\n|---|---:|---:|---:|---:|---:|");
        hedge("no hedge", json!({}), unit * 2).await;
        hedge("hedge_after_ms = 300", json!({"hedge_after_ms": 300}), unit * 2).await;
        hedge("hedge_after_ms = \"p90\"", json!({"hedge_after_ms": "p90"}), unit * 2).await;
    });
}
