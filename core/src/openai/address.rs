//! Which request is for whom. The host and what stands before the last words of the path say nothing: clients are built with
//! base addresses of many forms.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

use super::refusal::Refusal;

/// What a request is for.
pub(super) enum Address<'a> {
    /// All tasks, as models.
    Models,
    /// The task of this name, as a model.
    Model(Cow<'a, str>),
    /// A call, in one of the formats that are understood.
    Call(Dialect),
}

/// The wire formats that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Chat completions.
    Chat,
    /// Responses.
    Responses,
}

/// What is served, for those who ask for something else.
const SERVED: &str = "POST /v1/chat/completions, POST /v1/responses, GET /v1/models, GET /v1/models/{task}";

/// What a request to this path is for.
pub(super) fn find<'a>(method: &Method, path: &'a str) -> Result<Address<'a>, Refusal> {
    let path = path.trim_end_matches('/');
    let (address, expected) = if path.ends_with("/chat/completions") {
        (Address::Call(Dialect::Chat), Method::POST)
    } else if path.ends_with("/responses") {
        (Address::Call(Dialect::Responses), Method::POST)
    } else if path.ends_with("/models") {
        (Address::Models, Method::GET)
    } else if let Some((_, name)) = path.rsplit_once("/models/") {
        (Address::Model(percent_decode_str(name).decode_utf8_lossy()), Method::GET)
    } else {
        return Err(Refusal::unserved(404, format!("{path} is not served here (there are: {SERVED})")));
    };
    if *method == expected {
        Ok(address)
    } else {
        Err(Refusal::unserved(405, format!("{path} takes {expected}, not {method}")).allowing(&expected))
    }
}
