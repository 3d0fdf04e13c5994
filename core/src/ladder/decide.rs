//! The single questions the machine asks itself: is this answer wanted, may the same candidate try again and when, does
//! this failure surface, who is next.

use std::time::Duration;

use super::backoff::{BRIEF, LONGEST_WAIT, LOOK_AGAIN, SHORT_WAIT, THROTTLED, delay};
use super::health::{Standing, Why};
use super::machine::Ladder;
use super::step::{Answer, Turn};
use super::verdict::{Fallback, Retry, Verdict, verdict};
use crate::error::ErrorKind;
use crate::types::{Amend, Failure, FallbackOn, FinishReason, Strict};

/// How often one candidate may be asked again with a changed request.
const MAX_AMENDS: usize = 3;

impl Ladder {
    /// The failure that the task sees in this answer, if it asked to see one.
    pub(super) fn unwanted(&self, answer: &Answer) -> Option<Failure> {
        let told = |cause| self.plan.fallback_on.contains(&cause);
        let (kind, subkind, message) = match (&answer.flaw, answer.finish.unified) {
            (Some(flaw), _) if flaw.fatal => (ErrorKind::InvalidOutput, Some(flaw.subkind), flaw.message.as_str()),
            (_, FinishReason::ContentFilter) if told(FallbackOn::ContentFilter) => {
                (ErrorKind::ContentFiltered, Some("output"), "a filter held the answer back")
            }
            (_, FinishReason::Refusal) if told(FallbackOn::Refusal) => {
                (ErrorKind::Refusal, None, "the model declined to answer")
            }
            (_, FinishReason::Length) if told(FallbackOn::Length) => {
                (ErrorKind::InvalidOutput, Some("length"), "the answer was cut at the token limit")
            }
            (_, FinishReason::ContentFilter | FinishReason::Refusal | FinishReason::Length) => return None,
            (Some(flaw), _) if told(FallbackOn::InvalidOutput) => {
                (ErrorKind::InvalidOutput, Some(flaw.subkind), flaw.message.as_str())
            }
            _ => return None,
        };
        Some(Failure {
            subkind,
            status: Some(200),
            request_id: answer.request_id.clone(),
            usage: answer.usage,
            cost: answer.cost,
            ..Failure::new(kind, message)
        })
    }

    /// How long to wait before the same candidate is asked again; `None` when it is not.
    pub(super) fn retry_delay(
        &mut self,
        candidate: usize,
        failure: &Failure,
        retry: Retry,
        stand_in: bool,
        now: Duration,
    ) -> Option<Duration> {
        let used = self.seats.get(candidate)?.retries;
        let retry = match (retry, failure.should_retry) {
            (_, Some(false)) => return None,
            (Retry::Never, Some(true)) => Retry::Quick,
            (retry, _) => retry,
        };
        let server = failure.retry_after.unwrap_or_default();
        let (most, wait, beside_stand_in) = match retry {
            Retry::Never => return None,
            Retry::AtOnce => (1, server, true),
            Retry::Quick => (1, delay(&mut self.rng, BRIEF, used, Duration::ZERO, server), true),
            Retry::LastOnce(floor) => (1, delay(&mut self.rng, BRIEF, used, floor, server), false),
            Retry::Throttled(floor) if stand_in => {
                (u32::MAX, server, floor.is_zero() && !server.is_zero() && server <= SHORT_WAIT)
            }
            Retry::Throttled(floor) => (u32::MAX, delay(&mut self.rng, THROTTLED, used, floor, server), false),
        };
        let left = self.deadline.map(|deadline| deadline.saturating_sub(now));
        let in_time = if stand_in {
            let bound = left.map_or(self.plan.max_retry_wait, |left| self.plan.max_retry_wait.min(left / 4));
            beside_stand_in && wait <= bound
        } else {
            left.map_or(wait <= LONGEST_WAIT, |left| wait < left)
        };
        (used < most.min(self.plan.retries) && in_time).then_some(wait)
    }

    /// Whether a candidate may be told what was wrong with its answer and be asked again.
    pub(super) fn may_ask_anew(&self, candidate: usize, failure: &Failure) -> bool {
        let asked = self.seats.get(candidate).map_or(u32::MAX, |seat| seat.reasks);
        failure.kind == ErrorKind::InvalidOutput && asked < self.plan.reask
    }

    pub(super) fn usable_amend(&self, candidate: usize, failure: &Failure) -> Option<Amend> {
        let amend = failure.amend.as_ref()?;
        let seat = self.seats.get(candidate)?;
        let allowed = self.plan.drop_unsupported || !amend.drops_asked();
        (allowed && seat.amends.len() < MAX_AMENDS && !seat.amends.contains(amend)).then(|| amend.clone())
    }

    pub(super) fn surfaces(&self, verdict: Verdict, failure: &Failure) -> bool {
        match verdict.fallback {
            Fallback::No => true,
            Fallback::UnlessStrict => match failure.kind {
                ErrorKind::Auth => self.plan.strict.contains(&Strict::Auth),
                ErrorKind::Permission => self.plan.strict.contains(&Strict::Permission),
                _ => false,
            },
            Fallback::OptIn => match failure.kind {
                ErrorKind::ContentFiltered => !self.plan.fallback_on.contains(&FallbackOn::ContentFilter),
                ErrorKind::Refusal => !self.plan.fallback_on.contains(&FallbackOn::Refusal),
                // An answer is this failure only where the task asked for it.
                _ => false,
            },
            Fallback::Yes | Fallback::LargerWindow | Fallback::LargerRequest => false,
        }
    }

