//! Events in batches, for those who cannot be called from any thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::types::{Level, RouterEvent};

/// Events of a router that wait to be taken.
///
/// It never slows a call: it holds so many, drops those that come after, and counts them.
#[derive(Clone)]
pub struct EventQueue {
    inner: Arc<Inner>,
}

struct Inner {
    /// A [`Level`] as a number.
    least: AtomicU8,
    waiting: Mutex<Waiting>,
    /// Called when the first of a batch comes.
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<RouterEvent>,
    dropped: u64,
}

impl EventQueue {
    /// How many events wait at most.
    pub const CAPACITY: usize = 10_000;

    pub(crate) fn new(least: Level, wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            inner: Arc::new(Inner {
                least: AtomicU8::new(least as u8),
                waiting: Mutex::default(),
                wake: Box::new(wake),
            }),
        }
    }

    /// The least level that is kept.
    pub(crate) fn least(&self) -> Level {
        match self.inner.least.load(Ordering::Relaxed) {
            0 => Level::Debug,
            1 => Level::Info,
            _ => Level::Warning,
        }
    }

    /// Keeps events from `least` on, from now on.
    pub fn set_least(&self, least: Level) {
        self.inner.least.store(least as u8, Ordering::Relaxed);
    }

    pub(crate) fn push(&self, event: &RouterEvent) {
        if event.what.level() < self.least() {
            return;
        }
        let mut waiting = self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let first = waiting.events.is_empty();
        if waiting.events.len() >= Self::CAPACITY {
            waiting.dropped += 1;
            return;
        }
        waiting.events.push_back(event.clone());
        drop(waiting);
        if first {
            (self.inner.wake)();
        }
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner).events.is_empty()
    }

    /// Takes the events that wait, and how many were dropped since the last time.
    #[must_use]
    pub fn take(&self) -> (Vec<RouterEvent>, u64) {
        let mut waiting = self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let events = std::mem::take(&mut waiting.events);
        (events.into(), std::mem::take(&mut waiting.dropped))
    }
}

impl std::fmt::Debug for EventQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventQueue").field("least", &self.least()).finish_non_exhaustive()
    }
}
