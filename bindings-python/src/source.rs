//! A stream without anything of Python's: read in batches, by whoever waits for more, and only then.
//!
//! Its lock is held for as long as a poll takes, never for a wait. A forked child does not touch it: a thread that is not
//! there may hold it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_util::Stream;
use locum::{Attempt, Body, Error, Event, EventStream, Reply, Router, TextStream};
use serde_json::Value;
use tokio::task::yield_now;

use crate::desk::Desk;

/// What comes of a stream.
pub(crate) enum Item {
    Event(Event),
    Text(String),
    /// All of the text has come.
    Whole(Box<Reply>),
    /// More of a response's body.
    Page(Bytes),
    Failed(Error),
}

/// A stream under way, shared by its Python object and the task that reads the next batch.
pub(crate) struct Source {
    pub(crate) desk: Arc<Desk>,
    inner: Mutex<Inner>,
}

struct Inner {
    stage: Stage,
    /// Came with the last batch and was not taken yet.
    ready: VecDeque<Item>,
    /// Nothing comes after what is ready.
    over: bool,
    /// Somebody waits for the next batch.
    awaited: bool,
    /// Wakes whoever waits, when the stream is closed meanwhile.
    waker: Option<Waker>,
}

enum Stage {
    /// Not begun. What is left of the reading of its arguments happens off the event loop's thread.
    Asked {
        task: String,
        messages: Value,
        options: Value,
        text: bool,
    },
    Events(EventStream),
    Text(TextStream),
    /// None when it was closed.
    Body(Option<Body>),
}

impl Stage {
    fn poll(&mut self, router: &Router, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        if let Self::Asked { task, messages, options, text } = self {
            let stream = router.stream_value(mem::take(task), messages.take(), options.take());
            *self = if *text { Self::Text(stream.text()) } else { Self::Events(stream) };
        }
        Poll::Ready(match self {
            Self::Asked { .. } => None,
            Self::Events(events) => {
                ready!(Pin::new(events).poll_next(cx)).map(|event| event.map_or_else(Item::Failed, Item::Event))
            }
            Self::Text(text) => match ready!(Pin::new(&mut *text).poll_next(cx)) {
                Some(piece) => Some(piece.map_or_else(Item::Failed, Item::Text)),
                None => text.reply().cloned().map(|reply| Item::Whole(Box::new(reply))),
            },
            Self::Body(None) => None,
            Self::Body(Some(body)) => ready!(Pin::new(body).poll_next(cx)).map(Item::Page),
        })
    }

    /// The most items of a batch. A page of a body is a batch already, and pauses the reading by itself.
    fn most(&self) -> usize {
        match self {
            Self::Asked { .. } | Self::Events(_) | Self::Text(_) => EventStream::BATCH,
            Self::Body(_) => 1,
        }
    }

    fn pause(&mut self) {
        match self {
            Self::Asked { .. } | Self::Body(_) => {}
            Self::Events(events) => events.pause(),
            Self::Text(text) => text.pause(),
        }
    }

    fn close(&mut self) {
        match self {
            Self::Asked { .. } => {}
            Self::Events(events) => events.close(),
            Self::Text(text) => text.close(),
            Self::Body(body) => *body = None,
        }
    }

    fn attempts(&self) -> &[Attempt] {
        match self {
            Self::Asked { .. } | Self::Body(_) => &[],
            Self::Events(events) => events.attempts(),
            Self::Text(text) => text.attempts(),
        }
    }
}

/// What waiting for more would mean.
pub(crate) enum Wait {
    /// The next batch is yours to read.
    Turn(Turn),
    /// There is no more.
    Over,
    /// Somebody else waits.
    Taken,
}

impl Source {
    pub(crate) fn new(desk: Arc<Desk>, task: String, messages: Value, options: Value) -> Self {
        Self::at(desk, Stage::Asked { task, messages, options, text: false })
    }

    /// What is left of a response.
    pub(crate) fn of_body(desk: Arc<Desk>, body: Body) -> Self {
        Self::at(desk, Stage::Body(Some(body)))
    }

    fn at(desk: Arc<Desk>, stage: Stage) -> Self {
        let inner = Inner { stage, ready: VecDeque::new(), over: false, awaited: false, waker: None };
        Self { desk, inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes it a stream of nothing but text; false once it has begun.
    pub(crate) fn choose_text(&self) -> bool {
        match &mut self.lock().stage {
            Stage::Asked { text, .. } => {
                *text = true;
                true
            }
            Stage::Events(_) | Stage::Text(_) | Stage::Body(_) => false,
        }
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self.lock().stage, Stage::Text(_) | Stage::Asked { text: true, .. })
    }

    /// The next item, if it is there already.
    pub(crate) fn take(&self) -> Option<Item> {
        self.lock().ready.pop_front()
    }

    pub(crate) fn wait(self: &Arc<Self>) -> Wait {
        let mut inner = self.lock();
        // Before the question who waits: whoever still does is about to learn the same.
        if inner.over && inner.ready.is_empty() {
            return Wait::Over;
        }
        if inner.awaited {
            return Wait::Taken;
        }
        inner.awaited = true;
        Wait::Turn(Turn(self.clone()))
    }

    /// Closes the connections; what was not taken is gone, and whoever waits learns that there is no more.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.over = true;
        inner.ready.clear();
        inner.stage.close();
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.lock().stage.attempts().to_vec()
    }

    /// Ready with how many items there are.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<usize> {
        let inner = &mut *self.lock();
        while !inner.over && inner.ready.len() < inner.stage.most() {
            match inner.stage.poll(&self.desk.router, cx) {
                Poll::Ready(Some(item)) => {
                    // A failure is followed by nothing, and so is the end of the text.
                    inner.over = matches!(item, Item::Failed(_) | Item::Whole(_) | Item::Event(Event::End(_)));
                    inner.ready.push_back(item);
                }
                Poll::Ready(None) => inner.over = true,
                Poll::Pending if inner.ready.is_empty() => {
                    inner.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Poll::Pending => {
                    inner.stage.pause();
                    break;
                }
            }
        }
        Poll::Ready(inner.ready.len())
    }
}

/// The right, which only one has at a time, to wait for the next batch.
pub(crate) struct Turn(Arc<Source>);

impl Turn {
    /// Until something is ready, or nothing more will be.
    pub(crate) async fn fill(self) {
        let mut had = 0;
        loop {
            let has = poll_fn(|cx| self.0.poll(cx)).await;
            if has == had {
                return;
            }
            had = has;
            // A connection is read by a task of its own, piece by piece. What has come already is worth its turn.
            yield_now().await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        (inner.awaited, inner.waker) = (false, None);
    }
}
