//! The OpenAI face of a router: an HTTP request of a client of OpenAI's API in, its response out, with a call in between.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use serde_json::Value;

use super::{EventStream, Router};
use crate::config::Format;
use crate::error::{Error, ErrorKind};
use crate::openai::{Asked, Order, Pen, Refusal, Stamp, headers, read};
use crate::types::{Event, Failure, FinishReason, Messages, Reply};

/// What a client that retries by itself says with each request: how often it has asked before.
const RETRIES: &str = "x-stainless-retry-count";
/// Of how many calls that were over time the error is kept: more clients do not wait to ask again at one time.
const KEPT: usize = 64;
/// A page of a stream is handed on when it has so many bytes, though more may be there.
const PAGE: usize = 32 * 1024;

impl Router {
    /// Answers a request to OpenAI's API, as a server would: `POST …/chat/completions` and `POST …/responses` (whole or as a stream
    /// of events), `GET …/models`. The `model` is a task, or `task/model` to pin one of its candidates. Headers `x-locum-customer`,
    /// `x-locum-timeout-ms`, `x-locum-fallback` and `x-locum-on-break` (or `metadata` with `locum_customer`, …) set options of
    /// the call. How the answer came about is told in `x-locum-*` headers and in the member `locum` of the body or of the last
    /// chunk.
    ///
    /// A stream's response is there when its first content is; what fails before that has the status of its failure.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        match self.answer(&request).await {
            Ok(response) => response,
            Err(Failed::Refused(refusal)) => refused(&refusal),
            Err(Failed::Call(error)) => refused(&Refusal::from(&error)),
        }
    }

    /// Answers the same in the place of a client's own HTTP exchange. What is over time is an error here, as it is for who
    /// waits at a socket, and not a response. Official SDKs ask again after that, whatever they are told; since the ladder has
    /// made all tries that the task allows, such a request fails at once, with the same error.
    ///
    /// # Errors
    /// Kinds `timeout` and `deadline_exceeded`.
    pub async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let retries = request.headers().get(RETRIES).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let asked = digest(request.body());
        if retries.is_some_and(|retries| retries > 0) {
            return Err(self.inner.late.of(asked));
        }
        match self.answer(&request).await {
            Ok(response) => Ok(response),
            Err(Failed::Refused(refusal)) => Ok(refused(&refusal)),
            Err(Failed::Call(error)) => match error.kind() {
                ErrorKind::Timeout | ErrorKind::DeadlineExceeded => {
                    self.inner.late.keep(asked, &error);
                    Err(error)
                }
                _ => Ok(refused(&Refusal::from(&error))),
            },
        }
    }

    async fn answer(&self, request: &Request<Bytes>) -> Result<Response<Body>, Failed> {
        let tasks: Vec<&str> = self.tasks().collect();
        let order = match read(request, &tasks, stamp())? {
            Asked::Tasks(models) => return Ok(whole(StatusCode::OK, HeaderMap::new(), &models)),
            Asked::Call(order) => *order,
        };
        let Order { task, messages, mut options, extra, live, restarts, pen } = order;
        let mut unsent: Vec<String> = extra.keys().cloned().collect();
        unsent.sort();
        if !extra.is_empty() {
            let speaks_it = |name: &&String| self.speaks_openai(name);
            let providers = self.policy().providers.keys().filter(speaks_it);
            options.extra_body.extend(providers.map(|name| (name.clone(), extra.clone())));
        }
        let messages = Messages(messages);
        if !live {
            let mut reply = self.complete(task, messages).options(options).await?;
            self.tell_unsent(&mut reply, &unsent);
            let headers = headers(&reply.task, &reply.model, &reply.attempts);
            return Ok(whole(StatusCode::OK, headers, &pen.reply(&reply)));
        }
        options.tool_call_deltas = Some(true);
        let mut events = self.stream(task.as_str(), messages).options(options).restarts(restarts);
        let first = match events.next().await {
            Some(first) => first?,
            None => return Err(Error::new(ErrorKind::ServerError, "a stream without a beginning").into()),
        };
        let model = match &first {
            Event::Start { model } => model.as_str(),
            _ => "",
        };
        let headers = headers(&task, model, events.attempts());
        let pages = Pages { router: self.clone(), events, pen, unsent, page: Vec::new(), over: false };
        Ok(response(
            StatusCode::OK,
            headers,
            "text/event-stream; charset=utf-8",
            Body(Content::Pages(pages.begin(first).into())),
        ))
    }

    fn speaks_openai(&self, provider: &str) -> bool {
        self.policy().providers.get(provider).is_some_and(|provider| provider.format == Format::OpenAiChat)
    }

    /// Says which members of the request the one that answered was not given.
    fn tell_unsent(&self, reply: &mut Reply, unsent: &[String]) {
        if !unsent.is_empty() && !self.speaks_openai(&reply.provider) {
            reply.warnings.push(format!("{} was not given {}", reply.model, unsent.join(", ")));
        }
    }
}

