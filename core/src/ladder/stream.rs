//! Streams: who may speak to the caller, how long they may be silent, and what follows when one breaks off.

use std::time::Duration;

use super::backoff::THOUGHT;
use super::flight::Loss;
use super::machine::Ladder;
use super::step::{Action, Answer, Join, Speech, Turn};
use super::verdict::{Retry, verdict};
use crate::error::ErrorKind;
use crate::types::{Failure, Next, OnBreak, Outcome, Usage};

/// The failure of an answer that ended with an error in place of a reason.
pub(super) fn broke_off(answer: &Answer) -> Failure {
    let raw = answer.finish.raw.clone();
    let why = match &raw {
        Some(raw) => format!("the answer broke off with finish reason {raw}"),
        None => "the answer broke off".to_owned(),
    };
    Failure {
        status: Some(200),
        provider_code: raw,
        request_id: answer.request_id.clone(),
        usage: answer.usage,
        cost: answer.cost,
        in_stream: true,
        ..Failure::new(ErrorKind::MalformedResponse, why)
    }
}

impl Ladder {
    pub(super) fn content(
        &mut self,
        attempt: usize,
        (speech, resumable, bytes): (Speech, bool, usize),
        turn: &mut Turn<'_>,
    ) {
        let Some(flight) = self.flights.get_mut(attempt).filter(|flight| flight.flying) else {
            return;
        };
        let (first, candidate) = (flight.heard.is_none(), flight.candidate);
        flight.heard = Some(turn.now);
        flight.resumable = resumable;
        flight.bytes += bytes;
        flight.speaks |= speech > Speech::Thought;
        if first {
            self.spoke(attempt, turn);
        }
        if self.plan.live && speech == Speech::Shown {
            if self.committed != Some(attempt) {
                self.commit(attempt, turn);
            }
        } else if self.front == Some(candidate) {
            self.race_at = match (self.race_at, self.deadline) {
                // It is at work, and its words are what is waited for.
                (_, None) if speech > Speech::Thought => None,
                (_, Some(_)) if self.plan.live && speech > Speech::Thought => None,
                // It reasons before it speaks, which was not known.
                (Some(at), None) => Some(at.max(turn.now + THOUGHT)),
                (at, _) => at,
            };
            // Who wants the whole answer may still be hedged for it.
            if self.plan.live || self.race_at.is_none() {
                self.hedge_at = None;
            }
        }
    }

    pub(super) fn spent(&mut self, attempt: usize, usage: Usage) {
        if let Some(flight) = self.flights.get(attempt).filter(|flight| flight.flying) {
            self.trail.spent(flight.line, usage);
        }
    }

    pub(super) fn whole(&mut self, attempt: usize, now: Duration) {
        if let Some(flight) = self.flights.get_mut(attempt) {
            flight.whole = true;
            flight.heard = Some(now);
        }
    }

    /// Takes the time in which the caller did not read out of every limit.
    pub(super) fn away(&mut self, time: Duration) {
        let retry_at = self.retry_at.as_mut().map(|(_, at)| at);
        let own = [self.deadline.as_mut(), self.race_at.as_mut(), self.hedge_at.as_mut(), retry_at];
        let flights = self.flights.iter_mut().filter(|flight| flight.flying);
        let theirs = flights.flat_map(|flight| {
            let limits = [&mut flight.limit, &mut flight.first_limit, &mut flight.heard];
            limits.map(Option::as_mut).into_iter().chain([Some(&mut flight.begun)])
        });
        for at in own.into_iter().chain(theirs).flatten() {
            *at += time;
        }
    }

    pub(super) fn close(&mut self, attempt: usize, turn: &mut Turn<'_>) {
        if let Some(flight) = self.flights.get_mut(attempt).filter(|flight| !flight.closed) {
            // What it brought is reported next; nothing of it is due any more.
            flight.closed = true;
            turn.out.push(Action::Close { attempt });
        }
    }

    /// From now on the caller gets the words of this attempt.
    pub(super) fn commit(&mut self, attempt: usize, turn: &mut Turn<'_>) {
        let Some(flight) = self.flights.get(attempt) else {
            return;
        };
        let (candidate, line) = (flight.candidate, flight.line);
        let join = match &self.broken {
            None => Join::Start,
            Some(_) if flight.resumes => Join::Resume,
            Some(Loss { failure, .. }) => Join::Restart { kind: failure.kind, reason: failure.message.clone() },
        };
        let model = self.plan.candidates.get(candidate).map(|candidate| candidate.name.clone()).unwrap_or_default();
        let reason = format!("{model} spoke first");
        self.cancel_flying(|flight| flight.line != line, Outcome::HedgedOut, &reason, turn);
        turn.out.push(Action::Commit { attempt, model, join });
        self.committed = Some(attempt);
        self.front = Some(candidate);
        self.settle(turn);
    }

    /// Nothing that was waited for matters any more.
    fn settle(&mut self, turn: &mut Turn<'_>) {
        self.leave_queue(turn);
        (self.deadline, self.race_at, self.hedge_at, self.retry_at) = (None, None, None, None);
        (self.failure, self.held, self.broken, self.halted) = (None, None, None, false);
    }

    /// Remembers whose text the next attempt is to continue, where the caller has seen none of it.
    pub(super) fn note_text(&mut self, attempt: usize) {
        let resumable = self.flights.get(attempt).is_some_and(|flight| flight.resumable);
        if resumable && self.plan.on_break == OnBreak::Resume {
            self.resume = Some(attempt);
        }
    }

    /// The attempt whose words the caller has failed.
    pub(super) fn broke(&mut self, attempt: usize, mut failure: Failure, turn: &mut Turn<'_>) {
        let Some(flight) = self.flights.get(attempt) else {
            return;
        };
        let (candidate, line) = (flight.candidate, flight.line);
        // A text that was not accepted is nothing to go on with.
        let sound = flight.resumable && failure.kind != ErrorKind::InvalidOutput;
        let resumes = self.plan.on_break == OnBreak::Resume && sound;
        let rescue = resumes || (self.plan.on_break != OnBreak::Error && self.plan.restarts);
        let verdict = verdict(failure.kind, failure.subkind);
        let surfaces = self.surfaces(verdict, &failure);
        failure.in_stream = true;
        self.committed = None;
        self.resume = resumes.then_some(attempt);
        self.broken = Some(Loss { candidate, attempt, failure: failure.clone() });
        if surfaces || !rescue {
            let why = if surfaces {
                format!("{} is not a reason to ask another model", failure.kind)
            } else {
                "part of the answer was handed on already".to_owned()
            };
            self.trail.decided(line, Next::Fail, why);
            return self.give_up(turn);
        }
        // The rest may take as long as the first content had.
        self.deadline = self.plan.deadline.map(|deadline| turn.now + deadline);
        self.led = false;
        let retry = match verdict.retry {
            // Who broke off is asked again only when nobody else is left.
            Retry::Quick | Retry::AtOnce => Retry::LastOnce(Duration::ZERO),
            retry => retry,
        };
        self.go_on(attempt, candidate, line, (&failure, retry), turn);
    }
}
