//! Bytes over HTTP: one method to send a request, and the nouns it speaks in.
//!
//! What is sent and what an answer means is none of its business.

pub mod aws_events;
mod reqwest;
pub mod sse;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
pub use http::{HeaderMap, HeaderName, HeaderValue, Method};

pub use self::reqwest::Http;

/// The largest body read, 32 MiB.
pub const MAX_BODY: usize = 32 * 1024 * 1024;
/// The longest line of a stream of events, and the most data of one event, 1 MiB.
pub const MAX_LINE: usize = 1024 * 1024;
/// The largest set of response headers taken, 64 KiB.
pub const MAX_HEADERS: usize = 64 * 1024;

/// A request: a POST of JSON to a provider, or whatever a service that gives out credentials wants.
#[derive(Clone)]
pub struct HttpRequest {
    /// How.
    pub method: Method,
    /// Where to.
    pub url: String,
    /// With which headers. They hold credentials and are never printed.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How long connecting may take.
    pub connect_timeout: Duration,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().map(HeaderName::as_str).collect();
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &names)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}

/// A response whose body has not been read yet.
pub struct HttpResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, piece by piece; dropping it closes the connection.
    pub body: BoxStream<'static, Result<Bytes, TransportError>>,
}

/// A response read whole, as codecs see it.
#[derive(Clone)]
pub struct HttpAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl fmt::Debug for HttpAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().map(HeaderName::as_str).collect();
        f.debug_struct("HttpAnswer")
            .field("status", &self.status)
            .field("headers", &names)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// At which point an exchange broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Name lookup, TCP or TLS: nothing was sent.
    Connect,
    /// Connecting took too long: nothing was sent.
    ConnectTimeout,
    /// After connecting: the request may have been processed.
    Read,
    /// The connection ended before the body was whole.
    Cut,
    /// The response was larger than the limits.
    TooLarge,
}

/// An exchange that brought no complete response.
#[derive(Debug, Clone)]
pub struct TransportError {
    /// Where it broke.
    pub phase: Phase,
    /// A sentence without credentials.
    pub message: String,
}

/// Sends requests.
pub trait Transport: Send + Sync {
    /// Sends `request`; resolves when the response's head is there. Dropping the future, or the body, closes the
    /// connection.
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse, TransportError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_said_is_printed() {
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer sk-1"))]);
        let body = Bytes::from_static(b"prompt");
        let answer = HttpAnswer { status: 200, headers: headers.clone(), body: body.clone() };
        let request = HttpRequest {
            method: Method::POST,
            url: "http://a/v1".into(),
            headers,
            body,
            connect_timeout: Duration::from_secs(1),
        };
        let printed = format!("{answer:?} {request:?}");
        assert!(printed.contains("authorization") && printed.contains("6 bytes"), "{printed}");
        assert!(!printed.contains("sk-1") && !printed.contains("prompt"), "{printed}");
    }
}
