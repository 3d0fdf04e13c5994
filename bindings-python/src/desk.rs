//! What a router has to tell beside its replies: notices for the operator, and events. Both go to Python's logging, and
//! events to those who listen; always on a thread that runs Python anyway, and in batches.
//!
//! Events are made on tokio's threads, which only put them into a queue and ring the bells of the event loops that make calls.
//! Whoever comes first takes what is there: a loop whose bell has rung, or a thread at the end of its blocking call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use locum::{EventQueue, Level, Router};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyWeakrefMethods, PyWeakrefReference};

use crate::convert::to_python;
use crate::credentials::Requests;
use crate::import::Import;
use crate::mailbox::Queue;

/// The core's router of this process, with its queue of events.
pub(crate) struct Desk {
    pub(crate) router: Router,
    /// Where it asks for credentials.
    pub(crate) requests: Arc<Requests>,
    events: EventQueue,
    /// Somebody tells a batch.
    telling: AtomicBool,
    /// The event loops that have made calls.
    bells: Mutex<Vec<Weak<Queue>>>,
    /// The Python object, which knows who listens. It may be gone while its last calls end.
    owner: Py<PyWeakrefReference>,
}

impl Desk {
    /// `least` is the least level of events that somebody wants.
    pub(crate) fn open(
        router: Router,
        requests: Arc<Requests>,
        least: Level,
        owner: Py<PyWeakrefReference>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|desk: &Weak<Self>| {
            let rung = desk.clone();
            let events = router.queue_events(least, move || {
                if let Some(desk) = rung.upgrade() {
                    desk.ring();
                }
            });
            Self { router, requests, events, telling: AtomicBool::new(false), bells: Mutex::default(), owner }
        })
    }

    /// Keeps events from `least` on.
    pub(crate) fn want(&self, least: Level) {
        self.events.set_least(least);
    }

    /// Rings at this loop, too, when there are events.
    pub(crate) fn called_from(self: &Arc<Self>, queue: &Arc<Queue>) {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        if !bells.iter().any(|known| known.as_ptr() == Arc::as_ptr(queue)) {
            bells.retain(|known| known.strong_count() > 0);
            bells.push(Arc::downgrade(queue));
            drop(bells);
            // What waits already has rung, but not here.
            if !self.events.is_empty() {
                queue.events(self);
            }
        }
    }

    fn ring(self: Arc<Self>) {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for queue in bells.iter().filter_map(Weak::upgrade) {
            queue.events(&self);
        }
    }

    /// Tells everything there is, unless somebody is at it: a listener that makes a call, or another thread. Events are told in
    /// order, so whoever is at it tells these too.
    pub(crate) fn tell(&self, py: Python<'_>) -> PyResult<()> {
        self.log_notices(py)?;
        while !self.events.is_empty() {
            if self.telling.swap(true, Ordering::AcqRel) {
                return Ok(());
            }
            let told = self.tell_batch(py);
            self.telling.store(false, Ordering::Release);
            told?;
        }
        Ok(())
    }

    fn tell_batch(&self, py: Python<'_>) -> PyResult<()> {
        let (events, dropped) = self.events.take();
        static DELIVER: Import = Import::new("locum._events", "deliver");
        let deliver = DELIVER.get(py)?;
        let listeners = match self.owner.bind(py).upgrade() {
            Some(owner) => owner.call_method0(intern!(py, "listeners"))?,
            None => PyTuple::empty(py).into_any(),
        };
        let events = events.iter().map(|event| to_python(py, &event.to_value()));
        deliver.call1((listeners, events.collect::<PyResult<Vec<_>>>()?, dropped)).map(drop)
    }

    /// Logs what the operator must hear of, as warnings of the logger `locum`.
    fn log_notices(&self, py: Python<'_>) -> PyResult<()> {
        static GET_LOGGER: Import = Import::new("logging", "getLogger");
        let notices = self.router.take_notices();
        if notices.is_empty() {
            return Ok(());
        }
        let logger = GET_LOGGER.get(py)?.call1(("locum",))?;
        for notice in notices {
            logger.call_method1(intern!(py, "warning"), ("%s", notice))?;
        }
        Ok(())
    }
}
