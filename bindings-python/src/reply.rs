//! The reply as Python sees it: its attributes are built when they are read.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use serde_json::Value;

use crate::convert::to_python;
use crate::import::Import;

/// The answer to a call, with the whole trail of how it came about.
#[pyclass(frozen, module = "locum")]
pub(crate) struct Reply {
    reply: locum::Reply,
    // Mutable in Python, so whoever asks again must get the same object.
    message: PyOnceLock<Py<PyAny>>,
    parsed: PyOnceLock<Py<PyAny>>,
    raw: PyOnceLock<Py<PyAny>>,
}

impl Reply {
    pub(crate) fn new(reply: locum::Reply) -> Self {
        Self { reply, message: PyOnceLock::new(), parsed: PyOnceLock::new(), raw: PyOnceLock::new() }
    }
}

#[pymethods]
impl Reply {
    /// The text; a refusal's words too.
    #[getter]
    fn text(&self) -> &str {
        self.reply.text()
    }

    /// Visible reasoning.
    #[getter]
    fn reasoning(&self) -> Option<&str> {
        self.reply.reasoning()
    }

    /// The answer as the assistant message to append to the chat.
    #[getter]
    fn message<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        once(py, &self.message, || self.reply.message().to_value())
    }

    /// Tools the model wants called.
    #[getter]
    fn tool_calls<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        static TOOL_CALL: Import = Import::new("locum.types", "ToolCall");
        let class = TOOL_CALL.get(py)?;
        let calls = self.reply.tool_calls().iter();
        let calls: PyResult<Vec<_>> = calls.map(|call| class.call1((&call.id, &call.name, &call.arguments))).collect();
        PyTuple::new(py, calls?)
    }

    /// The answer parsed as JSON, when a JSON format was asked for.
    #[getter]
    fn parsed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        once(py, &self.parsed, || self.reply.parsed.clone().unwrap_or_default())
    }

    /// Why the model stopped.
    #[getter]
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static FINISH: Import = Import::new("locum.types", "Finish");
        let finish = self.reply.finish();
        FINISH.get(py)?.call1((finish.unified.as_str(), finish.raw.as_deref()))
    }

    /// Tokens of the winning attempt, where the provider reported them.
    #[getter]
    fn usage<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.reply.usage().map(|spent| usage(py, spent)).transpose()
    }

    /// USD over all attempts, where any is known.
    #[getter]
    fn cost(&self) -> Option<f64> {
        self.reply.cost
    }

    /// Who answered, as `provider/model`.
    #[getter]
    fn model(&self) -> &str {
        &self.reply.model
    }

    /// The provider's name in the configuration.
    #[getter]
    fn provider(&self) -> &str {
        &self.reply.provider
    }

    /// The task.
    #[getter]
    fn task(&self) -> &str {
        &self.reply.task
    }

    /// From the call to the answer.
    #[getter]
    fn latency_ms(&self) -> f64 {
        millis(self.reply.latency)
    }

    /// From the call to the first content, for streams.
    #[getter]
    fn first_token_ms(&self) -> Option<f64> {
        self.reply.first_token.map(millis)
    }

    /// The provider's id of the exchange.
    #[getter]
    fn request_id(&self) -> Option<&str> {
        self.reply.request_id()
    }

    /// Things worth knowing that are not failures.
    #[getter]
    fn warnings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.reply.warnings)
    }

    /// Whether another than the first candidate answered.
    #[getter]
    fn fallback_used(&self) -> bool {
        self.reply.fallback_used
    }

    /// What was tried and what was passed over, in order.
    #[getter]
    fn attempts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        attempts(py, &self.reply.attempts)
    }

    /// The provider's own body.
    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        once(py, &self.raw, || self.reply.raw().clone())
    }

    /// The attempts as a table for people.
    fn trail(&self) -> String {
        self.reply.trail()
    }

    /// Everything but `raw`, as plain data.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.reply.to_value())
    }

    /// Never shows what the model said.
    fn __repr__(&self) -> String {
        let locum::Reply { task, model, fallback_used, .. } = &self.reply;
        let fallback_used = if *fallback_used { "True" } else { "False" };
        let finish = self.reply.finish().unified.as_str();
        format!("Reply(task={task:?}, model={model:?}, finish={finish:?}, fallback_used={fallback_used})")
    }
}

/// Tokens, as a named tuple.
pub(crate) fn usage(py: Python<'_>, usage: locum::Usage) -> PyResult<Bound<'_, PyAny>> {
    static USAGE: Import = Import::new("locum.types", "Usage");
    named(py, &USAGE.get(py)?, &usage.to_value())
}

/// A trail, as named tuples.
pub(crate) fn attempts<'py>(py: Python<'py>, attempts: &[locum::Attempt]) -> PyResult<Bound<'py, PyTuple>> {
    static ATTEMPT: Import = Import::new("locum.types", "attempt");
    let class = ATTEMPT.get(py)?;
    let attempts = attempts.iter().map(|attempt| named(py, &class, &attempt.to_value()));
    PyTuple::new(py, attempts.collect::<PyResult<Vec<_>>>()?)
}

/// With a microsecond's precision, as `to_dict` has it.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// Calls a named tuple's class with the members as keyword arguments.
fn named<'py>(py: Python<'py>, class: &Bound<'py, PyAny>, members: &Value) -> PyResult<Bound<'py, PyAny>> {
    let members = to_python(py, members)?.cast_into::<PyDict>()?;
    class.call((), Some(&members))
}

fn once<'py>(
    py: Python<'py>,
    cell: &PyOnceLock<Py<PyAny>>,
    value: impl FnOnce() -> Value,
) -> PyResult<Bound<'py, PyAny>> {
    let object = cell.get_or_try_init(py, || to_python(py, &value()).map(Bound::unbind))?;
    Ok(object.bind(py).clone())
}
