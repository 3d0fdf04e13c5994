//! The machine itself: `step(event, now, health) → actions`.

use std::time::Duration;

use super::flight::{Flight, Loss, Seat};
use super::health::{Ended, Health, Vitals};
use super::note::Note;
use super::plan::Plan;
use super::start::Waiting;
use super::step::{Action, Answer, Event, Turn};
use super::stream::broke_off;
use super::trail::Trail;
use super::verdict::{Retry, verdict};
use crate::error::ErrorKind;
use crate::types::{Amend, Attempt, Failure, FinishReason, Next, Outcome};

/// One call's run over its candidates.
#[derive(Debug)]
pub struct Ladder {
    pub(super) plan: Plan,
    pub(super) rng: fastrand::Rng,
    pub(super) trail: Trail,
    pub(super) notes: Vec<Note>,
    /// When the caller must have the answer, or its first content.
    pub(super) deadline: Option<Duration>,
    /// The deadline has passed while an answer was coming: that one has its time, nothing else is begun.
    pub(super) led: bool,
    pub(super) flights: Vec<Flight>,
    pub(super) seats: Vec<Seat>,
    /// The last candidate begun.
    pub(super) front: Option<usize>,
    /// When the next candidate starts beside it, or in its place.
    pub(super) race_at: Option<Duration>,
    /// When the next candidate starts earlier than that, if the retry budget allows it.
    pub(super) hedge_at: Option<Duration>,
    /// Who waits for a place at its key.
    pub(super) waiting: Option<Waiting>,
    /// When to look again whether one of those who were passed over is well.
    pub(super) look_at: Option<Duration>,
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
            notes: Vec::new(),
            flights: Vec::new(),
            seats,
            front: None,
            race_at: None,
            hedge_at: None,
            waiting: None,
            look_at: None,
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

    /// What follows from `event` at `now`, which counts from the start of the call, with candidates as well as they are.
    pub fn step(&mut self, event: Event, now: Duration, health: &mut Health) -> Vec<Action> {
        let mut turn = Turn { now, at: self.plan.origin + now, health, out: Vec::new() };
        if self.done {
            return turn.out;
        }
        match event {
            Event::Begin => self.begin(&mut turn),
            Event::Content { attempt, speech, resumable, bytes } => {
                self.content(attempt, (speech, resumable, bytes), &mut turn);
            }
            Event::Spent { attempt, usage } => self.spent(attempt, usage),
            Event::Whole { attempt } => self.whole(attempt, now),
            Event::Away(time) => self.away(time),
            Event::Answered { attempt, answer } => self.answered(attempt, &answer, &mut turn),
            Event::Failed { attempt, failure } => self.failed(attempt, failure, &mut turn),
            Event::Woken => self.woken(&mut turn),
            Event::Cancelled => self.cancelled(&mut turn),
        }
        turn.out
    }

    /// What there is to tell since this was last asked.
    pub fn notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// Who waits for a place at its key, and under which number.
    #[must_use]
    pub fn waits(&self) -> Option<(Vitals, u64)> {
        let waiting = self.waiting.as_ref()?;
        Some((self.plan.candidates.get(waiting.candidate)?.vitals, waiting.number))
    }

