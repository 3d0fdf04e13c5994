//! The retry budget of a provider: what goes to it beyond the calls themselves stays a fraction of them.

use std::time::Duration;

/// So many retries may follow so many requests: a fifth.
const REQUESTS: u64 = 5;
/// So many more a second, for those who call seldom.
const PER_SECOND: u64 = 1;
/// How far back both are counted, in seconds.
const WINDOW: usize = 10;

#[derive(Debug, Clone, Default)]
pub(super) struct Budget {
    seconds: [Second; WINDOW],
}

#[derive(Debug, Clone, Copy, Default)]
struct Second {
    number: u64,
    requests: u64,
    retries: u64,
}

impl Budget {
    /// Counts a request that is no retry.
    pub(super) fn earn(&mut self, now: Duration) {
        if let Some(second) = self.second(now) {
            second.requests += 1;
        }
    }

    /// Takes what a retry costs, if there is enough.
    pub(super) fn spend(&mut self, now: Duration) -> bool {
        let left = self.left(now) > 0;
        if left && let Some(second) = self.second(now) {
            second.retries += 1;
        }
        left
    }

    /// How many retries there may be at once.
    pub(super) fn left(&self, now: Duration) -> u64 {
        let recent = self.seconds.iter().filter(|second| second.number + WINDOW as u64 > now.as_secs());
        let (requests, retries) =
            recent.fold((0, 0), |(requests, retries), second| (requests + second.requests, retries + second.retries));
        (requests / REQUESTS + PER_SECOND * WINDOW as u64).saturating_sub(retries)
    }

    fn second(&mut self, now: Duration) -> Option<&mut Second> {
        let number = now.as_secs();
        let second = self.seconds.get_mut((number % WINDOW as u64) as usize)?;
        if second.number != number {
            *second = Second { number, ..Second::default() };
        }
        Some(second)
    }
}
