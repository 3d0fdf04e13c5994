//! What a task may say about failures beyond the verdict table.

/// A cause of fallback that a task opts in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FallbackOn {
    /// A filter refused prompt or answer.
    ContentFilter,
    /// The model declined.
    Refusal,
    /// The answer was not accepted.
    InvalidOutput,
    /// The answer was cut at the token limit.
    Length,
}

/// A failure that a task wants raised at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strict {
    /// The key was not accepted.
    Auth,
    /// The key may not do this.
    Permission,
}
