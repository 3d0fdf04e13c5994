//! Failures as OpenAI's API writes them: a status, and an object with message, type, parameter and code.

use http::Method;
use http::header::{ALLOW, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use serde_json::{Value, json};

use super::trail;
use crate::error::{Error, ErrorKind};
use crate::types::ParseError;
use crate::types::parse::did_you_mean;

/// What a client is told instead of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    message: String,
    class: &'static str,
    param: Option<String>,
    code: &'static str,
    headers: HeaderMap,
    /// The `locum` member.
    trail: Option<Value>,
}

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";

/// Status, type and code of a kind. Codes are OpenAI's own where it has one for the same thing, else the kind's word.
fn row(kind: ErrorKind) -> (u16, &'static str, &'static str) {
    let word = kind.as_str();
    match kind {
        ErrorKind::RateLimited => (429, "rate_limit_error", "rate_limit_exceeded"),
        ErrorKind::ProviderQuota => (429, "insufficient_quota", "insufficient_quota"),
        ErrorKind::QuotaExceeded => (429, "insufficient_quota", word),
        ErrorKind::Overloaded => (503, "service_unavailable_error", "server_is_overloaded"),
        ErrorKind::NoCandidate => (503, "service_unavailable_error", word),
        ErrorKind::Timeout | ErrorKind::DeadlineExceeded => (504, SERVER, word),
        ErrorKind::ServerError
        | ErrorKind::Connection
        | ErrorKind::MalformedResponse
        | ErrorKind::TruncatedStream
        | ErrorKind::InvalidOutput => (502, SERVER, word),
        ErrorKind::ContextOverflow => (400, INVALID, "context_length_exceeded"),
        ErrorKind::ContentFiltered => (400, INVALID, "content_filter"),
        ErrorKind::Refusal | ErrorKind::Unsupported | ErrorKind::InvalidRequest | ErrorKind::InputTooLong => {
            (400, INVALID, word)
        }
        ErrorKind::RequestTooLarge => (413, INVALID, word),
        ErrorKind::Auth => (401, "authentication_error", "invalid_api_key"),
        ErrorKind::Permission => (403, "permission_error", word),
        ErrorKind::ModelNotFound => (404, INVALID, "model_not_found"),
        ErrorKind::Cancelled => (499, SERVER, word),
        ErrorKind::Config => (500, SERVER, word),
    }
}

impl Refusal {
    fn new(status: u16, class: &'static str, code: &'static str, message: String) -> Self {
        Self { status, message, class, param: None, code, headers: HeaderMap::new(), trail: None }
    }

    /// The request is wrong: which member, where that is known.
    pub(crate) fn invalid(param: Option<&str>, message: String) -> Self {
        Self { param: param.map(str::to_owned), ..Self::new(400, INVALID, "invalid_request", message) }
    }

    /// The request asks for what Locum does not do.
    pub(crate) fn unsupported(param: &str, problem: &str) -> Self {
        let message = format!("{param}: {problem}");
        Self { param: Some(param.to_owned()), ..Self::new(400, INVALID, "unsupported", message) }
    }

    /// The address is not one of those that are served.
    pub(crate) fn unserved(status: u16, message: String) -> Self {
        Self::new(status, INVALID, "unsupported_endpoint", message)
    }

    /// The method that the address takes.
    pub(crate) fn allowing(mut self, method: &Method) -> Self {
        self.headers.extend(HeaderValue::from_str(method.as_str()).ok().map(|method| (ALLOW, method)));
        self
    }

    /// The server that the request came to does not hand it on.
    #[cfg(feature = "serve")]
    pub(crate) fn at_the_door(status: u16, code: &'static str, message: String) -> Self {
        Self::new(status, if status < 500 { INVALID } else { SERVER }, code, message)
    }

    /// The `model` is no task.
    pub(crate) fn unknown_task(name: &str, tasks: &[&str]) -> Self {
        let hint = did_you_mean(name, tasks.iter().copied());
        let message = format!("the model \"{name}\" is not a task{hint} (tasks: {})", tasks.join(", "));
        Self { param: Some("model".to_owned()), ..Self::new(404, INVALID, "model_not_found", message) }
    }

    /// The body.
    pub(crate) fn body(&self) -> Value {
        let mut error = json!({
            "message": self.message,
            "type": self.class,
            "param": self.param,
            "code": self.code,
        });
        if let (Some(trail), Some(error)) = (&self.trail, error.as_object_mut()) {
            error.insert("locum".to_owned(), trail.clone());
        }
        json!({"error": error})
    }

    /// The headers beside those of every answer. A client's own retries would ask the whole ladder again.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static("false"));
        headers
    }
}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        Self::invalid(Some(&error.path), error.to_string())
    }
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        let (status, class, code) = row(error.kind());
        let mut headers = trail::headers_of(error);
        if let Some(wait) = error.retry_after() {
            headers.insert(RETRY_AFTER, wait.as_secs_f64().ceil().into_header());
            headers.insert(HeaderName::from_static("retry-after-ms"), (wait.as_secs_f64() * 1e3).ceil().into_header());
        }
        let (param, trail) = (error.param().map(str::to_owned), Some(trail::of_error(error)));
        Self { headers, param, trail, ..Self::new(status, class, code, error.to_string()) }
    }
}

trait IntoHeader {
    fn into_header(self) -> HeaderValue;
}

impl IntoHeader for f64 {
    fn into_header(self) -> HeaderValue {
        HeaderValue::from(self as u64)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::types::Failure;
    use std::time::Duration;

    #[test]
    fn every_kind_has_a_status_that_tells_whose_fault_it_is() {
        for kind in ErrorKind::ALL {
            let (status, class, code) = row(*kind);
            assert!((400..600).contains(&status) && !class.is_empty() && !code.is_empty(), "{kind}");
            // What may work later without a change is no fault of the request.
            assert!(!kind.retryable() || status == 429 || status >= 500, "{kind}: {status}");
        }
    }

    #[test]
    fn a_wait_is_told_in_seconds_and_milliseconds() {
        let failure = Failure {
            retry_after: Some(Duration::from_millis(1_200)),
            ..Failure::new(ErrorKind::RateLimited, "slow down")
        };
        let refusal = Refusal::from(&Error::from_failure(failure));
        let headers = refusal.headers();
        let header = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!((refusal.status, header("retry-after"), header("retry-after-ms")), (429, "2".into(), "1200".into()));
        assert_eq!(header("x-should-retry"), "false");
        assert_eq!(header("x-locum-kind"), "rate_limited");
        assert_eq!(refusal.body().pointer("/error/locum/kind").unwrap(), "rate_limited");
    }
}