/// The last calls that were over time, by what they asked, for clients that ask again.
#[derive(Default)]
pub(super) struct Late(Mutex<VecDeque<(u64, Error)>>);

impl Late {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(u64, Error)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, asked: u64, error: &Error) {
        let mut late = self.lock();
        late.truncate(KEPT - 1);
        late.push_front((asked, error.clone()));
    }

    fn of(&self, asked: u64) -> Error {
        let late = self.lock();
        let found = late.iter().find(|(known, _)| *known == asked).map(|(_, error)| error.clone());
        found.unwrap_or_else(|| {
            let message = "the time of the call was spent by an earlier request; retries are made by its task";
            Error::new(ErrorKind::DeadlineExceeded, message)
        })
    }
}

fn digest(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

/// Why there is no answer.
enum Failed {
    Refused(Refusal),
    Call(Error),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

/// The body of a response: whole, or a stream that reads from its provider only while it is read itself. Dropping it closes
/// the connection to the provider.
#[derive(Debug)]
pub struct Body(Content);

enum Content {
    Whole(Option<Bytes>),
    Pages(Box<Pages>),
}

impl Body {
    /// The next bytes, with everything that has come since the last; `None` at the end.
    pub async fn chunk(&mut self) -> Option<Bytes> {
        self.next().await
    }

    /// Whether it comes as it is made.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        matches!(self.0, Content::Pages(_))
    }
}

impl Stream for Body {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match &mut self.0 {
            Content::Whole(bytes) => Poll::Ready(bytes.take()),
            Content::Pages(pages) => pages.poll(cx),
        }
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "[{} bytes]", bytes.as_ref().map_or(0, Bytes::len)),
            Self::Pages(pages) => pages.events.fmt(f),
        }
    }
}

/// A stream being written.
struct Pages {
    router: Router,
    events: EventStream,
    pen: Box<dyn Pen>,
    /// Members of the request that not every provider is given.
    unsent: Vec<String>,
    page: Vec<u8>,
    over: bool,
}

impl Pages {
    fn begin(mut self, first: Event) -> Self {
        self.write(Ok(first));
        self
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while !self.over && self.page.len() < PAGE {
            match self.events.poll_next_unpin(cx) {
                Poll::Ready(Some(event)) => self.write(event),
                Poll::Ready(None) => self.over = true,
                Poll::Pending if self.page.is_empty() => return Poll::Pending,
                Poll::Pending => {
                    // What follows until it is read again is the client's time.
                    self.events.pause();
                    break;
                }
            }
        }
        let page = std::mem::take(&mut self.page);
        Poll::Ready((!page.is_empty()).then(|| page.into()))
    }

    fn write(&mut self, event: Result<Event, Error>) {
        match event.and_then(|event| self.checked(event)) {
            Ok(event) => {
                self.over = matches!(event, Event::End(_));
                self.pen.event(&event, &mut self.page);
            }
            Err(error) => {
                self.over = true;
                self.pen.error(&error, &mut self.page);
            }
        }
    }

    /// A stream that the model itself broke off has no end that its client would take for one.
    fn checked(&self, event: Event) -> Result<Event, Error> {
        let Event::End(mut reply) = event else {
            return Ok(event);
        };
        let finish = reply.finish();
        if finish.unified == FinishReason::Error {
            let reason = finish.raw.as_deref().unwrap_or("error");
            let message = format!("the model broke off ({reason})");
            let failure = Failure { in_stream: true, ..Failure::new(ErrorKind::MalformedResponse, message) };
            let error = Error::from_failure(failure).with_task(&reply.task).with_model(Some(reply.model.clone()));
            return Err(error.with_attempts(reply.attempts.clone()));
        }
        self.router.tell_unsent(&mut reply, &self.unsent);
        Ok(Event::End(reply))
    }
}

fn stamp() -> Stamp {
    let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Stamp { id: format!("{:032x}", u128::from(super::seed()) << 64 | u128::from(super::seed())), created }
}

fn refused(refusal: &Refusal) -> Response<Body> {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    whole(status, refusal.headers(), &refusal.body())
}

fn whole(status: StatusCode, headers: HeaderMap, body: &Value) -> Response<Body> {
    let bytes = Bytes::from(body.to_string());
    response(status, headers, "application/json", Body(Content::Whole(Some(bytes))))
}

fn response(status: StatusCode, headers: HeaderMap, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    let id = format!("req_{}", stamp().id);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
    }
    response
}