    /// The next candidate that may follow `failure`; those it rules out, and those that are not well, are passed over in the
    /// trail. Where one must be waited for, it is that one, and where nobody is well and nobody was asked yet, the one that
    /// recovers soonest; neither if it is to start beside another (`beside`).
    pub(super) fn next_candidate(
        &mut self,
        failure: Option<&Failure>,
        beside: bool,
        turn: &mut Turn<'_>,
    ) -> Option<usize> {
        let (mut full, mut shut): (Vec<usize>, Option<(Duration, usize)>) = (Vec::new(), None);
        self.look_at = None;
        let mut look: Option<Duration> = None;
        let mut look_at = |at: Duration| look = Some(look.map_or(at, |earlier| earlier.min(at)));
        for index in self.front.map_or(0, |front| front + 1)..self.plan.candidates.len() {
            let given_up = self.seats.get(index).is_some_and(|seat| seat.failed);
            if given_up || self.is_skipped(index) || !self.is_another(index, failure) {
                continue;
            }
            if let Some(reason) = failure.and_then(|failure| self.rules_out(index, failure)) {
                if let Some(candidate) = self.plan.candidates.get_mut(index) {
                    self.trail.skipped(candidate, &reason, turn.now);
                    candidate.skip = Some(reason);
                }
                continue;
            }
            match self.standing(index, turn) {
                Standing::Ready | Standing::Low { .. } => {
                    for passed in full {
                        self.pass_over(passed, turn);
                    }
                    return Some(index);
                }
                Standing::Full { .. } => {
                    full.push(index);
                    look_at(turn.at + LOOK_AGAIN);
                }
                Standing::Shut { until, why, .. } => {
                    self.pass_over(index, turn);
                    look_at(if why == Why::Probed { turn.at + LOOK_AGAIN } else { until });
                    if shut.is_none_or(|(soonest, _)| until < soonest) {
                        shut = Some((until, index));
                    }
                }
            }
        }
        self.look_at = look.map(|at| at.saturating_sub(self.plan.origin));
        let last = shut.map(|(_, index)| index).filter(|_| self.flights.is_empty());
        // Who starts beside another must be well: the other's turn will come.
        let chosen = full.first().copied().or(last).filter(|_| !beside)?;
        if let Some(candidate) = self.plan.candidates.get(chosen).filter(|_| self.flights.is_empty()) {
            self.trail.unpass(candidate);
            if let Some(seat) = self.seats.get_mut(chosen) {
                seat.passed = false;
            }
        }
        Some(chosen)
    }

    fn is_skipped(&self, index: usize) -> bool {
        self.plan.candidates.get(index).is_none_or(|candidate| candidate.skip.is_some())
    }

    /// Whether a candidate is another than the one that is asked now: another model, or after a failure that has to do with
    /// the key, the same one with another key.
    fn is_another(&self, index: usize, failure: Option<&Failure>) -> bool {
        let Some(front) = self.front else {
            return true;
        };
        self.place(front) != self.place(index) || failure.is_some_and(|failure| of_key(failure.kind))
    }

    /// Puts a candidate that is not well on the trail, once.
    pub(super) fn pass_over(&mut self, index: usize, turn: &Turn<'_>) {
        let standing = self.standing(index, turn);
        let first_time = self.seats.get_mut(index).is_some_and(|seat| !std::mem::replace(&mut seat.passed, true));
        if let Some(candidate) = self.plan.candidates.get(index).filter(|_| first_time) {
            self.trail.passed(candidate, &standing, turn.now, turn.at);
        }
    }

    /// Why a candidate cannot do better than the one that failed.
    fn rules_out(&self, index: usize, failure: &Failure) -> Option<String> {
        let candidate = self.plan.candidates.get(index)?;
        let current = self.front.and_then(|front| self.plan.candidates.get(front));
        match verdict(failure.kind, failure.subkind).fallback {
            Fallback::LargerWindow => {
                let (prompt, window) = failure.overflow.unwrap_or_default();
                let failed_in = window.or(current.and_then(|current| current.context_window));
                let own = candidate.context_window?;
                let too_small = match prompt {
                    Some(prompt) => own < prompt,
                    None => failed_in.is_some_and(|limit| own <= limit),
                };
                too_small.then(|| format!("its context window of {own} tokens is too small"))
            }
            Fallback::LargerRequest => {
                let same = current.is_some_and(|current| current.provider == candidate.provider);
                let limit = current.and_then(|current| current.max_request_bytes);
                let smaller = limit.zip(candidate.max_request_bytes).is_some_and(|(this, next)| next <= this);
                (same || smaller).then(|| "its limit on the size of a request is no higher".to_owned())
            }
            _ => None,
        }
    }
}

/// Failures that another key of the same account may not meet.
fn of_key(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::RateLimited
            | ErrorKind::ProviderQuota
            | ErrorKind::Auth
            | ErrorKind::Permission
            | ErrorKind::ModelNotFound
    )
}
