//! The router as Python holds it: arguments in, calls of the core, results out. It decides nothing.

use std::future::Future;
use std::mem;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use locum::{Builder, Error, Level, Policy};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyDict, PyTuple, PyWeakrefReference};
use pyo3::{PyTraverseError, PyVisit};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::credentials::{Requests, asking};
use crate::desk::Desk;
use crate::fetch::{Answer, answer, request};
use crate::import::Import;
use crate::mailbox::{Ticket, submit, submit_fetch};
use crate::reply::Reply;
use crate::runtime::{Local, Process};
use crate::source::Source;
use crate::stream::Stream;
use crate::{convert, errors};

/// How soon a blocking call notices Ctrl-C.
const SIGNAL_CHECK: Duration = Duration::from_millis(50);

/// Completes tasks; `locum.Router` is its public face.
#[pyclass(frozen, weakref, module = "locum._core")]
pub(crate) struct Router {
    policy: Policy,
    /// What gives credentials, by provider.
    callbacks: Py<PyDict>,
    // Locked only while attached to Python and for no Python call, so they are free whenever Python forks.
    live: Mutex<Local<Arc<Desk>>>,
    /// Who listens to events, each with the number it is taken back by.
    listeners: Mutex<Vec<(u64, Py<PyAny>)>>,
    /// The core's router, until the Python object is there that its desk tells of.
    made: Mutex<Option<(locum::Router, Arc<Requests>)>>,
    numbers: AtomicU64,
}

impl Router {
    /// A router that asks these callbacks for credentials, made by `open`.
    fn new(
        py: Python<'_>,
        callbacks: Bound<'_, PyDict>,
        open: impl FnOnce(Builder) -> Result<locum::Router, Error>,
    ) -> PyResult<Py<Self>> {
        let (builder, requests) = asking(&callbacks)?;
        let made = open(builder).map_err(|error| errors::exception(py, &error))?;
        let this = Self {
            policy: made.policy().clone(),
            callbacks: callbacks.unbind(),
            live: Mutex::new(Local::none()),
            listeners: Mutex::default(),
            made: Mutex::new(Some((made, requests))),
            numbers: AtomicU64::new(0),
        };
        let this = Bound::new(py, this)?;
        Self::desk(&this)?.tell(py)?;
        Ok(this.unbind())
    }

    /// The desk, on the way to a call, which may need a credential.
    fn open(this: &Bound<'_, Self>) -> PyResult<Arc<Desk>> {
        let desk = Self::desk(this)?;
        let callbacks = this.get().callbacks.bind(this.py());
        if !callbacks.is_empty() {
            desk.requests.serve(callbacks)?;
        }
        Ok(desk)
    }

    /// The core's router; in a forked child a new one, since the connections belong to the parent.
    fn desk(this: &Bound<'_, Self>) -> PyResult<Arc<Desk>> {
        let (py, own) = (this.py(), this.get());
        if let Some(desk) = lock(&own.live).get() {
            return Ok(desk.clone());
        }
        let least = own.least(py)?;
        let owner = PyWeakrefReference::new(this)?.unbind();
        let made = lock(&own.made).take();
        let (router, requests) = match made {
            Some(made) => made,
            None => {
                let (builder, requests) = asking(own.callbacks.bind(py))?;
                let router = builder.build(own.policy.clone()).map_err(|error| errors::exception(py, &error))?;
                // The parent has told what is to be said of the configuration.
                drop(router.take_notices());
                (router, requests)
            }
        };
        let mut live = lock(&own.live);
        if let Some(desk) = live.get() {
            return Ok(desk.clone());
        }
        let desk = Desk::open(router, requests, least, owner);
        *live = Local::new(desk.clone());
        Ok(desk)
    }

