//! Events, as they happen: to `tracing`, and to whoever asked to be called.

use std::sync::{Arc, PoisonError, RwLock};

use super::EventQueue;
use crate::types::{Level, RouterEvent};

/// Those who watch a router.
#[derive(Default)]
pub(crate) struct Watchers {
    all: RwLock<Vec<Watcher>>,
}

#[derive(Clone)]
enum Watcher {
    Listener(Arc<dyn Fn(&RouterEvent) + Send + Sync>),
    Queue(EventQueue),
}

impl Watcher {
    fn least(&self) -> Level {
        match self {
            Self::Listener(_) => Level::Debug,
            Self::Queue(queue) => queue.least(),
        }
    }
}

impl Watchers {
    pub(crate) fn listen(&self, listener: impl Fn(&RouterEvent) + Send + Sync + 'static) {
        self.add(Watcher::Listener(Arc::new(listener)));
    }

    pub(crate) fn fill(&self, queue: EventQueue) {
        self.add(Watcher::Queue(queue));
    }

    fn add(&self, watcher: Watcher) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).push(watcher);
    }

    /// Whether anybody wants events of this level.
    pub(crate) fn want(&self, level: Level) -> bool {
        let traced = match level {
            Level::Debug => tracing::enabled!(target: "locum", tracing::Level::DEBUG),
            Level::Info => tracing::enabled!(target: "locum", tracing::Level::INFO),
            Level::Warning => tracing::enabled!(target: "locum", tracing::Level::WARN),
        };
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        traced || all.iter().any(|watcher| watcher.least() <= level)
    }

    pub(crate) fn tell(&self, event: &RouterEvent) {
        match event.what.level() {
            Level::Debug => tracing::debug!(target: "locum", event = event.what.as_str(), "{event}"),
            Level::Info => tracing::info!(target: "locum", event = event.what.as_str(), "{event}"),
            Level::Warning => tracing::warn!(target: "locum", event = event.what.as_str(), "{event}"),
        }
        // Called without the lock, so that a listener may do as it likes.
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner).clone();
        for watcher in &all {
            match watcher {
                Watcher::Listener(listener) => listener(event),
                Watcher::Queue(queue) => queue.push(event),
            }
        }
    }
}
