//! What of the quotas is used. What a call may use is held before it asks anybody, by estimate, and settled when it has ended.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::types::{AttemptRecord, OnExceeded, Quota, Window};

/// From so many accounts on, those whose time is over are forgotten when another one is opened.
const MANY: usize = 1000;

/// What calls have used, or may.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Spent {
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
    pub(crate) usd: f64,
}

impl Spent {
    fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            tokens: self.tokens.saturating_add(other.tokens),
            usd: self.usd + other.usd,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(other.requests),
            tokens: self.tokens.saturating_sub(other.tokens),
            usd: (self.usd - other.usd).max(0.0),
        }
    }

    fn most(self, other: Self) -> Self {
        Self {
            requests: self.requests.max(other.requests),
            tokens: self.tokens.max(other.tokens),
            usd: self.usd.max(other.usd),
        }
    }
}

/// The quotas of a policy, and what is used of each.
pub(crate) struct Quotas {
    all: Vec<Quota>,
    /// By the number of the quota and the customer.
    accounts: Mutex<HashMap<(usize, String), Account>>,
}

/// What is used, by parts of time. The oldest comes first.
type Account = VecDeque<Slice>;

struct Slice {
    begin: u64,
    /// From when on it does not count.
    end: u64,
    used: Spent,
    held: Spent,
}

impl Slice {
    fn spent(&self) -> Spent {
        self.used.plus(self.held)
    }
}

/// A call that is about to be made.
pub(crate) struct Wish<'a> {
    pub(crate) task: &'a str,
    pub(crate) customer: Option<&'a str>,
    /// The candidates that may be asked: the model's name, and what it may use.
    pub(crate) candidates: &'a [(String, Spent)],
    /// The wall clock, in seconds since the Unix epoch.
    pub(crate) now: u64,
}

/// A quota that a call would exceed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Excess {
    /// Names the quota, what is left, and when there is room.
    pub(crate) sentence: String,
    /// How long it takes until the call would have room.
    pub(crate) room_in: Duration,
}

/// What the quotas say to a call.
#[derive(Debug, Default)]
pub(crate) struct Ruling {
    /// For each candidate, the quota that it would exceed.
    pub(crate) exceeded: Vec<Option<Excess>>,
    /// Why the call is refused, if it is.
    pub(crate) refused: Option<Excess>,
}

/// What is held for a call. What is not settled is given back.
pub(crate) struct Held {
    quotas: Arc<Quotas>,
    /// The accounts, the begin of the part of time, and what is held.
    parts: Vec<((usize, String), u64, Spent)>,
}

impl Quotas {
    pub(crate) fn new(all: Vec<Quota>) -> Self {
        Self { all, accounts: Mutex::default() }
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<(usize, String), Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the quotas say to a call. Nothing is held.
    pub(crate) fn look(&self, wish: &Wish<'_>) -> Ruling {
        if self.all.is_empty() {
            return Ruling::default();
        }
        self.judge(wish, &self.accounts())
    }

    /// The same, and what the candidates that are left may use is held, at once for calls at the same time.
    pub(crate) fn hold(self: &Arc<Self>, wish: &Wish<'_>) -> (Ruling, Option<Held>) {
        if self.all.is_empty() {
            return (Ruling::default(), None);
        }
        let mut accounts = self.accounts();
        let ruling = self.judge(wish, &accounts);
        if ruling.refused.is_some() {
            return (ruling, None);
        }
        let left = || wish.candidates.iter().zip(&ruling.exceeded).filter(|(_, excess)| excess.is_none());
        let mut parts = Vec::new();
        for (number, quota) in self.applying(wish) {
            let of_it = left().filter(|((model, _), _)| quota.model.as_ref().is_none_or(|own| own == model));
            let Some(most) = of_it.map(|((_, spent), _)| *spent).reduce(Spent::most) else {
                continue;
            };
            let key = (number, quota.customer.as_ref().and(wish.customer).unwrap_or_default().to_owned());
            let (begin, end) = quota.slice(wish.now);
            let counts = |slice: &Slice| slice.end > wish.now;
            if accounts.len() >= MANY && !accounts.contains_key(&key) {
                accounts.retain(|_, account| account.iter().any(counts));
            }
            let account = accounts.entry(key.clone()).or_default();
            account.retain(counts);
            // A clock that was set back has its part already.
            if account.iter().all(|slice| slice.begin != begin) {
                account.push_back(Slice { begin, end, used: Spent::default(), held: Spent::default() });
            }
            for slice in account.iter_mut().filter(|slice| slice.begin == begin) {
                slice.held = slice.held.plus(most);
            }
            parts.push((key, begin, most));
        }
        drop(accounts);
        (ruling, (!parts.is_empty()).then(|| Held { quotas: Arc::clone(self), parts }))
    }

    fn judge(&self, wish: &Wish<'_>, accounts: &HashMap<(usize, String), Account>) -> Ruling {
        let mut ruling = Ruling { exceeded: vec![None; wish.candidates.len()], refused: None };
        for (number, quota) in self.applying(wish) {
            let customer = quota.customer.as_ref().and(wish.customer).unwrap_or_default();
            let account = accounts.get(&(number, customer.to_owned()));
            let slices: Vec<&Slice> = account.into_iter().flatten().filter(|slice| slice.end > wish.now).collect();
            let used = slices.iter().fold(Spent::default(), |sum, slice| sum.plus(slice.spent()));
            for (place, ((model, spent), excess)) in wish.candidates.iter().zip(&mut ruling.exceeded).enumerate() {
                if quota.model.as_ref().is_some_and(|own| own != model) {
                    continue;
                }
                let Some(sentence) = exceeded(quota, used, *spent) else {
                    continue;
                };
                // One after the other is forgotten, until there is room; where there never is, until none is left.
                let (mut left, mut room) = (used, quota.slice(wish.now).1);
                for slice in &slices {
                    left = left.minus(slice.spent());
                    room = slice.end;
                    if exceeded(quota, left, *spent).is_none() {
                        break;
                    }
                }
                let room = room.saturating_sub(wish.now);
                let then = if quota.window == Window::Calendar { "it starts anew" } else { "there is room" };
                let found =
                    Excess { sentence: format!("{sentence}; {then} in {room} s"), room_in: Duration::from_secs(room) };
                if quota.on_exceeded == OnExceeded::Refuse && place == 0 {
                    ruling.refused.get_or_insert_with(|| found.clone());
                }
                excess.get_or_insert(found);
            }
        }
        if ruling.exceeded.iter().all(Option::is_some) {
            ruling.refused = ruling.refused.or_else(|| ruling.exceeded.first().cloned().flatten());
        }
        ruling
    }

    /// The quotas that count for a call. Of those that differ in their customers alone, the one that names this customer best.
    fn applying<'a>(&'a self, wish: &'a Wish<'_>) -> impl Iterator<Item = (usize, &'a Quota)> {
        let fits = |quota: &Quota| {
            let task = quota.task.as_ref().is_none_or(|task| task == wish.task);
            let weight = match (&quota.customer, wish.customer) {
                (None, _) => Some(0),
                (Some(pattern), Some(customer)) => weight(pattern, customer),
                (Some(_), None) => None,
            };
            weight.filter(|_| task)
        };
        let outdone = move |quota: &Quota, own: usize| {
            let alike = |other: &&Quota| {
                (&other.task, &other.model, other.per) == (&quota.task, &quota.model, quota.per)
                    && other.customer.is_some()
                    && quota.customer.is_some()
            };
            self.all.iter().filter(alike).filter_map(fits).any(|other| other > own)
        };
        let all = self.all.iter().enumerate();
        all.filter(move |(_, quota)| fits(quota).is_some_and(|own| !outdone(quota, own)))
    }
}

