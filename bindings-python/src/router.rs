//! The router as Python holds it: arguments in, calls of the core, results out. It decides nothing.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use locum::{Error, Policy};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::mailbox::{Ticket, submit};
use crate::reply::Reply;
use crate::runtime::{Local, Process};
use crate::source::Source;
use crate::stream::Stream;
use crate::{convert, errors, notices};

/// How soon a blocking call notices Ctrl-C.
const SIGNAL_CHECK: Duration = Duration::from_millis(50);

/// Completes tasks; `locum.Router` is its public face.
#[pyclass(frozen, module = "locum._core")]
pub(crate) struct Router {
    policy: Policy,
    // Locked only while attached to Python and for no Python call, so it is free whenever Python forks.
    live: Mutex<Local<locum::Router>>,
}

impl Router {
    fn new(py: Python<'_>, made: Result<locum::Router, Error>) -> PyResult<Self> {
        let router = made.map_err(|error| errors::exception(py, &error))?;
        notices::log(py, &router)?;
        Ok(Self { policy: router.policy().clone(), live: Mutex::new(Local::new(router)) })
    }

    /// The core's router; in a forked child a new one, since the connections belong to the parent.
    fn live(&self) -> locum::Router {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(router) = live.get() {
            return router.clone();
        }
        let router = locum::Router::new(self.policy.clone());
        // The parent has told what is to be said of the configuration.
        drop(router.take_notices());
        *live = Local::new(router.clone());
        router
    }

    /// What a call of the core takes.
    fn question(
        task: &Bound<'_, PyAny>,
        messages: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<(String, Value, Value)> {
        let task =
            convert::text(task).map_err(|trouble| errors::invalid_request(messages.py(), "", "task", trouble))?;
        let invalid = |root| {
            let task = task.as_str();
            move |trouble| errors::invalid_request(messages.py(), task, root, trouble)
        };
        let messages = convert::to_value(messages).map_err(invalid("messages"))?;
        let options = convert::to_options(options).map_err(invalid(""))?;
        Ok((task, messages, options))
    }

    fn call(
        &self,
        task: &Bound<'_, PyAny>,
        messages: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<(locum::Router, impl Future<Output = Result<locum::Reply, Error>> + Send + 'static)> {
        let (task, messages, options) = Self::question(task, messages, options)?;
        let router = self.live();
        let call = {
            let router = router.clone();
            // What is left of the reading happens in the task, off the loop's thread.
            async move { router.complete_value(task, messages, options).await }
        };
        Ok((router, call))
    }
}

#[pymethods]
impl Router {
    #[staticmethod]
    fn from_config(config: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = config.py();
        let value = convert::to_value(config).map_err(|trouble| errors::config(py, trouble))?;
        Self::new(py, locum::Router::from_value(value))
    }

    #[staticmethod]
    fn from_file(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        Self::new(py, py.detach(|| locum::Router::from_file(path)))
    }

    #[staticmethod]
    fn from_default(py: Python<'_>) -> PyResult<Self> {
        Self::new(py, py.detach(locum::Router::from_default))
    }

    /// The names of the tasks.
    fn tasks(&self) -> Vec<String> {
        self.policy.tasks.keys().cloned().collect()
    }

    /// Starts a call: the running loop's future of its reply, and the right to cancel it.
    fn submit(
        &self,
        py: Python<'_>,
        task: &Bound<'_, PyAny>,
        messages: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<(Py<PyAny>, Ticket)> {
        let (router, call) = self.call(task, messages, options)?;
        submit(py, router, call)
    }

    /// Makes a call and waits for its reply on the caller's own thread.
    fn complete_sync(
        &self,
        py: Python<'_>,
        task: &Bound<'_, PyAny>,
        messages: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Reply> {
        let (router, call) = self.call(task, messages, options)?;
        let outcome = wait(py, Process::current()?.handle(), call)?;
        notices::log(py, &router)?;
        outcome.map(Reply::new).map_err(|error| errors::exception(py, &error))
    }

    /// A stream that asks nothing before it is read.
    fn stream(
        &self,
        task: &Bound<'_, PyAny>,
        messages: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Stream> {
        let (task, messages, options) = Self::question(task, messages, options)?;
        Ok(Stream::new(Source::new(self.live(), task, messages, options)))
    }
}

/// Drives `call` detached from Python. On the main thread a signal handler that raises, such as Ctrl-C's, ends it: dropping
/// the call closes its connection.
pub(crate) fn wait<T: Send>(py: Python<'_>, runtime: &Handle, call: impl Future<Output = T> + Send) -> PyResult<T> {
    if !on_main_thread(py)? {
        return Ok(py.detach(|| runtime.block_on(call)));
    }
    let mut call = pin!(call);
    loop {
        let turn = py.detach(|| runtime.block_on(async { timeout(SIGNAL_CHECK, call.as_mut()).await }));
        match turn {
            Ok(outcome) => return Ok(outcome),
            Err(_) => py.check_signals()?,
        }
    }
}

/// Only there does Python run signal handlers.
fn on_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import(intern!(py, "threading"))?;
    let main = threading.call_method0(intern!(py, "main_thread"))?;
    let current = threading.call_method0(intern!(py, "current_thread"))?;
    Ok(current.is(&main))
}
