//! The machine itself: `step(event, now) → actions`.

use std::time::Duration;

use super::backoff::{ATTEMPT_LIMIT, race_delay};
use super::flight::{Flight, Loss, Seat};
use super::plan::Plan;
use super::step::{Action, Answer, Event};
use super::stream::broke_off;
use super::trail::Trail;
use super::verdict::{Retry, verdict};
use crate::error::ErrorKind;
use crate::types::{Amend, Attempt, Failure, FinishReason, Next, Outcome, Upstream};

/// One call's run over its candidates.
#[derive(Debug)]
pub struct Ladder {
    pub(super) plan: Plan,
    pub(super) rng: fastrand::Rng,
    pub(super) trail: Trail,
    /// When the caller must have the answer, or its first content.
    pub(super) deadline: Option<Duration>,
    /// The deadline has passed while an answer was coming: that one has its time, nothing else is begun.
    pub(super) led: bool,
    pub(super) flights: Vec<Flight>,
    pub(super) seats: Vec<Seat>,
    /// The last candidate begun.
    pub(super) front: Option<usize>,
    pub(super) race_at: Option<Duration>,
    pub(super) retry_at: Option<(usize, Duration)>,
    /// The failure to raise when nothing is left: that of the candidate nearest to the primary.
    pub(super) failure: Option<Loss>,
    /// That failure surfaces: nothing new is begun, only candidates nearer to the primary may still answer.
    pub(super) halted: bool,
    /// An answer that the task would rather have from another candidate.
    pub(super) held: Option<usize>,
    /// The attempt whose words the caller gets.
    pub(super) committed: Option<usize>,
    /// The break after which the caller waits with half an answer; raised rather than anything that came later.
    pub(super) broken: Option<Loss>,
    /// The attempt whose text the next one continues.
    pub(super) resume: Option<usize>,
    pub(super) done: bool,
}

impl Ladder {
    /// A run of `plan`; the same seed and events give the same actions.
    #[must_use]
    pub fn new(plan: Plan, seed: u64) -> Self {
        let seats = vec![Seat::default(); plan.candidates.len()];
        Self {
            deadline: plan.deadline,
            led: false,
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
            committed: None,
            broken: None,
            resume: None,
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
            Event::Content { attempt, speech, resumable } => self.content(attempt, speech, resumable, now, &mut out),
            Event::Spent { attempt, usage } => self.spent(attempt, usage),
            Event::Whole { attempt } => self.whole(attempt, now),
            Event::Away(time) => self.away(time),
            Event::Answered { attempt, answer } => self.answered(attempt, &answer, now, &mut out),
            Event::Failed { attempt, failure } => self.failed(attempt, failure, now, &mut out),
            Event::Woken => self.woken(now, &mut out),
            Event::Cancelled => self.cancelled(now, &mut out),
        }
        out
    }

