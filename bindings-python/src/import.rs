//! What is looked up in Python modules once.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::ffi::PyObject;
use pyo3::prelude::*;

/// A member of a module, looked up when it is first needed, and kept.
///
/// PyO3's cell for this has everybody wait for the first, whose import may run Python code. A child that another thread forks
/// just then would wait for ever. Here whoever comes meanwhile looks for itself, and nobody waits.
pub(crate) struct Import {
    module: &'static str,
    name: &'static str,
    found: AtomicPtr<PyObject>,
}

impl Import {
    pub(crate) const fn new(module: &'static str, name: &'static str) -> Self {
        Self { module, name, found: AtomicPtr::new(ptr::null_mut()) }
    }

    pub(crate) fn get<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let known = self.found.load(Ordering::Acquire);
        if !known.is_null() {
            // SAFETY: it comes from `into_ptr` below, and what is kept there is never released.
            return Ok(unsafe { Bound::from_borrowed_ptr(py, known) });
        }
        let found = py.import(self.module)?.getattr(self.name)?;
        let kept = found.clone().into_ptr();
        if self.found.compare_exchange(ptr::null_mut(), kept, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: `kept` comes from `into_ptr` above, and nobody else has seen it.
            drop(unsafe { Bound::from_owned_ptr(py, kept) });
        }
        Ok(found)
    }
}
