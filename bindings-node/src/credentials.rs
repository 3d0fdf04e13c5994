//! Credentials that a program's callbacks give. JavaScript is asked on its own thread, under a ticket, and answers with it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use locum::Builder;
use locum::credential::Credential;
use napi::Status;
use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use serde_json::Value;
use tokio::sync::oneshot;

/// A ticket, and the provider.
type Asked = FnArgs<(u32, String)>;
/// Weak: it keeps no event loop alive by itself.
type Ask = ThreadsafeFunction<Asked, (), Asked, Status, false, true>;
type Answer = Result<Value, String>;

/// Who waits for an answer, in the whole process.
static WAITING: LazyLock<Mutex<HashMap<u32, oneshot::Sender<Answer>>>> = LazyLock::new(Mutex::default);

fn waiting() -> MutexGuard<'static, HashMap<u32, oneshot::Sender<Answer>>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The place of one who waits; it is given up when he goes.
struct Ticket(u32);

impl Drop for Ticket {
    fn drop(&mut self) {
        waiting().remove(&self.0);
    }
}

/// A router in the making that asks for the credentials of these providers.
pub(crate) fn asking(providers: Vec<String>, ask: &Function<'_, Asked, ()>) -> napi::Result<Builder> {
    let mut builder = locum::Router::builder();
    if providers.is_empty() {
        return Ok(builder);
    }
    let ask = Arc::new(ask.build_threadsafe_function().weak::<true>().build()?);
    for provider in providers {
        let (ask, name) = (ask.clone(), provider.clone());
        builder = builder.credential(provider, Credential::callback(move || given(ask.clone(), name.clone())));
    }
    Ok(builder)
}

async fn given(ask: Arc<Ask>, provider: String) -> Answer {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let (answer, asked) = oneshot::channel();
    let ticket = Ticket(LAST.fetch_add(1, Ordering::Relaxed));
    waiting().insert(ticket.0, answer);
    let status = ask.call((ticket.0, provider).into(), ThreadsafeFunctionCallMode::NonBlocking);
    let lost = || Err("gave no answer".to_owned());
    if status == Status::Ok { asked.await.unwrap_or_else(|_| lost()) } else { lost() }
}

/// What the callback gave, as JSON; or what it did instead, in words.
#[napi]
#[allow(clippy::needless_pass_by_value)]
pub fn give_credential(ticket: u32, given: Option<String>, instead: String) {
    let given = given.and_then(|json| serde_json::from_str(&json).ok());
    if let Some(asked) = waiting().remove(&ticket) {
        // Whoever asked may have gone.
        let _ = asked.send(given.ok_or(instead));
    }
}