    /// When [`Event::Woken`] is due; `None` when nothing is waited for but attempts.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        let limits = self.flying().filter_map(Flight::due).map(|(at, _)| at);
        let retry = self.retry_at.map(|(_, at)| at);
        let deadline = self.deadline.filter(|_| !self.led);
        limits.chain([deadline, self.race_at, retry].into_iter().flatten()).min()
    }

    /// Whether the call is over.
    #[must_use]
    pub fn done(&self) -> bool {
        self.done
    }

    /// The name of a candidate.
    #[must_use]
    pub fn name(&self, candidate: usize) -> &str {
        self.plan.candidates.get(candidate).map_or("", |candidate| &candidate.name)
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
                let failure = Failure::new(ErrorKind::NoCandidate, message);
                out.push(Action::Fail { failure, candidate: None, attempt: None });
            }
        }
    }

    fn answered(&mut self, attempt: usize, answer: &Answer, now: Duration, out: &mut Vec<Action>) {
        let shown = self.committed == Some(attempt);
        if answer.finish.unified == FinishReason::Error && !shown {
            return self.failed(attempt, broke_off(answer), now, out);
        }
        let Some((candidate, line)) = self.land(attempt) else {
            return;
        };
        self.trail.answered(line, answer, now);
        let Some(failure) = self.unwanted(answer).filter(|_| !shown) else {
            return self.deliver(attempt, now, out);
        };
        let expired = self.deadline.is_some_and(|deadline| now >= deadline);
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

    pub(super) fn failed(&mut self, attempt: usize, failure: Failure, now: Duration, out: &mut Vec<Action>) {
        let Some((candidate, line)) = self.land(attempt) else {
            return;
        };
        self.trail.failed(line, &failure, now);
        if self.committed == Some(attempt) {
            return self.broke(attempt, failure, now, out);
        }
        self.note_text(attempt);
        let verdict = verdict(failure.kind, failure.subkind);
        let surfaces = self.surfaces(verdict, &failure);
        // The provider itself says that the same request may do.
        if surfaces && !self.halted && failure.should_retry == Some(true) {
            let wait = self.retry_delay(candidate, &failure, verdict.retry, false, now);
            if self.try_again(candidate, line, wait, now, out) {
                return;
            }
        }
        let nearest = self.failure.as_ref().is_none_or(|loss| candidate <= loss.candidate);
        if !self.halted && (surfaces || nearest) {
            self.failure = Some(Loss { candidate, attempt, failure: failure.clone() });
        }
        self.halted |= surfaces;
        if self.halted {
            self.race_at = None;
            if self.runs_before(candidate) {
                self.cancel_flying(
                    |flight| flight.candidate > candidate,
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
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.trail.decided(line, Next::Fail, "the time was spent");
            // An answer that was coming and broke off says more than that it was waited for.
            return if self.led { self.give_up(now, out) } else { self.expire(now, out) };
        }
        self.go_on(candidate, line, &failure, verdict.retry, now, out);
    }

    /// After a failure that does not surface: the same candidate again, the next one, or the end.
    pub(super) fn go_on(
        &mut self,
        candidate: usize,
        line: usize,
        failure: &Failure,
        retry: Retry,
        now: Duration,
        out: &mut Vec<Action>,
    ) {
        let busy = self.busy();
        let leads = self.front == Some(candidate);
        if busy && !leads {
            self.give_seat_up(candidate);
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
        let wait = self.retry_delay(candidate, failure, retry, next.is_some(), now);
        if self.try_again(candidate, line, wait, now, out) {
            return;
        }
        self.give_seat_up(candidate);
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

    fn give_seat_up(&mut self, candidate: usize) {
        if let Some(seat) = self.seats.get_mut(candidate) {
            seat.failed = true;
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

    fn cancelled(&mut self, now: Duration, out: &mut Vec<Action>) {
        let attempt = self.committed.or(self.broken.as_ref().map(|broken| broken.attempt));
        self.cancel_flying(|_| true, Outcome::Cancelled, "the caller cancelled", now, out);
        self.done = true;
        let failure = Failure::new(ErrorKind::Cancelled, "the caller cancelled");
        out.push(Action::Fail { failure, candidate: None, attempt });
    }

    pub(super) fn deliver(&mut self, attempt: usize, now: Duration, out: &mut Vec<Action>) {
        if self.plan.live && self.committed != Some(attempt) {
            self.commit(attempt, now, out);
        }
        if let Some(flight) = self.flights.get(attempt) {
            let reason = format!("{} answered first", self.name(flight.candidate));
            self.trail.accepted(flight.line);
            self.cancel_flying(|_| true, Outcome::HedgedOut, &reason, now, out);
        }
        self.done = true;
        out.push(Action::Deliver { attempt });
    }

    pub(super) fn give_up(&mut self, now: Duration, out: &mut Vec<Action>) {
        if let Some(held) = self.held {
            return self.deliver(held, now, out);
        }
        self.cancel_flying(|_| true, Outcome::Cancelled, "the call was given up", now, out);
        self.done = true;
        out.extend(self.broken.take().or(self.failure.take()).map(Action::from));
    }

    pub(super) fn start(&mut self, candidate: usize, now: Duration, out: &mut Vec<Action>) {
        let Some(chosen) = self.plan.candidates.get(candidate) else {
            return;
        };
        let own = chosen.timeout.or(self.plan.deadline.is_none().then_some(ATTEMPT_LIMIT));
        let line = self.trail.started(chosen, now);
        let reasons = chosen.reasons;
        self.flights.push(Flight {
            candidate,
            line,
            flying: true,
            limit: own.map(|limit| now + limit),
            first_limit: chosen.first_token.filter(|_| self.plan.upstream == Upstream::Stream).map(|limit| now + limit),
            idle: chosen.idle,
            heard: None,
            speaks: false,
            resumable: false,
            resumes: self.resume.is_some(),
            whole: false,
        });
        out.push(Action::Start {
            attempt: self.flights.len() - 1,
            candidate,
            amends: self.seats.get(candidate).map(|seat| seat.amends.clone()).unwrap_or_default(),
            resume: self.resume,
        });
        if self.front != Some(candidate) && self.front.is_none_or(|front| front < candidate) {
            self.front = Some(candidate);
            let left = self.deadline.map(|deadline| deadline.saturating_sub(now));
            let more = self.plan.candidates.iter().skip(candidate + 1).any(|later| later.skip.is_none());
            self.race_at = more.then(|| now + race_delay(left, reasons, self.plan.upstream));
        }
    }

    pub(super) fn flying(&self) -> impl Iterator<Item = &Flight> {
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
    pub(super) fn land(&mut self, attempt: usize) -> Option<(usize, usize)> {
        let flight = self.flights.get_mut(attempt).filter(|flight| flight.flying)?;
        flight.flying = false;
        Some((flight.candidate, flight.line))
    }

    /// Cancels the attempts under way that `loses` names.
    pub(super) fn cancel_flying(
        &mut self,
        loses: impl Fn(&Flight) -> bool,
        outcome: Outcome,
        reason: &str,
        now: Duration,
        out: &mut Vec<Action>,
    ) {
        for (attempt, flight) in
            self.flights.iter_mut().enumerate().filter(|(_, flight)| flight.flying && loses(flight))
        {
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
