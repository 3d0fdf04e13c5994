//! How an attempt begins: at once, or when its key has a place; and when the next candidate is due beside it.

use std::time::Duration;

use super::backoff::ATTEMPT_LIMIT;
use super::care::first_limit;
use super::flight::Flight;
use super::health::Standing;
use super::machine::Ladder;
use super::note::Note;
use super::step::{Action, Turn};
use crate::error::ErrorKind;
use crate::types::{Failure, Upstream};

/// Who waits for a place at its key.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) candidate: usize,
    /// Its number in the queue.
    pub(super) number: u64,
    /// Since when.
    pub(super) since: Duration,
}

impl Ladder {
    /// Asks a candidate, or waits for a place at its key. A wait that is going on for another ends.
    pub(super) fn start(&mut self, candidate: usize, turn: &mut Turn<'_>) {
        let vitals = self.plan.candidates.get(candidate).map(|candidate| candidate.vitals);
        let Some(full) = vitals.filter(|vitals| turn.health.full(*vitals).is_some()) else {
            return self.ask(candidate, turn);
        };
        self.leave_queue(turn);
        let number = turn.health.queue(full);
        self.waiting = Some(Waiting { candidate, number, since: turn.now });
        self.lead_with(candidate, turn);
    }

    /// Asks a candidate; one that acts, alone.
    fn ask(&mut self, candidate: usize, turn: &mut Turn<'_>) {
        if self.acts(candidate) {
            self.cut(candidate, turn);
        }
        let Some(chosen) = self.plan.candidates.get(candidate) else {
            return;
        };
        let own = chosen.timeout.or(self.plan.deadline.is_none().then_some(ATTEMPT_LIMIT));
        let first = first_limit(chosen, turn.health).filter(|_| self.plan.upstream == Upstream::Stream);
        let first_time = self.flights.iter().all(|flight| flight.candidate != candidate);
        if first_time {
            turn.health.earn(chosen.vitals, turn.at);
        }
        let (patience, _) = self.alone(candidate, turn);
        let mut changes = Vec::new();
        let ticket = turn.health.take(chosen.vitals, self.plan.live, turn.at, &mut changes);
        let line = self.trail.started(chosen, turn.now);
        let reask = self.seats.get(candidate).and_then(|seat| seat.reask);
        self.flights.push(Flight {
            candidate,
            line,
            flying: true,
            ticket: Some(ticket),
            begun: turn.now,
            patience,
            limit: own.map(|limit| turn.now + limit),
            first_limit: first.map(|limit| turn.now + limit),
            idle: chosen.idle,
            heard: None,
            bytes: 0,
            speaks: false,
            resumable: false,
            resumes: self.resume.is_some(),
            reasks: reask.is_some(),
            whole: false,
            closed: false,
        });
        let attempt = self.flights.len() - 1;
        turn.out.push(Action::Start {
            attempt,
            candidate: chosen.index,
            amends: self.seats.get(candidate).map(|seat| seat.amends.clone()).unwrap_or_default(),
            resume: self.resume,
            reask,
        });
        self.tell(candidate, changes);
        self.notes.push(Note::Started { attempt, candidate: self.index(candidate) });
        self.lead_with(candidate, turn);
    }

    fn acts(&self, candidate: usize) -> bool {
        self.plan.candidates.get(candidate).is_some_and(|candidate| candidate.acts)
    }

    /// Whoever comes further than all before is the one beside whom the next is due.
    fn lead_with(&mut self, candidate: usize, turn: &Turn<'_>) {
        if self.front.is_some_and(|front| front >= candidate) {
            return;
        }
        self.front = Some(candidate);
        let more = self.plan.candidates.iter().skip(candidate + 1);
        let more = more.into_iter().any(|later| later.skip.is_none() && self.place(candidate) != Some(later.place));
        let (late, early) = self.alone(candidate, turn);
        self.race_at = more.then(|| turn.now + late);
        self.hedge_at = early.filter(|_| more).map(|early| turn.now + early);
    }

