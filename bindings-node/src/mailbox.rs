//! How results come back: a queue for each JavaScript thread, and one wake for all that is in it.
//!
//! A call, and each batch of a stream or of a response's body, becomes a task of the runtime. When it ends, the task puts its result into the queue
//! and wakes the JavaScript thread only if the queue was empty; the thread then takes all there is. No task ever touches a
//! JavaScript value.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use locum::{Level, Reply, Router};
use napi::bindgen_prelude::{External, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status, sys};
use napi_derive::napi;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::events::Events;
use crate::exchange::{ExchangeHandle, turn};
use crate::router::{Request, RouterHandle, Settlement, parse};
use crate::runtime::runtime;
use crate::stream::{StreamHandle, batch};

/// Weak: it keeps no event loop alive by itself.
type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

type Result<T> = std::result::Result<T, locum::Error>;

/// What a finished call or a batch brought: its ticket, the envelope as JSON, and what ended with it.
type Letter = (u32, String, Option<External<Settlement>>);

/// An envelope, and the call's result where this is its end.
pub(crate) type Brought = (Value, Option<Result<Reply>>);

struct Settled {
    ticket: u32,
    envelope: String,
    result: Option<Result<Reply>>,
}

struct Queue {
    wake: Wake,
    settled: Mutex<Vec<Settled>>,
    /// The thread was woken for events, and has not come yet.
    told: AtomicBool,
}

