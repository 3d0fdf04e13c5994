//! What is known of the candidates, and what happens to them, for those who want to see it.

use super::Router;
use crate::config::Policy;
use crate::ladder::health::Vitals;
use crate::observe::EventQueue;
use crate::route::keys;
use crate::state::Members;
use crate::types::{CandidateHealth, Level, RouterEvent};

impl Router {
    /// Calls `listener` with everything that happens in this router's calls, and its clones', from now on: attempts, switches,
    /// hedges, breakers, cooldowns. It is called where the call runs, so it must be quick. The same goes to `tracing`.
    pub fn on_event(&self, listener: impl Fn(&RouterEvent) + Send + Sync + 'static) {
        self.inner.watchers.listen(listener);
    }

    /// The same in batches, for those who cannot be called from any thread: events from `least` on are kept until they are
    /// taken, and `wake` is called when the first of them comes.
    pub fn queue_events(&self, least: Level, wake: impl Fn() + Send + Sync + 'static) -> EventQueue {
        let queue = EventQueue::new(least, wake);
        self.inner.watchers.fill(queue.clone());
        queue
    }

    /// How every candidate is, with each of its keys: circuit breaker, cooldown, last error, measured times.
    #[must_use]
    pub fn health(&self) -> Vec<CandidateHealth> {
        report(self.seats(), &self.inner.members)
    }

    /// Forgets what speaks against candidates: cooldowns, open breakers, last errors. For whoever has mended what was wrong
    /// (paid a bill, allowed a key) and does not want to wait. `model`, as `provider/model`, limits it to one.
    pub fn reset_health(&self, model: Option<&str>) {
        let members = &self.inner.members;
        let chosen = self.seats().into_iter().filter(|(name, ..)| model.is_none_or(|model| model == name));
        members.state.with(|health| chosen.for_each(|(.., vitals)| health.reset(vitals)));
    }

    /// Every candidate of the tasks with each of its keys, and where its health is kept.
    fn seats(&self) -> Vec<Seat> {
        seats(&self.inner.policy, &self.inner.members)
    }
}

/// A candidate with one of its keys: the model, its provider, the key's number, and where its health is kept.
pub(super) type Seat = (String, String, Option<u32>, Vitals);

pub(super) fn seats(policy: &Policy, members: &Members) -> Vec<Seat> {
    let mut models = policy.tasks.values().flat_map(|task| &task.candidates).collect::<Vec<_>>();
    models.sort_by_key(|model| model.name());
    models.dedup_by_key(|model| model.name());
    let seats = models.into_iter().flat_map(|model| {
        let vitals = members.of(&model.name()).iter().copied();
        let with_keys = keys(model).into_iter().map(|key| key.and_then(|key| key.number)).zip(vitals);
        with_keys.map(|(key, vitals)| (model.name(), model.provider.name.clone(), key, vitals)).collect::<Vec<_>>()
    });
    seats.collect()
}

pub(super) fn report(seats: Vec<Seat>, members: &Members) -> Vec<CandidateHealth> {
    let now = members.state.now();
    members.state.with(|health| {
        let report =
            |(model, provider, key, vitals)| CandidateHealth { model, provider, key, ..health.report(vitals, now) };
        seats.into_iter().map(report).collect()
    })
}