/// How well a pattern names a customer.
fn weight(pattern: &str, customer: &str) -> Option<usize> {
    match pattern.strip_suffix('*') {
        Some(begin) => customer.starts_with(begin).then(|| begin.len() + 1),
        None => (pattern == customer).then_some(usize::MAX),
    }
}

/// What to say where a call would use more than is left.
fn exceeded(quota: &Quota, used: Spent, wanted: Spent) -> Option<String> {
    let Quota { name, per, .. } = quota;
    let said = |used: String, limit: String, unit: &str, wanted: Option<String>| {
        let wanted = wanted.map(|wanted| format!(", about {wanted} needed")).unwrap_or_default();
        format!("quota {name:?}: {used} of {limit} {unit} per {} are used{wanted}", per.as_str())
    };
    let count = |number: u64| number.to_string();
    let usd = |number: f64| format!("{number:.4}");
    if let Some(limit) = quota.requests.filter(|limit| used.requests + wanted.requests > *limit) {
        return Some(said(count(used.requests), count(limit), "requests", None));
    }
    if let Some(limit) = quota.tokens.filter(|limit| used.tokens.saturating_add(wanted.tokens) > *limit) {
        return Some(said(count(used.tokens), count(limit), "tokens", Some(count(wanted.tokens))));
    }
    let limit = quota.usd.filter(|limit| used.usd + wanted.usd > *limit)?;
    Some(said(usd(used.usd), usd(limit), "usd", Some(usd(wanted.usd))))
}

impl Held {
    /// Puts what the call has used in the place of what was held for it. What its time is over for is not counted any more.
    pub(crate) fn settle(mut self, attempts: &[AttemptRecord]) {
        let parts = std::mem::take(&mut self.parts);
        let mut accounts = self.quotas.accounts();
        for (key, begin, held) in parts {
            let model = self.quotas.all.get(key.0).and_then(|quota| quota.model.as_ref());
            let made = attempts.iter().filter(|made| model.is_none_or(|model| *model == made.attempt.model));
            let used = made.fold(Spent::default(), |sum, made| Spent {
                requests: 1,
                tokens: sum.tokens + made.usage.map_or(0, |usage| usage.input + usage.output),
                usd: sum.usd + made.attempt.cost.unwrap_or_default(),
            });
            give_back(&mut accounts, &key, begin, held, used);
        }
    }
}

fn give_back(
    accounts: &mut HashMap<(usize, String), Account>,
    key: &(usize, String),
    begin: u64,
    held: Spent,
    used: Spent,
) {
    let account = accounts.get_mut(key).into_iter().flatten();
    for slice in account.filter(|slice| slice.begin == begin) {
        slice.held = slice.held.minus(held);
        slice.used = slice.used.plus(used);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut accounts = self.quotas.accounts();
        for (key, begin, held) in self.parts.drain(..) {
            give_back(&mut accounts, &key, begin, held, Spent::default());
        }
    }
}
