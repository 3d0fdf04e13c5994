//! What the ladder is given: candidates in order and the limits of the task.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::health::Vitals;
use crate::types::{Breaker, FallbackOn, FirstToken, HedgeAfter, OnBreak, Price, Strict, Upstream};

/// One candidate, as far as decisions need to know it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its number for whoever made the plan.
    pub index: usize,
    /// The place of its model among those of the call, from 0. One model may be there with several keys.
    pub place: usize,
    /// Which of its provider's keys, from 1, where there are several.
    pub key: Option<u32>,
    /// Where its health is kept.
    pub vitals: Vitals,
    /// `provider/model`.
    pub name: Arc<str>,
    /// The provider's name.
    pub provider: Arc<str>,
    /// Why it is not to be tried, if it is not.
    pub skip: Option<String>,
    /// The limit of one attempt; without one, the deadline, or ten minutes where there is none.
    pub timeout: Option<Duration>,
    /// Whether it thinks before it speaks, so that silence says less.
    pub reasons: bool,
    /// How long the first content of a stream may take.
    pub first_token: Option<FirstToken>,
    /// How long a stream may pause between two pieces of content.
    pub idle: Duration,
    /// Tokens of its context window, if known.
    pub context_window: Option<u64>,
    /// Bytes of the largest request its provider takes, if known.
    pub max_request_bytes: Option<u64>,
    /// What its tokens cost, if known.
    pub price: Option<Price>,
    /// How large the prompt is for it.
    pub size: Size,
    /// Whether the provider itself may act on the request, so that it must not be asked in vain.
    pub acts: bool,
}

/// How large a prompt is for a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Tokens, estimated or counted.
    pub tokens: u64,
    /// Tokens of its text, as estimated for any model.
    pub text: u64,
    /// Tokens of its images.
    pub images: u64,
}

/// The policy of one call.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The primary, then the stand-ins in order. With fallback not allowed, one.
    pub candidates: Vec<Candidate>,
    /// When the caller must have the answer, or the first content of a stream, from the start of the call.
    pub deadline: Option<Duration>,
    /// Whether the caller has made that earlier than the task does.
    pub tightened: bool,
    /// The time of the health's clock at which the call begins.
    pub origin: Duration,
    /// Whether a slow candidate is raced; otherwise it is cut when the next one starts.
    pub hedge: bool,
    /// When the next candidate starts beside a slow one, instead of late.
    pub hedge_after: Option<HedgeAfter>,
    /// When a candidate's circuit breaker opens, and for how long.
    pub breaker: Breaker,
    /// Further tries of the same candidate.
    pub retries: u32,
    /// How often a candidate whose answer is not accepted is told why and asked again.
    pub reask: u32,
    /// The longest wait before a further try while a stand-in exists.
    pub max_retry_wait: Duration,
    /// Causes of fallback that the task opted in to.
    pub fallback_on: BTreeSet<FallbackOn>,
    /// Failures that surface instead of falling back.
    pub strict: BTreeSet<Strict>,
    /// Whether a rejected parameter may be left out.
    pub drop_unsupported: bool,
    /// How the candidates are asked.
    pub upstream: Upstream,
    /// Whether the caller gets the answer as it comes; then the deadline is for its first content.
    pub live: bool,
    /// What follows when an answer breaks off.
    pub on_break: OnBreak,
    /// Whether the caller can be told to discard what it has.
    pub restarts: bool,
}
