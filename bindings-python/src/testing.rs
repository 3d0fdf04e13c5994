//! The core's scripted providers, for tests in Python.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use locum::testkit::{self, Script};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use serde_json::Value;

use crate::convert::{to_python, to_value};
use crate::errors;
use crate::runtime::{Local, Process};

/// Scripted providers on a port of 127.0.0.1; `locum.testing.Mock` is its public face.
#[pyclass(frozen, module = "locum._core")]
pub(crate) struct Mock {
    // Locked only while attached to Python and for no Python call, so it is free whenever Python forks.
    playing: Mutex<Local<testkit::Mock>>,
}

impl Mock {
    fn with<T>(&self, ask: impl FnOnce(&testkit::Mock) -> T) -> PyResult<T> {
        let playing = self.playing.lock().unwrap_or_else(PoisonError::into_inner);
        playing
            .get()
            .map(ask)
            .ok_or_else(|| PyRuntimeError::new_err("the mock is closed, or belongs to a parent process"))
    }
}

#[pymethods]
impl Mock {
    #[new]
    fn new(py: Python<'_>, script: &Bound<'_, PyAny>) -> PyResult<Self> {
        let script = to_value(script).map_err(|trouble| errors::config(py, trouble))?;
        let script = Script::from_value(script).map_err(|error| errors::config_problem(py, &error.to_string()))?;
        let runtime = Process::current()?.handle();
        let mock = py.detach(|| runtime.block_on(testkit::Mock::start(script)))?;
        Ok(Self { playing: Mutex::new(Local::new(mock)) })
    }

    fn url(&self, name: &str) -> PyResult<String> {
        self.with(|mock| mock.url(name))
    }

    fn log<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let seen: Value = self.with(|mock| mock.log().iter().map(testkit::Seen::to_value).collect())?;
        to_python(py, &seen)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let playing = self.playing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mock) = playing {
            let runtime = Process::current()?.handle();
            py.detach(|| runtime.block_on(mock.stop(Duration::ZERO)));
        }
        Ok(())
    }
}
