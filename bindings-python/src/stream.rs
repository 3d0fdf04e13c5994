//! A stream as Python holds it: `locum.Stream` and `locum.TextStream` are its public faces, and bodies of responses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::mailbox;
use crate::reply::{self, Reply};
use crate::router::wait;
use crate::runtime::{Local, Process};
use crate::source::{Item, Source, Turn, Wait};
use crate::{errors, events};

/// A stream of events, of text or of bytes. Letting go of it closes its connections.
#[pyclass(frozen, module = "locum._core")]
pub(crate) struct Stream {
    source: Local<Arc<Source>>,
    reply: PyOnceLock<Py<Reply>>,
    /// Closed because a wait for it broke off, not because its reader was done with it.
    cut: AtomicBool,
}

impl Stream {
    pub(crate) fn new(source: Source) -> Self {
        Self { source: Local::new(Arc::new(source)), reply: PyOnceLock::new(), cut: AtomicBool::new(false) }
    }

    fn source(&self) -> PyResult<&Arc<Source>> {
        self.source.get().ok_or_else(|| {
            PyRuntimeError::new_err("this stream belongs to the process that was forked; make a new one in the child")
        })
    }

    /// The right to wait; none when there is no more.
    fn turn(&self) -> PyResult<Option<Turn>> {
        match self.source()?.wait() {
            Wait::Turn(turn) => Ok(Some(turn)),
            Wait::Over => Ok(None),
            Wait::Taken => Err(PyRuntimeError::new_err(
                "this stream is being read by another task or thread; a stream has one reader at a time",
            )),
        }
    }

    fn ended(&self, py: Python<'_>, reply: &Py<Reply>) {
        // It ends once.
        let _ = self.reply.set(py, reply.clone_ref(py));
    }
}

#[pymethods]
impl Stream {
    /// Makes it a stream of nothing but text.
    fn choose_text(&self) -> PyResult<()> {
        if self.source()?.choose_text() {
            return Ok(());
        }
        Err(PyRuntimeError::new_err("this stream is being read as events; ask for its text before the first of them"))
    }

    /// The next event or page, or with `text` the next piece of text, if it is there already.
    fn take<'py>(&self, py: Python<'py>, text: bool) -> PyResult<Option<Bound<'py, PyAny>>> {
        let source = self.source()?;
        if source.is_text() != text {
            return Err(PyRuntimeError::new_err("this stream is being read as text; read what text() gave"));
        }
        match source.take() {
            None => Ok(None),
            Some(Item::Text(text)) => Ok(Some(PyString::new(py, &text).into_any())),
            Some(Item::Event(event)) => events::to_python(py, event, |reply| self.ended(py, reply)).map(Some),
            Some(Item::Whole(reply)) => {
                self.ended(py, &Py::new(py, Reply::new(*reply))?);
                Ok(None)
            }
            Some(Item::Page(page)) => Ok(Some(PyBytes::new(py, &page).into_any())),
            Some(Item::Failed(error)) => Err(errors::exception(py, &error)),
        }
    }

    /// The running loop's future, done as soon as there is something to take; None when there is no more.
    fn wait(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let source = self.source()?;
        self.turn()?.map(|turn| mailbox::await_more(py, source, turn)).transpose()
    }

    /// Reads on the caller's own thread until there is something to take; false when there is no more.
    fn wait_sync(&self, py: Python<'_>) -> PyResult<bool> {
        let source = self.source()?;
        let Some(turn) = self.turn()? else {
            return Ok(false);
        };
        // A signal's handler raised, such as Ctrl-C's.
        wait(py, &source.desk, Process::current()?.handle(), turn.fill()).inspect_err(|_| self.cut())?;
        Ok(true)
    }

    /// Closes the connections because a wait broke off.
    fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.close();
    }

    #[getter]
    fn was_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Closes the connections. In a forked child they are the parent's, and stay.
    fn close(&self) {
        if let Some(source) = self.source.get() {
            source.close();
        }
    }

    /// Of a whole answer whose end has been taken.
    #[getter]
    fn reply(&self, py: Python<'_>) -> Option<Py<Reply>> {
        self.reply.get(py).map(|reply| reply.clone_ref(py))
    }

    #[getter]
    fn attempts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        reply::attempts(py, &self.source()?.attempts())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.close();
    }
}
