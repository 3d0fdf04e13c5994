//! What goes on the books of a call that has ended.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};

#[cfg(feature = "otlp")]
use super::telemetry;
use super::{Inner, Prepared};
use crate::accounting::jsonl::Jsonl;
#[cfg(feature = "postgres")]
use crate::accounting::postgres::{Address, Postgres};
#[cfg(feature = "sqlite")]
use crate::accounting::sqlite::Sqlite;
use crate::accounting::{Books, Sink};
use crate::config::Policy;
use crate::driver::{Book, Closing};
use crate::error::ErrorKind;
use crate::observe::Notices;
use crate::state::Members;
use crate::types::{AttemptRecord, CallRecord, Lines, Outcome, TraceParent};

/// The ways to where a configuration has records kept.
#[cfg_attr(not(feature = "otlp"), allow(unused_variables, reason = "only metrics tell of the members"))]
pub(super) fn of(policy: &Policy, members: &Arc<Members>, notices: &Arc<Notices>) -> Vec<Books> {
    let accounting = &policy.accounting;
    let mut books = Vec::new();
    let mut keep = |sink: Box<dyn Sink>| {
        let notices = Arc::clone(notices);
        books.push(Books::new(sink, move |topic, message| notices.tell(topic, message)));
    };
    if let Some(Lines { path, max_bytes, keep: files }) = &accounting.jsonl {
        keep(Box::new(Jsonl::new(path.clone(), *max_bytes, *files)));
    }
    #[cfg(feature = "sqlite")]
    if let Some(path) = &accounting.sqlite {
        keep(Box::new(Sqlite::new(path.clone())));
    }
    #[cfg(feature = "postgres")]
    if let Some(Ok(address)) = accounting.postgres.as_ref().map(Address::new) {
        keep(Box::new(Postgres::new(address)));
    }
    #[cfg(feature = "otlp")]
    if let Some(settings) = &accounting.otlp {
        keep(Box::new(telemetry::exporter(settings, policy, members, notices)));
    }
    books
}

impl Inner {
    /// Whether anybody keeps books.
    fn keeps_books(&self) -> bool {
        !self.books.is_empty() || self.watchers.want(crate::types::Happening::CallEnded.level())
    }

    /// What writes the call down when it has ended, however it ends.
    pub(super) fn booking(self: &Arc<Self>, call: u64, prepared: &mut Prepared) -> Option<Box<Book>> {
        let held = prepared.held.take();
        let keeps_books = self.keeps_books();
        if !keeps_books && held.is_none() {
            return None;
        }
        let Prepared { task, taker, choices, options, live, .. } = prepared;
        let inner = Arc::clone(self);
        let (task, taker, choices) = (Arc::clone(task), Arc::clone(taker), Arc::clone(choices));
        let traceparent = options.traceparent.as_deref().and_then(TraceParent::parse);
        let (customer, metadata, stream) = (options.customer.clone(), options.metadata.clone(), live.is_some());
        Some(Box::new(move |closing| {
            let Closing { result, latency, first_token, attempts, answer } = closing;
            let made = attempts.iter().filter(|attempt| attempt.outcome != Outcome::Skipped);
            let attempts: Vec<_> = made
                .map(|attempt| {
                    let number = |key: &crate::config::Key| key.number;
                    let choice = choices.iter().find(|choice| {
                        choice.model.name() == attempt.model && choice.key.as_ref().and_then(number) == attempt.key
                    });
                    AttemptRecord {
                        provider: choice.map(|choice| choice.model.provider.name.clone()).unwrap_or_default(),
                        depth: choice.map_or(0, |choice| choice.place),
                        usage: attempt.estimate.or(attempt.usage),
                        usage_is_estimate: attempt.estimate.is_some(),
                        attempt: attempt.clone(),
                    }
                })
                .collect();
            if let Some(held) = held {
                held.settle(&attempts);
            }
            if !keeps_books {
                return;
            }
            let winner = result.ok().and_then(|candidate| choices.get(candidate));
            let (kind, subkind) = result.err().map_or((None, None), |(kind, subkind)| (Some(kind), subkind));
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let at = now.saturating_sub(latency);
            inner.write_down(
                call,
                CallRecord {
                    id: id(at),
                    at,
                    task: task.name.clone(),
                    handed_to: (task.name != taker.name).then(|| taker.name.clone()),
                    customer,
                    metadata,
                    stream,
                    outcome: match kind {
                        None => Outcome::Ok,
                        Some(ErrorKind::Cancelled) => Outcome::Cancelled,
                        Some(_) => Outcome::Failed,
                    },
                    kind,
                    subkind,
                    model: winner.map(|choice| choice.model.name()),
                    fallback_used: winner.is_some_and(|choice| choice.place > 0),
                    latency,
                    first_token,
                    cost: attempts.iter().filter_map(|record| record.attempt.cost).reduce(|sum, cost| sum + cost),
                    cost_is_estimate: attempts.iter().any(|record| record.attempt.cost_is_estimate),
                    attempts,
                    traceparent,
                    served_by: answer.and_then(|answer| answer.served_by.clone()),
                    finish: answer.map(|answer| answer.finish.unified),
                },
            );
        }))
    }

    fn write_down(&self, call: u64, record: CallRecord) {
        let record = Arc::new(record);
        self.books.iter().for_each(|books| books.put(&record));
        super::watch::ended(&self.watchers, call, &record);
    }
}

/// Grows with time, and is nobody else's: 12 digits of milliseconds, 20 of chance. The chance is the system's: the children of a
/// fork have the same state of any other.
fn id(at: Duration) -> String {
    let mut chance = [0; 10];
    if SystemRandom::new().fill(&mut chance).is_err() {
        fastrand::fill(&mut chance);
    }
    let chance = chance.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
    format!("{:012x}{chance:020x}", at.as_millis() & 0xffff_ffff_ffff)
}
