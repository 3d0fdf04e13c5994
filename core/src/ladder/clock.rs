//! What is due at which time: the limits of an attempt, the race, a retry, the deadline.

use std::time::Duration;

use super::backoff::GRACE;
use super::flight::Flight;
use super::health::Ended;
use super::machine::Ladder;
use super::step::{Action, Turn};
use crate::error::ErrorKind;
use crate::types::{Failure, Next, Outcome, Upstream};

/// What the time of an attempt has come for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// It took too long as a whole.
    Attempt,
    /// It has not said a word.
    First,
    /// It has stopped speaking.
    Idle,
    /// Its answer is whole, and nothing more came.
    Close,
}

impl Flight {
    /// The next time at which something is due of this attempt.
    pub(super) fn due(&self) -> Option<(Duration, Due)> {
        if self.closed {
            return None;
        }
        if self.whole {
            return self.heard.map(|heard| (heard + GRACE, Due::Close));
        }
        let silence = match self.heard {
            Some(heard) => Some((heard + self.idle, Due::Idle)),
            None => self.first_limit.map(|limit| (limit, Due::First)),
        };
        let limit = self.limit.map(|limit| (limit, Due::Attempt));
        silence.into_iter().chain(limit).min_by_key(|(at, _)| *at)
    }
}

impl Ladder {
    pub(super) fn woken(&mut self, turn: &mut Turn<'_>) {
        if !self.led && self.deadline.is_some_and(|deadline| turn.now >= deadline) {
            return self.expire(turn);
        }
        let now = turn.now;
        let due = |flight: &Flight| flight.due().filter(|(at, _)| flight.flying && now >= *at).map(|(_, due)| due);
        let late: Vec<(usize, Due)> =
            self.flights.iter().enumerate().filter_map(|(i, flight)| Some((i, due(flight)?))).collect();
        for (attempt, due) in late {
            if self.done {
                return;
            }
            if due == Due::Close {
                self.close(attempt, turn);
                continue;
            }
            turn.out.push(Action::Cancel { attempt });
            let failure = self.timeout(attempt, due, now);
            self.failed(attempt, failure, turn);
        }
        if let Some((candidate, at)) = self.retry_at
            && now >= at
            && !self.done
        {
            self.retry_at = None;
            self.again(candidate, turn);
        }
        if !self.done {
            self.granted(turn);
        }
        let early = self.hedge_at.take_if(|at| now >= *at).is_some();
        if early && !self.done {
            self.race(true, turn);
        }
        let late = self.race_at.take_if(|at| now >= *at).is_some();
        if late && !self.done {
            self.race(false, turn);
        }
    }

    /// The deadline has come.
    pub(super) fn expire(&mut self, turn: &mut Turn<'_>) {
        if self.lead(turn) {
            return;
        }
        let limit = self.plan.deadline.unwrap_or(turn.now).as_millis();
        let what = if self.plan.live { "no content" } else { "no answer" };
        let spent = Failure::new(ErrorKind::DeadlineExceeded, format!("{what} within {limit} ms"));
        let mut failure = spent.clone();
        let waiting: Vec<(usize, usize, usize)> = self
            .flights
            .iter()
            .enumerate()
            .filter(|(_, flight)| flight.flying)
            .map(|(attempt, flight)| (attempt, flight.candidate, flight.line))
            .collect();
        for (attempt, candidate, line) in &waiting {
            let ended = match self.flights.get(*attempt).map(|flight| self.unended(flight, Outcome::Failed, turn)) {
                Some(ended) => ended,
                None => Ended::Gone { took: None },
            };
            self.land(*attempt);
            self.trail.failed(*line, &spent, turn.now);
            self.trail.decided(*line, Next::Fail, "the time was spent");
            turn.out.push(Action::Cancel { attempt: *attempt });
            self.report(*attempt, &ended, turn);
            if let (Some(candidate), Some(line)) = (self.plan.candidates.get(*candidate), self.trail.lines().get(*line))
            {
                failure.message += &format!("; {} was waited for {} ms", candidate.name, line.latency.as_millis());
            }
        }
        if let Some(held) = self.held {
            return self.deliver(held, turn);
        }
        self.end(turn);
        if let Some(broken) = self.broken.take() {
            turn.out.push(self.raise(broken));
            return;
        }
        // What would have surfaced says more than that time ran out while an earlier candidate was waited for.
        if let Some(loss) = self.failure.take().filter(|_| self.halted) {
            turn.out.push(self.raise(loss));
            return;
        }
        let first = waiting.first();
        let (attempt, candidate) = (first.map(|(attempt, ..)| *attempt), first.map(|(_, candidate, _)| *candidate));
        let candidate = candidate.or(self.front).map(|candidate| self.index(candidate));
        turn.out.push(Action::Fail { failure, candidate, attempt });
    }

