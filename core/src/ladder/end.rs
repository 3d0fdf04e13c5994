//! How attempts end, and how the call does.

use std::time::Duration;

use super::flight::{Flight, Loss};
use super::machine::Ladder;
use super::note::Note;
use super::step::{Action, Turn};
use crate::error::ErrorKind;
use crate::types::{Failure, Outcome};

impl Ladder {
    pub(super) fn cancelled(&mut self, turn: &mut Turn<'_>) {
        let attempt = self.committed.or(self.broken.as_ref().map(|broken| broken.attempt));
        self.cancel_flying(|_| true, Outcome::Cancelled, "the caller cancelled", turn);
        self.end(turn);
        let failure = Failure::new(ErrorKind::Cancelled, "the caller cancelled");
        turn.out.push(Action::Fail { failure, candidate: None, attempt });
    }

    pub(super) fn deliver(&mut self, attempt: usize, turn: &mut Turn<'_>) {
        if self.plan.live && self.committed != Some(attempt) {
            self.commit(attempt, turn);
        }
        if let Some(flight) = self.flights.get(attempt) {
            let reason = format!("{} answered first", self.name(flight.candidate));
            let line = flight.line;
            self.trail.accepted(line);
            self.cancel_flying(|_| true, Outcome::HedgedOut, &reason, turn);
        }
        self.end(turn);
        turn.out.push(Action::Deliver { attempt });
    }

    pub(super) fn give_up(&mut self, turn: &mut Turn<'_>) {
        if let Some(held) = self.held {
            return self.deliver(held, turn);
        }
        self.cancel_flying(|_| true, Outcome::Cancelled, "the call was given up", turn);
        self.end(turn);
        let loss = self.broken.take().or(self.failure.take());
        turn.out.extend(loss.map(|loss| self.raise(loss)));
    }

    /// The call is over.
    pub(super) fn end(&mut self, turn: &mut Turn<'_>) {
        self.leave_queue(turn);
        self.done = true;
    }

    /// What raises a failure.
    pub(super) fn raise(&self, loss: Loss) -> Action {
        Action::Fail { candidate: Some(self.index(loss.candidate)), attempt: Some(loss.attempt), failure: loss.failure }
    }

    /// Tells of a failure.
    pub(super) fn note_failure(&mut self, attempt: usize, candidate: usize, line: usize, failure: &Failure) {
        self.notes.push(Note::Failed {
            attempt,
            candidate: self.index(candidate),
            kind: failure.kind,
            reason: failure.message.clone(),
            retry_after: failure.retry_after,
            latency: self.trail.lines().get(line).map_or(Duration::ZERO, |line| line.latency),
        });
    }

    /// Remembers the failure to raise when nothing is left: no other if one surfaces, else the one nearest to the primary.
    pub(super) fn blame(&mut self, candidate: usize, attempt: usize, failure: &Failure) {
        let nearest = self.failure.as_ref().is_none_or(|loss| self.index(candidate) <= self.index(loss.candidate));
        if nearest && !self.halted {
            self.failure = Some(Loss { candidate, attempt, failure: failure.clone() });
        }
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
        turn: &mut Turn<'_>,
    ) {
        let losers: Vec<usize> = (self.flights.iter().enumerate())
            .filter(|(_, flight)| flight.flying && loses(flight))
            .map(|(attempt, _)| attempt)
            .collect();
        for attempt in losers {
            let Some(flight) = self.flights.get_mut(attempt) else {
                continue;
            };
            flight.flying = false;
            self.trail.ended(flight.line, outcome, reason, turn.now);
            turn.out.push(Action::Cancel { attempt });
            let ended = self.flights.get(attempt).map(|flight| self.unended(flight, outcome, turn));
            if let Some(ended) = ended {
                self.report(attempt, &ended, turn);
            }
        }
    }
}
