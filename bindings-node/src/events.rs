//! Router events on their way to JavaScript: taken in batches, one JSON text each.

use locum::{EventQueue, Level};
use napi_derive::napi;
use serde_json::json;

/// The events of a router, for one JavaScript thread.
#[napi]
pub struct Events {
    pub(crate) queue: EventQueue,
}

#[napi]
impl Events {
    /// Everything that waits, as `{events, dropped}`; nothing where nothing does.
    #[napi]
    pub fn take(&self) -> Option<String> {
        let (events, dropped) = self.queue.take();
        if events.is_empty() && dropped == 0 {
            return None;
        }
        let events: Vec<_> = events.iter().map(|event| event.to_value()).collect();
        Some(json!({"events": events, "dropped": dropped}).to_string())
    }

    /// Whether anybody listens. While nobody does, nothing but warnings is kept.
    #[napi]
    pub fn listened(&self, listened: bool) {
        self.queue.set_least(if listened { Level::Debug } else { Level::Warning });
    }
}
