//! Executes the ladder's actions: attempts, timers, cancellation. Decides nothing.
//!
//! A run is polled by whoever waits for it and has no task of its own: it reads from a provider only while its caller
//! asks for more, and dropping it drops every connection. (When a stream is over, a task may take its connection to the end of
//! the body, so that it can be used again.)

mod conceal;
mod exchange;
mod flight;
mod pass;
mod reading;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::time::{Instant, Sleep, sleep_until};

pub(crate) use exchange::Seat;
use exchange::{Exchange, Question, Step};
use flight::{Flight, Heard, Landed, State};

use crate::accept::Contract;
use crate::error::ErrorKind;
use crate::ladder::{Action, Event, Join, Ladder, Note};
use crate::provider::Delta;
use crate::state::Members;
use crate::transport::Transport;
use crate::types::{self, Amend, Attempt, Completion, Failure, Upstream};

/// Everything one call needs.
pub(crate) struct Job {
    pub(crate) ladder: Ladder,
    /// How to ask each of the ladder's candidates, in the same order.
    pub(crate) seats: Vec<Arc<dyn Seat>>,
    /// What its answer is held against.
    pub(crate) contract: Contract,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) upstream: Upstream,
    pub(crate) show: Show,
    /// The health of the candidates.
    pub(crate) members: Arc<Members>,
    /// Who is told what happens.
    pub(crate) watch: Box<dyn Fn(Note) + Send + Sync>,
    /// Is told how it ended, once.
    pub(crate) book: Option<Box<Book>>,
    /// Resolves when the caller wants no answer any more.
    pub(crate) cancelled: BoxFuture<'static, ()>,
    /// When the call began.
    pub(crate) begun: Instant,
}

/// What of a stream the caller receives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Show {
    pub(crate) reasoning: bool,
    pub(crate) tool_call_deltas: bool,
    /// Whether a refusal's words are shown as they come, not only when no other candidate is to be asked.
    pub(crate) refusals: bool,
}

/// How a call went.
pub(crate) struct Report {
    pub(crate) result: Result<Delivery, (Failure, Option<usize>)>,
    pub(crate) latency: Duration,
}

