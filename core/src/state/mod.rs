//! Where the health of candidates lives: in memory, shared by all routers of a process or kept by one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::ladder::health::{Health, Identity, Vitals};

/// The health of candidates, and a clock for it.
pub(crate) struct State {
    begin: Instant,
    health: Mutex<Health>,
    /// Those who wait for a place at a key, by their number.
    waiting: Mutex<HashMap<u64, Waker>>,
}

impl State {
    /// One that nobody else has.
    pub(crate) fn own() -> Arc<Self> {
        Arc::new(Self { begin: Instant::now(), health: Mutex::default(), waiting: Mutex::default() })
    }

    /// The one of this process.
    ///
    /// A forked child has a copy of its parent's, whose locks may be held by threads that it does not have. It never touches
    /// that one, and makes its own.
    pub(crate) fn of_process() -> Arc<Self> {
        struct Node {
            process: u32,
            state: Arc<State>,
            next: OnceLock<Box<Node>>,
        }
        static FIRST: OnceLock<Box<Node>> = OnceLock::new();
        let process = std::process::id();
        let fresh = || Box::new(Node { process, state: State::own(), next: OnceLock::new() });
        let mut node = FIRST.get_or_init(fresh);
        while node.process != process {
            node = node.next.get_or_init(fresh);
        }
        Arc::clone(&node.state)
    }

    /// The time of its clock.
    pub(crate) fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Looks at the health of candidates, or changes it. Who got a place by that is woken.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Health) -> T) -> T {
        let (result, woken) = {
            let mut health = lock(&self.health);
            (look(&mut health), health.woken())
        };
        for number in woken {
            let waker = lock(&self.waiting).remove(&number);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        result
    }

    /// Whether who waits has got a place; otherwise `waker` is woken when it has.
    pub(crate) fn granted(&self, vitals: Vitals, number: u64, waker: &Waker) -> bool {
        lock(&self.waiting).insert(number, waker.clone());
        let granted = self.with(|health| health.granted(vitals, number));
        if granted {
            self.forget(number);
        }
        granted
    }

    /// Nobody waits under this number any more.
    pub(crate) fn forget(&self, number: u64) {
        lock(&self.waiting).remove(&number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The candidates of a router, kept in mind as long as it lives.
pub(crate) struct Members {
    pub(crate) state: Arc<State>,
    /// For each model by its name, one for each key.
    vitals: HashMap<String, Vec<Vitals>>,
}

impl Members {
    pub(crate) fn join(state: Arc<State>, all: impl IntoIterator<Item = (String, Vec<Identity>)>) -> Self {
        let vitals = state.with(|health| {
            let mut seats = |keys: Vec<Identity>| keys.into_iter().map(|who| health.join(who)).collect();
            all.into_iter().map(|(model, keys)| (model, seats(keys))).collect()
        });
        Self { state, vitals }
    }

    /// Where the health of a model is kept, for each of its keys in order.
    pub(crate) fn of(&self, model: &str) -> &[Vitals] {
        self.vitals.get(model).map_or(&[], Vec::as_slice)
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.state.with(|health| self.vitals.values().flatten().for_each(|vitals| health.leave(*vitals)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_one() {
        assert!(Arc::ptr_eq(&State::of_process(), &State::of_process()));
        assert!(!Arc::ptr_eq(&State::own(), &State::of_process()));
    }
}
