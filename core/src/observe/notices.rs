//! What operators must hear of, even when a stand-in saved the call.
//!
//! Each notice is told once: as a `tracing` warning, and to whoever drains the queue (the language bindings do, to put
//! it into the host's own logging).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The most notices kept for somebody who does not drain them.
const KEPT: usize = 100;

/// Notices of one router.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    waiting: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    told: BTreeSet<String>,
    queue: Vec<String>,
}

impl Notices {
    /// Tells `message`, once for each `topic`.
    pub(crate) fn tell(&self, topic: &str, message: &str) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.told.contains(topic) {
            return;
        }
        inner.told.insert(topic.to_owned());
        tracing::warn!(target: "locum", "{message}");
        if inner.queue.len() < KEPT {
            inner.queue.push(message.to_owned());
            self.waiting.store(true, Ordering::Release);
        }
    }

    /// Takes what has been told since the last time. Costs one atomic load when there is nothing.
    pub(crate) fn drain(&self) -> Vec<String> {
        if !self.waiting.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner).queue)
    }
}