impl Queue {
    fn push(&self, settled: Settled) {
        let mut queue = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        let first = queue.is_empty();
        queue.push(settled);
        drop(queue);
        if first {
            // It only fails when the JavaScript thread is ending, and then nobody waits any more.
            self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Some router has events.
    fn tell(&self) {
        if !self.told.swap(true, Ordering::AcqRel) {
            self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// The calls of one JavaScript thread. When that thread ends, this is dropped, and with it every call under way is
/// cancelled.
#[napi]
pub struct Mailbox {
    queue: Arc<Queue>,
    /// Dropping a sender cancels its call.
    under_way: HashMap<u32, oneshot::Sender<()>>,
}

#[napi]
impl Mailbox {
    /// `wake` is called when there is something to [`Mailbox::drain`].
    #[napi(constructor)]
    #[allow(clippy::needless_pass_by_value)]
    pub fn new(wake: Function<'_, (), ()>) -> napi::Result<Self> {
        let wake = wake.build_threadsafe_function().weak::<true>().build()?;
        Ok(Self {
            queue: Arc::new(Queue { wake, settled: Mutex::default(), told: AtomicBool::new(false) }),
            under_way: HashMap::new(),
        })
    }

    /// Starts a call. `request` is `{task, messages, options}` as JSON; `ticket` names the result, and the call in
    /// [`Mailbox::cancel`]. While calls are under way the event loop stays alive.
    #[napi]
    pub fn complete(&mut self, env: &Env, router: &RouterHandle, ticket: u32, request: String) -> napi::Result<()> {
        let router = router.inner.clone();
        self.start(env, ticket, router.clone(), move |cancelled| call(router, request, cancelled))
    }

    /// Asks a stream for what it has next. Only one such batch may be under way. When it is cancelled it comes empty.
    #[napi]
    pub fn read(&mut self, env: &Env, stream: &StreamHandle, ticket: u32) -> napi::Result<()> {
        let source = Arc::clone(&stream.source);
        self.start(env, ticket, stream.router.clone(), move |cancelled| batch(source, cancelled))
    }

    /// Asks an exchange for its response, and when that has come for more of its body. Only one such turn may be under way. When
    /// it is cancelled it comes empty.
    #[napi]
    pub fn advance(&mut self, env: &Env, exchange: &ExchangeHandle, ticket: u32) -> napi::Result<()> {
        let (router, state) = (exchange.router.clone(), Arc::clone(&exchange.state));
        self.start(env, ticket, router.clone(), move |cancelled| turn(router, state, cancelled))
    }

    /// Reads what calls did and cost. `options` is `{by, since, until}` as JSON.
    #[napi]
    pub fn usage(&mut self, env: &Env, router: &RouterHandle, ticket: u32, options: String) -> napi::Result<()> {
        let router = router.inner.clone();
        self.start(env, ticket, router.clone(), move |_| usage(router, options))
    }

    /// Cancels a call, a batch or a turn; its result still comes. Nothing happens if it has come already.
    #[napi]
    pub fn cancel(&mut self, ticket: u32) {
        if let Some(cancel) = self.under_way.get_mut(&ticket) {
            // The entry stays: it stands for a result that is still to come.
            *cancel = oneshot::channel().0;
        }
    }

    /// The events of a router. `wake` is called when there are some to take.
    #[napi]
    pub fn watch(&self, router: &RouterHandle) -> Events {
        let queue = Arc::downgrade(&self.queue);
        let wake = move || {
            if let Some(queue) = queue.upgrade() {
                queue.tell();
            }
        };
        Events { queue: router.inner.queue_events(Level::Debug, wake) }
    }

    /// Takes every result that has come.
    #[napi]
    pub fn drain(&mut self, env: &Env) -> Vec<Letter> {
        // Before anything is taken: what is told from now on wakes the thread again.
        self.queue.told.store(false, Ordering::Release);
        let settled = std::mem::take(&mut *self.queue.settled.lock().unwrap_or_else(PoisonError::into_inner));
        for done in &settled {
            self.under_way.remove(&done.ticket);
        }
        if !settled.is_empty() && self.under_way.is_empty() {
            self.keep_alive(env, false);
        }
        settled
            .into_iter()
            .map(|Settled { ticket, envelope, result }| {
                // The garbage collector cannot see the reply; its body is about as large as what was made of it.
                let size = envelope.len();
                (ticket, envelope, result.map(|result| External::new_with_size_hint(Settlement(result), size)))
            })
            .collect()
    }

    /// Runs what `work` makes of the sign that it is cancelled.
    fn start<F>(
        &mut self,
        env: &Env,
        ticket: u32,
        router: Router,
        work: impl FnOnce(oneshot::Receiver<()>) -> F,
    ) -> napi::Result<()>
    where
        F: Future<Output = Brought> + Send + 'static,
    {
        let runtime = runtime()?;
        if self.under_way.is_empty() {
            self.keep_alive(env, true);
        }
        let (cancel, cancelled) = oneshot::channel();
        self.under_way.insert(ticket, cancel);
        let queue = Arc::clone(&self.queue);
        let work = work(cancelled);
        runtime.spawn(async move {
            // Without this a panic would leave the caller waiting for ever.
            let brought = AssertUnwindSafe(work).catch_unwind().await;
            queue.push(settle(ticket, &router, brought.ok()));
        });
        Ok(())
    }

    /// Whether the event loop has to wait for this mailbox.
    fn keep_alive(&self, env: &Env, alive: bool) {
        let wake = self.queue.wake.raw();
        // napi-rs only offers this on a function that is not shared, and marks it as outdated without a successor.
        // SAFETY: both calls are for the JavaScript thread only, and take a function that is not released. Only methods
        // called from JavaScript get here, so it is that thread and its environment lives; the function is released
        // after the last reference to `self.queue` is gone, and `self` holds one.
        unsafe {
            if alive {
                sys::napi_ref_threadsafe_function(env.raw(), wake);
            } else {
                sys::napi_unref_threadsafe_function(env.raw(), wake);
            }
        }
    }
}

async fn call(router: Router, request: String, cancelled: oneshot::Receiver<()>) -> Brought {
    let result = match Request::read(&request) {
        Ok(Request { task, messages, options }) => {
            router.complete_value(task, messages, options).cancel_on(cancelled.map(drop)).await
        }
        Err(error) => Err(error),
    };
    let envelope = match &result {
        Ok(reply) => json!({"reply": reply.to_value()}),
        Err(error) => json!({"error": error.to_value()}),
    };
    (envelope, Some(result))
}

async fn usage(router: Router, options: String) -> Brought {
    let read = move || parse("options", &options).and_then(|options| router.usage_value(options));
    let envelope = match spawn_blocking(read).await.unwrap_or_else(|failed| resume_unwind(failed.into_panic())) {
        Ok(report) => json!({"usage": report.to_value()}),
        Err(error) => json!({"error": error.to_value()}),
    };
    (envelope, None)
}

/// `brought` is none after a panic.
fn settle(ticket: u32, router: &Router, brought: Option<Brought>) -> Settled {
    let (mut envelope, result) = brought.unwrap_or_else(|| {
        // What it panicked with may quote a prompt.
        (json!({"bug": "locum failed inside; the panic is on standard error"}), None)
    });
    let notices = router.take_notices();
    if let (Some(envelope), false) = (envelope.as_object_mut(), notices.is_empty()) {
        envelope.insert("notices".to_owned(), notices.into());
    }
    Settled { ticket, envelope: envelope.to_string(), result }
}
