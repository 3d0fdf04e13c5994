//! The machine itself: `step(event, now) → actions`.

use std::time::Duration;

use super::backoff::{ATTEMPT_LIMIT, race_delay};
use super::plan::Plan;
use super::trail::Trail;
use super::verdict::{Verdict, verdict};
use crate::error::ErrorKind;
use crate::types::{Amend, Attempt, Failure, FinishReason, Next, Outcome, Usage};

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The call begins.
    Begin,
    /// An attempt brought an answer.
    Answered {
        /// Which attempt.
        attempt: usize,
        /// What is to be known of the answer.
        answer: Answer,
    },
    /// An attempt failed.
    Failed {
        /// Which attempt.
        attempt: usize,
        /// How.
        failure: Failure,
    },
    /// The time of [`Ladder::wake_at`] has come.
    Woken,
    /// The caller wants no answer any more.
    Cancelled,
}

/// What the machine needs to know of an answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Why the model stopped.
    pub finish: FinishReason,
    /// Whether it is not in the form that was asked for.
    pub unusable: bool,
    /// Tokens.
    pub usage: Option<Usage>,
    /// USD, where the provider states it.
    pub cost: Option<f64>,
    /// The provider's id of the exchange.
    pub request_id: Option<String>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Begin an attempt.
    Start {
        /// Its number; numbers count up from 0.
        attempt: usize,
        /// The index of the candidate to ask.
        candidate: usize,
        /// Changes of the request.
        amends: Vec<Amend>,
    },
    /// Drop an attempt and its connection.
    Cancel {
        /// Which attempt.
        attempt: usize,
    },
    /// Hand this attempt's answer to the caller. The call is over.
    Deliver {
        /// Which attempt.
        attempt: usize,
    },
    /// Raise. The call is over.
    Fail {
        /// What is raised.
        failure: Failure,
        /// Whose failure it is.
        candidate: Option<usize>,
    },
}

#[derive(Debug)]
struct Flight {
    candidate: usize,
    line: usize,
    limit: Option<Duration>,
    flying: bool,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Seat {
    pub(super) retries: u32,
    pub(super) amends: Vec<Amend>,
}

/// One call's run over its candidates.
#[derive(Debug)]
pub struct Ladder {
    pub(super) plan: Plan,
    pub(super) rng: fastrand::Rng,
    pub(super) trail: Trail,
    flights: Vec<Flight>,
    pub(super) seats: Vec<Seat>,
    /// The last candidate begun.
    pub(super) front: Option<usize>,
    race_at: Option<Duration>,
    retry_at: Option<(usize, Duration)>,
    /// The failure to raise when nothing is left: that of the candidate nearest to the primary.
    failure: Option<(usize, Failure)>,
    /// That failure surfaces: nothing new is begun, only candidates nearer to the primary may still answer.
    halted: bool,
    /// An answer that the task would rather have from another candidate.
    held: Option<usize>,
    done: bool,
}

impl Ladder {
    /// A run of `plan`; the same seed and events give the same actions.
    #[must_use]
    pub fn new(plan: Plan, seed: u64) -> Self {
        let seats = vec![Seat::default(); plan.candidates.len()];
        Self {
            plan,
            rng: fastrand::Rng::with_seed(seed),
            trail: Trail::default(),
            flights: Vec::new(),
            seats,
            front: None,
            race_at: None,
            retry_at: None,
            failure: None,
            halted: false,
            held: None,
            done: false,
        }
    }

    /// What follows from `event` at `now`, which counts from the start of the call.
    pub fn step(&mut self, event: Event, now: Duration) -> Vec<Action> {
        let mut out = Vec::new();
        if self.done {
            return out;
        }
        match event {
            Event::Begin => self.begin(now, &mut out),
            Event::Answered { attempt, answer } => self.answered(attempt, &answer, now, &mut out),
            Event::Failed { attempt, failure } => self.failed(attempt, &failure, now, &mut out),
            Event::Woken => self.woken(now, &mut out),
            Event::Cancelled => self.cancelled(now, &mut out),
        }
        out
    }

    /// When [`Event::Woken`] is due; `None` when nothing is waited for but attempts.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        let limits = self.flying().filter_map(|flight| flight.limit);
        let retry = self.retry_at.map(|(_, at)| at);
        limits.chain([self.plan.deadline, self.race_at, retry].into_iter().flatten()).min()
    }

