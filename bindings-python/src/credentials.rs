//! Credentials that a program's callbacks give. A call that needs one puts a request into a queue; a thread of Python's own
//! takes it from there and answers, so that no thread of tokio's ever runs Python: `locum/_credentials.py`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use locum::Builder;
use locum::credential::Credential;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::convert;

type Answer = Result<Value, String>;

/// Requests for credentials that nobody has taken yet, of one router in one process.
#[derive(Default)]
pub(crate) struct Requests {
    inbox: Mutex<Inbox>,
    rung: Condvar,
    /// A thread takes them.
    served: AtomicBool,
}

#[derive(Default)]
struct Inbox {
    asked: VecDeque<(String, oneshot::Sender<Answer>)>,
    /// The router is gone.
    closed: bool,
}

impl Requests {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, provider: &str) -> oneshot::Receiver<Answer> {
        let (answer, asked) = oneshot::channel();
        self.lock().asked.push_back((provider.to_owned(), answer));
        self.rung.notify_one();
        asked
    }

    /// Has a thread take the requests, unless one does.
    pub(crate) fn serve(self: &Arc<Self>, callbacks: &Bound<'_, PyDict>) -> PyResult<()> {
        if self.served.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let queue = CredentialRequests(self.clone());
        callbacks.py().import("locum._credentials")?.call_method1("serve", (queue, callbacks)).map(drop)
    }
}

/// What the router's credentials share; when the last of them is gone, the thread ends.
struct Asking(Arc<Requests>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.rung.notify_all();
    }
}

/// A router in the making that asks these callbacks, and where it asks them.
pub(crate) fn asking(callbacks: &Bound<'_, PyDict>) -> PyResult<(Builder, Arc<Requests>)> {
    let requests = Arc::new(Requests::default());
    let asking = Arc::new(Asking(requests.clone()));
    let mut builder = locum::Router::builder();
    for provider in callbacks.keys() {
        let provider: String = provider.extract()?;
        let (asking, name) = (asking.clone(), provider.clone());
        let credential = Credential::callback(move || {
            let asked = asking.0.ask(&name);
            async move { asked.await.unwrap_or_else(|_| Err("gave no answer".to_owned())) }
        });
        builder = builder.credential(provider, credential);
    }
    Ok((builder, requests))
}

/// The requests, as the thread that takes them sees them.
#[pyclass(frozen, module = "locum._core")]
pub(crate) struct CredentialRequests(Arc<Requests>);

#[pymethods]
impl CredentialRequests {
    /// The next request; none when the router is gone.
    fn wait(&self, py: Python<'_>) -> Option<CredentialRequest> {
        let requests = &self.0;
        py.detach(|| {
            let mut inbox = requests.lock();
            loop {
                if let Some((provider, answer)) = inbox.asked.pop_front() {
                    return Some(CredentialRequest { provider, answer: Mutex::new(Some(answer)) });
                }
                if inbox.closed {
                    return None;
                }
                inbox = requests.rung.wait(inbox).unwrap_or_else(PoisonError::into_inner);
            }
        })
    }
}

/// A credential that is waited for.
#[pyclass(frozen, module = "locum._core")]
pub(crate) struct CredentialRequest {
    #[pyo3(get)]
    provider: String,
    answer: Mutex<Option<oneshot::Sender<Answer>>>,
}

impl CredentialRequest {
    fn send(&self, answer: Answer) {
        if let Some(asked) = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Whoever asked may have gone.
            let _ = asked.send(answer);
        }
    }
}

#[pymethods]
impl CredentialRequest {
    /// Hands over what the callback gave.
    fn give(&self, given: &Bound<'_, PyAny>) {
        self.send(convert::to_value(given).map_err(|trouble| format!("gave what is no data: {}", trouble.problem)));
    }

    /// Tells that the callback raised an exception of this type.
    fn fail(&self, exception: &str) {
        self.send(Err(format!("raised {exception}")));
    }
}
