//! The OpenAI face: what a client of OpenAI's API sends, understood as a call of a task, and the reply or stream written back
//! as that client expects it.
//!
//! Pure: requests and answers are values, ids and times are passed in. Who makes the call, and who carries the bytes, is
//! decided elsewhere. A wire format is one folder with a reader of requests and a [`Pen`].
//!
//! Source of the shapes: OpenAI's published API reference (chat completions, responses, models, errors).

mod address;
mod chat;
mod controls;
#[cfg(test)]
mod garbage;
mod refusal;
mod responses;
mod trail;

use http::Request;
use serde_json::{Map, Value, json};

use self::address::{Address, Dialect};
pub(crate) use self::refusal::Refusal;
pub(crate) use self::trail::headers;
use crate::error::Error;
use crate::types::parse;
use crate::types::{Event, Message, Options, ParseError, Reply};

/// A call as a client of OpenAI's API asked for it.
pub(crate) struct Order {
    pub(crate) task: String,
    pub(crate) messages: Vec<Message>,
    pub(crate) options: Options,
    /// Members of the body that have no canonical meaning. Providers that speak OpenAI chat get them as they are.
    pub(crate) extra: Map<String, Value>,
    /// Whether the answer is wanted as it comes.
    pub(crate) live: bool,
    /// Whether the client understands that what it has may be void.
    pub(crate) restarts: bool,
    /// How the answer is written.
    pub(crate) pen: Box<dyn Pen>,
}

/// What makes an answer one of its own.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    /// Letters and digits that no other answer has.
    pub(crate) id: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
}

/// Writes an answer as a client expects it. A stream begins with [`Event::Start`] and ends with [`Event::End`] or an error.
pub(crate) trait Pen: Send {
    /// A whole answer.
    fn reply(&self, reply: &Reply) -> Value;

    /// More of a stream.
    fn event(&mut self, event: &Event, out: &mut Vec<u8>);

    /// The end of a stream that broke off.
    fn error(&mut self, error: &Error, out: &mut Vec<u8>);
}

/// What a client asks for.
pub(crate) enum Asked {
    /// The tasks, as models; written already.
    Tasks(Value),
    /// A completion.
    Call(Box<Order>),
}

/// What a request asks for.
///
/// # Errors
/// What the client is to be told instead.
pub(crate) fn read(request: &Request<impl AsRef<[u8]>>, tasks: &[&str], stamp: Stamp) -> Result<Asked, Refusal> {
    let dialect = match address::find(request.method(), request.uri().path())? {
        Address::Call(dialect) => dialect,
        Address::Models => {
            let all: Value = tasks.iter().map(|task| model(task)).collect();
            return Ok(Asked::Tasks(json!({"object": "list", "data": all})));
        }
        Address::Model(name) if tasks.contains(&&*name) => return Ok(Asked::Tasks(model(&name))),
        Address::Model(name) => return Err(Refusal::unknown_task(&name, tasks)),
    };
    let body: Value = serde_json::from_slice(request.body().as_ref())
        .map_err(|error| Refusal::invalid(None, format!("the body is no JSON: {error}")))?;
    let body = match body {
        Value::Object(body) => body,
        _ => return Err(Refusal::invalid(None, "the body is no JSON object".to_owned())),
    };
    let mut order = match dialect {
        Dialect::Chat => chat::read(body, stamp, tasks)?,
        Dialect::Responses => responses::read(body, stamp, tasks)?,
    };
    controls::apply(request.headers(), &mut order)?;
    Ok(Asked::Call(Box::new(order)))
}

/// A task as clients know models.
fn model(task: &str) -> Value {
    json!({"id": task, "object": "model", "created": 0, "owned_by": "locum"})
}

/// The task and the pinned candidate that a client's `model` names: `task`, or `task/model`.
fn resolve(model: Option<Value>, tasks: &[&str]) -> Result<(String, Option<String>), Refusal> {
    let model = match model {
        Some(Value::String(model)) => model,
        Some(other) => return Err(ParseError::expected("model", "the name of a task", &other).into()),
        None => return Err(ParseError::new("model", "missing: the name of a task").into()),
    };
    let names = |task: &&&str| model == **task || model.strip_prefix(**task).is_some_and(|rest| rest.starts_with('/'));
    // The longest, since a task's name may contain what looks like another's.
    let Some(task) = tasks.iter().filter(names).max_by_key(|task| task.len()) else {
        return Err(Refusal::unknown_task(&model, tasks));
    };
    let pinned = model.get(task.len() + 1..).map(str::to_owned);
    Ok(((*task).to_owned(), pinned))
}

/// Takes a member out that is true or false; false where it is not there.
fn flag(body: &mut Map<String, Value>, name: &str) -> Result<bool, Refusal> {
    match body.remove(name) {
        None | Some(Value::Null) => Ok(false),
        Some(value) => Ok(parse::boolean(&value, name)?),
    }
}

/// One event of a stream.
fn send(out: &mut Vec<u8>, name: Option<&str>, data: &Value) {
    if let Some(name) = name {
        out.extend_from_slice(format!("event: {name}\n").as_bytes());
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(data.to_string().as_bytes());
    out.extend_from_slice(b"\n\n");
}
