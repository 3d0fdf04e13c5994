//! How an answer travels: from the provider, and what becomes of one that breaks off on its way.

/// How the provider is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upstream {
    /// For the whole answer at once.
    Unary,
    /// For a stream, whatever the caller gets.
    Stream,
}

impl Upstream {
    /// Every value by its word in configuration and options.
    pub(crate) const WORDS: &[(&str, Self)] = &[("unary", Self::Unary), ("stream", Self::Stream)];
}

/// What follows when an answer breaks off after its first content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBreak {
    /// The error is raised, with what came so far.
    Error,
    /// The next candidate answers anew; a stream's caller is told to discard what it has.
    Restart,
    /// The next candidate continues the text; it answers anew where that is not safe.
    Resume,
}

impl OnBreak {
    /// Every value by its word in configuration and options.
    pub(crate) const WORDS: &[(&str, Self)] =
        &[("error", Self::Error), ("restart", Self::Restart), ("resume", Self::Resume)];
}
