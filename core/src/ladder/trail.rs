//! Keeping the trail: one line per candidate passed over and per attempt made.

use std::time::Duration;

use super::plan::Candidate;
use super::step::Answer;
use crate::types::{Attempt, Failure, Next, Outcome, Usage};

#[derive(Debug, Default)]
pub(super) struct Trail(Vec<Attempt>);

impl Trail {
    pub(super) fn skipped(&mut self, candidate: &Candidate, reason: &str, now: Duration) {
        let mut line = Attempt::new(&*candidate.name, Outcome::Skipped, now);
        line.reason = Some(reason.to_owned());
        self.0.push(line);
    }

    /// Opens a line for an attempt and returns its number. Until it is closed it reads as cancelled.
    pub(super) fn started(&mut self, candidate: &Candidate, now: Duration) -> usize {
        self.0.push(Attempt::new(&*candidate.name, Outcome::Cancelled, now));
        self.0.len() - 1
    }

    pub(super) fn failed(&mut self, line: usize, failure: &Failure, now: Duration) {
        let Some(line) = self.0.get_mut(line) else {
            return;
        };
        line.outcome = Outcome::Failed;
        line.latency = now.saturating_sub(line.started);
        line.kind = Some(failure.kind);
        line.subkind = failure.subkind;
        line.reason = Some(failure.message.clone());
        line.status = failure.status;
        line.provider_code.clone_from(&failure.provider_code);
        line.request_id.clone_from(&failure.request_id);
        line.retry_after = failure.retry_after;
        line.usage = failure.usage.or(line.usage);
        line.cost = failure.cost.or(line.cost);
    }

    pub(super) fn answered(&mut self, line: usize, answer: &Answer, now: Duration) {
        let Some(line) = self.0.get_mut(line) else {
            return;
        };
        line.outcome = Outcome::Ok;
        line.latency = now.saturating_sub(line.started);
        line.status = Some(200);
        line.usage = answer.usage.or(line.usage);
        line.cost = answer.cost;
        line.request_id.clone_from(&answer.request_id);
    }

    /// A stream's first content has come.
    pub(super) fn spoke(&mut self, line: usize, now: Duration) {
        if let Some(line) = self.0.get_mut(line) {
            line.first_token = Some(now.saturating_sub(line.started));
            line.status = Some(200);
        }
    }

    pub(super) fn spent(&mut self, line: usize, usage: Usage) {
        if let Some(line) = self.0.get_mut(line) {
            line.usage = Some(usage);
        }
    }

    pub(super) fn ended(&mut self, line: usize, outcome: Outcome, reason: &str, now: Duration) {
        let Some(line) = self.0.get_mut(line) else {
            return;
        };
        line.outcome = outcome;
        line.latency = now.saturating_sub(line.started);
        line.reason = Some(reason.to_owned());
    }

    /// The held answer of this line is delivered after all.
    pub(super) fn accepted(&mut self, line: usize) {
        if let Some(line) = self.0.get_mut(line) {
            line.outcome = Outcome::Ok;
        }
    }

    pub(super) fn decided(&mut self, line: usize, next: Next, why: impl Into<String>) {
        if let Some(line) = self.0.get_mut(line) {
            line.next = Some(next);
            line.next_reason = Some(why.into());
        }
    }

    pub(super) fn lines(&self) -> &[Attempt] {
        &self.0
    }
}
