//! What it costs to ask for a whole answer as a stream: the same call with `upstream = "unary"` and `"stream"`, in turns,
//! against `locum mock` in a process of its own. Medians over the rounds.
//!
//! `cargo bench -p locum --features cli --bench upstream`

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, clippy::print_stdout, unreachable_pub)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use locum::{Router, Upstream};
use serde_json::json;
use support::Mock;

const ROUNDS: usize = 15;
const CALLS: u32 = 200;
const WORDS: [usize; 2] = [20, 300];
const MODES: [(&str, Upstream); 2] = [("unary", Upstream::Unary), ("stream", Upstream::Stream)];

/// User and system time of this process so far, in ticks of 10 ms.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(") ").next().unwrap();
    after_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

async fn round(router: &Router, upstream: Upstream) -> (Duration, u64) {
    let (begin, cpu) = (Instant::now(), cpu_ticks());
    for _ in 0..CALLS {
        router.complete("t", "Hi").upstream(upstream).await.unwrap();
    }
    (begin.elapsed() / CALLS, cpu_ticks() - cpu)
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort();
    *values.get(values.len() / 2).unwrap()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    println!("| words | upstream | µs per call | CPU µs per call |\n|---:|---|---:|---:|");
    for words in WORDS {
        let mock = Mock::start_with("upstream", &json!({"a": [{"answer": "word ".repeat(words)}]}), &["--quiet"]);
        let router = Router::from_value(json!({
            "providers": {"a": {"kind": "openai", "base_url": mock.base_url, "api_key": "test"}},
            "tasks": {"t": {"primary": "a/m"}},
        }))
        .unwrap();
        // On the runtime's own thread, as an application's calls are.
        let rounds = runtime.block_on(runtime.spawn(async move {
            round(&router, Upstream::Unary).await;
            let mut rounds = MODES.map(|_| Vec::new());
            for _ in 0..ROUNDS {
                for ((_, upstream), times) in MODES.iter().zip(&mut rounds) {
                    times.push(round(&router, *upstream).await);
                }
            }
            rounds
        }));
        for ((name, _), times) in MODES.iter().zip(rounds.unwrap()) {
            let wall = median(times.iter().map(|(wall, _)| wall.as_micros()).collect());
            let cpu = median(times.iter().map(|(_, ticks)| ticks * 10_000 / u64::from(CALLS)).collect());
            println!("| {words} | {name} | {wall} | {cpu} |");
        }
    }
}
