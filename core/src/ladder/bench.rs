//! A ladder with the health of its candidates, for tests.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::health::{Health, Identity};
use super::{Action, Event, Ladder, Plan};

pub(super) struct Bench {
    pub(super) ladder: Ladder,
    pub(super) health: Health,
}

impl Bench {
    /// A run of `plan`, whose candidates nobody knows anything of.
    pub(super) fn new(plan: Plan, seed: u64) -> Self {
        Self::with(plan, Health::default(), seed)
    }

    /// A run of `plan` with what is known of its candidates.
    pub(super) fn with(mut plan: Plan, mut health: Health, seed: u64) -> Self {
        know(&mut plan, &mut health);
        Self { ladder: Ladder::new(plan, seed), health }
    }

    pub(super) fn step(&mut self, event: Event, now: Duration) -> Vec<Action> {
        self.ladder.step(event, now, &mut self.health)
    }
}

/// Finds the health of the plan's candidates.
pub(super) fn know(plan: &mut Plan, health: &mut Health) {
    for candidate in &mut plan.candidates {
        let key = u64::from(candidate.key.unwrap_or_default());
        let provider = candidate.provider.to_string();
        let model = candidate.name.to_string();
        candidate.vitals = health.join(Identity { provider, model, key, keys: 0, limit: None });
    }
}

impl Deref for Bench {
    type Target = Ladder;

    fn deref(&self) -> &Ladder {
        &self.ladder
    }
}

impl DerefMut for Bench {
    fn deref_mut(&mut self) -> &mut Ladder {
        &mut self.ladder
    }
}
