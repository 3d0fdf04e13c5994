//! A thousand streams at once that nobody hurries to read: memory stays bounded, and nothing is left when they are gone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)]
#![cfg(target_os = "linux")]

mod support;

use std::time::Duration;

use futures_util::{StreamExt, stream};
use locum::{Event, Router};
use serde_json::json;
use support::Mock;

/// Streams; fewer where the system gives fewer file descriptors.
const STREAMS: usize = 1_000;
/// How many of them are opened at a time, so that no connection waits for the one mock for too long.
const AT_ONCE: usize = 50;
/// Pieces of 4 kB that each answer has.
const PIECES: usize = 200;
/// Events that each one reads before it rests.
const READ: usize = 3;
/// What one may cost, of the 800 kB that its answer has.
const KB_EACH: usize = 150;

fn number(text: &str) -> Option<usize> {
    text.split_whitespace().find_map(|word| word.parse().ok())
}

/// Resident memory of this process.
fn resident_kb() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find(|line| line.starts_with("VmRSS")).and_then(number).unwrap()
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn most_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    limits.lines().find(|line| line.starts_with("Max open files")).and_then(number).unwrap_or(usize::MAX)
}

/// Waits until `holds`, for ten seconds at most.
async fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    for _ in 0..1_000 {
        if holds() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[test]
fn a_thousand_slow_readers_cost_little_and_leave_nothing() {
    let streams = STREAMS.min(most_files().saturating_sub(100));
    let piece = "all the words of a long answer, ".repeat(128);
    let script = json!({"a": [{"answer": {"text": ""}, "stream": {"chunks": [piece], "repeat": PIECES}}]});
    let mock = Mock::start_with("load", &script, &["--quiet"]);
    let router = Router::from_value(json!({
        "providers": {"a": {"kind": "openai", "base_url": mock.base_url, "api_key": "test"}},
        "tasks": {"t": {"primary": "a/m"}},
    }))
    .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let metrics = runtime.metrics();
    runtime.block_on(async {
        // The transport comes to life with its first call.
        let mut first = router.stream("t", "warm up");
        assert!(first.next().await.unwrap().is_ok());
        drop(first);
        assert!(eventually(|| metrics.num_alive_tasks() == 0).await, "{} tasks at rest", metrics.num_alive_tasks());
        let (files, before) = (open_files(), resident_kb());

        let reading = (0..streams).map(|_| {
            let mut stream = router.stream("t", "on and on");
            async move {
                for _ in 0..READ {
                    let event = stream.next().await.expect("it goes on").expect("it goes well");
                    assert!(matches!(event, Event::Start { .. } | Event::Text(_)), "{event:?}");
                }
                stream
            }
        });
        let held: Vec<_> = stream::iter(reading).buffer_unordered(AT_ONCE).collect().await;
        let mut most = 0;
        // Whatever still reads ahead of them has the time to do so.
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            most = most.max(resident_kb());
        }
        let each = most.saturating_sub(before) / streams;
        println!("{streams} streams that rest after {READ} events: {each} kB resident each");
        assert!(each < KB_EACH, "{each} kB each");
        assert!(open_files() >= files + streams, "every stream has its connection");

        drop(held);
        assert!(eventually(|| metrics.num_alive_tasks() == 0).await, "{} tasks left", metrics.num_alive_tasks());
        assert!(eventually(|| open_files() <= files).await, "{} files open, {files} before", open_files());
    });
}
