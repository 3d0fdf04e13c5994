//! What the machine asks of the health of its candidates, and what it reports to it.

use std::time::Duration;

use super::backoff::race_delay;
use super::flight::Flight;
use super::health::{Change, Ended, Health, Standing, usual};
use super::machine::Ladder;
use super::note::Note;
use super::plan::Candidate;
use super::step::Turn;
use super::verdict::Retry;
use crate::error::ErrorKind;
use crate::types::{FirstToken, HedgeAfter, Outcome, Strict};

/// `first_token_ms = "auto"`: so many times the 99th percentile of the candidate's own times, within these bounds.
const AUTO_FIRST: u32 = 3;
const LEAST_FIRST: Duration = Duration::from_secs(2);
const MOST_FIRST: Duration = Duration::from_secs(60);
/// A caller in more of a hurry than its task shows nothing of a candidate that had less time than this, as long as the
/// candidate's own times are not known.
const FAIR: Duration = Duration::from_secs(2);

impl Ladder {
    /// How a candidate stands.
    pub(super) fn standing(&self, candidate: usize, turn: &Turn<'_>) -> Standing {
        let strict = &self.plan.strict;
        self.plan.candidates.get(candidate).map_or(Standing::Ready, |candidate| {
            turn.health.standing(candidate.vitals, turn.at, |kind| match kind {
                ErrorKind::Auth => strict.contains(&Strict::Auth),
                ErrorKind::Permission => strict.contains(&Strict::Permission),
                _ => false,
            })
        })
    }

    /// Those whose provider's limit is used up are asked last.
    pub(super) fn put_last(&mut self, turn: &Turn<'_>) {
        let low = |ladder: &Self, candidate: usize| {
            let standing = ladder.standing(candidate, turn);
            matches!(standing, Standing::Low { .. }).then_some(standing)
        };
        let skipped = |candidate: &Candidate| candidate.skip.is_some();
        let all = self.plan.candidates.len();
        let lows: Vec<Option<Standing>> = (0..all).map(|candidate| low(self, candidate)).collect();
        let is_low = |place: usize| lows.get(place).is_some_and(Option::is_some);
        let others =
            (0..all).any(|place| !is_low(place) && self.plan.candidates.get(place).is_some_and(|c| !skipped(c)));
        if !others || lows.iter().all(Option::is_none) {
            return;
        }
        let candidates = std::mem::take(&mut self.plan.candidates);
        let (mut first, mut last) = (Vec::with_capacity(all), Vec::new());
        for (candidate, low) in candidates.into_iter().zip(lows) {
            match low.filter(|_| !skipped(&candidate)) {
                None => first.push(candidate),
                Some(standing) => {
                    self.trail.passed(&candidate, &standing, turn.now, turn.at);
                    last.push(candidate);
                }
            }
        }
        first.append(&mut last);
        self.plan.candidates = first;
    }

    /// Tells what changed of a candidate.
    pub(super) fn tell(&mut self, candidate: usize, changes: Vec<Change>) {
        let candidate = self.index(candidate);
        self.notes.extend(changes.into_iter().map(|change| Note::Changed { candidate, change }));
    }

    /// The number of a candidate for whoever made the plan.
    pub(super) fn index(&self, candidate: usize) -> usize {
        self.plan.candidates.get(candidate).map_or(candidate, |candidate| candidate.index)
    }

    /// Gives the ticket of an attempt back, with how it ended, and puts what it cost on its line.
    pub(super) fn report(&mut self, attempt: usize, ended: &Ended<'_>, turn: &mut Turn<'_>) {
        let Some(flight) = self.flights.get_mut(attempt) else {
            return;
        };
        let (candidate, line, bytes) = (flight.candidate, flight.line, flight.bytes);
        let mut changes = Vec::new();
        if let Some(ticket) = flight.ticket.take() {
            turn.health.finish(&ticket, ended, turn.at, &self.plan.breaker, &mut self.rng, &mut changes);
        }
        if let Some(asked) = self.plan.candidates.get(candidate) {
            self.trail.bill(line, asked.price, asked.size.tokens, bytes);
        }
        self.learn(attempt, ended, turn);
        self.tell(candidate, changes);
    }

    /// Notes how many tokens the provider counted, where it was asked just what the call asks.
    fn learn(&self, attempt: usize, ended: &Ended<'_>, turn: &mut Turn<'_>) {
        let Some(flight) = self.flights.get(attempt).filter(|flight| !flight.resumes && !flight.reasks) else {
            return;
        };
        let counted = match ended {
            Ended::Answered { .. } => {
                self.trail.lines().get(flight.line).and_then(|line| line.usage).map(|usage| usage.input)
            }
            Ended::Failed(failure) => failure.overflow.and_then(|(prompt, _)| prompt),
            Ended::Late { .. } | Ended::Gone { .. } => None,
        };
        // Who searches or runs code by itself reads more than was sent.
        let asked = self.plan.candidates.get(flight.candidate).filter(|asked| !asked.acts);
        if let Some((asked, counted)) = asked.zip(counted) {
            turn.health.counted(asked.vitals, asked.size.text, counted.saturating_sub(asked.size.images));
        }
    }

