//! A stream of events, and of nothing but text.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt};
use serde_json::Value;

use super::call::{Call, setters};
use super::{Checked, Live, Router, Started, counted};
use crate::driver::News;
use crate::error::{Error, ErrorKind};
use crate::types::{Attempt, Event, OnBreak, Options, Reply, ResponseFormat, Tool, ToolChoice};

/// The events of an answer as it comes: `Start`, content, at last `Usage` (where known) and `End` with the whole [`Reply`].
/// Instead of the rest there may be an error; nothing follows it.
///
/// It is a [`Stream`] that does nothing until it is read, and reads from the provider only while it is read itself. Its
/// limits count only time in which it was waited for. Dropping it closes its connections.
#[must_use = "a stream does nothing until it is read"]
pub struct EventStream {
    state: State,
    live: Live,
}

enum State {
    /// Nothing was asked yet.
    Call(Box<Call>),
    /// The tokens of its prompt are being counted.
    Counting(Router, BoxFuture<'static, Checked>),
    Running(Router, Box<Started>),
    /// The end was told; the trail is still there, if there was one.
    Over(Option<Box<Started>>),
}

impl EventStream {
    /// For readers that take what has come all at once: the most events they should hold. Enough that the way of a batch costs
    /// little, few enough to bound the memory.
    pub const BATCH: usize = 256;

    pub(super) fn new(call: Call) -> Self {
        Self { state: State::Call(Box::new(call)), live: Live { reasoning: true, restarts: true } }
    }

    fn set(self, change: impl FnOnce(&mut Options)) -> Self {
        self.map_call(|call| call.set(change))
    }

    /// Options count only before the first event is asked for.
    fn map_call(mut self, change: impl FnOnce(Call) -> Call) -> Self {
        if let State::Call(call) = self.state {
            self.state = State::Call(Box::new(change(*call)));
        }
        self
    }

    setters!();

    /// Whether visible reasoning comes as events, as it does by default. Without them, reasoning does not keep a failing
    /// candidate from being replaced unseen.
    pub fn reasoning_events(self, wanted: bool) -> Self {
        self.set(|options| options.reasoning_events = Some(wanted))
    }

    /// Whether tool calls also come piece by piece; by default they come when they are complete.
    pub fn tool_call_deltas(self, wanted: bool) -> Self {
        self.set(|options| options.tool_call_deltas = Some(wanted))
    }

    /// Ends the stream with an error of kind `cancelled` when `cancelled` resolves. Without it, drop the stream.
    pub fn cancel_on(self, cancelled: impl Future<Output = ()> + Send + 'static) -> Self {
        self.map_call(|call| call.cancel_on(cancelled))
    }

    /// Nothing but the text, piece by piece; the reply is there at the end. An answer that would have to begin anew ends
    /// in the error of its break instead.
    pub fn text(mut self) -> TextStream {
        self.live = Live { reasoning: false, restarts: false };
        TextStream { events: self, reply: None }
    }

    /// Whether an answer may begin anew. Where its reader could not be told, it ends in the error of its break instead.
    pub(super) fn restarts(mut self, told: bool) -> Self {
        self.live.restarts = told;
        self
    }

    /// Reads to the end.
    ///
    /// # Errors
    /// The stream's.
    pub async fn collect(mut self) -> Result<Reply, Error> {
        loop {
            match self.next().await {
                Some(Ok(Event::End(reply))) => return Ok(*reply),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                // Only a stream that had ended before has nothing to tell.
                None => return Err(Error::new(ErrorKind::InvalidRequest, "the stream was read to its end before")),
            }
        }
    }

    /// Says that the time until the next read is the reader's own. It need not be said after an event; it is for readers
    /// that look for more, find none yet, and turn to what they have.
    pub fn pause(&mut self) {
        if let State::Running(_, started) = &mut self.state {
            started.run.pause();
        }
    }

    /// Closes the connections. No further events come; [`EventStream::attempts`] tells what was spent.
    pub fn close(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Over(None));
        self.state = State::Over(match state {
            State::Call(_) | State::Counting(..) => None,
            State::Running(_, mut started) => {
                started.run.cancel();
                Some(started)
            }
            State::Over(started) => started,
        });
    }

    /// What was tried and what was passed over so far, in order.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        match &self.state {
            State::Running(_, started) | State::Over(Some(started)) => started.run.attempts(),
            State::Call(_) | State::Counting(..) | State::Over(None) => &[],
        }
    }

    fn begin(&mut self) -> Result<(), Error> {
        let State::Call(call) = std::mem::replace(&mut self.state, State::Over(None)) else {
            return Ok(());
        };
        let router = call.router.clone();
        let checked = router.check(*call, Some(self.live))?;
        if router.is_near_limit(&checked) {
            self.state = State::Counting(router, counted(checked).boxed());
            return Ok(());
        }
        self.run(router, checked)
    }

    fn run(&mut self, router: Router, checked: Checked) -> Result<(), Error> {
        let started = router.start(checked)?;
        self.state = State::Running(router, Box::new(started));
        Ok(())
    }
}

impl Stream for EventStream {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if matches!(self.state, State::Call(_))
            && let Err(error) = self.begin()
        {
            return Poll::Ready(Some(Err(error)));
        }
        if let State::Counting(_, counting) = &mut self.state {
            let checked = ready!(counting.poll_unpin(cx));
            if let State::Counting(router, _) = std::mem::replace(&mut self.state, State::Over(None))
                && let Err(error) = self.run(router, checked)
            {
                return Poll::Ready(Some(Err(error)));
            }
        }
        let State::Running(router, started) = &mut self.state else {
            return Poll::Ready(None);
        };
        let item = match ready!(started.run.poll(cx)) {
            News::Event(event) => return Poll::Ready(Some(Ok(event))),
            News::Over(report) => router.conclude(started, *report).map(|reply| Event::End(Box::new(reply))),
        };
        if let State::Running(_, started) = std::mem::replace(&mut self.state, State::Over(None)) {
            self.state = State::Over(Some(started));
        }
        Poll::Ready(Some(item))
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream").field("attempts", &self.attempts()).finish_non_exhaustive()
    }
}

/// The text of an answer as it comes.
#[must_use = "a stream does nothing until it is read"]
#[derive(Debug)]
pub struct TextStream {
    events: EventStream,
    reply: Option<Box<Reply>>,
}

impl TextStream {
    /// The whole reply, once the text has ended.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        self.reply.as_deref()
    }

    /// As [`EventStream::pause`].
    pub fn pause(&mut self) {
        self.events.pause();
    }

    /// Closes the connections. No further text comes.
    pub fn close(&mut self) {
        self.events.close();
    }

    /// What was tried and what was passed over so far, in order.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        self.events.attempts()
    }
}

impl Stream for TextStream {
    type Item = Result<String, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(self.events.poll_next_unpin(cx)) {
                Some(Ok(Event::Text(text))) => return Poll::Ready(Some(Ok(text))),
                Some(Ok(Event::End(reply))) => self.reply = Some(reply),
                // Possible only where events were read before the text was asked for.
                Some(Ok(Event::Restart { kind, reason, .. })) => {
                    self.events.close();
                    return Poll::Ready(Some(Err(Error::new(kind, reason))));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}
