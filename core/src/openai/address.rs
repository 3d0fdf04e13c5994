//! Which request is for whom. The host and what stands before the last words of the path say nothing: clients are built with
//! base addresses of many forms.

use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::Order;
use super::refusal::Refusal;

/// What a client asks for.
pub(crate) enum Asked {
    /// The tasks, as models; written already.
    Tasks(Value),
    /// A completion.
    Call(Box<Order>),
}

/// The wire formats that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `POST …/chat/completions`.
    Chat,
    /// `POST …/responses`.
    Responses,
}

/// What is served, for those who ask for something else.
const SERVED: &str = "POST /v1/chat/completions, POST /v1/responses, GET /v1/models, GET /v1/models/{task}";

/// The format of the call that a request makes; none where it asks for models.
pub(super) fn find(method: &Method, path: &str, tasks: &[&str]) -> Result<Option<Dialect>, Refusal> {
    let path = path.trim_end_matches('/');
    let (dialect, expected) = if path.ends_with("/chat/completions") {
        (Some(Dialect::Chat), Method::POST)
    } else if path.ends_with("/responses") {
        (Some(Dialect::Responses), Method::POST)
    } else if models(path, tasks).is_ok() || path.contains("/models/") {
        (None, Method::GET)
    } else {
        return Err(Refusal::unserved(404, format!("{path} is not served here (there are: {SERVED})")));
    };
    if *method == expected {
        Ok(dialect)
    } else {
        Err(Refusal::unserved(405, format!("{path} takes {expected}, not {method}")).allowing(&expected))
    }
}

/// The tasks as a list of models, or one of them.
pub(super) fn models(path: &str, tasks: &[&str]) -> Result<Value, Refusal> {
    let path = path.trim_end_matches('/');
    let model = |task: &str| json!({"id": task, "object": "model", "created": 0, "owned_by": "locum"});
    if path.ends_with("/models") {
        return Ok(json!({"object": "list", "data": tasks.iter().map(|task| model(task)).collect::<Value>()}));
    }
    let (_, name) = path.rsplit_once("/models/").unwrap_or_default();
    let name = percent_decode_str(name).decode_utf8_lossy();
    match tasks.iter().find(|task| **task == name) {
        Some(task) => Ok(model(task)),
        None => Err(Refusal::unknown_task(&name, tasks)),
    }
}
