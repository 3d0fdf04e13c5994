//! What operators must hear of, put into Python's logging.

use locum::Router;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// Logs what the router has to tell as warnings of the logger `locum`.
pub(crate) fn log(py: Python<'_>, router: &Router) -> PyResult<()> {
    static GET_LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let notices = router.take_notices();
    if notices.is_empty() {
        return Ok(());
    }
    let logger = GET_LOGGER.import(py, "logging", "getLogger")?.call1(("locum",))?;
    for notice in notices {
        logger.call_method1("warning", ("%s", notice))?;
    }
    Ok(())
}
