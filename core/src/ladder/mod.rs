//! The decision machine of one call: which candidate is tried when, what follows from a failure, when to give up.
//!
//! Pure: no IO, no clock, no async. The driver tells it what happened and at what time (counted from the start of the
//! call), and does what it answers; randomness comes from a seed. So the same code runs production traffic, property
//! tests and rehearsals.

mod backoff;
#[cfg(test)]
mod cases;
mod clock;
mod decide;
mod flight;
mod machine;
mod plan;
#[cfg(test)]
mod properties;
mod step;
mod stream;
#[cfg(test)]
mod stream_cases;
#[cfg(test)]
mod stream_properties;
mod trail;
mod verdict;

pub use machine::Ladder;
pub use plan::{Candidate, Plan};
pub use step::{Action, Answer, Event, Join, Speech};
pub use verdict::{Fallback, ROWS, Retry, Row, Verdict, verdict};
