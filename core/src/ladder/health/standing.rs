//! How a candidate stands: whether it may be tried now, and what is known of it.

use std::time::Duration;

use super::gate::Pass;
use super::{GATES, Health, Scope, Vitals};
use crate::error::ErrorKind;
use crate::types::{BreakerState, CandidateHealth, Cooldown, LastError};

/// Whether a candidate may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    Ready,
    /// Yes, but another first: until then its provider's limit leaves nothing.
    Low {
        /// Until when.
        until: Duration,
    },
    /// Yes, once one of the calls that its key may have at a time is over.
    Full {
        /// How many calls that are.
        limit: u32,
    },
    /// No.
    Shut {
        /// Until when.
        until: Duration,
        /// Why.
        why: Why,
        /// The failure behind it.
        kind: ErrorKind,
    },
}

/// Why a candidate may not be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its circuit breaker is open.
    Open(Scope),
    /// It is cooling down.
    Cooling(Scope),
    /// Another call is finding out whether it is back.
    Probed,
}

impl Standing {
    /// Why a candidate is passed over, as a sentence.
    #[must_use]
    pub fn sentence(&self, now: Duration) -> String {
        let left = |until: &Duration| until.saturating_sub(now).as_millis();
        match self {
            Self::Ready => "it is ready".to_owned(),
            Self::Low { until } => format!("its rate limit is used up for another {} ms", left(until)),
            Self::Full { limit } => format!("its key has {limit} calls at a time already"),
            Self::Shut { why: Why::Probed, kind, .. } => {
                format!("another call is finding out whether it is back after {kind}")
            }
            Self::Shut { until, why: Why::Open(_), kind } => {
                format!("circuit open for another {} ms after {kind}", left(until))
            }
            Self::Shut { until, why: Why::Cooling(_), kind } => {
                format!("cooling down for another {} ms after {kind}", left(until))
            }
        }
    }

    /// When it may be tried again, where that is known.
    #[must_use]
    pub fn until(&self) -> Option<Duration> {
        match self {
            Self::Ready | Self::Full { .. } => None,
            Self::Low { until } | Self::Shut { until, .. } => Some(*until),
        }
    }
}

impl Health {
    /// How a candidate stands. What a task is strict about (`forgiven` says which kinds) keeps nobody from trying, since the
    /// failure itself is asked for.
    #[must_use]
    pub fn standing(&self, vitals: Vitals, now: Duration, forgiven: impl Fn(ErrorKind) -> bool) -> Standing {
        let mut worst: Option<(Duration, Why, ErrorKind)> = None;
        for (number, (scope, breaker)) in GATES.iter().enumerate() {
            let Some(gate) = self.gate(vitals, number) else {
                continue;
            };
            let (until, why, kind) = match gate.pass(now) {
                Pass::Open | Pass::Probe => continue,
                Pass::Probed(kind) => (now, Why::Probed, kind),
                Pass::Shut(until, kind) if *breaker => (until, Why::Open(*scope), kind),
                Pass::Shut(until, kind) => (until, Why::Cooling(*scope), kind),
            };
            if !forgiven(kind) && worst.is_none_or(|(latest, ..)| until > latest) {
                worst = Some((until, why, kind));
            }
        }
        if let Some((until, why, kind)) = worst {
            return Standing::Shut { until, why, kind };
        }
        if let Some(limit) = self.full(vitals) {
            return Standing::Full { limit };
        }
        match self.seats.get(vitals.seat) {
            Some(seat) if seat.low > now => Standing::Low { until: seat.low },
            _ => Standing::Ready,
        }
    }

    /// How many calls a candidate's key may have at a time, where it has them already: who comes now waits, however the
    /// candidate stands.
    #[must_use]
    pub fn full(&self, vitals: Vitals) -> Option<u32> {
        let slots = self.keys.get(vitals.key).map(|key| &key.slots);
        slots.filter(|slots| slots.full()).and_then(|slots| slots.limit())
    }

    /// Whether a circuit breaker in front of a candidate is not closed.
    #[must_use]
    pub fn broken(&self, vitals: Vitals) -> bool {
        let breakers = GATES.iter().enumerate().filter(|(_, (_, breaker))| *breaker);
        breakers.filter_map(|(number, _)| self.gate(vitals, number)).any(|gate| gate.cause().is_some())
    }

    /// A percentile of a candidate's times to its first content, once there are enough of them.
    #[must_use]
    pub fn first(&self, vitals: Vitals, percent: u8) -> Option<Duration> {
        self.models.get(vitals.model)?.first.percentile(percent)
    }

    /// A percentile of a candidate's times to its whole answer, once there are enough of them.
    #[must_use]
    pub fn total(&self, vitals: Vitals, percent: u8) -> Option<Duration> {
        self.models.get(vitals.model)?.total.percentile(percent)
    }

    /// All that is known of a candidate, but for its names.
    #[must_use]
    pub fn report(&self, vitals: Vitals, now: Duration) -> CandidateHealth {
        let standing = self.standing(vitals, now, |_| false);
        let (key, model, seat) =
            (self.keys.get(vitals.key), self.models.get(vitals.model), self.seats.get(vitals.seat));
        let provider = self.providers.get(vitals.provider);
        let mut report = CandidateHealth {
            available: matches!(standing, Standing::Ready | Standing::Low { .. }),
            reason: (standing != Standing::Ready).then(|| standing.sentence(now)),
            recovers: standing.until().map(|until| until.saturating_sub(now)),
            failures: [provider.map(|provider| &provider.breaker), model.map(|model| &model.breaker)]
                .into_iter()
                .flatten()
                .map(|breaker| breaker.failures())
                .max()
                .unwrap_or_default(),
            in_flight: key.map_or(0, |key| key.slots.taken()),
            max_concurrency: key.and_then(|key| key.slots.limit()),
            retries_left: provider.map_or(0, |provider| provider.budget.left(now)),
            first_token: model.and_then(|model| model.first.report()),
            latency: model.and_then(|model| model.total.report()),
            last_error: seat.and_then(|seat| seat.last.as_ref()).map(|(kind, message, at)| LastError {
                kind: *kind,
                message: message.clone(),
                ago: now.saturating_sub(*at),
            }),
            ..CandidateHealth::default()
        };
        for (number, (scope, breaker)) in GATES.iter().enumerate() {
            let Some(pass) = self.gate(vitals, number).map(|gate| gate.pass(now)) else {
                continue;
            };
            match pass {
                Pass::Open => {}
                Pass::Probe | Pass::Probed(_) if *breaker => {
                    report.breaker = report.breaker.max(BreakerState::HalfOpen);
                }
                Pass::Shut(..) if *breaker => report.breaker = BreakerState::Open,
                Pass::Shut(until, kind) => {
                    let left = until.saturating_sub(now);
                    if report.cooldown.is_none_or(|cooldown| cooldown.left < left) {
                        report.cooldown = Some(Cooldown { scope: scope.as_str(), kind, left });
                    }
                }
                Pass::Probe | Pass::Probed(_) => {}
            }
        }
        report
    }
}

/// A percentile of what a caller waits for: the first content of a stream, or the whole answer.
pub(in crate::ladder) fn usual(health: &Health, vitals: Vitals, live: bool, percent: u8) -> Option<Duration> {
    if live { health.first(vitals, percent) } else { health.total(vitals, percent) }
}
