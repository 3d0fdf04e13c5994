//! Routers as JavaScript holds them, and the answers' bodies.

use std::time::Duration;

use locum::types::ParseError;
use locum::{Error, ErrorKind};
use napi::bindgen_prelude::{Either, External, FnArgs, Function};
use napi_derive::napi;
use serde_json::{Value, json};

use crate::credentials::asking;

/// A router.
#[napi(js_name = "Router")]
pub struct RouterHandle {
    pub(crate) inner: locum::Router,
}

type Ask<'a> = Function<'a, FnArgs<(u32, String)>, ()>;

/// A router, or its error as JSON.
type Opened = Either<RouterHandle, String>;

#[napi]
impl RouterHandle {
    /// The names of the tasks.
    #[napi]
    pub fn tasks(&self) -> Vec<String> {
        self.inner.tasks().map(str::to_owned).collect()
    }

    /// How every candidate is, as JSON.
    #[napi]
    pub fn health(&self) -> String {
        let all: Vec<Value> = self.inner.health().iter().map(|candidate| candidate.to_value()).collect();
        Value::from(all).to_string()
    }

    /// Forgets what speaks against candidates.
    #[napi]
    #[allow(clippy::needless_pass_by_value)]
    pub fn reset_health(&self, model: Option<String>) {
        self.inner.reset_health(model.as_deref());
    }

    /// Waits until the records of calls are written; whether they are.
    #[napi]
    pub fn flush(&self, patience_ms: Option<f64>) -> bool {
        self.inner.flush(patience_ms.map(|ms| Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default()))
    }

    /// What the call `{task, messages, options}` would do, as JSON: `{explanation}` or `{error}`.
    #[napi]
    #[allow(clippy::needless_pass_by_value)]
    pub fn explain(&self, request: String) -> String {
        let explained = Request::read(&request)
            .and_then(|request| self.inner.explain_value(request.task, request.messages, request.options));
        let envelope = match explained {
            Ok(explanation) => json!({"explanation": explanation.to_value()}),
            Err(error) => json!({"error": error.to_value()}),
        };
        envelope.to_string()
    }

    /// Warnings that nobody has taken yet.
    #[napi]
    pub fn take_notices(&self) -> Vec<String> {
        self.inner.take_notices()
    }
}

/// A router from the configuration as JSON. Where it needs the credential of one of `providers`, it calls `ask` with a ticket for
/// `give_credential`.
#[napi]
#[allow(clippy::needless_pass_by_value)]
pub fn open_config(config: String, providers: Vec<String>, ask: Ask<'_>) -> napi::Result<Opened> {
    let builder = asking(providers, &ask)?;
    Ok(opened(parse("config", &config).and_then(|config| builder.from_value(config))))
}

/// A router from a file.
#[napi]
#[allow(clippy::needless_pass_by_value)]
pub fn open_file(path: String, providers: Vec<String>, ask: Ask<'_>) -> napi::Result<Opened> {
    Ok(opened(asking(providers, &ask)?.from_file(path)))
}

/// A router from the file that `LOCUM_CONFIG` names, else `./locum.toml`.
#[napi]
#[allow(clippy::needless_pass_by_value)]
pub fn open_default(providers: Vec<String>, ask: Ask<'_>) -> napi::Result<Opened> {
    Ok(opened(asking(providers, &ask)?.from_default()))
}

/// How long the end of a process waits for records, in milliseconds.
#[napi]
pub fn last_flush_ms() -> f64 {
    locum::Router::LAST_FLUSH.as_secs_f64() * 1e3
}

/// Every kind of error.
#[napi]
pub fn error_kinds() -> Vec<&'static str> {
    ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect()
}

/// A finished call, kept for what JavaScript may still ask of it.
pub struct Settlement(pub(crate) Result<locum::Reply, Error>);

/// The provider's own body as JSON; none where there was no answer.
#[napi]
pub fn raw_body(settlement: &External<Settlement>) -> Option<String> {
    settlement.as_ref().0.as_ref().ok().map(|reply| reply.raw().to_string())
}

/// The trail as a table for people.
#[napi]
pub fn trail(settlement: &External<Settlement>) -> String {
    match &settlement.as_ref().0 {
        Ok(reply) => reply.trail(),
        Err(error) => error.trail(),
    }
}

/// What a call or a stream asks for.
pub(crate) struct Request {
    pub(crate) task: String,
    pub(crate) messages: Value,
    pub(crate) options: Value,
}

impl Request {
    /// Reads `{task, messages, options}`.
    pub(crate) fn read(json: &str) -> Result<Self, Error> {
        let mut request = parse("request", json)?;
        let mut take = |member: &str| request.get_mut(member).map(Value::take).unwrap_or_default();
        let Value::String(task) = take("task") else {
            return Err(invalid("task", "expected a string"));
        };
        Ok(Self { task, messages: take("messages"), options: take("options") })
    }
}

/// Reads JSON that TypeScript wrote; it fails for what JavaScript takes for JSON and Rust does not.
pub(crate) fn parse(place: &str, json: &str) -> Result<Value, Error> {
    serde_json::from_str(json).map_err(|error| invalid(place, &format!("no valid JSON: {error}")))
}

pub(crate) fn invalid(place: &str, problem: &str) -> Error {
    ParseError { path: place.to_owned(), problem: problem.to_owned() }.into()
}

fn opened(router: Result<locum::Router, Error>) -> Opened {
    match router {
        Ok(inner) => Either::A(RouterHandle { inner }),
        Err(error) => Either::B(error.to_value().to_string()),
    }
}
