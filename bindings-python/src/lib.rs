//! The native half of the Python package `locum`. The public API, with its documentation, is the Python half over it.
//!
//! Nothing here decides: arguments become values of the core, its results become Python objects, and what lies between is
//! how both get from one world to the other.

mod convert;
mod credentials;
mod desk;
mod errors;
mod events;
mod fetch;
mod import;
mod mailbox;
mod reply;
mod router;
mod runtime;
mod source;
mod stream;
mod testing;

use pyo3::prelude::*;

/// The native half of `locum`.
#[pymodule]
mod _core {
    use locum::ErrorKind;
    use pyo3::prelude::*;
    use pyo3::types::PyTuple;

    #[pymodule_export]
    use crate::credentials::{CredentialRequest, CredentialRequests};
    #[pymodule_export]
    use crate::events::{
        EndEvent, ReasoningEvent, RestartEvent, StartEvent, TextEvent, ToolCallDeltaEvent, ToolCallEvent, UsageEvent,
    };
    #[pymodule_export]
    use crate::mailbox::{Bell, Mailbox, Ticket};
    #[pymodule_export]
    use crate::reply::Reply;
    #[pymodule_export]
    use crate::router::Router;
    #[pymodule_export]
    use crate::stream::Stream;
    #[pymodule_export]
    use crate::testing::Mock;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let kinds = PyTuple::new(module.py(), ErrorKind::ALL.iter().map(|kind| kind.as_str()))?;
        module.add("KINDS", kinds)?;
        module.add("LAST_FLUSH", locum::Router::LAST_FLUSH.as_secs_f64())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }

    /// Runs the `locum` command; answers with its exit code.
    #[pyfunction]
    fn run_cli(py: Python<'_>, arguments: Vec<String>) -> i32 {
        py.detach(|| locum::cli::main(arguments))
    }
}
