//! Streams as JavaScript holds them: read a batch at a time, and only when one is asked for.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::{FutureExt, Stream};
use locum::types::Attempt;
use locum::{Error, Event, EventStream, Reply, TextStream};
use napi::bindgen_prelude::Either;
use napi_derive::napi;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use crate::mailbox::Brought;
use crate::router::{Request, RouterHandle};

/// A stream. When it is collected unread, its connections close.
#[napi(js_name = "Stream")]
pub struct StreamHandle {
    pub(crate) router: locum::Router,
    pub(crate) source: Arc<Mutex<Source>>,
    /// Dropping it ends the stream with an error of kind `cancelled`.
    cancel: Option<oneshot::Sender<()>>,
}

#[napi]
impl StreamHandle {
    /// Ends the stream with an error of kind `cancelled`, which the next batch brings.
    #[napi]
    pub fn cancel(&mut self) {
        self.cancel = None;
    }

    /// Closes the connections, before it returns. A batch under way has to be cancelled too.
    #[napi]
    pub fn close(&self) {
        match &mut *lock(&self.source) {
            Source::Events(events) => events.close(),
            Source::Text(text) => text.close(),
        }
    }

    /// The trail so far, as JSON.
    #[napi]
    pub fn attempts(&self) -> String {
        let source = lock(&self.source);
        let attempts = match &*source {
            Source::Events(events) => events.attempts(),
            Source::Text(text) => text.attempts(),
        };
        attempts.iter().map(Attempt::to_value).collect::<Value>().to_string()
    }
}

/// A stream of events, or of nothing but `text`, that nobody has asked for anything yet; a string is the error as JSON.
/// `request` is `{task, messages, options}` as JSON.
#[napi]
#[allow(clippy::needless_pass_by_value)]
pub fn open_stream(router: &RouterHandle, request: String, text: bool) -> Either<StreamHandle, String> {
    let Request { task, messages, options } = match Request::read(&request) {
        Ok(request) => request,
        Err(error) => return Either::B(error.to_value().to_string()),
    };
    let router = router.inner.clone();
    let (cancel, cancelled) = oneshot::channel::<()>();
    let events = router.stream_value(task, messages, options).cancel_on(cancelled.map(drop));
    let source = if text { Source::Text(events.text()) } else { Source::Events(events) };
    Either::A(StreamHandle { router, source: Arc::new(Mutex::new(source)), cancel: Some(cancel) })
}

/// What is read from.
pub(crate) enum Source {
    Events(EventStream),
    Text(TextStream),
}

/// None where the stream was closed.
type End = Option<Result<Reply, Error>>;

enum Piece {
    More(Value),
    End(End),
}

impl Source {
    /// Ready when there are items, and with the end if it has come.
    fn take(&mut self, cx: &mut Context<'_>, items: &mut Vec<Value>) -> Poll<Option<End>> {
        while items.len() < EventStream::BATCH {
            match self.poll(cx) {
                Poll::Ready(Piece::More(item)) => items.push(item),
                Poll::Ready(Piece::End(end)) => return Poll::Ready(Some(end)),
                Poll::Pending if items.is_empty() => return Poll::Pending,
                Poll::Pending => {
                    self.pause();
                    break;
                }
            }
        }
        Poll::Ready(None)
    }

    /// What JavaScript does with what it has takes its own time.
    fn pause(&mut self) {
        match self {
            Self::Events(events) => events.pause(),
            Self::Text(text) => text.pause(),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        match self {
            Self::Events(events) => Pin::new(events).poll_next(cx).map(|item| match item {
                Some(Ok(Event::End(reply))) => Piece::End(Some(Ok(*reply))),
                Some(Ok(event)) => Piece::More(event.to_value()),
                Some(Err(error)) => Piece::End(Some(Err(error))),
                None => Piece::End(None),
            }),
            Self::Text(text) => match Pin::new(&mut *text).poll_next(cx) {
                Poll::Ready(Some(Ok(piece))) => Poll::Ready(Piece::More(piece.into())),
                Poll::Ready(Some(Err(error))) => Poll::Ready(Piece::End(Some(Err(error)))),
                Poll::Ready(None) => Poll::Ready(Piece::End(text.reply().cloned().map(Ok))),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

/// Waits for one event and takes along what else has come: `{items}`, at the end with `reply` or `error`, or with
/// `closed`.
pub(crate) async fn batch(source: Arc<Mutex<Source>>, mut cancelled: oneshot::Receiver<()>) -> Brought {
    let mut items = Vec::new();
    let end = loop {
        let had = items.len();
        let end = poll_fn(|cx| {
            if cancelled.poll_unpin(cx).is_ready() {
                return Poll::Ready(Some(None));
            }
            lock(&source).take(cx, &mut items)
        })
        .await;
        if end.is_some() || items.len() == had || items.len() >= EventStream::BATCH {
            break end;
        }
        // A connection is read by a task of its own, piece by piece. What has come already is worth its turn.
        yield_now().await;
    };
    let envelope = match &end {
        None => json!({"items": items}),
        Some(None) => json!({"items": items, "closed": true}),
        Some(Some(Ok(reply))) => json!({"items": items, "reply": reply.to_value()}),
        Some(Some(Err(error))) => json!({"items": items, "error": error.to_value()}),
    };
    (envelope, end.flatten())
}

/// A panic while it was locked ended the stream's batch, and nothing else.
pub(crate) fn lock<T>(source: &Mutex<T>) -> MutexGuard<'_, T> {
    source.lock().unwrap_or_else(PoisonError::into_inner)
}
