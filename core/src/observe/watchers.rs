//! Events, as they happen: to `tracing`, and to whoever asked to be called.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::types::{Level, RouterEvent};

type Listener = Arc<dyn Fn(&RouterEvent) + Send + Sync>;

/// Those who watch a router.
#[derive(Default)]
pub(crate) struct Watchers {
    called: AtomicBool,
    listeners: RwLock<Vec<Listener>>,
}

impl Watchers {
    pub(crate) fn add(&self, listener: impl Fn(&RouterEvent) + Send + Sync + 'static) {
        self.listeners.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(listener));
        self.called.store(true, Ordering::Release);
    }

    /// Whether anybody watches.
    pub(crate) fn any(&self) -> bool {
        self.called.load(Ordering::Acquire) || tracing::enabled!(target: "locum", tracing::Level::WARN)
    }

    pub(crate) fn tell(&self, event: &RouterEvent) {
        match event.what.level() {
            Level::Debug => tracing::debug!(target: "locum", event = event.what.as_str(), "{event}"),
            Level::Info => tracing::info!(target: "locum", event = event.what.as_str(), "{event}"),
            Level::Warning => tracing::warn!(target: "locum", event = event.what.as_str(), "{event}"),
        }
        // Called without the lock, so that a listener may do as it likes.
        let listeners = self.listeners.read().unwrap_or_else(PoisonError::into_inner).clone();
        listeners.iter().for_each(|listener| listener(event));
    }
}