    /// What an attempt shows that was not let end.
    pub(super) fn unended(&self, flight: &Flight, outcome: Outcome, turn: &Turn<'_>) -> Ended<'static> {
        let took = turn.now.saturating_sub(flight.begun);
        if flight.heard.is_some() || outcome == Outcome::Cancelled {
            Ended::Gone { took: None }
        } else if self.late(flight, took, turn) {
            Ended::Late { took }
        } else {
            Ended::Gone { took: Some(took) }
        }
    }

    /// Whether who has said nothing for so long is to blame for it, and not the caller's hurry.
    fn late(&self, flight: &Flight, took: Duration, turn: &Turn<'_>) -> bool {
        let vitals = self.plan.candidates.get(flight.candidate).map(|candidate| candidate.vitals);
        let usual = vitals.and_then(|vitals| usual(turn.health, vitals, self.plan.live, 95));
        let fair = usual.unwrap_or(if self.plan.tightened { FAIR } else { Duration::ZERO });
        took >= flight.patience && took >= fair
    }

    /// The first content of an attempt has come.
    pub(super) fn spoke(&mut self, attempt: usize, turn: &mut Turn<'_>) {
        let Some(flight) = self.flights.get(attempt) else {
            return;
        };
        let (candidate, took) = (flight.candidate, turn.now.saturating_sub(flight.begun));
        self.trail.spoke(flight.line, turn.now);
        let mut changes = Vec::new();
        if let Some(ticket) = &flight.ticket {
            turn.health.spoke(ticket, took, turn.at, &mut changes);
        }
        self.tell(candidate, changes);
    }

    /// Whether a failed attempt may be followed by another of the same candidate: not while its circuit is open, and not
    /// beyond the retry budget. What was never sent is free.
    pub(super) fn may_retry(&mut self, candidate: usize, retry: Retry, turn: &mut Turn<'_>) -> bool {
        let Some(vitals) = self.plan.candidates.get(candidate).map(|candidate| candidate.vitals) else {
            return false;
        };
        if turn.health.broken(vitals) {
            return false;
        }
        retry == Retry::AtOnce || self.spend(candidate, turn)
    }

    /// Takes what a retry or a hedge costs from the budget of its provider.
    pub(super) fn spend(&mut self, candidate: usize, turn: &mut Turn<'_>) -> bool {
        let vitals = self.plan.candidates.get(candidate).map(|candidate| candidate.vitals);
        let enough = vitals.is_none_or(|vitals| turn.health.spend(vitals, turn.at));
        if !enough {
            self.notes.push(Note::BudgetEmpty { candidate: self.index(candidate) });
        }
        enough
    }

    /// How long a candidate works alone: until the next one is due late, and until it is due early, if it is.
    pub(super) fn alone(&self, candidate: usize, turn: &Turn<'_>) -> (Duration, Option<Duration>) {
        let vitals = |candidate: &Candidate| candidate.vitals;
        let Some(chosen) = self.plan.candidates.get(candidate) else {
            return (Duration::ZERO, None);
        };
        let later = self.plan.candidates.iter().skip(candidate + 1);
        let next = later.into_iter().find(|later| later.skip.is_none() && later.place != chosen.place);
        let stand_in = next.and_then(|next| usual(turn.health, vitals(next), self.plan.live, 95));
        let left = self.deadline.map(|deadline| deadline.saturating_sub(turn.now));
        let late = race_delay(left, chosen.reasons, self.plan.upstream, stand_in);
        match self.plan.hedge_after {
            None => (late, None),
            Some(HedgeAfter::After(delay)) if delay >= late => (delay, None),
            Some(HedgeAfter::After(delay)) => (late, Some(delay)),
            Some(HedgeAfter::Percentile(percent)) => {
                let own = usual(turn.health, chosen.vitals, self.plan.live, percent);
                (late, own.filter(|own| *own < late))
            }
        }
    }
}

/// How long the first content of a candidate's stream may take.
pub(super) fn first_limit(candidate: &Candidate, health: &Health) -> Option<Duration> {
    match candidate.first_token? {
        FirstToken::After(limit) => Some(limit),
        FirstToken::Auto => {
            let usual = health.first(candidate.vitals, 99)?;
            Some((usual * AUTO_FIRST).clamp(LEAST_FIRST, MOST_FIRST))
        }
    }
}
