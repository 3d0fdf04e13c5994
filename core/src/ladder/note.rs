//! What the machine tells whoever watches. Nothing depends on it.

use std::time::Duration;

use super::health::Change;
use crate::error::ErrorKind;

/// Something that happened in a call. Candidates are named by [`Candidate::index`](super::Candidate::index).
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// An attempt began.
    Started {
        /// Its number.
        attempt: usize,
        /// Of whom.
        candidate: usize,
    },
    /// An attempt brought an answer.
    Answered {
        /// Its number.
        attempt: usize,
        /// Of whom.
        candidate: usize,
        /// How long it took.
        latency: Duration,
    },
    /// An attempt failed.
    Failed {
        /// Its number.
        attempt: usize,
        /// Of whom.
        candidate: usize,
        /// How.
        kind: ErrorKind,
        /// The same, as a sentence.
        reason: String,
        /// How long the provider asked to wait.
        retry_after: Option<Duration>,
        /// How long it took.
        latency: Duration,
    },
    /// The next candidate is asked.
    Switched {
        /// Who was asked before.
        from: usize,
        /// Who is asked now.
        to: usize,
    },
    /// The next candidate is asked beside a slow one.
    Hedged {
        /// Who is slow.
        beside: usize,
        /// Who is asked now.
        candidate: usize,
        /// Whether the slow one was cut instead.
        cut: bool,
    },
    /// The health of a candidate changed.
    Changed {
        /// Whose.
        candidate: usize,
        /// How.
        change: Change,
    },
    /// A retry or hedge was not made, since the provider's retry budget is spent.
    BudgetEmpty {
        /// Who was not asked.
        candidate: usize,
    },
}
