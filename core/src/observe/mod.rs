//! What leaves the calls for those who watch them: events as they happen, and notices for the operator.

mod notices;
mod queue;
mod watchers;

pub(crate) use notices::Notices;
pub use queue::EventQueue;
pub(crate) use watchers::Watchers;
