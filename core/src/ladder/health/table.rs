//! Things by what they are, with numbers that stay while somebody uses them.

use std::collections::HashMap;
use std::hash::Hash;

#[derive(Debug, Clone)]
pub(super) struct Table<K, V> {
    numbers: HashMap<K, usize>,
    entries: Vec<Option<Entry<K, V>>>,
    free: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Entry<K, V> {
    key: K,
    value: V,
    users: usize,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), entries: Vec::new(), free: Vec::new() }
    }
}

impl<K: Clone + Eq + Hash, V: Default> Table<K, V> {
    /// The number of `key`, for one more user; a new entry where there is none yet.
    pub(super) fn join(&mut self, key: K) -> usize {
        let number = match self.numbers.get(&key) {
            Some(number) => *number,
            None => {
                let number = self.free.pop().unwrap_or_else(|| {
                    self.entries.push(None);
                    self.entries.len() - 1
                });
                if let Some(place) = self.entries.get_mut(number) {
                    *place = Some(Entry { key: key.clone(), value: V::default(), users: 0 });
                }
                self.numbers.insert(key, number);
                number
            }
        };
        if let Some(entry) = self.entries.get_mut(number).and_then(Option::as_mut) {
            entry.users += 1;
        }
        number
    }

    /// One user less. The entry stays, for who comes back.
    pub(super) fn leave(&mut self, number: usize) {
        if let Some(entry) = self.entries.get_mut(number).and_then(Option::as_mut) {
            entry.users = entry.users.saturating_sub(1);
        }
    }

    /// Forgets what nobody uses.
    pub(super) fn prune(&mut self) {
        for (number, place) in self.entries.iter_mut().enumerate() {
            if let Some(unused) = place.take_if(|entry| entry.users == 0) {
                self.numbers.remove(&unused.key);
                self.free.push(number);
            }
        }
    }

    pub(super) fn users(&self, number: usize) -> usize {
        self.entries.get(number).and_then(Option::as_ref).map_or(0, |entry| entry.users)
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn get(&self, number: usize) -> Option<&V> {
        Some(&self.entries.get(number)?.as_ref()?.value)
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut V> {
        Some(&mut self.entries.get_mut(number)?.as_mut()?.value)
    }
}
