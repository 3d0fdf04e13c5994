//! A gate in front of a candidate: shut until a time, then open to everybody, or to one at a time until that one succeeds.

use std::time::Duration;

use super::Pause;
use crate::error::ErrorKind;

#[derive(Debug, Clone, Default)]
pub(super) struct Gate {
    /// Why it was shut; open where it was not.
    cause: Option<ErrorKind>,
    /// When it was shut last.
    since: Duration,
    until: Duration,
    /// How often in a row it was shut.
    streak: u32,
    /// Whether, after that time, one attempt at a time may try what it is like.
    single: bool,
    /// The number of the attempt that does.
    probe: Option<u64>,
}

/// What stands at a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Everybody may pass.
    Open,
    /// One may pass, to see what it is like.
    Probe,
    /// Nobody may pass until then.
    Shut(Duration, ErrorKind),
    /// Nobody may pass while the probe is under way.
    Probed(ErrorKind),
}

impl Gate {
    pub(super) fn pass(&self, now: Duration) -> Pass {
        match self.cause {
            None => Pass::Open,
            Some(cause) if now < self.until => Pass::Shut(self.until, cause),
            Some(_) if !self.single => Pass::Open,
            Some(cause) if self.probe.is_some() => Pass::Probed(cause),
            Some(_) => Pass::Probe,
        }
    }

    /// Shuts it after a failure of an attempt that began at `begun`, for as long as the server asks or else as `pause` says.
    /// A longer time that runs already is never shortened. The time it is shut for, where that changed.
    pub(super) fn shut(
        &mut self,
        cause: ErrorKind,
        pause: &Pause,
        server: Option<Duration>,
        begun: Duration,
        now: Duration,
        rng: &mut fastrand::Rng,
    ) -> Option<Duration> {
        // The failures of attempts that ran side by side are one.
        if self.cause.is_none() || begun > self.since {
            self.streak = self.streak.saturating_add(1);
        }
        let doubled = pause.first.saturating_mul(1 << self.streak.saturating_sub(1).min(20)).min(pause.longest);
        // Where one alone tries afterwards, nothing comes back by itself, and "now" is no answer.
        let server = server.filter(|server| !(pause.single && server.is_zero()));
        let time = match server {
            Some(server) => server.min(LONGEST).max(pause.least),
            None => doubled.mul_f64(1.0 - JITTER * rng.f64()).max(pause.least),
        };
        let until = now + time;
        if self.cause.is_some() && until <= self.until {
            return None;
        }
        // Who failed after the last time it was shut has shown that waiting so long was not enough.
        *self = Self { cause: Some(cause), since: now, until, streak: self.streak, single: pause.single, probe: None };
        Some(time)
    }

    /// Makes an attempt its probe, where there may be one and is none; whether it did.
    pub(super) fn probe(&mut self, attempt: u64, now: Duration) -> bool {
        let free = self.pass(now) == Pass::Probe;
        if free {
            self.probe = Some(attempt);
        }
        free
    }

    pub(super) fn probed_by(&self, attempt: u64) -> bool {
        self.probe == Some(attempt)
    }

    /// The attempt is over; if it was the probe, another may follow.
    pub(super) fn release(&mut self, attempt: u64) {
        self.probe.take_if(|probe| *probe == attempt);
    }

    /// An attempt that began at `begun` succeeded; whether that opened the gate.
    pub(super) fn succeeded(&mut self, begun: Duration, now: Duration) -> bool {
        // Who began before it was shut shows nothing; and where the server named a time, luck before it does not either.
        let shows = self.cause.is_some() && begun >= self.since && (self.single || now >= self.until);
        if shows {
            *self = Self::default();
        }
        shows
    }

    pub(super) fn cause(&self) -> Option<ErrorKind> {
        self.cause
    }

    pub(super) fn single(&self) -> bool {
        self.single
    }
}

/// No server shuts itself out for longer at once, whatever it says: one try an hour costs nothing.
const LONGEST: Duration = Duration::from_secs(3600);
/// By how much of its time a gate may be shut less, so that many processes do not come back at the same moment.
const JITTER: f64 = 0.2;