    /// Whether the call is over.
    #[must_use]
    pub fn done(&self) -> bool {
        self.done
    }

    /// The trail so far.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        self.trail.lines()
    }

    fn begin(&mut self, now: Duration, out: &mut Vec<Action>) {
        for candidate in &self.plan.candidates {
            if let Some(reason) = &candidate.skip {
                self.trail.skipped(candidate, reason, now);
            }
        }
        match self.next_candidate(None, now) {
            Some(first) => self.start(first, now, out),
            None => {
                let reasons: Vec<String> = self
                    .plan
                    .candidates
                    .iter()
                    .map(|candidate| format!("{}: {}", candidate.name, candidate.skip.as_deref().unwrap_or("skipped")))
                    .collect();
                let message = format!("no candidate can be tried ({})", reasons.join("; "));
                self.done = true;
                out.push(Action::Fail { failure: Failure::new(ErrorKind::NoCandidate, message), candidate: None });
            }
        }
    }

    fn answered(&mut self, attempt: usize, answer: &Answer, now: Duration, out: &mut Vec<Action>) {
        let Some((candidate, line)) = self.land(attempt) else {
            return;
        };
        self.trail.answered(line, answer, now);
        let Some(failure) = self.unwanted(answer) else {
            return self.deliver(attempt, now, out);
        };
        let expired = self.plan.deadline.is_some_and(|deadline| now >= deadline);
        let moves_on = self.front == Some(candidate) && !expired;
        if let Some(next) = moves_on.then(|| self.next_candidate(Some(&failure), now)).flatten() {
            self.trail.failed(line, &failure, now);
            self.held.get_or_insert(attempt);
            self.fall_back(line, next, now, out);
        } else if self.busy() {
            self.trail.failed(line, &failure, now);
            self.held.get_or_insert(attempt);
            self.trail.decided(line, Next::Race, "another attempt is still running");
        } else if let Some(held) = self.held {
            self.trail.failed(line, &failure, now);
            self.trail.decided(line, Next::Fail, "no candidate is left, an earlier answer stands");
            self.deliver(held, now, out);
        } else {
            self.deliver(attempt, now, out);
        }
    }

    fn failed(&mut self, attempt: usize, failure: &Failure, now: Duration, out: &mut Vec<Action>) {
        let Some((candidate, line)) = self.land(attempt) else {
            return;
        };
        self.trail.failed(line, failure, now);
        let verdict = verdict(failure.kind, failure.subkind);
        let surfaces = self.surfaces(verdict, failure);
        // The provider itself says that the same request may do.
        if surfaces && !self.halted && failure.should_retry == Some(true) {
            let wait = self.retry_delay(candidate, failure, verdict.retry, false, now);
            if self.try_again(candidate, line, wait, now, out) {
                return;
            }
        }
        let nearest = self.failure.as_ref().is_none_or(|(nearest, _)| candidate <= *nearest);
        if !self.halted && (surfaces || nearest) {
            self.failure = Some((candidate, failure.clone()));
        }
        self.halted |= surfaces;
        if self.halted {
            self.race_at = None;
            if self.runs_before(candidate) {
                self.cancel_flying(
                    candidate + 1,
                    Outcome::Cancelled,
                    "an earlier candidate's failure surfaces",
                    now,
                    out,
                );
                self.trail.decided(line, Next::Race, "an earlier candidate is still running");
            } else {
                self.trail.decided(line, Next::Fail, format!("{} is not a reason to ask another model", failure.kind));
                self.give_up(now, out);
            }
            return;
        }
        if self.plan.deadline.is_some_and(|deadline| now >= deadline) {
            return self.expire(now, out);
        }
        self.go_on(candidate, line, failure, verdict, now, out);
    }

    /// After a failure that does not surface: the same candidate again, the next one, or the end.
    fn go_on(
        &mut self,
        candidate: usize,
        line: usize,
        failure: &Failure,
        verdict: Verdict,
        now: Duration,
        out: &mut Vec<Action>,
    ) {
        let busy = self.busy();
        let leads = self.front == Some(candidate);
        if busy && !leads {
            self.trail.decided(line, Next::Race, "another attempt is still running");
            return;
        }
        if let Some(amend) = self.usable_amend(candidate, failure) {
            self.trail.decided(line, Next::Retry, format!("again {}", describe(&amend)));
            if let Some(seat) = self.seats.get_mut(candidate) {
                seat.amends.push(amend);
            }
            return self.start(candidate, now, out);
        }
        let next = self.next_candidate(Some(failure), now);
        // Beside a silent primary too: a stand-in's hiccup must not leave the call to the one that says nothing.
        let wait = self.retry_delay(candidate, failure, verdict.retry, next.is_some(), now);
        if self.try_again(candidate, line, wait, now, out) {
            return;
        }
        match next {
            Some(next) => self.fall_back(line, next, now, out),
            None if busy => {
                self.trail.decided(line, Next::Race, "another attempt is still running");
            }
            None => {
                self.trail.decided(line, Next::Fail, "no candidate is left");
                self.give_up(now, out);
            }
        }
    }

    /// Asks the same candidate again after `wait`, if there is one and no other retry is waited for.
    fn try_again(
        &mut self,
        candidate: usize,
        line: usize,
        wait: Option<Duration>,
        now: Duration,
        out: &mut Vec<Action>,
    ) -> bool {
        let Some(wait) = wait.filter(|_| self.retry_at.is_none()) else {
            return false;
        };
        if let Some(seat) = self.seats.get_mut(candidate) {
            seat.retries += 1;
        }
        if wait.is_zero() {
            self.trail.decided(line, Next::Retry, "again at once");
            self.start(candidate, now, out);
        } else {
            self.trail.decided(line, Next::Retry, format!("again after {} ms", wait.as_millis()));
            self.retry_at = Some((candidate, now + wait));
        }
        true
    }

    fn fall_back(&mut self, line: usize, next: usize, now: Duration, out: &mut Vec<Action>) {
        let name = self.plan.candidates.get(next).map(|candidate| candidate.name.clone()).unwrap_or_default();
        self.trail.decided(line, Next::Fallback, format!("on to {name}"));
        self.start(next, now, out);
    }

    fn woken(&mut self, now: Duration, out: &mut Vec<Action>) {
        if self.plan.deadline.is_some_and(|deadline| now >= deadline) {
            return self.expire(now, out);
        }
        let late = |flight: &Flight| flight.flying && flight.limit.is_some_and(|limit| now >= limit);
        let late: Vec<usize> = (0..self.flights.len()).filter(|i| self.flights.get(*i).is_some_and(late)).collect();
        for attempt in late {
            if self.done {
                return;
            }
            out.push(Action::Cancel { attempt });
            let ran = self
                .flights
                .get(attempt)
                .and_then(|flight| self.trail.lines().get(flight.line))
                .map(|line| now.saturating_sub(line.started));
            let message = format!("no answer within {} ms", ran.unwrap_or_default().as_millis());
            self.failed(attempt, &Failure::new(ErrorKind::Timeout, message).with_subkind("attempt"), now, out);
        }
        if let Some((candidate, at)) = self.retry_at
            && now >= at
            && !self.done
        {
            self.retry_at = None;
            self.start(candidate, now, out);
        }
        if self.race_at.is_some_and(|at| now >= at) && !self.done {
            self.race_at = None;
            if let Some(next) = self.next_candidate(None, now) {
                self.start(next, now, out);
            }
        }
    }

    fn cancelled(&mut self, now: Duration, out: &mut Vec<Action>) {
        self.cancel_flying(0, Outcome::Cancelled, "the caller cancelled", now, out);
        self.done = true;
        out.push(Action::Fail { failure: Failure::new(ErrorKind::Cancelled, "the caller cancelled"), candidate: None });
    }

    /// The deadline has come.
    fn expire(&mut self, now: Duration, out: &mut Vec<Action>) {
        let limit = self.plan.deadline.unwrap_or(now).as_millis();
        let spent = Failure::new(ErrorKind::DeadlineExceeded, format!("no answer within {limit} ms"));
        let mut failure = spent.clone();
        let waiting: Vec<(usize, usize, usize)> = self
            .flights
            .iter()
            .enumerate()
            .filter(|(_, flight)| flight.flying)
            .map(|(attempt, flight)| (attempt, flight.candidate, flight.line))
            .collect();
        for (attempt, candidate, line) in &waiting {
            self.land(*attempt);
            self.trail.failed(*line, &spent, now);
            self.trail.decided(*line, Next::Fail, "the time was spent");
            out.push(Action::Cancel { attempt: *attempt });
            if let (Some(candidate), Some(line)) = (self.plan.candidates.get(*candidate), self.trail.lines().get(*line))
            {
                failure.message += &format!("; {} was waited for {} ms", candidate.name, line.latency.as_millis());
            }
        }
        if let Some(held) = self.held {
            return self.deliver(held, now, out);
        }
        self.done = true;
        // What would have surfaced says more than that time ran out while an earlier candidate was waited for.
        if let Some((candidate, surfacing)) = self.failure.take().filter(|_| self.halted) {
            out.push(Action::Fail { failure: surfacing, candidate: Some(candidate) });
            return;
        }
        let candidate = waiting.first().map(|(_, candidate, _)| *candidate);
        out.push(Action::Fail { failure, candidate: candidate.or(self.front) });
    }

    fn deliver(&mut self, attempt: usize, now: Duration, out: &mut Vec<Action>) {
        if let Some(flight) = self.flights.get(attempt) {
            let name = self.plan.candidates.get(flight.candidate).map(|winner| winner.name.clone()).unwrap_or_default();
            self.trail.accepted(flight.line);
            self.cancel_flying(0, Outcome::HedgedOut, &format!("{name} answered first"), now, out);
        }
        self.done = true;
        out.push(Action::Deliver { attempt });
    }

    fn give_up(&mut self, now: Duration, out: &mut Vec<Action>) {
        if let Some(held) = self.held {
            return self.deliver(held, now, out);
        }
        self.cancel_flying(0, Outcome::Cancelled, "the call was given up", now, out);
        self.done = true;
        if let Some((candidate, failure)) = self.failure.take() {
            out.push(Action::Fail { failure, candidate: Some(candidate) });
        }
    }

    fn start(&mut self, candidate: usize, now: Duration, out: &mut Vec<Action>) {
        let Some(chosen) = self.plan.candidates.get(candidate) else {
            return;
        };
        let own = chosen.timeout.or(self.plan.deadline.is_none().then_some(ATTEMPT_LIMIT));
        let line = self.trail.started(chosen, now);
        let reasons = chosen.reasons;
        self.flights.push(Flight { candidate, line, limit: own.map(|limit| now + limit), flying: true });
        out.push(Action::Start {
            attempt: self.flights.len() - 1,
            candidate,
            amends: self.seats.get(candidate).map(|seat| seat.amends.clone()).unwrap_or_default(),
        });
        if self.front != Some(candidate) && self.front.is_none_or(|front| front < candidate) {
            self.front = Some(candidate);
            let left = self.plan.deadline.map(|deadline| deadline.saturating_sub(now));
            let more = self.plan.candidates.iter().skip(candidate + 1).any(|later| later.skip.is_none());
            self.race_at = more.then(|| now + race_delay(left, reasons));
        }
    }

    fn flying(&self) -> impl Iterator<Item = &Flight> {
        self.flights.iter().filter(|flight| flight.flying)
    }

    /// Whether anything else may still bring an answer.
    fn busy(&self) -> bool {
        self.retry_at.is_some() || self.flying().next().is_some()
    }

    /// Whether a candidate nearer to the primary may still bring an answer.
    fn runs_before(&self, candidate: usize) -> bool {
        let waits = self.retry_at.is_some_and(|(waiting, _)| waiting < candidate);
        waits || self.flying().any(|flight| flight.candidate < candidate)
    }

    /// Takes an attempt out of the air: its candidate and its line in the trail.
    fn land(&mut self, attempt: usize) -> Option<(usize, usize)> {
        let flight = self.flights.get_mut(attempt).filter(|flight| flight.flying)?;
        flight.flying = false;
        Some((flight.candidate, flight.line))
    }

    /// Cancels what flies, from the candidate `first` on.
    fn cancel_flying(&mut self, first: usize, outcome: Outcome, reason: &str, now: Duration, out: &mut Vec<Action>) {
        let loses = |flight: &Flight| flight.flying && flight.candidate >= first;
        for (attempt, flight) in self.flights.iter_mut().enumerate().filter(|(_, flight)| loses(flight)) {
            flight.flying = false;
            self.trail.ended(flight.line, outcome, reason, now);
            out.push(Action::Cancel { attempt });
        }
    }
}

fn describe(amend: &Amend) -> String {
    match amend {
        Amend::Drop(parameter) => format!("without {parameter}"),
        Amend::ClampOutput(tokens) => format!("with at most {tokens} output tokens"),
        Amend::StripReasoning => "without another model's reasoning".to_owned(),
        Amend::NoPrefill => "with an instruction to go on".to_owned(),
    }
}
