//! How the answer came about, for clients that want to know: `x-locum-*` headers, and the `locum` member of the body or of the
//! last chunk.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::types::{Attempt, Outcome, Reply};

/// The most that the header of attempts holds, in bytes: many clients and proxies refuse headers above 8 KiB in all.
const LONGEST: usize = 1024;

/// The members of a reply that say how it came about; what it says is elsewhere in the body.
const OF_REPLY: [&str; 10] = [
    "task",
    "model",
    "provider",
    "fallback_used",
    "cost",
    "latency_ms",
    "first_token_ms",
    "request_id",
    "warnings",
    "attempts",
];

/// Those of an error; its message is elsewhere, and what came before it the client has.
const OF_ERROR: [&str; 12] = [
    "kind",
    "subkind",
    "retryable",
    "retry_after_ms",
    "in_stream",
    "status",
    "provider_code",
    "request_id",
    "task",
    "model",
    "warnings",
    "attempts",
];

fn pick(value: Value, members: &[&str]) -> Value {
    let Value::Object(mut all) = value else {
        return Value::Null;
    };
    members.iter().filter_map(|name| Some(((*name).to_owned(), all.remove(*name)?))).collect::<Map<_, _>>().into()
}

/// The `locum` member of an answer.
pub(super) fn of_reply(reply: &Reply) -> Value {
    let mut trail = pick(reply.to_value(), &OF_REPLY);
    if let Some(trail) = trail.as_object_mut() {
        trail.insert("finish".to_owned(), reply.finish().raw.clone().into());
    }
    trail
}

/// The `locum` member of an error.
pub(super) fn of_error(error: &Error) -> Value {
    pick(error.to_value(), &OF_ERROR)
}

/// The headers of an answer, as far as it has come.
pub(crate) fn headers(task: &str, model: &str, attempts: &[Attempt]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    put(&mut headers, "x-locum-task", task);
    put(&mut headers, "x-locum-model", model);
    put(&mut headers, "x-locum-attempts", &line(attempts));
    headers
}

/// The headers of an error.
pub(super) fn headers_of(error: &Error) -> HeaderMap {
    let mut headers = HeaderMap::new();
    put(&mut headers, "x-locum-kind", error.kind().as_str());
    for (name, text) in [("x-locum-task", error.task()), ("x-locum-model", error.model())] {
        if let Some(text) = text {
            put(&mut headers, name, text);
        }
    }
    put(&mut headers, "x-locum-attempts", &line(error.attempts()));
    headers
}

/// `a/big overloaded, b/small ok`.
fn line(attempts: &[Attempt]) -> String {
    let mut line = String::new();
    for attempt in attempts {
        let what = match (attempt.outcome, attempt.kind) {
            (Outcome::Failed, Some(kind)) => kind.as_str(),
            (outcome, _) => outcome.as_str(),
        };
        let separator = if line.is_empty() { "" } else { ", " };
        let more = format!("{separator}{} {what}", attempt.model);
        if line.len() + more.len() > LONGEST {
            line.push_str(", ...");
            break;
        }
        line.push_str(&more);
    }
    line
}

/// Names in the configuration may hold any letters; a header's value is ASCII.
fn put(headers: &mut HeaderMap, name: &'static str, text: &str) {
    let plain: String = text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    if let Ok(value) = HeaderValue::try_from(plain) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