    /// When [`Event::Woken`] is due; `None` when nothing is waited for but attempts.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        let limits = self.flying().filter_map(Flight::due).map(|(at, _)| at);
        let retry = self.retry_at.map(|(_, at)| at);
        let deadline = self.deadline.filter(|_| !self.led);
        limits.chain([deadline, self.race_at, self.hedge_at, retry].into_iter().flatten()).min()
    }

    /// Whether the call is over.
    #[must_use]
    pub fn done(&self) -> bool {
        self.done
    }

    /// The name of the candidate of this index.
    #[must_use]
    pub fn name_of(&self, index: usize) -> &str {
        let named = self.plan.candidates.iter().find(|candidate| candidate.index == index);
        named.map_or("", |candidate| &candidate.name)
    }

    pub(super) fn name(&self, candidate: usize) -> &str {
        self.plan.candidates.get(candidate).map_or("", |candidate| &candidate.name)
    }

    pub(super) fn place(&self, candidate: usize) -> Option<usize> {
        self.plan.candidates.get(candidate).map(|candidate| candidate.place)
    }

    /// The candidates by their indexes, in the order in which they are asked.
    #[must_use]
    pub fn order(&self) -> Vec<usize> {
        self.plan.candidates.iter().map(|candidate| candidate.index).collect()
    }

    /// The trail so far.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        self.trail.lines()
    }

    fn begin(&mut self, turn: &mut Turn<'_>) {
        for candidate in &self.plan.candidates {
            if let Some(reason) = &candidate.skip {
                self.trail.skipped(candidate, reason, turn.now);
            }
        }
        self.put_last(turn);
        match self.next_candidate(None, false, turn) {
            Some(first) => self.start(first, turn),
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
                turn.out.push(Action::Fail { failure, candidate: None, attempt: None });
            }
        }
    }

    fn answered(&mut self, attempt: usize, answer: &Answer, turn: &mut Turn<'_>) {
        let shown = self.committed == Some(attempt);
        if answer.finish.unified == FinishReason::Error && !shown {
            return self.failed(attempt, broke_off(answer), turn);
        }
        let Some((candidate, line)) = self.land(attempt) else {
            return;
        };
        self.trail.answered(line, answer, turn.now);
        let latency = turn.now.saturating_sub(self.flights.get(attempt).map_or(turn.now, |flight| flight.begun));
        let took = (!self.plan.live).then_some(latency);
        self.report(attempt, &Ended::Answered { took, spent: answer.spent }, turn);
        let fatal = answer.flaw.as_ref().is_some_and(|flaw| flaw.fatal);
        let unwanted = self.unwanted(answer);
        if let Some(failure) = unwanted.as_ref().filter(|_| fatal) {
            return self.rejected(attempt, candidate, line, failure.clone(), turn);
        }
        self.notes.push(Note::Answered { attempt, candidate: self.index(candidate), latency });
        let Some(failure) = unwanted.filter(|_| !shown) else {
            return self.deliver(attempt, turn);
        };
        let expired = self.deadline.is_some_and(|deadline| turn.now >= deadline);
        let moves_on = self.front == Some(candidate) && !expired;
        if moves_on && self.may_ask_anew(candidate, &failure) {
            self.trail.failed(line, &failure, turn.now);
            self.held.get_or_insert(attempt);
            self.ask_anew(attempt, candidate, line, turn);
        } else if let Some(next) = moves_on.then(|| self.next_candidate(Some(&failure), false, turn)).flatten() {
            self.trail.failed(line, &failure, turn.now);
            self.held.get_or_insert(attempt);
            self.fall_back(line, next, turn);
        } else if self.busy() {
            self.trail.failed(line, &failure, turn.now);
            self.held.get_or_insert(attempt);
            self.trail.decided(line, Next::Race, "another attempt is still running");
        } else if let Some(held) = self.held {
            self.trail.failed(line, &failure, turn.now);
            self.trail.decided(line, Next::Fail, "no candidate is left, an earlier answer stands");
            self.deliver(held, turn);
        } else {
            self.deliver(attempt, turn);
        }
    }

    /// The task accepts no such answer.
    fn rejected(&mut self, attempt: usize, candidate: usize, line: usize, failure: Failure, turn: &mut Turn<'_>) {
        self.trail.failed(line, &failure, turn.now);
        self.note_failure(attempt, candidate, line, &failure);
        if self.committed == Some(attempt) {
            return self.broke(attempt, failure, turn);
        }
        self.resume = None;
        self.blame(candidate, attempt, &failure);
        self.follow_up(attempt, candidate, line, (&failure, Retry::Never), turn);
    }

    pub(super) fn failed(&mut self, attempt: usize, failure: Failure, turn: &mut Turn<'_>) {
        let Some((candidate, line)) = self.land(attempt) else {
            return;
        };
        self.trail.failed(line, &failure, turn.now);
        self.report(attempt, &Ended::Failed(&failure), turn);
        self.note_failure(attempt, candidate, line, &failure);
        if self.committed == Some(attempt) {
            return self.broke(attempt, failure, turn);
        }
        self.note_text(attempt);
        let verdict = verdict(failure.kind, failure.subkind);
        let surfaces = self.surfaces(verdict, &failure);
        // The provider itself says that the same request may do.
        if surfaces && !self.halted && failure.should_retry == Some(true) {
            let wait = self.retry_delay(candidate, &failure, verdict.retry, false, turn.now);
            if self.try_again(candidate, line, (verdict.retry, wait), turn) {
                return;
            }
        }
        if surfaces && !self.halted {
            self.failure = None;
        }
        self.blame(candidate, attempt, &failure);
        self.halted |= surfaces;
        self.follow_up(attempt, candidate, line, (&failure, verdict.retry), turn);
    }

    /// What follows a failure that the caller has seen nothing of.
    fn follow_up(
        &mut self,
        attempt: usize,
        candidate: usize,
        line: usize,
        (failure, retry): (&Failure, Retry),
        turn: &mut Turn<'_>,
    ) {
        if self.halted {
            (self.race_at, self.hedge_at) = (None, None);
            if self.runs_before(candidate) {
                self.drop_after(candidate, turn);
                self.trail.decided(line, Next::Race, "an earlier candidate is still running");
            } else {
                self.trail.decided(line, Next::Fail, format!("{} is not a reason to ask another model", failure.kind));
                self.give_up(turn);
            }
            return;
        }
        if self.deadline.is_some_and(|deadline| turn.now >= deadline) {
            self.trail.decided(line, Next::Fail, "the time was spent");
            // An answer that was coming and broke off says more than that it was waited for.
            return if self.led { self.give_up(turn) } else { self.expire(turn) };
        }
        self.go_on(attempt, candidate, line, (failure, retry), turn);
    }

    /// Nobody behind `candidate` is asked any longer, nor waited for.
    fn drop_after(&mut self, candidate: usize, turn: &mut Turn<'_>) {
        let reason = "an earlier candidate's failure surfaces";
        self.cancel_flying(|flight| flight.candidate > candidate, Outcome::Cancelled, reason, turn);
        self.retry_at.take_if(|(waiting, _)| *waiting > candidate);
        if self.waiting.as_ref().is_some_and(|waiting| waiting.candidate > candidate) {
            self.leave_queue(turn);
        }
    }

    /// After a failure that does not surface: the same candidate again, the next one, or the end.
    pub(super) fn go_on(
        &mut self,
        attempt: usize,
        candidate: usize,
        line: usize,
        (failure, retry): (&Failure, Retry),
        turn: &mut Turn<'_>,
    ) {
        let busy = self.busy();
        let leads = self.front == Some(candidate);
        if busy && !leads {
            self.give_seat_up(candidate);
            self.trail.decided(line, Next::Race, "another attempt is still running");
            return;
        }
        if self.may_ask_anew(candidate, failure) {
            return self.ask_anew(attempt, candidate, line, turn);
        }
        if let Some(amend) = self.usable_amend(candidate, failure) {
            self.trail.decided(line, Next::Retry, format!("again {}", describe(&amend)));
            if let Some(seat) = self.seats.get_mut(candidate) {
                seat.amends.push(amend);
            }
            return self.start(candidate, turn);
        }
        let next = self.next_candidate(Some(failure), false, turn);
        // Beside a silent primary too: a stand-in's hiccup must not leave the call to the one that says nothing.
        let wait = self.retry_delay(candidate, failure, retry, next.is_some(), turn.now);
        if self.try_again(candidate, line, (retry, wait), turn) {
            return;
        }
        self.give_seat_up(candidate);
        match next {
            Some(next) => self.fall_back(line, next, turn),
            None if busy => {
                self.trail.decided(line, Next::Race, "another attempt is still running");
            }
            None => {
                self.trail.decided(line, Next::Fail, "no candidate is left");
                self.give_up(turn);
            }
        }
    }

    /// Tells a candidate what was wrong with its answer and asks it again.
    fn ask_anew(&mut self, attempt: usize, candidate: usize, line: usize, turn: &mut Turn<'_>) {
        self.trail.decided(line, Next::Retry, "again, told what was wrong with the answer");
        if let Some(seat) = self.seats.get_mut(candidate) {
            (seat.reask, seat.reasks) = (Some(attempt), seat.reasks + 1);
        }
        self.resume = None;
        self.start(candidate, turn);
    }

    pub(super) fn give_seat_up(&mut self, candidate: usize) {
        if let Some(seat) = self.seats.get_mut(candidate) {
            seat.failed = true;
        }
    }

    /// Asks the same candidate again after `wait`, if that is allowed and no other retry is waited for.
    fn try_again(
        &mut self,
        candidate: usize,
        line: usize,
        (retry, wait): (Retry, Option<Duration>),
        turn: &mut Turn<'_>,
    ) -> bool {
        let Some(wait) = wait.filter(|_| self.retry_at.is_none() && self.may_retry(candidate, retry, turn)) else {
            return false;
        };
        if let Some(seat) = self.seats.get_mut(candidate) {
            seat.retries += 1;
        }
        if wait.is_zero() {
            self.trail.decided(line, Next::Retry, "again at once");
            self.start(candidate, turn);
        } else {
            self.trail.decided(line, Next::Retry, format!("again after {} ms", wait.as_millis()));
            self.retry_at = Some((candidate, turn.now + wait));
        }
        true
    }

    fn fall_back(&mut self, line: usize, next: usize, turn: &mut Turn<'_>) {
        let from = self.front;
        let name = self.plan.candidates.get(next).map(|candidate| candidate.name.clone()).unwrap_or_default();
        let same = from.is_some_and(|from| self.place(from) == self.place(next));
        let how = if same { "on to the next key of" } else { "on to" };
        self.trail.decided(line, Next::Fallback, format!("{how} {name}"));
        if let Some(from) = from {
            self.notes.push(Note::Switched { from: self.index(from), to: self.index(next) });
        }
        self.start(next, turn);
    }

    pub(super) fn flying(&self) -> impl Iterator<Item = &Flight> {
        self.flights.iter().filter(|flight| flight.flying)
    }

    /// Whether anything else may still bring an answer.
    pub(super) fn busy(&self) -> bool {
        self.retry_at.is_some() || self.waiting.is_some() || self.flying().next().is_some()
    }

    /// Whether a candidate nearer to the primary may still bring an answer.
    fn runs_before(&self, candidate: usize) -> bool {
        let waits = self.retry_at.is_some_and(|(waiting, _)| waiting < candidate);
        let queues = self.waiting.as_ref().is_some_and(|waiting| waiting.candidate < candidate);
        waits || queues || self.flying().any(|flight| flight.candidate < candidate)
    }
}

fn describe(amend: &Amend) -> String {
    match amend {
        Amend::Drop(parameter) => format!("without {parameter}"),
        Amend::ClampOutput(tokens) => format!("with at most {tokens} output tokens"),
        Amend::StripReasoning => "without another model's reasoning".to_owned(),
        Amend::NoPrefill => "with an instruction to go on".to_owned(),
        Amend::Refresh => "with a fresh credential".to_owned(),
    }
}
