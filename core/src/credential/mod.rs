//! Credentials that are fetched: tokens and keys that a service gives out for a while.
//!
//! A [`Source`] knows where to get a [`Grant`]; a [`Credential`] keeps the grant, and gets a new one before it expires. What
//! a grant does to a request is the driver's business; what follows from a failure the ladder's.

pub mod aws;
mod callback;
pub mod entra;
mod fetch;
pub mod google;
pub mod sigv4;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;

pub use self::fetch::Surroundings;
use crate::error::ErrorKind;
use crate::types::{Failure, Secret};

/// How long before its expiry a grant is replaced. Google's and Azure's metadata services hand out the same token until
/// about five minutes before its end.
const MARGIN: u64 = 240;
/// The longest that a fetch may take where nothing else can be used.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest that a call waits for a newer grant while the older one is good.
const EARLY: Duration = Duration::from_secs(2);
/// The first pause after a failed fetch, and the longest, in seconds. It doubles with every failure.
const PAUSE: (u64, u64) = (1, 60);

/// Keys that sign requests to AWS.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsKeys {
    /// The public part.
    pub access_key_id: String,
    /// The part that signs.
    pub secret_access_key: Secret,
    /// Sent along where the keys are temporary.
    pub session_token: Option<Secret>,
}

impl fmt::Debug for AwsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[AWS keys]")
    }
}

/// What lets a request in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass {
    /// A token, sent as `authorization: Bearer`.
    Bearer(Secret),
    /// Keys that sign the request.
    Aws(AwsKeys),
}

/// A pass, and how long it is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The pass.
    pub pass: Pass,
    /// When it expires, in seconds since the Unix epoch; never, or nobody knows, where absent.
    pub expires_at: Option<u64>,
}

impl Grant {
    fn good(&self, now: u64) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// A pass that lives for less than twice the margin is replaced after half of what is left of it.
    fn fresh(&self, got: u64, now: u64) -> bool {
        self.expires_at.is_none_or(|end| now + MARGIN.min(end.saturating_sub(got) / 2) < end)
    }
}

/// Where grants come from.
pub trait Source: Send + Sync {
    /// A new grant. `now` is the wall clock in seconds since the Unix epoch.
    ///
    /// # Errors
    /// `auth` when it is refused, `connection` or `timeout` when the service is away.
    fn fetch(&self, now: u64) -> BoxFuture<'static, Result<Grant, Failure>>;
}

/// A grant that is kept, and renewed in time.
pub struct Credential {
    source: Box<dyn Source>,
    kept: Mutex<Kept>,
    /// Held by the one call that fetches.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    grant: Option<(Arc<Grant>, u64)>,
    /// The last failure, how many there were in a row, and until when no other fetch is made.
    failed: Option<(Failure, u32, u64)>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[credential]")
    }
}

impl Credential {
    /// Grants of this source. Nothing is fetched before the first call.
    pub fn new(source: impl Source + 'static) -> Self {
        Self { source: Box::new(source), kept: Mutex::default(), flight: tokio::sync::Mutex::default() }
    }

    /// A grant that is good at `now`. Calls that ask at the same time share one fetch; who is dropped while it fetches
    /// leaves the work to the next.
    ///
    /// # Errors
    /// As [`Source::fetch`]; soon after a failure, that failure again.
    pub async fn grant(&self, now: u64) -> Result<Arc<Grant>, Failure> {
        if let Some(settled) = self.settled(now) {
            return settled;
        }
        let older = self.good(now);
        let _flight = match &older {
            None => self.flight.lock().await,
            Some(grant) => match self.flight.try_lock() {
                Ok(flight) => flight,
                Err(_) => return Ok(grant.clone()),
            },
        };
        // Whoever held the flight before may have settled it.
        if let Some(settled) = self.settled(now) {
            return settled;
        }
        let patience = if older.is_some() { EARLY } else { PATIENCE };
        let fetched = tokio::time::timeout(patience, self.source.fetch(now)).await.unwrap_or_else(|_| {
            Err(Failure::new(ErrorKind::Timeout, "the service that gives out credentials did not answer in time"))
        });
        let fetched = fetched.and_then(|grant| {
            let expired = || Failure::new(ErrorKind::Auth, "the credential that was given out has expired already");
            grant.good(now).then_some(grant).ok_or_else(expired)
        });
        self.keep(fetched, now);
        match self.settled(now) {
            Some(settled) => settled,
            None => Err(Failure::new(ErrorKind::Auth, "no credential")),
        }
    }

    /// The provider refused this grant: it is not used again.
    pub fn reject(&self, grant: &Arc<Grant>) {
        let mut kept = self.kept();
        if kept.grant.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, grant)) {
            kept.grant = None;
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn good(&self, now: u64) -> Option<Arc<Grant>> {
        let kept = self.kept();
        kept.grant.as_ref().filter(|(grant, _)| grant.good(now)).map(|(grant, _)| grant.clone())
    }

    /// What is known without a fetch.
    fn settled(&self, now: u64) -> Option<Result<Arc<Grant>, Failure>> {
        let kept = self.kept();
        let paused = kept.failed.as_ref().filter(|(_, _, until)| now < *until);
        match (&kept.grant, paused) {
            (Some((grant, got)), _) if grant.fresh(*got, now) => Some(Ok(grant.clone())),
            (Some((grant, _)), Some(_)) if grant.good(now) => Some(Ok(grant.clone())),
            (_, Some((failure, ..))) => Some(Err(failure.clone())),
            _ => None,
        }
    }

    fn keep(&self, fetched: Result<Grant, Failure>, now: u64) {
        let mut kept = self.kept();
        match fetched {
            Ok(grant) => *kept = Kept { grant: Some((Arc::new(grant), now)), failed: None },
            Err(failure) => {
                let times = kept.failed.as_ref().map_or(0, |(_, times, _)| *times);
                let pause = (PAUSE.0 << times.min(16)).min(PAUSE.1);
                kept.failed = Some((failure, times + 1, now + pause));
            }
        }
    }
}

#[cfg(test)]
mod aws_tests;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod token_tests;
