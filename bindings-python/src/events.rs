//! The events of streams as Python sees them. They can be made in Python too, for tests of applications.

use locum::Event;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::reply::{self, Reply};

/// A class of events whose members are plain data.
macro_rules! plain {
    ($(#[$doc:meta])* $name:ident $word:literal {$($field:ident: $type:ty),*} $shown:expr) => {
        $(#[$doc])*
        #[pyclass(frozen, eq, hash, get_all, module = "locum")]
        #[derive(PartialEq, Eq, Hash)]
        pub(crate) struct $name {
            $($field: $type,)*
        }

        #[pymethods]
        impl $name {
            #[new]
            fn new($($field: $type),*) -> Self {
                Self { $($field),* }
            }

            #[classattr]
            fn r#type() -> &'static str {
                $word
            }

            #[classattr]
            fn __match_args__(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
                PyTuple::new(py, [$(stringify!($field)),*])
            }

            /// Never shows what the model said.
            fn __repr__(&self) -> String {
                let shown: fn(&Self) -> String = $shown;
                format!("{}({})", stringify!($name), shown(self))
            }

            fn __getnewargs__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
                PyTuple::new(py, [$((&self.$field).into_bound_py_any(py)?),*])
            }
        }
    };
}

/// A class of events around one object.
macro_rules! around {
    ($(#[$doc:meta])* $name:ident $word:literal {$field:ident: $type:ty}) => {
        $(#[$doc])*
        #[pyclass(frozen, get_all, module = "locum")]
        pub(crate) struct $name {
            $field: Py<$type>,
        }

        #[pymethods]
        impl $name {
            #[new]
            fn new($field: Py<$type>) -> Self {
                Self { $field }
            }

            #[classattr]
            fn r#type() -> &'static str {
                $word
            }

            #[classattr]
            fn __match_args__(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
                PyTuple::new(py, [stringify!($field)])
            }

            fn __eq__(&self, other: &Self, py: Python<'_>) -> PyResult<bool> {
                self.$field.bind(py).eq(&other.$field)
            }

            fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
                self.$field.bind(py).hash()
            }

            fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
                let shown = self.$field.bind(py).repr()?;
                Ok(format!("{}({}={})", stringify!($name), stringify!($field), shown.to_str()?))
            }

            fn __getnewargs__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
                PyTuple::new(py, [&self.$field])
            }
        }
    };
}

plain! {
    /// The first content is about to come; until then a change of the candidate goes unseen.
    StartEvent "start" { model: String }
    |event| format!("model={:?}", event.model)
}

plain! {
    /// More of the text; a refusal's words too.
    TextEvent "text" { text: String }
    |event| format!("{} characters", event.text.chars().count())
}

plain! {
    /// More of the visible reasoning.
    ReasoningEvent "reasoning" { text: String }
    |event| format!("{} characters", event.text.chars().count())
}

plain! {
    /// A piece of a tool call, for those who asked for these.
    ToolCallDeltaEvent "tool_call_delta" { index: usize, id: Option<String>, name: Option<String>, arguments: String }
    |event| format!("index={}, {} characters", event.index, event.arguments.chars().count())
}

plain! {
    /// A complete tool call.
    ToolCallEvent "tool_call" { id: String, name: String, arguments: String }
    |event| format!("id={:?}, name={:?}", event.id, event.name)
}

plain! {
    /// What came so far is void: the answer begins anew.
    RestartEvent "restart" { model: String, kind: String, reason: String }
    |event| format!("model={:?}, kind={:?}, reason={:?}", event.model, event.kind, event.reason)
}

around! {
    /// Tokens of the attempt that answered.
    UsageEvent "usage" { usage: PyAny }
}

around! {
    /// The answer is whole; nothing follows.
    EndEvent "end" { reply: Reply }
}

/// An event as its Python object; `ended` hears of the reply that an end brings.
pub(crate) fn to_python<'py>(
    py: Python<'py>,
    event: Event,
    ended: impl FnOnce(&Py<Reply>),
) -> PyResult<Bound<'py, PyAny>> {
    match event {
        Event::Start { model } => StartEvent { model }.into_bound_py_any(py),
        Event::Text(text) => TextEvent { text }.into_bound_py_any(py),
        Event::Reasoning(text) => ReasoningEvent { text }.into_bound_py_any(py),
        Event::ToolCallDelta(locum::ToolCallDelta { index, id, name, arguments }) => {
            ToolCallDeltaEvent { index, id, name, arguments }.into_bound_py_any(py)
        }
        Event::ToolCall(locum::ToolCall { id, name, arguments, .. }) => {
            ToolCallEvent { id, name, arguments }.into_bound_py_any(py)
        }
        Event::Restart { model, kind, reason } => {
            RestartEvent { model, kind: kind.as_str().to_owned(), reason }.into_bound_py_any(py)
        }
        Event::Usage(usage) => UsageEvent { usage: reply::usage(py, usage)?.unbind() }.into_bound_py_any(py),
        Event::End(reply) => {
            let reply = Py::new(py, Reply::new(*reply))?;
            ended(&reply);
            EndEvent { reply }.into_bound_py_any(py)
        }
    }
}