    /// The least level of events that somebody wants: all of them where somebody listens, or where the logger is to log
    /// everything.
    fn least(&self, py: Python<'_>) -> PyResult<Level> {
        static LOGGER: Import = Import::new("locum._events", "logger");
        if !lock(&self.listeners).is_empty() {
            return Ok(Level::Debug);
        }
        let logger = LOGGER.get(py)?;
        let debug = logger.call_method1(intern!(py, "isEnabledFor"), (10,))?.is_truthy()?;
        Ok(if debug { Level::Debug } else { Level::Info })
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
        this: &Bound<'_, Self>,
        task: &Bound<'_, PyAny>,
        messages: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<(Arc<Desk>, impl Future<Output = Result<locum::Reply, Error>> + Send + 'static)> {
        let (task, messages, options) = Self::question(task, messages, options)?;
        let desk = Self::open(this)?;
        let call = {
            let router = desk.router.clone();
            // What is left of the reading happens in the task, off the loop's thread.
            async move { router.complete_value(task, messages, options).await }
        };
        Ok((desk, call))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[pymethods]
impl Router {
    #[staticmethod]
    fn from_config(config: &Bound<'_, PyAny>, credentials: Bound<'_, PyDict>) -> PyResult<Py<Self>> {
        let py = config.py();
        let value = convert::to_value(config).map_err(|trouble| errors::config(py, trouble))?;
        Self::new(py, credentials, |builder| builder.from_value(value))
    }

    #[staticmethod]
    fn from_file(py: Python<'_>, path: PathBuf, credentials: Bound<'_, PyDict>) -> PyResult<Py<Self>> {
        Self::new(py, credentials, |builder| py.detach(|| builder.from_file(path)))
    }

    #[staticmethod]
    fn from_default(py: Python<'_>, credentials: Bound<'_, PyDict>) -> PyResult<Py<Self>> {
        Self::new(py, credentials, |builder| py.detach(|| builder.from_default()))
    }

    /// The names of the tasks.
    fn tasks(&self) -> Vec<String> {
        self.policy.tasks.keys().cloned().collect()
    }

    /// Starts a call: the running loop's future of its reply, and the right to cancel it.
    fn submit(
        slf: &Bound<'_, Self>,
        py: Python<'_>,
        task: &Bound<'_, PyAny>,
        messages: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<(Py<PyAny>, Ticket)> {
        let (desk, call) = Self::call(slf, task, messages, options)?;
        submit(py, desk, call)
    }

    /// Makes a call and waits for its reply on the caller's own thread.
    fn complete_sync(
        slf: &Bound<'_, Self>,
        py: Python<'_>,
        task: &Bound<'_, PyAny>,
        messages: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Reply> {
        let (desk, call) = Self::call(slf, task, messages, options)?;
        let outcome = wait(py, &desk, Process::current()?.handle(), call)?;
        outcome.map(Reply::new).map_err(|error| errors::exception(py, &error))
    }

    /// Starts to answer an HTTP request: the running loop's future of status, headers and body, and the right to cancel it.
    fn fetch(
        slf: &Bound<'_, Self>,
        py: Python<'_>,
        method: &str,
        target: &[u8],
        headers: Vec<(PyBackedBytes, PyBackedBytes)>,
        body: &[u8],
    ) -> PyResult<(Py<PyAny>, Ticket)> {
        let request = request(method, target, headers, body)?;
        let desk = Self::open(slf)?;
        let call = answer(desk.router.clone(), request);
        submit_fetch(py, desk, call)
    }

    /// Answers an HTTP request on the caller's own thread.
    fn fetch_sync<'py>(
        slf: &Bound<'py, Self>,
        py: Python<'py>,
        method: &str,
        target: &[u8],
        headers: Vec<(PyBackedBytes, PyBackedBytes)>,
        body: &[u8],
    ) -> PyResult<Bound<'py, PyAny>> {
        let request = request(method, target, headers, body)?;
        let desk = Self::open(slf)?;
        let call = answer(desk.router.clone(), request);
        let outcome: Result<Answer, Error> = wait(py, &desk, Process::current()?.handle(), call)?;
        outcome.map_err(|error| errors::exception(py, &error))?.into_python(py, &desk)
    }

    /// A stream that asks nothing before it is read.
    fn stream(
        slf: &Bound<'_, Self>,
        task: &Bound<'_, PyAny>,
        messages: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Stream> {
        let (task, messages, options) = Self::question(task, messages, options)?;
        Ok(Stream::new(Source::new(Self::open(slf)?, task, messages, options)))
    }

    /// What a call would do, as plain data.
    fn explain<'py>(
        slf: &Bound<'py, Self>,
        task: &Bound<'py, PyAny>,
        messages: &Bound<'py, PyAny>,
        options: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let (task, messages, options) = Self::question(task, messages, options)?;
        let router = Self::desk(slf)?.router.clone();
        let explanation = py.detach(|| router.explain_value(task, messages, options));
        let explanation = explanation.map_err(|error| errors::exception(py, &error))?;
        convert::to_python(py, &explanation.to_value())
    }

    /// How every candidate is, as plain data.
    fn health<'py>(slf: &Bound<'py, Self>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let all = Self::desk(slf)?.router.health();
        all.iter().map(|candidate| convert::to_python(slf.py(), &candidate.to_value())).collect()
    }

    /// Forgets what speaks against candidates.
    fn reset_health(slf: &Bound<'_, Self>, model: Option<&str>) -> PyResult<()> {
        Self::desk(slf)?.router.reset_health(model);
        Ok(())
    }

    /// Waits until the records of calls are written. A child that was forked and has made no call has none.
    fn flush(&self, py: Python<'_>, patience_ms: Option<f64>) -> bool {
        let desk = lock(&self.live).get().cloned();
        let patience = patience_ms.map(|ms| Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default());
        desk.is_none_or(|desk| py.detach(|| desk.router.flush(patience)))
    }

    /// What calls did and cost, as plain data. It is read on a thread of the runtime, so that Ctrl-C ends the waiting for it.
    fn usage<'py>(slf: &Bound<'py, Self>, options: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let options = convert::to_options(options).map_err(|trouble| errors::invalid_request(py, "", "", trouble))?;
        let desk = Self::desk(slf)?;
        let (router, process) = (desk.router.clone(), Process::current()?);
        let reading = process.handle().spawn_blocking(move || router.usage_value(options));
        let read = wait(py, &desk, process.handle(), reading)?;
        let report = read.unwrap_or_else(|failed| resume_unwind(failed.into_panic()));
        let report = report.map_err(|error| errors::exception(py, &error))?;
        convert::to_python(py, &report.to_value())
    }

    /// Adds a listener of events; the number to take it back by.
    fn listen(slf: &Bound<'_, Self>, listener: Py<PyAny>) -> PyResult<u64> {
        let own = slf.get();
        let number = own.numbers.fetch_add(1, Ordering::Relaxed);
        lock(&own.listeners).push((number, listener));
        Self::desk(slf)?.want(Level::Debug);
        Ok(number)
    }

    /// Takes a listener back.
    fn unlisten(slf: &Bound<'_, Self>, number: u64) -> PyResult<()> {
        let own = slf.get();
        let mut listeners = lock(&own.listeners);
        let at = listeners.iter().position(|(known, _)| *known == number);
        // Let go of without the lock: it may run Python code.
        let gone = at.map(|at| listeners.remove(at));
        drop(listeners);
        drop(gone);
        let least = own.least(slf.py())?;
        Self::desk(slf)?.want(least);
        Ok(())
    }

    /// Those who listen.
    fn listeners<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let all: Vec<Py<PyAny>> = lock(&self.listeners).iter().map(|(_, listener)| listener.clone_ref(py)).collect();
        PyTuple::new(py, all)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.callbacks)?;
        // No lock of another thread is waited for: without the list the collector merely frees less.
        let Ok(listeners) = self.listeners.try_lock() else {
            return Ok(());
        };
        listeners.iter().try_for_each(|(_, listener)| visit.call(listener))
    }

    fn __clear__(&self) {
        let gone = mem::take(&mut *lock(&self.listeners));
        drop(gone);
    }
}

/// Drives `call` detached from Python, and tells what the router has to tell. On the main thread it does so in turns, and a
/// signal handler that raises, such as Ctrl-C's, ends it: dropping the call closes its connection.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    desk: &Desk,
    runtime: &Handle,
    call: impl Future<Output = T> + Send,
) -> PyResult<T> {
    if !on_main_thread(py)? {
        let outcome = py.detach(|| runtime.block_on(call));
        return desk.tell(py).map(|()| outcome);
    }
    let mut call = pin!(call);
    loop {
        let turn = py.detach(|| runtime.block_on(async { timeout(SIGNAL_CHECK, call.as_mut()).await }));
        // Also when it is over: the signal came while it was waited for.
        py.check_signals()?;
        desk.tell(py)?;
        if let Ok(outcome) = turn {
            return Ok(outcome);
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
