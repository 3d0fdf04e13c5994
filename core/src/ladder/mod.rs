//! The decision machine of one call: which candidate is tried when, what follows from a failure, when to give up.
//!
//! Pure: no IO, no clock, no async. The driver tells it what happened and at what time (counted from the start of the
//! call), and does what it answers; randomness comes from a seed. So the same code runs production traffic, property
//! tests and rehearsals.

mod backoff;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod beside_cases;
mod care;
#[cfg(test)]
mod care_cases;
#[cfg(test)]
mod cases;
mod clock;
mod decide;
mod end;
mod flight;
pub mod health;
mod machine;
mod note;
mod plan;
#[cfg(test)]
mod properties;
mod rehearsal;
#[cfg(test)]
mod reject_cases;
mod start;
mod step;
mod stream;
#[cfg(test)]
mod stream_cases;
#[cfg(test)]
mod stream_properties;
#[cfg(test)]
mod token_cases;
mod trail;
mod verdict;

pub use machine::Ladder;
pub use note::Note;
pub use plan::{Candidate, Plan, Size};
pub use rehearsal::{Part, Rehearsal, rehearse};
pub use step::{Action, Answer, Event, Join, Speech};
pub use verdict::{Counts, Fallback, Harm, ROWS, Retry, Row, Verdict, verdict};
