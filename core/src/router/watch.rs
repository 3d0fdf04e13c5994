//! Telling whoever watches what happens in calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::ladder::Note;
use crate::ladder::health::Change;
use crate::observe::Watchers;
use crate::route::Choice;
use crate::types::{Happening, RouterEvent};

/// Numbers the calls of a router.
#[derive(Debug, Default)]
pub(super) struct Calls(AtomicU64);

impl Calls {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// What tells the events of one call; nothing where nobody watches.
pub(super) fn teller(
    watchers: &Arc<Watchers>,
    calls: &Calls,
    task: &str,
    choices: &[Choice],
) -> Box<dyn Fn(Note) + Send + Sync> {
    if !watchers.any() {
        return Box::new(|_| ());
    }
    let (watchers, call, task) = (Arc::clone(watchers), calls.next(), task.to_owned());
    let names: Vec<(String, Option<u32>)> =
        choices.iter().map(|choice| (choice.model.name(), choice.key.as_ref().and_then(|key| key.number))).collect();
    Box::new(move |note| watchers.tell(&event(note, call, &task, &names)))
}

fn event(note: Note, call: u64, task: &str, names: &[(String, Option<u32>)]) -> RouterEvent {
    let name = |candidate: usize| names.get(candidate).cloned().unwrap_or_default();
    let about = |what: Happening, candidate: usize| {
        let (model, key) = name(candidate);
        RouterEvent {
            what,
            at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            call,
            task: task.to_owned(),
            model,
            key,
            attempt: None,
            kind: None,
            reason: None,
            from: None,
            scope: None,
            lasts: None,
            retry_after: None,
            latency: None,
        }
    };
    match note {
        Note::Started { attempt, candidate } => {
            RouterEvent { attempt: Some(attempt), ..about(Happening::AttemptStarted, candidate) }
        }
        Note::Answered { attempt, candidate, latency } => RouterEvent {
            attempt: Some(attempt),
            latency: Some(latency),
            ..about(Happening::AttemptAnswered, candidate)
        },
        Note::Failed { attempt, candidate, kind, reason, retry_after, latency } => RouterEvent {
            attempt: Some(attempt),
            kind: Some(kind),
            reason: Some(reason),
            retry_after,
            latency: Some(latency),
            ..about(Happening::AttemptFailed, candidate)
        },
        Note::Switched { from, to } => RouterEvent { from: Some(name(from).0), ..about(Happening::Switched, to) },
        Note::Hedged { beside, candidate, cut } => RouterEvent {
            from: Some(name(beside).0),
            reason: cut.then(|| "the slow one was cut".to_owned()),
            ..about(Happening::Hedged, candidate)
        },
        Note::BudgetEmpty { candidate } => about(Happening::BudgetEmpty, candidate),
        Note::Changed { candidate, change } => match change {
            Change::Opened { scope, time } => RouterEvent {
                scope: Some(scope.as_str()),
                lasts: Some(time),
                ..about(Happening::BreakerOpened, candidate)
            },
            Change::HalfOpen { scope } => {
                RouterEvent { scope: Some(scope.as_str()), ..about(Happening::HalfOpen, candidate) }
            }
            Change::Closed { scope } => {
                RouterEvent { scope: Some(scope.as_str()), ..about(Happening::Closed, candidate) }
            }
            Change::Cooled { scope, time, kind } => RouterEvent {
                scope: Some(scope.as_str()),
                lasts: Some(time),
                kind: Some(kind),
                ..about(Happening::Cooled, candidate)
            },
        },
    }
}
