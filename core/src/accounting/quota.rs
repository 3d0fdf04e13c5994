//! What of the quotas is used. What a call may use is held before it asks anybody, by estimate, and settled when it has ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::types::{AttemptRecord, OnExceeded, Quota};

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

#[derive(Clone, Copy, Default)]
struct Account {
    /// When its time began.
    begin: u64,
    used: Spent,
    held: Spent,
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
    /// Names the quota, what is left, and when it starts anew.
    pub(crate) sentence: String,
    pub(crate) starts_anew: Duration,
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
    /// The accounts, the begin of their time, and what is held.
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
            let begin = quota.per.around(wish.now).0;
            if accounts.len() >= MANY && !accounts.contains_key(&key) {
                let now = wish.now;
                accounts.retain(|(number, _), account| {
                    self.all.get(*number).is_some_and(|quota| quota.per.around(now).0 == account.begin)
                });
            }
            let account = accounts.entry(key.clone()).or_default();
            if account.begin != begin {
                *account = Account { begin, ..Account::default() };
            }
            account.held = account.held.plus(most);
            parts.push((key, begin, most));
        }
        drop(accounts);
        (ruling, (!parts.is_empty()).then(|| Held { quotas: Arc::clone(self), parts }))
    }

    fn judge(&self, wish: &Wish<'_>, accounts: &HashMap<(usize, String), Account>) -> Ruling {
        let mut ruling = Ruling { exceeded: vec![None; wish.candidates.len()], refused: None };
        for (number, quota) in self.applying(wish) {
            let (begin, end) = quota.per.around(wish.now);
            let customer = quota.customer.as_ref().and(wish.customer).unwrap_or_default();
            let account = accounts.get(&(number, customer.to_owned())).filter(|account| account.begin == begin);
            let used = account.map_or(Spent::default(), |account| account.used.plus(account.held));
            for (place, ((model, spent), excess)) in wish.candidates.iter().zip(&mut ruling.exceeded).enumerate() {
                if quota.model.as_ref().is_some_and(|own| own != model) {
                    continue;
                }
                let Some(sentence) = exceeded(quota, used, *spent) else {
                    continue;
                };
                let starts_anew = Duration::from_secs(end - wish.now);
                let found =
                    Excess { sentence: format!("{sentence}; it starts anew in {} s", end - wish.now), starts_anew };
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
    if let Some(account) = accounts.get_mut(key).filter(|account| account.begin == begin) {
        account.held = account.held.minus(held);
        account.used = account.used.plus(used);
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
