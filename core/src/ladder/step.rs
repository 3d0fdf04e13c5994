//! What the machine hears and what it answers.

use std::sync::Arc;
use std::time::Duration;

use super::health::Health;
use crate::error::ErrorKind;
use crate::types::{Amend, Failure, Finish, Flaw, Usage};

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The call begins.
    Begin,
    /// A streaming attempt said more.
    Content {
        /// Which attempt.
        attempt: usize,
        /// What it said, as far as the caller is concerned.
        speech: Speech,
        /// Whether another candidate could continue what it has said so far.
        resumable: bool,
        /// How many bytes it said, reasoning and tool calls included.
        bytes: usize,
    },
    /// A streaming attempt told how many tokens it has cost so far.
    Spent {
        /// Which attempt.
        attempt: usize,
        /// Tokens.
        usage: Usage,
    },
    /// A streaming attempt's answer is whole, though its stream has not ended yet.
    Whole {
        /// Which attempt.
        attempt: usize,
    },
    /// An attempt brought an answer.
    Answered {
        /// Which attempt.
        attempt: usize,
        /// What is to be known of the answer.
        answer: Answer,
    },
    /// An attempt failed.
    Failed {
        /// Which attempt.
        attempt: usize,
        /// How.
        failure: Failure,
    },
    /// The caller did not read for so long. Nobody read from the provider meanwhile, so this time is nobody's silence.
    Away(Duration),
    /// The time of [`Ladder::wake_at`](super::Ladder::wake_at) has come, or the place that was waited for.
    Woken,
    /// The caller wants no answer any more.
    Cancelled,
}

/// What a stream says, from nothing for the caller to what the caller gets at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Speech {
    /// Reasoning that the caller does not receive.
    Thought,
    /// Part of the answer that is handed on later, if at all.
    Held,
    /// Something for the caller.
    Shown,
}

/// What the machine needs to know of an answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Why the model stopped.
    pub finish: Finish,
    /// What is wrong with it, if anything is.
    pub flaw: Option<Flaw>,
    /// Tokens.
    pub usage: Option<Usage>,
    /// USD, where the provider states it.
    pub cost: Option<f64>,
    /// The provider's id of the exchange.
    pub request_id: Option<String>,
    /// How long the provider's limits leave nothing for further calls, where its headers say so.
    pub spent: Option<Duration>,
}

/// One step under way.
pub(super) struct Turn<'a> {
    /// From the start of the call.
    pub(super) now: Duration,
    /// The same, on the health's clock.
    pub(super) at: Duration,
    pub(super) health: &'a mut Health,
    pub(super) out: Vec<Action>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Begin an attempt.
    Start {
        /// Its number; numbers count up from 0.
        attempt: usize,
        /// The index of the candidate to ask.
        candidate: usize,
        /// Changes of the request.
        amends: Vec<Amend>,
        /// The attempt whose text it is to continue.
        resume: Option<usize>,
        /// The attempt whose answer was not accepted; this one is told why.
        reask: Option<usize>,
    },
    /// Drop an attempt and its connection.
    Cancel {
        /// Which attempt.
        attempt: usize,
    },
    /// Hand on what this attempt says, from its first content on.
    Commit {
        /// Which attempt.
        attempt: usize,
        /// Who speaks.
        model: Arc<str>,
        /// How it follows what the caller has already.
        join: Join,
    },
    /// Read no further: this attempt's answer is whole.
    Close {
        /// Which attempt.
        attempt: usize,
    },
    /// Hand this attempt's answer to the caller. The call is over.
    Deliver {
        /// Which attempt.
        attempt: usize,
    },
    /// Raise. The call is over.
    Fail {
        /// What is raised.
        failure: Failure,
        /// Whose failure it is.
        candidate: Option<usize>,
        /// The attempt that failed so; what it said goes with the error.
        attempt: Option<usize>,
    },
}

/// How a stream follows what the caller has already.
#[derive(Debug, Clone, PartialEq)]
pub enum Join {
    /// The caller has nothing yet.
    Start,
    /// The caller is to discard what it has.
    Restart {
        /// Why the earlier answer broke off.
        kind: ErrorKind,
        /// The same, as a sentence.
        reason: String,
    },
    /// It goes on where the earlier answer broke off.
    Resume,
}
