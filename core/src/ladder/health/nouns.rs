//! What health is asked and told, and what it tells.

use std::time::Duration;

use crate::error::ErrorKind;
use crate::types::{Concurrency, Failure};

/// How long something is shut after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// The first time; twice as long for each further time in a row.
    pub first: Duration,
    /// It never grows beyond this.
    pub longest: Duration,
    /// It is no shorter than this, even where the server asks for less.
    pub least: Duration,
    /// Whether one attempt alone tries afterwards what it is like, before everybody comes back.
    pub single: bool,
}

/// What a failure speaks against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This model with this key.
    Candidate,
    /// This model, whatever the key.
    Model,
    /// This key, whatever the model.
    Key,
    /// The provider's address.
    Provider,
}

impl Scope {
    /// `candidate`, `model`, `key` or `provider`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Model => "model",
            Self::Key => "key",
            Self::Provider => "provider",
        }
    }
}

/// What a candidate is known by.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The provider's address.
    pub provider: String,
    /// The model's id there.
    pub model: String,
    /// Stands for the key.
    pub key: u64,
    /// Stands for all the keys of the account.
    pub keys: u64,
    /// How many calls the key may have at a time.
    pub limit: Option<Concurrency>,
}

/// Where the health of a candidate is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vitals {
    pub(super) provider: usize,
    pub(super) key: usize,
    pub(super) model: usize,
    pub(super) seat: usize,
    /// Whether who joined has set a limit on the key's calls at a time.
    pub(super) limited: bool,
}

/// The right to make one attempt; [`Health::finish`](super::Health::finish) takes it back.
#[derive(Debug, Clone)]
pub struct Ticket {
    pub(super) vitals: Vitals,
    pub(super) number: u64,
    pub(super) begun: Duration,
    /// Whether its first content is waited for, and not its whole answer.
    pub(super) live: bool,
}

/// How an attempt ended.
#[derive(Debug)]
pub enum Ended<'a> {
    /// With an answer.
    Answered {
        /// How long a whole answer took, where the caller's own time is not in it.
        took: Option<Duration>,
        /// How long the provider's limit leaves nothing for further calls.
        spent: Option<Duration>,
    },
    /// With a failure.
    Failed(&'a Failure),
    /// It was too late: it had said nothing when its time was over.
    Late {
        /// How long it was waited for.
        took: Duration,
    },
    /// Before it could show anything.
    Gone {
        /// How long it was waited for, where it might have taken longer than another candidate.
        took: Option<Duration>,
    },
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// A circuit breaker opened.
    Opened {
        /// Of what.
        scope: Scope,
        /// For how long.
        time: Duration,
    },
    /// An attempt tries whether a candidate is back.
    HalfOpen {
        /// What was shut.
        scope: Scope,
    },
    /// A candidate is back.
    Closed {
        /// What was shut.
        scope: Scope,
    },
    /// A cooldown began, or became longer.
    Cooled {
        /// Of what.
        scope: Scope,
        /// For how long.
        time: Duration,
        /// Why.
        kind: ErrorKind,
    },
}
