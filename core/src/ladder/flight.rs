//! What the machine keeps of an attempt and of a candidate while a call runs.

use std::time::Duration;

use super::health::Ticket;
use crate::types::{Amend, Failure};

#[derive(Debug)]
pub(super) struct Flight {
    pub(super) candidate: usize,
    pub(super) line: usize,
    pub(super) flying: bool,
    /// The right to make it, to be given back.
    pub(super) ticket: Option<Ticket>,
    /// When it began, later by the time in which the caller did not read.
    pub(super) begun: Duration,
    /// Who has said nothing for so long is late.
    pub(super) patience: Duration,
    /// When the attempt must be over.
    pub(super) limit: Option<Duration>,
    /// When a stream must have said something.
    pub(super) first_limit: Option<Duration>,
    /// How long it may pause then.
    pub(super) idle: Duration,
    /// When it last said something.
    pub(super) heard: Option<Duration>,
    /// How many bytes it said.
    pub(super) bytes: usize,
    /// Whether part of the answer, not only thought, has come.
    pub(super) speaks: bool,
    /// Whether another candidate could continue it.
    pub(super) resumable: bool,
    /// Whether it continues another's text.
    pub(super) resumes: bool,
    /// Whether it is told what was wrong with an earlier answer.
    pub(super) reasks: bool,
    /// Whether its answer is whole, since `heard`.
    pub(super) whole: bool,
    /// Whether it was told to read no further.
    pub(super) closed: bool,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Seat {
    pub(super) retries: u32,
    pub(super) amends: Vec<Amend>,
    /// The attempt whose answer was not accepted, where it is told why.
    pub(super) reask: Option<usize>,
    pub(super) reasks: u32,
    /// Whether the call has gone on from it.
    pub(super) failed: bool,
    /// Whether the trail says that it was passed over.
    pub(super) passed: bool,
}

/// A failure that may be raised: whose it is, and of which attempt.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) candidate: usize,
    pub(super) attempt: usize,
    pub(super) failure: Failure,
}