    /// At the deadline, an answer that is whole has won, and so has one that is coming already to whom gets it as it comes,
    /// though none of it could be handed on yet.
    fn lead(&mut self, turn: &mut Turn<'_>) -> bool {
        let wins = |flight: &Flight| flight.flying && (flight.whole || (self.plan.live && flight.speaks));
        let winners = self.flights.iter().enumerate().filter(|(_, flight)| wins(flight));
        let Some((attempt, flight)) = winners.min_by_key(|(_, flight)| flight.candidate) else {
            return false;
        };
        let (line, whole) = (flight.line, flight.whole);
        let reason = format!("{} answered first", self.name(flight.candidate));
        self.cancel_flying(|flight| flight.line != line, Outcome::HedgedOut, &reason, turn);
        if whole {
            self.close(attempt, turn);
        }
        // Should it break off, no time is left for another.
        (self.led, self.race_at, self.hedge_at, self.retry_at) = (true, None, None, None);
        self.leave_queue(turn);
        true
    }

    /// Cuts all attempts under way, so that `next` has the time to itself; whether there were any. Nor is anything else begun
    /// that was waited for. Only who had its time is to blame.
    pub(super) fn cut(&mut self, next: usize, turn: &mut Turn<'_>) -> bool {
        self.leave_queue(turn);
        self.retry_at = None;
        let flying = self.flights.iter().enumerate().filter(|(_, flight)| flight.flying);
        let cut: Vec<_> =
            flying.map(|(attempt, flight)| (attempt, self.unended(flight, Outcome::Failed, turn))).collect();
        for (attempt, ended) in &cut {
            let Some((candidate, line)) = self.land(*attempt) else {
                continue;
            };
            let ran = turn.now.saturating_sub(self.flights.get(*attempt).map_or(turn.now, |flight| flight.begun));
            let message = format!("cut after {} ms, to leave time for {}", ran.as_millis(), self.name(next));
            let failure = Failure::new(ErrorKind::Timeout, message).with_subkind("attempt");
            turn.out.push(Action::Cancel { attempt: *attempt });
            self.trail.failed(line, &failure, turn.now);
            self.trail.decided(line, Next::Fallback, format!("on to {}", self.name(next)));
            self.report(*attempt, ended, turn);
            self.note_failure(*attempt, candidate, line, &failure);
            self.note_text(*attempt);
            self.give_seat_up(candidate);
            self.blame(candidate, *attempt, &failure);
        }
        !cut.is_empty()
    }

    /// The failure of an attempt whose time has come.
    fn timeout(&self, attempt: usize, due: Due, now: Duration) -> Failure {
        let flight = self.flights.get(attempt);
        let heard = flight.and_then(|flight| flight.heard);
        let started = flight.and_then(|flight| self.trail.lines().get(flight.line)).map(|line| line.started);
        let ran = now.saturating_sub(started.unwrap_or(now)).as_millis();
        let (subkind, message) = match due {
            Due::Idle => {
                let silent = now.saturating_sub(heard.unwrap_or(now)).as_millis();
                ("idle", format!("the stream paused for {silent} ms"))
            }
            Due::First => ("first_event", format!("no content within {ran} ms")),
            Due::Attempt | Due::Close if self.plan.upstream == Upstream::Stream => {
                ("attempt", format!("the stream had not ended within {ran} ms"))
            }
            Due::Attempt | Due::Close => ("attempt", format!("no answer within {ran} ms")),
        };
        Failure { in_stream: heard.is_some(), ..Failure::new(ErrorKind::Timeout, message).with_subkind(subkind) }
    }
}