    /// A place has come free for who waits.
    pub(super) fn granted(&mut self, turn: &mut Turn<'_>) {
        let has = self.waits().is_some_and(|(vitals, number)| turn.health.granted(vitals, number));
        if let Some(waiting) = self.waiting.take_if(|_| has) {
            let vitals = self.plan.candidates.get(waiting.candidate).map(|candidate| candidate.vitals);
            self.seated(waiting.candidate, turn);
            // Given up only when it is taken: in between it would be free for the next who waits.
            if let Some(vitals) = vitals {
                turn.health.leave_queue(vitals, waiting.number);
            }
        }
    }

    /// Asks who has got a place, or somebody else, where it went down while its place was waited for.
    fn seated(&mut self, candidate: usize, turn: &mut Turn<'_>) {
        match self.standing(candidate, turn) {
            Standing::Shut { until, kind, .. } => self.instead(candidate, (until, kind), turn),
            _ => self.ask(candidate, turn),
        }
    }

    /// Asks the same candidate again, or somebody else, where its circuit opened while the retry was waited for.
    pub(super) fn again(&mut self, candidate: usize, turn: &mut Turn<'_>) {
        let vitals = self.plan.candidates.get(candidate).map(|candidate| candidate.vitals);
        let broken = vitals.is_some_and(|vitals| turn.health.broken(vitals));
        match self.standing(candidate, turn) {
            Standing::Shut { until, kind, .. } if broken => self.instead(candidate, (until, kind), turn),
            _ => self.start(candidate, turn),
        }
    }

    /// Asks somebody else than a candidate that was waited for and is shut. Where nobody was asked yet and all are, it is the
    /// one that recovers soonest.
    fn instead(&mut self, candidate: usize, (until, kind): (Duration, ErrorKind), turn: &mut Turn<'_>) {
        // What shut it says whether another key may help.
        let shut = Failure::new(kind, "it went down");
        let beside = self.busy() && self.front != Some(candidate);
        let next = if self.halted || beside { None } else { self.next_candidate(Some(&shut), false, turn) };
        let later =
            |next: &usize| matches!(self.standing(*next, turn), Standing::Shut { until: other, .. } if other >= until);
        if self.flights.is_empty() && next.as_ref().is_none_or(later) {
            if let Some(next) = next {
                self.pass_over(next, turn);
            }
            return self.ask(candidate, turn);
        }
        self.pass_over(candidate, turn);
        match next {
            Some(next) => {
                self.notes.push(Note::Switched { from: self.index(candidate), to: self.index(next) });
                self.start(next, turn);
            }
            None if self.busy() => {}
            None => self.give_up(turn),
        }
    }

    /// Nobody waits any longer.
    pub(super) fn leave_queue(&mut self, turn: &mut Turn<'_>) {
        let Some(waiting) = self.waiting.take() else {
            return;
        };
        if let Some(candidate) = self.plan.candidates.get(waiting.candidate) {
            turn.health.leave_queue(candidate.vitals, waiting.number);
            let waited = turn.now.saturating_sub(waiting.since).as_millis();
            self.trail.skipped(candidate, &format!("waited {waited} ms for a place at its key"), turn.now);
        }
    }

    /// Starts the next candidate beside the one that is slow, or in its place.
    pub(super) fn race(&mut self, early: bool, turn: &mut Turn<'_>) {
        let Some(slow) = self.front else {
            return;
        };
        let next = match early {
            // Paid from what the slow one's provider has earned, and only where somebody is there to be asked.
            true => self.next_candidate(None, true, turn).filter(|_| self.spend(slow, turn)),
            false => self.next_candidate(None, true, turn),
        };
        let Some(next) = next else {
            // Somebody who is not well now may be so while there is time.
            if !early {
                self.race_at = self.look_at;
            }
            return;
        };
        let cut = !self.plan.hedge || self.acts(slow) || self.acts(next);
        self.notes.push(Note::Hedged { beside: self.index(slow), candidate: self.index(next), cut });
        if !cut {
            return self.start(next, turn);
        }
        if self.cut(next, turn) {
            self.notes.push(Note::Switched { from: self.index(slow), to: self.index(next) });
        }
        self.start(next, turn);
    }
}
