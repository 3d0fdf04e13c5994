//! Keeping the trail: one line per candidate passed over and per attempt made.

use std::time::Duration;

use super::health::Standing;
use super::plan::Candidate;
use super::step::Answer;
use crate::error::ErrorKind;
use crate::types::{Attempt, Failure, Next, Outcome, Price, Usage};

/// Of English text in any model's tokens, about.
const BYTES_PER_TOKEN: u64 = 4;

#[derive(Debug, Default)]
pub(super) struct Trail(Vec<Attempt>);

impl Trail {
    pub(super) fn skipped(&mut self, candidate: &Candidate, reason: &str, now: Duration) {
        let mut line = Attempt::new(&*candidate.name, Outcome::Skipped, now);
        line.reason = Some(reason.to_owned());
        line.key = candidate.key;
        self.0.push(line);
    }

    /// A candidate that is not well is passed over.
    pub(super) fn passed(&mut self, candidate: &Candidate, standing: &Standing, now: Duration, at: Duration) {
        self.skipped(candidate, &standing.sentence(at), now);
        if let (Some(line), Standing::Shut { until, kind, .. }) = (self.0.last_mut(), standing) {
            line.kind = Some(*kind);
            line.retry_after = Some(until.saturating_sub(at));
        }
    }

    /// Takes the line of a candidate back that was passed over and is tried after all.
    pub(super) fn unpass(&mut self, candidate: &Candidate) {
        let is_its = |line: &Attempt| *line.model == *candidate.name && line.key == candidate.key;
        if let Some(at) = self.0.iter().rposition(|line| line.outcome == Outcome::Skipped && is_its(line)) {
            self.0.remove(at);
        }
    }

    /// Opens a line for an attempt and returns its number. Until it is closed it reads as cancelled.
    pub(super) fn started(&mut self, candidate: &Candidate, now: Duration) -> usize {
        let mut line = Attempt::new(&*candidate.name, Outcome::Cancelled, now);
        line.key = candidate.key;
        self.0.push(line);
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
        line.cost = answer.cost.or(line.cost);
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

    /// What the attempt of this line has cost: as the provider says, or else by the price of its tokens, if there is one. Of an
    /// attempt that worked and did not end, the tokens that the provider told, if it told any, are no more than a part: it costs at
    /// least the prompt and the `bytes` that it said.
    pub(super) fn bill(&mut self, line: usize, price: Option<Price>, prompt: u64, bytes: usize) {
        let Some(line) = self.0.get_mut(line) else {
            return;
        };
        let worked = match line.outcome {
            Outcome::Ok | Outcome::HedgedOut | Outcome::Cancelled => true,
            Outcome::Skipped => false,
            // A provider that refuses a request does not charge for it; one that was cut off, or answered nonsense, does.
            Outcome::Failed => {
                line.status.is_none_or(|status| status < 400)
                    && !matches!(line.subkind, Some("connect" | "pool"))
                    && !(line.status.is_none() && unsent(line.kind))
            }
        };
        let said = (bytes as u64).div_ceil(BYTES_PER_TOKEN);
        let told = line.usage.unwrap_or(Usage { input: prompt, ..Usage::default() });
        let whole = line.usage.is_some() && (line.outcome == Outcome::Ok || told.output >= said);
        if worked && !whole {
            line.estimate = Some(Usage { output: told.output.max(said), ..told });
        }
        if line.cost.is_none()
            && let Some((price, usage)) = price.zip(line.estimate.or(line.usage))
        {
            line.cost = Some(price.of(&usage));
            line.cost_is_estimate = line.estimate.is_some();
        }
    }

    pub(super) fn lines(&self) -> &[Attempt] {
        &self.0
    }
}

/// Whether a failure that came without a status is about a request that could not be written, so that nothing was sent.
fn unsent(kind: Option<ErrorKind>) -> bool {
    matches!(kind, Some(ErrorKind::InvalidRequest | ErrorKind::Unsupported | ErrorKind::Config))
}
