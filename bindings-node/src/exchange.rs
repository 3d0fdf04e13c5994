//! Requests to OpenAI's API, answered where an HTTP client would send them off.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::Bytes;
use futures_util::future::{Either as First, select};
use futures_util::{FutureExt, StreamExt};
use http::Request;
use http::header::{HeaderName, HeaderValue};
use locum::{Body, Error, Router};
use napi::bindgen_prelude::Either;
use napi_derive::napi;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::mailbox::Brought;
use crate::router::{RouterHandle, invalid, parse};
use crate::stream::lock;

/// A request on its way to its response, and that response's body. When it is collected unread, its connections close.
#[napi(js_name = "Exchange")]
pub struct ExchangeHandle {
    pub(crate) router: Router,
    pub(crate) state: Arc<Mutex<State>>,
}

/// How far an exchange is.
pub(crate) enum State {
    Asked(Request<Bytes>),
    /// The response is there; its body comes page by page.
    Answered(Body),
    Over,
}

impl State {
    fn take_request(&mut self) -> Option<Request<Bytes>> {
        match std::mem::replace(self, Self::Over) {
            Self::Asked(request) => Some(request),
            other => {
                *self = other;
                None
            }
        }
    }
}

#[napi]
impl ExchangeHandle {
    /// Closes the connections, before it returns. A turn under way has to be cancelled too.
    #[napi]
    pub fn close(&self) {
        *lock(&self.state) = State::Over;
    }
}

/// An exchange that asks nobody yet; a string is the error as JSON. `head` is `{method, url, headers}` as JSON, the headers as
/// pairs of name and value.
#[napi]
#[allow(clippy::needless_pass_by_value)]
pub fn open_exchange(router: &RouterHandle, head: String, body: &[u8]) -> Either<ExchangeHandle, String> {
    match request(&head, body) {
        Ok(request) => {
            let state = Arc::new(Mutex::new(State::Asked(request)));
            Either::A(ExchangeHandle { router: router.inner.clone(), state })
        }
        Err(error) => Either::B(error.to_value().to_string()),
    }
}

fn request(head: &str, body: &[u8]) -> Result<Request<Bytes>, Error> {
    let head = parse("request", head)?;
    let text = |member: &str| head.get(member).and_then(Value::as_str).unwrap_or_default();
    let mut request = Request::builder().method(text("method")).uri(text("url"));
    for pair in head.get("headers").and_then(Value::as_array).into_iter().flatten() {
        if let [Value::String(name), Value::String(value)] = pair.as_array().map(Vec::as_slice).unwrap_or_default() {
            request = request.header(name, latin(value));
        }
    }
    request.body(Bytes::copy_from_slice(body)).map_err(|error| invalid("request", &error.to_string()))
}

/// JavaScript holds a header's bytes as characters, one each.
fn latin(value: &str) -> Vec<u8> {
    value.chars().map(|character| u8::try_from(character).unwrap_or(b'?')).collect()
}

/// Brings the response, or more of its body where that is there already.
pub(crate) async fn turn(router: Router, state: Arc<Mutex<State>>, cancelled: oneshot::Receiver<()>) -> Brought {
    let asked = lock(&state).take_request();
    match asked {
        Some(request) => answer(router, request, &state, cancelled).await,
        None => page(&state, cancelled).await,
    }
}

/// The response: `{status, headers}`, with its `body` where that is whole; or `{error}`.
async fn answer(
    router: Router,
    request: Request<Bytes>,
    state: &Mutex<State>,
    cancelled: oneshot::Receiver<()>,
) -> Brought {
    let response = match select(pin!(router.fetch(request)), cancelled).await {
        First::Left((Ok(response), _)) => response,
        First::Left((Err(error), _)) => return (json!({"error": error.to_value()}), Some(Err(error))),
        First::Right(_) => return (json!({}), None),
    };
    let (head, mut body) = response.into_parts();
    let pair = |(name, value): (&HeaderName, &HeaderValue)| json!([name.as_str(), text(value.as_bytes())]);
    let mut envelope = json!({
        "status": head.status.as_u16(),
        "headers": head.headers.iter().map(pair).collect::<Value>(),
    });
    if body.is_stream() {
        *lock(state) = State::Answered(body);
    } else if let Some(envelope) = envelope.as_object_mut() {
        envelope.insert("body".to_owned(), text(&body.chunk().await.unwrap_or_default()).into());
    }
    (envelope, None)
}

/// What has come of the body since the last page: `{page}`, null at its end.
async fn page(state: &Mutex<State>, mut cancelled: oneshot::Receiver<()>) -> Brought {
    let page = poll_fn(|cx| match &mut *lock(state) {
        State::Answered(body) if cancelled.poll_unpin(cx).is_pending() => body.poll_next_unpin(cx),
        _ => Poll::Ready(None),
    })
    .await;
    (json!({"page": page.map(|page| text(&page))}), None)
}

/// Bodies are JSON or whole events of it, so that nothing is lost here.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
