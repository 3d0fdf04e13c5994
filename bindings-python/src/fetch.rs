//! HTTP requests of a client of OpenAI's API, which the router answers: bytes of Python's in, status, headers and body out.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use locum::{Body, Error, Router};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList};

use crate::desk::Desk;
use crate::source::Source;
use crate::stream::Stream;

/// A response without anything of Python's.
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    content: Content,
}

enum Content {
    Whole(Bytes),
    Live(Body),
}

/// A request of the core. `target` is the path, with the query.
pub(crate) fn request(
    method: &str,
    target: &[u8],
    headers: Vec<(PyBackedBytes, PyBackedBytes)>,
    body: &[u8],
) -> PyResult<Request<Bytes>> {
    // Values may be keys, so they are not shown.
    let wrong = |what: &str| PyValueError::new_err(format!("{what} cannot be sent over HTTP"));
    let mut request = Request::new(Bytes::copy_from_slice(body));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|_| wrong("the method"))?;
    *request.uri_mut() = Uri::try_from(target).map_err(|_| wrong("the path"))?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(&name).map_err(|_| wrong("the name of a header"))?;
        let value = HeaderValue::from_bytes(&value).map_err(|_| wrong(&format!("the value of the header {name}")))?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

/// Has the router answer. What is whole has come then; a stream is at its beginning.
pub(crate) async fn answer(router: Router, request: Request<Bytes>) -> Result<Answer, Error> {
    let (head, mut body) = router.fetch(request).await?.into_parts();
    let content =
        if body.is_stream() { Content::Live(body) } else { Content::Whole(body.chunk().await.unwrap_or_default()) };
    Ok(Answer { status: head.status, headers: head.headers, content })
}

impl Answer {
    /// Status, headers and body: `bytes`, or a `Stream` of them.
    pub(crate) fn into_python<'py>(self, py: Python<'py>, desk: &Arc<Desk>) -> PyResult<Bound<'py, PyAny>> {
        let headers = self.headers.iter();
        let headers =
            headers.map(|(name, value)| (PyBytes::new(py, name.as_ref()), PyBytes::new(py, value.as_bytes())));
        let headers = PyList::new(py, headers.collect::<Vec<_>>())?;
        let body = match self.content {
            Content::Whole(bytes) => PyBytes::new(py, &bytes).into_any(),
            Content::Live(body) => Stream::new(Source::of_body(desk.clone(), body)).into_bound_py_any(py)?,
        };
        (self.status.as_u16(), headers, body).into_bound_py_any(py)
    }
}
