//! Errors of the core as Python exceptions. The classes and the table of kinds are Python: `locum/errors.py`.

use locum::types::ParseError;
use locum::{Error, ErrorKind};
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::convert::{Trouble, to_python};
use crate::import::Import;

/// The exception for an error of the core.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    from_fields(py, &fields(error))
}

/// With the trail as a table, since a Python exception has nothing of the core's to make it from later.
fn fields(error: &Error) -> Value {
    let mut fields = error.to_value();
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("_trail".to_owned(), error.trail().into());
    }
    fields
}

/// For a task's messages or options that are no JSON data; `root` is the argument they were passed as.
pub(crate) fn invalid_request(py: Python<'_>, task: &str, root: &str, trouble: Trouble) -> PyErr {
    let error = Error::from(ParseError { path: trouble.path_under(root), problem: trouble.problem });
    let mut fields = error.to_value();
    // Without a task it is the task itself that is wrong.
    if let Some(fields) = fields.as_object_mut().filter(|_| !task.is_empty()) {
        fields.insert("message".to_owned(), format!("{task}: {error}").into());
        fields.insert("task".to_owned(), task.into());
    }
    caused_by(py, from_fields(py, &fields), trouble.cause)
}

/// For a configuration that is no JSON data.
pub(crate) fn config(py: Python<'_>, trouble: Trouble) -> PyErr {
    let path = trouble.path_under("");
    let problem = if path.is_empty() { trouble.problem } else { format!("{path}: {}", trouble.problem) };
    caused_by(py, config_problem(py, &problem), trouble.cause)
}

/// The one problem of a configuration that the core does not get to see.
pub(crate) fn config_problem(py: Python<'_>, problem: &str) -> PyErr {
    let kind = ErrorKind::Config;
    let fields = json!({
        "kind": kind.as_str(),
        "retryable": kind.retryable(),
        "message": format!("{kind}: {problem}"),
        "problems": [problem],
    });
    from_fields(py, &fields)
}

fn from_fields(py: Python<'_>, fields: &Value) -> PyErr {
    static FROM_FIELDS: Import = Import::new("locum.errors", "from_fields");
    let made = FROM_FIELDS.get(py).and_then(|from_fields| from_fields.call1((to_python(py, fields)?,)));
    made.map_or_else(|error| error, PyErr::from_value)
}

fn caused_by(py: Python<'_>, exception: PyErr, cause: Option<PyErr>) -> PyErr {
    if cause.is_some() {
        exception.set_cause(py, cause);
    }
    exception
}
