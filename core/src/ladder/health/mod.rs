//! How candidates are: cooldowns, circuit breakers, retry budgets, places at a time, measured times.
//!
//! Plain data with the time passed in. Ladders ask it whether a candidate may be tried, take a [`Ticket`] for each attempt,
//! and report with it how the attempt ended. Who shares one `Health`, and which lock guards it, is decided elsewhere.

mod breaker;
mod budget;
#[cfg(test)]
mod cases;
mod gate;
#[cfg(test)]
mod model;
mod nouns;
mod slots;
mod standing;
mod table;
mod times;
mod tokens;

use std::time::Duration;

use self::breaker::Breaker;
use self::budget::Budget;
use self::gate::Gate;
use self::slots::Slots;
use self::table::Table;
use self::times::Times;
use self::tokens::Tokens;
use super::verdict::{Counts, Harm, verdict};
use crate::error::ErrorKind;
use crate::types::{self, Amend, Failure};

pub use self::nouns::{Change, Ended, Identity, Pause, Scope, Ticket, Vitals};
pub(super) use self::standing::usual;
pub use self::standing::{Standing, Why};

#[derive(Debug, Clone, Default)]
struct Provider {
    breaker: Breaker,
    budget: Budget,
}

#[derive(Debug, Clone, Default)]
struct Key {
    gate: Gate,
    slots: Slots,
    /// How many of its users have set a limit.
    limits: usize,
}

#[derive(Debug, Clone, Default)]
struct Model {
    breaker: Breaker,
    gate: Gate,
    first: Times,
    total: Times,
    tokens: Tokens,
}

#[derive(Debug, Clone, Default)]
struct Seat {
    gate: Gate,
    /// Until then the provider's limit leaves nothing.
    low: Duration,
    last: Option<(ErrorKind, String, Duration)>,
}

/// The gates before every candidate: who is spoken against, and whether it is a circuit breaker's.
const GATES: [(Scope, bool); 5] = [
    (Scope::Provider, true),
    (Scope::Key, false),
    (Scope::Model, false),
    (Scope::Model, true),
    (Scope::Candidate, false),
];

/// The longest message of a failure that is kept, in characters.
const MESSAGE: usize = 300;
/// Beyond so many candidates, those that no router uses any more are forgotten.
const KEPT: usize = 1024;

/// The health of all candidates.
#[derive(Debug, Clone, Default)]
pub struct Health {
    providers: Table<String, Provider>,
    keys: Table<(usize, u64), Key>,
    models: Table<(usize, String, u64), Model>,
    seats: Table<(usize, usize), Seat>,
    /// Numbers attempts, and those who wait for a place.
    number: u64,
    /// Those who have got one since they were last asked for.
    woken: Vec<u64>,
}

impl Health {
    /// Where the health of a candidate is kept from now on, until [`Health::leave`].
    pub fn join(&mut self, who: Identity) -> Vitals {
        if self.seats.len() > KEPT {
            self.seats.prune();
            self.models.prune();
            self.keys.prune();
            self.providers.prune();
        }
        let provider = self.providers.join(who.provider);
        let key = self.keys.join((provider, who.key));
        let model = self.models.join((provider, who.model, who.keys));
        // A router without a limit does not lift the one that another has set.
        let alone = self.keys.users(key) == 1;
        let limited = who.limit.is_some();
        if let Some(key) = self.keys.get_mut(key) {
            key.limits += usize::from(limited);
            if alone || limited {
                key.slots.set(who.limit);
            }
        }
        Vitals { provider, key, model, seat: self.seats.join((model, key)), limited }
    }

    /// One who joined uses it no longer. It is kept for who may come back.
    pub fn leave(&mut self, vitals: Vitals) {
        self.seats.leave(vitals.seat);
        self.models.leave(vitals.model);
        self.keys.leave(vitals.key);
        let used = self.keys.users(vitals.key) > 0;
        if let Some(key) = self.keys.get_mut(vitals.key).filter(|_| vitals.limited) {
            key.limits = key.limits.saturating_sub(1);
            // Of those who stay, nobody wants it.
            if used && key.limits == 0 {
                key.slots.lift(&mut self.woken);
            }
        }
        self.providers.leave(vitals.provider);
    }

    /// The right to try a candidate now, whatever its standing. Where a gate is half open, the attempt is its probe.
    pub fn take(&mut self, vitals: Vitals, live: bool, now: Duration, out: &mut Vec<Change>) -> Ticket {
        self.number += 1;
        let number = self.number;
        for (place, (scope, _)) in GATES.iter().enumerate() {
            if self.gate_mut(vitals, place).is_some_and(|gate| gate.probe(number, now)) {
                out.push(Change::HalfOpen { scope: *scope });
            }
        }
        if let Some(key) = self.keys.get_mut(vitals.key) {
            key.slots.take();
        }
        Ticket { vitals, number, begun: now, live }
    }

