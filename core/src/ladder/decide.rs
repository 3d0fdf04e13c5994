//! The single questions the machine asks itself: is this answer wanted, may the same candidate try again and when, does
//! this failure surface, who is next.

use std::time::Duration;

use super::backoff::{BRIEF, LONGEST_WAIT, SHORT_WAIT, THROTTLED, delay};
use super::machine::Ladder;
use super::step::Answer;
use super::verdict::{Fallback, Retry, Verdict, verdict};
use crate::error::ErrorKind;
use crate::types::{Amend, Failure, FallbackOn, FinishReason, Strict};

/// How often one candidate may be asked again with a changed request.
const MAX_AMENDS: usize = 3;

impl Ladder {
    /// The failure that the task sees in this answer, if it opted in to see one.
    pub(super) fn unwanted(&self, answer: &Answer) -> Option<Failure> {
        let (cause, kind, subkind, message) = match answer.finish.unified {
            FinishReason::ContentFilter => {
                (FallbackOn::ContentFilter, ErrorKind::ContentFiltered, Some("output"), "a filter held the answer back")
            }
            FinishReason::Refusal => (FallbackOn::Refusal, ErrorKind::Refusal, None, "the model declined to answer"),
            FinishReason::Length => {
                (FallbackOn::Length, ErrorKind::InvalidOutput, Some("length"), "the answer was cut at the token limit")
            }
            _ if answer.unusable => (
                FallbackOn::InvalidOutput,
                ErrorKind::InvalidOutput,
                None,
                "the answer is not the JSON that was asked for",
            ),
            _ => return None,
        };
        self.plan.fallback_on.contains(&cause).then(|| Failure {
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
            Fallback::OptIn => {
                let cause = match (failure.kind, failure.subkind) {
                    (ErrorKind::ContentFiltered, _) => FallbackOn::ContentFilter,
                    (ErrorKind::Refusal, _) => FallbackOn::Refusal,
                    (_, Some("length")) => FallbackOn::Length,
                    _ => FallbackOn::InvalidOutput,
                };
                !self.plan.fallback_on.contains(&cause)
            }
            Fallback::Yes | Fallback::LargerWindow | Fallback::LargerRequest => false,
        }
    }

    /// The next candidate that may follow `failure`; those it rules out are passed over in the trail.
    pub(super) fn next_candidate(&mut self, failure: Option<&Failure>, now: Duration) -> Option<usize> {
        let first = self.front.map_or(0, |front| front + 1);
        let needs = failure.map(|failure| (verdict(failure.kind, failure.subkind).fallback, failure.overflow));
        let current = self.front.and_then(|front| self.plan.candidates.get(front)).cloned();
        for (index, candidate) in self.plan.candidates.iter_mut().enumerate().skip(first) {
            if candidate.skip.is_some() || self.seats.get(index).is_some_and(|seat| seat.failed) {
                continue;
            }
            let known_window = |(_, window): (Option<u64>, Option<u64>)| window;
            let reason = match needs {
                Some((Fallback::LargerWindow, overflow)) => {
                    let failed_in = overflow.and_then(known_window).or(current.as_ref().and_then(|c| c.context_window));
                    let prompt = overflow.and_then(|(prompt, _)| prompt);
                    candidate
                        .context_window
                        .filter(|window| {
                            prompt.map_or_else(
                                || failed_in.is_some_and(|limit| *window <= limit),
                                |prompt| *window < prompt,
                            )
                        })
                        .map(|window| format!("its context window of {window} tokens is too small"))
                }
                Some((Fallback::LargerRequest, _)) => {
                    let same = current.as_ref().is_some_and(|current| current.provider == candidate.provider);
                    let limit = current.as_ref().and_then(|current| current.max_request_bytes);
                    let smaller = limit.zip(candidate.max_request_bytes).is_some_and(|(this, next)| next <= this);
                    (same || smaller).then(|| "its limit on the size of a request is no higher".to_owned())
                }
                _ => None,
            };
            match reason {
                None => return Some(index),
                Some(reason) => {
                    self.trail.skipped(candidate, &reason, now);
                    candidate.skip = Some(reason);
                }
            }
        }
        None
    }
}
