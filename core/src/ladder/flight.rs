//! What the machine keeps of an attempt and of a candidate while a call runs.

use std::time::Duration;

use super::step::Action;
use crate::types::{Amend, Failure};

#[derive(Debug)]
pub(super) struct Flight {
    pub(super) candidate: usize,
    pub(super) line: usize,
    pub(super) flying: bool,
    /// When the attempt must be over.
    pub(super) limit: Option<Duration>,
    /// When a stream must have said something.
    pub(super) first_limit: Option<Duration>,
    /// How long it may pause then.
    pub(super) idle: Duration,
    /// When it last said something.
    pub(super) heard: Option<Duration>,
    /// Whether part of the answer, not only thought, has come.
    pub(super) speaks: bool,
    /// Whether another candidate could continue it.
    pub(super) resumable: bool,
    /// Whether it continues another's text.
    pub(super) resumes: bool,
    /// Whether its answer is whole, since `heard`.
    pub(super) whole: bool,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Seat {
    pub(super) retries: u32,
    pub(super) amends: Vec<Amend>,
    /// Whether the call has gone on from it.
    pub(super) failed: bool,
}

/// A failure that may be raised: whose it is, and of which attempt.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) candidate: usize,
    pub(super) attempt: usize,
    pub(super) failure: Failure,
}

impl From<Loss> for Action {
    fn from(loss: Loss) -> Self {
        Self::Fail { failure: loss.failure, candidate: Some(loss.candidate), attempt: Some(loss.attempt) }
    }
}
