//! How many calls a key has at a time, and who waits for a place.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::types::Concurrency;

/// Where a limit that finds itself begins.
const FIRST: f64 = 16.0;
/// It never grows beyond this.
const MOST: f64 = 10_000.0;

#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    limit: Option<Concurrency>,
    /// The limit that was found.
    width: f64,
    /// When it was last cut.
    cut: Option<Duration>,
    taken: u32,
    queue: VecDeque<u64>,
    /// Who has got a place and not taken it yet.
    granted: BTreeSet<u64>,
}

impl Slots {
    pub(super) fn set(&mut self, limit: Option<Concurrency>) {
        if self.limit != limit {
            (self.limit, self.width) = (limit, FIRST);
        }
    }

    /// There is no limit any longer; whoever waits has a place.
    pub(super) fn lift(&mut self, woken: &mut Vec<u64>) {
        self.limit = None;
        self.grant(woken);
    }

    /// How many calls there may be at a time; `None` where there is no limit.
    pub(super) fn limit(&self) -> Option<u32> {
        match self.limit? {
            Concurrency::Fixed(limit) => Some(limit),
            Concurrency::Auto => Some(self.width as u32),
        }
    }

    pub(super) fn taken(&self) -> u32 {
        self.taken
    }

    /// Whether who comes now has to wait.
    pub(super) fn full(&self) -> bool {
        !self.queue.is_empty() || !self.free()
    }

    fn free(&self) -> bool {
        let reserved = u32::try_from(self.granted.len()).unwrap_or(u32::MAX);
        self.limit().is_none_or(|limit| self.taken.saturating_add(reserved) < limit)
    }

    pub(super) fn take(&mut self) {
        self.taken += 1;
    }

    /// Gives a place back, and tells who has got one for it.
    pub(super) fn give_back(&mut self, woken: &mut Vec<u64>) {
        self.taken = self.taken.saturating_sub(1);
        self.grant(woken);
    }

    pub(super) fn queue(&mut self, number: u64) {
        self.queue.push_back(number);
    }

    pub(super) fn granted(&self, number: u64) -> bool {
        self.granted.contains(&number)
    }

    /// Takes somebody out who waited, or who has got a place: to use it, or because the call is over.
    pub(super) fn leave(&mut self, number: u64, woken: &mut Vec<u64>) {
        self.queue.retain(|waiting| *waiting != number);
        self.granted.remove(&number);
        self.grant(woken);
    }

    fn grant(&mut self, woken: &mut Vec<u64>) {
        while self.free() {
            let Some(next) = self.queue.pop_front() else {
                return;
            };
            self.granted.insert(next);
            woken.push(next);
        }
    }

    /// An attempt went well; a limit that was used grows by one for each round of calls.
    pub(super) fn succeeded(&mut self, woken: &mut Vec<u64>) {
        if self.limit == Some(Concurrency::Auto) && f64::from(self.taken) * 2.0 >= self.width {
            self.width = (self.width + 1.0 / self.width).min(MOST);
            self.grant(woken);
        }
    }

    /// The provider had too much of it. The complaints of attempts that ran side by side are one.
    pub(super) fn throttled(&mut self, begun: Duration, now: Duration) {
        if self.limit == Some(Concurrency::Auto) && self.cut.is_none_or(|cut| begun >= cut) {
            self.width = (self.width / 2.0).max(1.0);
            self.cut = Some(now);
        }
    }
}
