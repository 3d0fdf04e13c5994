//! Limits that the deadline makes idle, and candidates that it leaves no time.

use std::time::Duration;

use super::place;
use crate::config::policy::Task;
use crate::config::problem::{Findings, Places, join};
use crate::types::{FirstToken, HedgeAfter};

/// Less time than this is hardly enough for an answer, or for the first word of one.
const SHORTEST_TURN: Duration = Duration::from_millis(500);

pub(super) fn add(task: &Task, places: &Places, lints: &mut Findings) {
    let Some(deadline) = task.max_latency else {
        return;
    };
    let path = join("tasks", &task.name);
    limits(task, deadline, &path, places, lints);
    if task.allow_fallback {
        turns(task, deadline, &path, places, lints);
    }
}

/// Limits that end after the deadline.
fn limits(task: &Task, deadline: Duration, path: &str, places: &Places, lints: &mut Findings) {
    if explicit(task.first_token).is_some_and(|limit| limit >= deadline) {
        lints.add(
            places.find(&join(path, "first_token_ms")),
            format!("never takes effect, since max_latency_ms ({} ms) is not above it", deadline.as_millis()),
        );
    }
    for model in &task.candidates {
        let Some(alias) = &model.alias else {
            continue;
        };
        let first_token = explicit(model.first_token).filter(|limit| *limit >= deadline);
        let timeout = model.timeout.filter(|timeout| *timeout > deadline);
        for (key, limit) in [("timeout_ms", timeout), ("first_token_ms", first_token)] {
            let Some(limit) = limit.map(|limit| limit.as_millis()) else {
                continue;
            };
            let ends = if deadline.as_millis() < limit { "ends before" } else { "is no longer than" };
            lints.add(
                places.find(&join(path, "max_latency_ms")),
                format!("{ends} the {key} of {alias:?} ({limit} ms), which never takes effect here"),
            );
        }
    }
}

fn explicit(limit: Option<FirstToken>) -> Option<Duration> {
    match limit {
        Some(FirstToken::After(limit)) => Some(limit),
        Some(FirstToken::Auto) | None => None,
    }
}

/// The first candidate that begins too late when all before it are silent.
fn turns(task: &Task, deadline: Duration, path: &str, places: &Places, lints: &mut Findings) {
    let delay = match task.hedge_after {
        Some(HedgeAfter::After(delay)) => Some(delay),
        Some(HedgeAfter::Percentile(_)) | None => None,
    };
    let key = join(path, "hedge_after_ms");
    if delay.is_some_and(|delay| delay >= deadline) {
        let sentence = format!("is not below max_latency_ms ({} ms): no stand-in starts", deadline.as_millis());
        lints.add(places.find(&key), sentence);
        return;
    }
    let mut left = deadline;
    for (i, model) in task.candidates.iter().enumerate().skip(1) {
        left = delay.map_or(left / 2, |delay| left.saturating_sub(delay));
        if left >= SHORTEST_TURN {
            continue;
        }
        let (place, begins) = match delay {
            Some(_) => (places.find(&key), format!("{} begins", model.name())),
            None => (place(task, i, places), "begins".to_owned()),
        };
        let time = if left.is_zero() { "no time".to_owned() } else { format!("only {} ms", left.as_millis()) };
        let sentence = format!("{begins} with {time} left of max_latency_ms while those before it are silent");
        lints.add(place, sentence);
        return;
    }
}
