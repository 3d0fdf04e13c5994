//! Telling whoever watches what happens in calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::Task;
use crate::ladder::Note;
use crate::ladder::health::Change;
use crate::observe::Watchers;
use crate::route::Choice;
use crate::types::{CallRecord, Happening, RouterEvent};

/// Numbers the calls of a router.
#[derive(Debug, Default)]
pub(super) struct Calls(AtomicU64);

impl Calls {
    pub(super) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// What tells the events of one call to those who want them.
pub(super) fn teller(
    watchers: &Arc<Watchers>,
    call: u64,
    task: &Arc<Task>,
    choices: &Arc<[Choice]>,
) -> Box<dyn Fn(Note) + Send + Sync> {
    let (watchers, task, choices) = (Arc::clone(watchers), Arc::clone(task), Arc::clone(choices));
    Box::new(move |note| {
        if watchers.want(what(&note).level()) {
            watchers.tell(&event(note, call, &task.name, &choices));
        }
    })
}

/// Tells that a call has ended.
pub(super) fn ended(watchers: &Watchers, call: u64, record: &Arc<CallRecord>) {
    let what = Happening::CallEnded;
    if !watchers.want(what.level()) {
        return;
    }
    let last = record.attempts.last().map(|last| last.attempt.model.clone());
    watchers.tell(&RouterEvent {
        what,
        at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        call,
        task: record.task.clone(),
        model: record.model.clone().or(last).unwrap_or_default(),
        key: None,
        attempt: None,
        kind: record.kind,
        reason: None,
        from: None,
        scope: None,
        lasts: None,
        retry_after: None,
        latency: Some(record.latency),
        record: Some(Arc::clone(record)),
    });
}

fn what(note: &Note) -> Happening {
    match note {
        Note::Started { .. } => Happening::AttemptStarted,
        Note::Answered { .. } => Happening::AttemptAnswered,
        Note::Failed { .. } => Happening::AttemptFailed,
        Note::Switched { .. } => Happening::Switched,
        Note::Hedged { .. } => Happening::Hedged,
        Note::BudgetEmpty { .. } => Happening::BudgetEmpty,
        Note::Changed { change, .. } => match change {
            Change::Opened { .. } => Happening::BreakerOpened,
            Change::HalfOpen { .. } => Happening::HalfOpen,
            Change::Closed { .. } => Happening::Closed,
            Change::Cooled { .. } => Happening::Cooled,
        },
    }
}

fn event(note: Note, call: u64, task: &str, choices: &[Choice]) -> RouterEvent {
    let name = |candidate: usize| choices.get(candidate).map(|choice| choice.model.name()).unwrap_or_default();
    let what = what(&note);
    let about = |candidate: usize| RouterEvent {
        what,
        at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        call,
        task: task.to_owned(),
        model: name(candidate),
        key: choices.get(candidate).and_then(|choice| choice.key.as_ref()?.number),
        attempt: None,
        kind: None,
        reason: None,
        from: None,
        scope: None,
        lasts: None,
        retry_after: None,
        latency: None,
        record: None,
    };
    match note {
        Note::Started { attempt, candidate } => RouterEvent { attempt: Some(attempt), ..about(candidate) },
        Note::Answered { attempt, candidate, latency } => {
            RouterEvent { attempt: Some(attempt), latency: Some(latency), ..about(candidate) }
        }
        Note::Failed { attempt, candidate, kind, reason, retry_after, latency } => RouterEvent {
            attempt: Some(attempt),
            kind: Some(kind),
            reason: Some(reason),
            retry_after,
            latency: Some(latency),
            ..about(candidate)
        },
        Note::Switched { from, to } => RouterEvent { from: Some(name(from)), ..about(to) },
        Note::Hedged { beside, candidate, cut } => RouterEvent {
            from: Some(name(beside)),
            reason: cut.then(|| "the slow one was cut".to_owned()),
            ..about(candidate)
        },
        Note::BudgetEmpty { candidate } => about(candidate),
        Note::Changed { candidate, change } => match change {
            Change::Opened { scope, time } => {
                RouterEvent { scope: Some(scope.as_str()), lasts: Some(time), ..about(candidate) }
            }
            Change::HalfOpen { scope } | Change::Closed { scope } => {
                RouterEvent { scope: Some(scope.as_str()), ..about(candidate) }
            }
            Change::Cooled { scope, time, kind } => {
                RouterEvent { scope: Some(scope.as_str()), lasts: Some(time), kind: Some(kind), ..about(candidate) }
            }
        },
    }
}