/// Hears how a call ended.
pub(crate) type Book = dyn FnOnce(Closing<'_>) + Send;

/// The end of a call, for the books.
pub(crate) struct Closing<'a> {
    /// Whose answer is handed to the caller; else the kind and flavour of its failure.
    pub(crate) result: Result<usize, (ErrorKind, Option<&'static str>)>,
    pub(crate) latency: Duration,
    pub(crate) first_token: Option<Duration>,
    pub(crate) attempts: &'a [Attempt],
    /// The answer that is handed to the caller.
    pub(crate) answer: Option<&'a Completion>,
}

/// The answer that is handed to the caller.
pub(crate) struct Delivery {
    pub(crate) candidate: usize,
    pub(crate) completion: Completion,
    /// The answer as JSON, where that was asked for and it is what was asked for.
    pub(crate) parsed: Option<Value>,
    /// What had to be changed for this model to accept the request.
    pub(crate) amends: Vec<Amend>,
    /// From the call to the first content, for streams.
    pub(crate) first_token: Option<Duration>,
}

/// What a run brings.
pub(crate) enum News {
    /// Something for a stream's caller.
    Event(types::Event),
    /// The end.
    Over(Box<Report>),
}

/// A call under way.
pub(crate) struct Run {
    job: Job,
    begin: Option<Instant>,
    flights: Vec<Flight>,
    timer: Option<Pin<Box<Sleep>>>,
    news: VecDeque<News>,
    /// When the caller was given something, until it comes back for more.
    handed: Option<Instant>,
    /// The attempt whose words the caller gets.
    shown: Option<usize>,
    /// When the caller got its first content.
    first_token: Option<Duration>,
    /// How often in a row an attempt had news, since times were last looked at.
    row: u32,
    over: bool,
}

/// What has come is taken before time is up. A provider that floods must not stop the clock, though.
const LONGEST_ROW: u32 = 64;

impl Run {
    pub(crate) fn new(job: Job) -> Self {
        Self {
            job,
            begin: None,
            flights: Vec::new(),
            timer: None,
            news: VecDeque::new(),
            handed: None,
            shown: None,
            first_token: None,
            row: 0,
            over: false,
        }
    }

    /// Runs to the end of the call.
    pub(crate) async fn finish(&mut self) -> Box<Report> {
        loop {
            if let News::Over(report) = poll_fn(|cx| self.poll(cx)).await {
                return report;
            }
        }
    }

    /// The trail so far.
    pub(crate) fn attempts(&self) -> &[Attempt] {
        self.job.ladder.attempts()
    }

    /// The caller takes its time, as it does anyway while it holds what it was just given.
    pub(crate) fn pause(&mut self) {
        if self.begin.is_some() {
            self.handed.get_or_insert_with(Instant::now);
        }
    }

    /// Ends the call: every connection is closed, and the trail tells of it.
    pub(crate) fn cancel(&mut self) {
        if self.begin.is_some() && !self.over {
            self.step(Event::Cancelled);
        }
        self.news.clear();
    }

    /// What comes next; pending for ever after the end.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<News> {
        loop {
            if let Some(news) = self.news.pop_front() {
                self.handed.get_or_insert_with(Instant::now);
                return Poll::Ready(news);
            }
            if self.over {
                return Poll::Pending;
            }
            if self.begin.is_none() {
                self.begin = Some(self.job.begun);
                self.step(Event::Begin);
            } else if let Some(handed) = self.handed.take() {
                self.step(Event::Away(handed.elapsed()));
            } else if self.job.cancelled.poll_unpin(cx).is_ready() {
                self.step(Event::Cancelled);
            } else if self.row < LONGEST_ROW && self.advance(cx) {
                self.row += 1;
            } else {
                let late = std::mem::take(&mut self.row) == LONGEST_ROW;
                if self.granted(cx) {
                    self.step(Event::Woken);
                } else if !self.wake(cx) && !late {
                    return Poll::Pending;
                }
            }
        }
    }

    fn elapsed(&self) -> Duration {
        self.begin.map_or(Duration::ZERO, |begin| begin.elapsed())
    }

    /// Tells the ladder the news of the first attempt that has any; whether there was one.
    fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        let mut said = Vec::new();
        for attempt in 0..self.flights.len() {
            let Some(flight) = self.flights.get_mut(attempt) else {
                continue;
            };
            let Poll::Ready(step) = flight.poll(cx, &mut said) else {
                continue;
            };
            match step {
                Step::Said => self.said(attempt, said),
                Step::Over(Ok(brought)) => {
                    let answer = flight.land(*brought, &self.job.contract);
                    self.step(Event::Answered { attempt, answer });
                }
                Step::Over(Err(failure)) => {
                    flight.end();
                    self.step(Event::Failed { attempt, failure });
                }
            }
            return true;
        }
        false
    }

    /// Tells the ladder what a stream said, and hands on what the caller gets of it.
    fn said(&mut self, attempt: usize, said: Vec<Delta>) {
        let (show, elapsed) = (self.job.show, self.elapsed());
        let Some(flight) = self.flights.get_mut(attempt) else {
            return;
        };
        let heard = flight.hear(&said, show, &self.job.contract, elapsed);
        let whole = flight.turns_whole();
        if let Some(usage) = heard.usage {
            self.step(Event::Spent { attempt, usage });
        }
        if let Some(speech) = heard.speech {
            let Heard { resumable, bytes, .. } = heard;
            self.step(Event::Content { attempt, speech, resumable, bytes });
        }
        if whole {
            self.step(Event::Whole { attempt });
        }
        let Some(flight) = self.flights.get_mut(attempt) else {
            return;
        };
        if self.shown == Some(attempt) {
            self.news.extend(flight.hand_on(said, show).map(News::Event));
        } else {
            flight.hold(said);
        }
    }

    /// Tells the ladder that a time has come; whether it has.
    fn wake(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(at) = self.job.ladder.wake_at().zip(self.begin).map(|(at, begin)| begin + at) else {
            return false;
        };
        // One that is set too early costs a look; setting it anew with every word would cost more.
        let timer = match &mut self.timer {
            Some(timer) if timer.deadline() <= at => timer,
            timer => timer.insert(Box::pin(sleep_until(at))),
        };
        if timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.timer = None;
        self.step(Event::Woken);
        true
    }

    fn step(&mut self, event: Event) {
        let (elapsed, ladder) = (self.elapsed(), &mut self.job.ladder);
        let before = ladder.waits();
        let actions = self.job.members.state.with(|health| ladder.step(event, elapsed, health));
        if let Some((_, number)) = before.filter(|before| ladder.waits() != Some(*before)) {
            self.job.members.state.forget(number);
        }
        ladder.notes().into_iter().for_each(&self.job.watch);
        for action in actions {
            self.act(action);
        }
    }

    /// Whether a place has come free that the ladder waits for.
    fn granted(&self, cx: &Context<'_>) -> bool {
        let waits = self.job.ladder.waits();
        waits.is_some_and(|(vitals, number)| self.job.members.state.granted(vitals, number, cx.waker()))
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Start { candidate, amends, resume, reask, .. } => self.start(candidate, amends, resume, reask),
            Action::Cancel { attempt } => {
                if let Some(flight) = self.flights.get_mut(attempt) {
                    flight.end();
                }
            }
            Action::Close { attempt } => {
                if let Some(flight) = self.flights.get_mut(attempt) {
                    flight.close();
                }
            }
            Action::Commit { attempt, model, join } => {
                self.shown = Some(attempt);
                self.first_token.get_or_insert(self.elapsed());
                let model = model.to_string();
                match join {
                    Join::Start => self.news.push_back(News::Event(types::Event::Start { model })),
                    Join::Restart { kind, reason } => {
                        self.news.push_back(News::Event(types::Event::Restart { model, kind, reason }));
                    }
                    Join::Resume => {}
                }
                if let Some(flight) = self.flights.get_mut(attempt) {
                    self.news.extend(flight.catch_up(self.job.show).map(News::Event));
                }
            }
            Action::Deliver { attempt } => self.deliver(attempt),
            Action::Fail { mut failure, candidate, attempt } => {
                if let Some(text) = attempt.and_then(|attempt| self.flights.get(attempt)).and_then(Flight::partial) {
                    failure.partial = Some(text);
                    failure.usage = failure.usage.or(self.usage(attempt));
                }
                self.end(Err((failure, candidate)));
            }
        }
    }

    fn start(&mut self, candidate: usize, amends: Vec<Amend>, resume: Option<usize>, reask: Option<usize>) {
        let Some(seat) = self.job.seats.get(candidate) else {
            return;
        };
        let base = resume.and_then(|attempt| self.flights.get(attempt)).map(|flight| (flight.candidate, flight.text()));
        let rejected = reask.and_then(|attempt| self.flights.get(attempt));
        let anew = rejected.and_then(|flight| flight.ask_anew(seat.request())).map(Arc::new);
        let question = Question {
            seat: seat.clone(),
            amends: amends.clone(),
            request: anew.unwrap_or_else(|| seat.request().clone()),
            upstream: self.job.upstream,
            resume: base.as_ref().map(|(_, text)| Arc::from(text.as_str())),
        };
        let exchange = Exchange::begin(question, self.job.transport.clone());
        self.flights.push(Flight::new(candidate, amends, exchange, base));
    }

    fn deliver(&mut self, attempt: usize) {
        let Some(flight) = self.flights.get_mut(attempt) else {
            return;
        };
        let (candidate, first_token) = (flight.candidate, self.first_token.or(flight.first_token));
        let Some(landed) = flight.take() else {
            // The ladder delivers only what it was told of as answered.
            return self.end(Err((Failure::new(ErrorKind::ServerError, "no answer to deliver"), None)));
        };
        let Landed { mut completion, finding } = *landed;
        if let Some((earlier, length)) = flight.continues() {
            let (earlier, later) = (self.job.ladder.name_of(earlier), self.job.ladder.name_of(candidate));
            completion
                .warnings
                .push(format!("{earlier} broke off after {length} characters, {later} went on from there"));
        }
        if self.shown == Some(attempt) {
            let calls = completion.tool_calls.iter().cloned().map(types::Event::ToolCall);
            let usage = completion.usage.map(types::Event::Usage);
            self.news.extend(calls.chain(usage).map(News::Event));
        }
        let amends = std::mem::take(&mut flight.amends);
        self.end(Ok(Delivery { candidate, completion, parsed: finding.parsed, amends, first_token }));
    }

    fn usage(&self, attempt: Option<usize>) -> Option<types::Usage> {
        self.flights.get(attempt?)?.usage
    }

    fn end(&mut self, result: Result<Delivery, (Failure, Option<usize>)>) {
        self.over = true;
        self.timer = None;
        self.flights.iter_mut().for_each(|flight| flight.state = State::Gone);
        if let Some(book) = self.job.book.take() {
            book(Closing {
                result: result
                    .as_ref()
                    .map(|delivery| delivery.candidate)
                    .map_err(|(failure, _)| (failure.kind, failure.subkind)),
                latency: self.elapsed(),
                first_token: result.as_ref().map_or(self.first_token, |delivery| delivery.first_token),
                attempts: self.job.ladder.attempts(),
                answer: result.as_ref().ok().map(|delivery| &delivery.completion),
            });
        }
        self.news.push_back(News::Over(Box::new(Report { result, latency: self.elapsed() })));
    }
}

/// Whoever drops a call gives back what it held: its connections, and its place and its probes at the candidates.
impl Drop for Run {
    fn drop(&mut self) {
        self.cancel();
    }
}
