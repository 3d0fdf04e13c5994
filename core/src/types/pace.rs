//! When a candidate counts as slow or as dead, and how many calls it may have at a time.

use std::time::Duration;

/// When a stand-in is started beside a candidate that is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HedgeAfter {
    /// After this long.
    After(Duration),
    /// After this percentile, 1 to 99, of the candidate's own measured times.
    Percentile(u8),
}

/// How long the first content of a stream may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstToken {
    /// This long.
    After(Duration),
    /// A multiple of what the candidate usually takes.
    Auto,
}

/// How many calls a key may have at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// So many.
    Fixed(u32),
    /// As many as the provider takes without complaint: more while all goes well, half as many after a rate limit.
    Auto,
}

/// What calls must share to be given the same primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sticky {
    /// The customer.
    Customer,
}

/// When a circuit breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// So many failures in a row open it.
    pub failures: u32,
    /// How long it stays open the first time.
    pub open: Duration,
    /// It stays open twice as long each time, but no longer than this.
    pub max_open: Duration,
}
