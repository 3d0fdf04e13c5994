//! What keeping records costs a call: the same call through a router that keeps none, one that writes lines of JSON, and one whose
//! file takes nothing at all (a named pipe that nobody reads: the thread that writes hangs when it opens it). In turns, against
//! `locum mock` in a process of its own. Medians over the rounds, and their ratios to the first.
//!
//! `cargo bench -p locum --features cli --bench accounting` (a few seconds; Unix)

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, clippy::print_stdout, unreachable_pub)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use locum::{Router, UsageBy};
use serde_json::{Value, json};
use support::Mock;

const ROUNDS: usize = 41;
const CALLS: usize = 200;

fn router(mock: &Mock, accounting: &Value) -> Router {
    Router::from_value(json!({
        "state": "router",
        "providers": {"a": {"kind": "openai", "base_url": mock.base_url, "api_key": "test"}},
        "tasks": {"t": {"primary": "a/m"}},
        "accounting": accounting,
    }))
    .unwrap()
}

/// What the calls of a round took, sorted.
async fn round(router: &Router) -> Vec<Duration> {
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let begin = Instant::now();
        router.complete("t", "Hi").customer("acme").await.unwrap();
        times.push(begin.elapsed());
    }
    times.sort();
    times
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    *values.get(values.len() / 2).unwrap()
}

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("accounting-bench");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let pipe = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mock = Mock::start_with("accounting", &json!({"a": [{"answer": "Hello"}]}), &["--quiet"]);
    let routers = [
        ("none", router(&mock, &json!({}))),
        ("lines of JSON", router(&mock, &json!({"jsonl": {"path": folder.join("usage.jsonl")}}))),
        ("a file that hangs", router(&mock, &json!({"jsonl": {"path": pipe}}))),
    ];
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let own = routers.clone();
    // On the runtime's own thread, as an application's calls are.
    let rounds = runtime.block_on(runtime.spawn(async move {
        let mut rounds = [const { Vec::new() }; 3];
        for number in 0..=ROUNDS {
            for ((_, router), times) in own.iter().zip(&mut rounds) {
                let took = round(router).await;
                // The first makes the connections.
                if number > 0 {
                    times.push(took);
                }
            }
        }
        rounds
    }));
    let made = (ROUNDS as u64 + 1) * CALLS as u64;
    let [_, (_, kept), (_, hung)] = &routers;
    assert!(kept.flush(None), "all of it is written");
    assert_eq!(kept.usage(UsageBy::Task, None, None).unwrap().total.count, made, "every call is on the books");
    assert!(!hung.flush(Some(Duration::ZERO)), "nothing of it is written");

    let micros = |times: &Vec<Vec<Duration>>, place: usize| {
        median(times.iter().filter_map(|round| Some(round.get(place)?.as_secs_f64() * 1e6)).collect())
    };
    println!("| records go to | p50 µs | to none | p99 µs | to none |\n|---|---:|---:|---:|---:|");
    let mut first = None;
    for ((name, _), times) in routers.iter().zip(rounds.unwrap()) {
        let (half, most) = (micros(&times, CALLS / 2), micros(&times, CALLS * 99 / 100));
        let (own_half, own_most) = *first.get_or_insert((half, most));
        println!("| {name} | {half:.0} | {:.2} | {most:.0} | {:.2} |", half / own_half, most / own_most);
    }
    drop(mock);
    // The thread that hangs is not waited for.
    std::process::exit(0);
}
