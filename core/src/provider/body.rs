//! Writing a request: the body member by member straight into bytes, and the headers.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Target;
use crate::error::ErrorKind;
use crate::transport::{HeaderMap, HeaderName, HeaderValue, HttpRequest, Method};
use crate::types::{Failure, Request};

/// A JSON object being written. Members that `extra_body` sets are left to it.
pub(super) struct Body<'a> {
    out: Vec<u8>,
    over: &'a Map<String, Value>,
    failed: Option<serde_json::Error>,
}

impl<'a> Body<'a> {
    pub(super) fn new(over: &'a Map<String, Value>) -> Self {
        let mut out = Vec::with_capacity(1024);
        out.push(b'{');
        Self { out, over, failed: None }
    }

    /// Writes a member.
    pub(super) fn put<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        if !self.over.contains_key(key) {
            self.write(key, value);
        }
    }

    /// Writes a member if there is a value.
    pub(super) fn put_some<T: Serialize>(&mut self, key: &str, value: Option<T>) {
        if let Some(value) = value {
            self.put(key, &value);
        }
    }

    /// Adds `extra_body` and closes the object.
    pub(super) fn finish(mut self) -> Result<Bytes, Failure> {
        for (key, value) in self.over {
            self.write(key, value);
        }
        self.out.push(b'}');
        match self.failed {
            None => Ok(Bytes::from(self.out)),
            Some(_) => Err(Failure::new(ErrorKind::InvalidRequest, "the request cannot be written as JSON")),
        }
    }

    fn write<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        let written = serde_json::to_writer(&mut self.out, key).and_then(|()| {
            self.out.push(b':');
            serde_json::to_writer(&mut self.out, value)
        });
        if let Err(error) = written {
            self.failed = Some(error);
        }
    }
}

/// The headers in which formats send their keys. A token that was fetched stands in their place.
const KEY_HEADERS: [&str; 4] = ["authorization", "api-key", "x-api-key", "x-goog-api-key"];

/// The request to `path` with the format's own headers, then the idempotency key, then the provider's further headers.
pub(super) fn post(
    target: &Target<'_>,
    request: &Request,
    path: &str,
    own: &[(&'static str, &str)],
    body: Bytes,
) -> Result<HttpRequest, Failure> {
    let mut headers = HeaderMap::with_capacity(own.len() + target.headers.len() + 2);
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let accept = if target.stream { "text/event-stream" } else { "application/json" };
    headers.insert("accept", HeaderValue::from_static(accept));
    let key = request.idempotency_key.as_deref();
    if key.is_some_and(|key| HeaderValue::try_from(key).is_err()) {
        let problem = "idempotency_key: line breaks and control characters cannot be sent";
        return Err(Failure::new(ErrorKind::InvalidRequest, problem));
    }
    let further = target.headers.iter().map(|(name, value)| (name.as_str(), value.expose()));
    let bearer = target.token.map(|token| format!("Bearer {}", token.expose()));
    let token = bearer.as_deref().map(|bearer| ("authorization", bearer));
    let own = own.iter().copied().filter(|(name, _)| token.is_none() || !KEY_HEADERS.contains(name)).chain(token);
    for (name, value) in own.chain(key.map(|key| ("idempotency-key", key))).chain(further) {
        let unusable = |what: &str| {
            Failure::new(ErrorKind::Config, format!("provider {}: header {what} cannot be sent", target.provider))
        };
        let header = HeaderName::try_from(name).map_err(|_| unusable("name"))?;
        let mut value = HeaderValue::try_from(value).map_err(|_| unusable(header.as_str()))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(HttpRequest {
        method: Method::POST,
        url: format!("{}{path}", target.base_url),
        headers,
        body,
        connect_timeout: target.connect_timeout,
    })
}
