//! The circuit breaker: counts failures, and shuts its gate when there are too many.

use std::time::Duration;

use super::Pause;
use super::gate::Gate;
use crate::error::ErrorKind;
use crate::types;

/// What a failure weighs that counts in full; some count half.
pub(super) const FULL: u32 = 2;

/// How far back calls are counted, in parts.
const PARTS: usize = 10;
const PART: Duration = Duration::from_secs(3);
/// So many calls there must be in that time before their share of failures says anything.
const LEAST_CALLS: u32 = 5;

#[derive(Debug, Clone, Default)]
pub(super) struct Breaker {
    /// The weight of the failures since the last success.
    run: u32,
    window: Window,
    pub(super) gate: Gate,
}

impl Breaker {
    /// Counts a failure of an attempt that began at `begun`; how long the breaker opens for it, if it does.
    pub(super) fn failed(
        &mut self,
        (cause, weight): (ErrorKind, u32),
        attempt: u64,
        begun: Duration,
        now: Duration,
        limits: &types::Breaker,
        rng: &mut fastrand::Rng,
    ) -> Option<Duration> {
        if self.gate.cause().is_some() {
            // Only its probe says anything of a candidate that is known to be down.
            if !self.gate.probed_by(attempt) {
                return None;
            }
        } else {
            self.run = self.run.saturating_add(weight);
            self.window.add(now, weight);
            if self.run < limits.failures.saturating_mul(FULL) && !self.window.mostly_failed(now) {
                return None;
            }
        }
        (self.run, self.window) = (0, Window::default());
        let pause = Pause { first: limits.open, longest: limits.max_open, least: Duration::ZERO, single: true };
        self.gate.shut(cause, &pause, None, begun, now, rng)
    }

    /// Counts a success; whether the breaker closes.
    pub(super) fn succeeded(&mut self, begun: Duration, now: Duration) -> bool {
        if self.gate.cause().is_none() {
            self.run = 0;
            self.window.add(now, 0);
        }
        self.gate.succeeded(begun, now)
    }

    /// How many failures in a row there were.
    pub(super) fn failures(&self) -> u32 {
        self.run / FULL
    }
}

/// Calls of the last half minute.
#[derive(Debug, Clone, Default)]
struct Window {
    parts: [Part; PARTS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Part {
    /// The number of the part of time that is counted here.
    number: u128,
    calls: u32,
    failed: u32,
}

impl Window {
    fn add(&mut self, now: Duration, failed: u32) {
        let number = now.as_nanos() / PART.as_nanos();
        let place = (number % PARTS as u128) as usize;
        if let Some(part) = self.parts.get_mut(place) {
            if part.number != number {
                *part = Part { number, ..Part::default() };
            }
            part.calls = part.calls.saturating_add(1);
            part.failed = part.failed.saturating_add(failed);
        }
    }

    fn mostly_failed(&self, now: Duration) -> bool {
        let number = now.as_nanos() / PART.as_nanos();
        let recent = self.parts.iter().filter(|part| part.number + (PARTS as u128) > number);
        let (calls, failed) =
            recent.fold((0_u32, 0_u32), |(calls, failed), part| (calls + part.calls, failed + part.failed));
        calls >= LEAST_CALLS && failed >= calls * FULL / 2
    }
}