    /// Counts a request that is no retry, for the retry budget of its provider.
    pub fn earn(&mut self, vitals: Vitals, now: Duration) {
        if let Some(provider) = self.providers.get_mut(vitals.provider) {
            provider.budget.earn(now);
        }
    }

    /// Takes what a retry costs from the budget of its provider, if there is enough.
    pub fn spend(&mut self, vitals: Vitals, now: Duration) -> bool {
        self.providers.get_mut(vitals.provider).is_none_or(|provider| provider.budget.spend(now))
    }

    /// The attempt said its first content after `took`.
    pub fn spoke(&mut self, ticket: &Ticket, took: Duration, now: Duration, out: &mut Vec<Change>) {
        if let Some(model) = self.models.get_mut(ticket.vitals.model) {
            model.first.add(took);
        }
        self.open(ticket, now, out);
    }

    /// Takes a ticket back.
    pub fn finish(
        &mut self,
        ticket: &Ticket,
        ended: &Ended<'_>,
        now: Duration,
        limits: &types::Breaker,
        rng: &mut fastrand::Rng,
        out: &mut Vec<Change>,
    ) {
        match ended {
            Ended::Answered { took, spent } => self.answered(ticket, *took, *spent, now, out),
            Ended::Failed(failure) => self.failed(ticket, failure, now, limits, rng, out),
            Ended::Late { took } => {
                let late = Failure::new(ErrorKind::Timeout, format!("nothing within {} ms", took.as_millis()));
                self.failed(ticket, &late, now, limits, rng, out);
            }
            Ended::Gone { took } => self.waited(ticket, *took),
        }
        for place in 0..GATES.len() {
            if let Some(gate) = self.gate_mut(ticket.vitals, place) {
                gate.release(ticket.number);
            }
        }
        if let Some(key) = self.keys.get_mut(ticket.vitals.key) {
            key.slots.give_back(&mut self.woken);
        }
    }

    fn answered(
        &mut self,
        ticket: &Ticket,
        took: Option<Duration>,
        spent: Option<Duration>,
        now: Duration,
        out: &mut Vec<Change>,
    ) {
        let Vitals { provider, key, model, seat, .. } = ticket.vitals;
        if let Some(key) = self.keys.get_mut(key) {
            key.slots.succeeded(&mut self.woken);
        }
        self.open(ticket, now, out);
        if let Some(model) = self.models.get_mut(model) {
            model.breaker.succeeded(ticket.begun, now);
            if let Some(took) = took {
                model.total.add(took);
            }
        }
        if let Some(provider) = self.providers.get_mut(provider) {
            provider.breaker.succeeded(ticket.begun, now);
        }
        if let Some((seat, spent)) = self.seats.get_mut(seat).zip(spent) {
            // No header is believed beyond what a clock can tell.
            seat.low = now.saturating_add(spent);
        }
    }

    /// Opens what the success of an attempt opens.
    fn open(&mut self, ticket: &Ticket, now: Duration, out: &mut Vec<Change>) {
        for (number, (scope, _)) in GATES.iter().enumerate() {
            let opened = self.gate_mut(ticket.vitals, number).filter(|gate| gate.cause().is_some());
            if let Some(gate) = opened {
                let told = gate.single();
                if gate.succeeded(ticket.begun, now) && told {
                    out.push(Change::Closed { scope: *scope });
                }
            }
        }
    }

