//! Executes the ladder's actions: attempts, timers, cancellation. Decides nothing.

mod exchange;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::time::{Instant, Sleep, sleep_until};

use exchange::Brought;
pub(crate) use exchange::Seat;

use crate::ladder::{Action, Answer, Event, Ladder};
use crate::transport::Transport;
use crate::types::{Amend, Attempt, Completion, Failure, Request, ResponseFormat};

/// Everything one call needs.
pub(crate) struct Job {
    pub(crate) ladder: Ladder,
    /// How to ask each of the ladder's candidates, in the same order.
    pub(crate) seats: Vec<Arc<dyn Seat>>,
    pub(crate) request: Arc<Request>,
    pub(crate) transport: Arc<dyn Transport>,
}

/// How a call went.
pub(crate) struct Report {
    pub(crate) result: Result<Delivery, (Failure, Option<usize>)>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) latency: Duration,
}

/// The answer that is handed to the caller.
pub(crate) struct Delivery {
    pub(crate) candidate: usize,
    pub(crate) completion: Completion,
    /// The answer as JSON, where that was asked for and it is.
    pub(crate) parsed: Option<Value>,
    /// What had to be changed for this model to accept the request.
    pub(crate) amends: Vec<Amend>,
}

/// An attempt under way, or its answer.
struct Flight {
    candidate: usize,
    amends: Vec<Amend>,
    state: State,
}

enum State {
    Flying(BoxFuture<'static, Result<Brought, Failure>>),
    Landed(Box<Brought>),
    Gone,
}

/// Runs a call to its end. Dropping the future drops every attempt with its connection; `cancelled` does the same and
/// tells the trail of it.
pub(crate) async fn run(job: Job, cancelled: impl Future<Output = ()>) -> Report {
    let Job { mut ladder, seats, request, transport } = job;
    let wants_json = request.response_format.as_ref().is_some_and(|format| *format != ResponseFormat::Text);
    let begin = Instant::now();
    let mut cancelled = pin!(cancelled);
    let mut flights: Vec<Flight> = Vec::new();
    let mut event = Event::Begin;
    loop {
        let actions = ladder.step(event, begin.elapsed());
        for action in actions {
            match action {
                Action::Start { candidate, amends, .. } => {
                    let state = match seats.get(candidate) {
                        Some(seat) => State::Flying(Box::pin(exchange::exchange(
                            seat.clone(),
                            amends.clone(),
                            request.clone(),
                            transport.clone(),
                        ))),
                        None => State::Gone,
                    };
                    flights.push(Flight { candidate, amends, state });
                }
                Action::Cancel { attempt } => {
                    if let Some(flight) = flights.get_mut(attempt) {
                        flight.state = State::Gone;
                    }
                }
                Action::Deliver { attempt } => {
                    let landed = flights.into_iter().nth(attempt).and_then(|flight| match flight.state {
                        State::Landed(brought) => Some(Delivery {
                            candidate: flight.candidate,
                            completion: brought.completion,
                            parsed: brought.parsed,
                            amends: flight.amends,
                        }),
                        _ => None,
                    });
                    // The ladder delivers only what it was told of as answered.
                    let result = landed
                        .ok_or_else(|| (Failure::new(crate::ErrorKind::ServerError, "no answer to deliver"), None));
                    return Report { result, attempts: ladder.attempts().to_vec(), latency: begin.elapsed() };
                }
                Action::Fail { failure, candidate } => {
                    let result = Err((failure, candidate));
                    return Report { result, attempts: ladder.attempts().to_vec(), latency: begin.elapsed() };
                }
            }
        }
        let timer = ladder.wake_at().map(|at| sleep_until(begin + at));
        event = Next { flights: &mut flights, timer: pin!(timer), cancelled: cancelled.as_mut(), wants_json }.await;
    }
}

/// The next thing that happens: an attempt ends, the timer fires, the caller cancels.
struct Next<'a, C> {
    flights: &'a mut [Flight],
    timer: Pin<&'a mut Option<Sleep>>,
    cancelled: Pin<&'a mut C>,
    /// Whether an answer that is no JSON is not what was asked for.
    wants_json: bool,
}

impl<C: Future<Output = ()>> Future for Next<'_, C> {
    type Output = Event;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Event> {
        let this = &mut *self;
        if this.cancelled.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Event::Cancelled);
        }
        for (attempt, flight) in this.flights.iter_mut().enumerate() {
            let State::Flying(exchange) = &mut flight.state else {
                continue;
            };
            match exchange.as_mut().poll(cx) {
                Poll::Pending => {}
                Poll::Ready(Err(failure)) => {
                    flight.state = State::Gone;
                    return Poll::Ready(Event::Failed { attempt, failure });
                }
                Poll::Ready(Ok(brought)) => {
                    let completion = &brought.completion;
                    let answer = Answer {
                        unusable: this.wants_json && brought.parsed.is_none() && completion.tool_calls.is_empty(),
                        finish: completion.finish.unified,
                        usage: completion.usage,
                        cost: completion.cost,
                        request_id: completion.request_id.clone(),
                    };
                    flight.state = State::Landed(Box::new(brought));
                    return Poll::Ready(Event::Answered { attempt, answer });
                }
            }
        }
        match this.timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| Event::Woken),
            None => Poll::Pending,
        }
    }
}