    fn failed(
        &mut self,
        ticket: &Ticket,
        failure: &Failure,
        now: Duration,
        limits: &types::Breaker,
        rng: &mut fastrand::Rng,
        out: &mut Vec<Change>,
    ) {
        let Vitals { provider, key, model, seat, .. } = ticket.vitals;
        if let Some(seat) = self.seats.get_mut(seat) {
            seat.last = Some((failure.kind, failure.message.chars().take(MESSAGE).collect(), now));
        }
        // A credential that is fetched anew says nothing yet of the account.
        let harm = match failure.amend {
            Some(Amend::Refresh) => Harm { counts: Counts::Not, cool: None, throttles: false },
            _ => verdict(failure.kind, failure.subkind).harm,
        };
        let Harm { counts, cool, throttles } = harm;
        if throttles && let Some(key) = self.keys.get_mut(key) {
            key.slots.throttled(ticket.begun, now);
        }
        let (weight, scope) = match counts {
            Counts::Not => (0, Scope::Model),
            Counts::Half => (breaker::FULL / 2, Scope::Model),
            Counts::Full => (breaker::FULL, Scope::Model),
            Counts::Unreachable => (breaker::FULL, Scope::Provider),
        };
        let counting = match scope {
            Scope::Provider => self.providers.get_mut(provider).map(|provider| &mut provider.breaker),
            _ => self.models.get_mut(model).map(|model| &mut model.breaker),
        };
        if weight > 0
            && let Some(breaker) = counting
            && let Some(time) = breaker.failed((failure.kind, weight), ticket.number, ticket.begun, now, limits, rng)
        {
            out.push(Change::Opened { scope, time });
        }
        // Who answers at all can be reached.
        if failure.status.is_some()
            && let Some(provider) = self.providers.get_mut(provider)
            && provider.breaker.succeeded(ticket.begun, now)
        {
            out.push(Change::Closed { scope: Scope::Provider });
        }
        let Some((scope, pause)) = cool else {
            return;
        };
        let place = GATES.iter().position(|gate| *gate == (scope, false)).unwrap_or_default();
        let shut = self
            .gate_mut(ticket.vitals, place)
            .and_then(|gate| gate.shut(failure.kind, &pause, failure.retry_after, ticket.begun, now, rng));
        if let Some(time) = shut {
            out.push(Change::Cooled { scope, time, kind: failure.kind });
        }
    }

    /// Notes a time of which only the least is known, so that those which take longest are not left out.
    fn waited(&mut self, ticket: &Ticket, took: Option<Duration>) {
        if let Some((model, took)) = self.models.get_mut(ticket.vitals.model).zip(took) {
            if ticket.live { model.first.add(took) } else { model.total.add(took) }
        }
    }

    /// Notes that the provider counted so many tokens in a text for which so many were estimated.
    pub fn counted(&mut self, vitals: Vitals, estimated: u64, counted: u64) {
        if let Some(model) = self.models.get_mut(vitals.model) {
            model.tokens.add(estimated, counted);
        }
    }

    /// How many tokens the model's provider counts for each that is estimated.
    #[must_use]
    pub fn tokens(&self, vitals: Vitals) -> f64 {
        self.models.get(vitals.model).map_or(1.0, |model| model.tokens.ratio())
    }

    /// Begins to wait for a place at the candidate's key; who waits has a number.
    pub fn queue(&mut self, vitals: Vitals) -> u64 {
        self.number += 1;
        if let Some(key) = self.keys.get_mut(vitals.key) {
            key.slots.queue(self.number);
        }
        self.number
    }

    /// Whether who waits has got a place.
    #[must_use]
    pub fn granted(&self, vitals: Vitals, number: u64) -> bool {
        self.keys.get(vitals.key).is_some_and(|key| key.slots.granted(number))
    }

    /// Waits no longer: to take the place now, or because it is not wanted any more.
    pub fn leave_queue(&mut self, vitals: Vitals, number: u64) {
        if let Some(key) = self.keys.get_mut(vitals.key) {
            key.slots.leave(number, &mut self.woken);
        }
    }

    /// Those who have got a place since this was last asked.
    pub fn woken(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.woken)
    }

    /// Forgets what speaks against a candidate; its measured times stay.
    pub fn reset(&mut self, vitals: Vitals) {
        let Vitals { provider, key, model, seat, .. } = vitals;
        if let Some(provider) = self.providers.get_mut(provider) {
            provider.breaker = Breaker::default();
        }
        if let Some(key) = self.keys.get_mut(key) {
            key.gate = Gate::default();
        }
        if let Some(model) = self.models.get_mut(model) {
            (model.breaker, model.gate) = (Breaker::default(), Gate::default());
        }
        if let Some(seat) = self.seats.get_mut(seat) {
            *seat = Seat::default();
        }
    }

    fn gate(&self, vitals: Vitals, number: usize) -> Option<&Gate> {
        match number {
            0 => self.providers.get(vitals.provider).map(|provider| &provider.breaker.gate),
            1 => self.keys.get(vitals.key).map(|key| &key.gate),
            2 => self.models.get(vitals.model).map(|model| &model.gate),
            3 => self.models.get(vitals.model).map(|model| &model.breaker.gate),
            _ => self.seats.get(vitals.seat).map(|seat| &seat.gate),
        }
    }

    fn gate_mut(&mut self, vitals: Vitals, number: usize) -> Option<&mut Gate> {
        match number {
            0 => self.providers.get_mut(vitals.provider).map(|provider| &mut provider.breaker.gate),
            1 => self.keys.get_mut(vitals.key).map(|key| &mut key.gate),
            2 => self.models.get_mut(vitals.model).map(|model| &mut model.gate),
            3 => self.models.get_mut(vitals.model).map(|model| &mut model.breaker.gate),
            _ => self.seats.get_mut(vitals.seat).map(|seat| &mut seat.gate),
        }
    }
}
