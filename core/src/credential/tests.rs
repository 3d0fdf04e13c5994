//! Grants that are kept, shared, renewed and dropped.

#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::FutureExt;

use super::*;

/// Gives out a new token with every fetch, or fails.
#[derive(Clone, Default)]
struct Mint {
    fetches: Arc<AtomicU64>,
    broken: Arc<AtomicBool>,
    silent: bool,
}

impl Source for Mint {
    fn fetch(&self, now: u64) -> BoxFuture<'static, Result<Grant, Failure>> {
        let (number, mint) = (self.fetches.fetch_add(1, Ordering::SeqCst) + 1, self.clone());
        async move {
            if mint.silent {
                std::future::pending::<()>().await;
            }
            tokio::task::yield_now().await;
            if mint.broken.load(Ordering::SeqCst) {
                return Err(Failure::new(ErrorKind::Auth, "refused"));
            }
            Ok(Grant { pass: Pass::Bearer(Secret::new(format!("token-{number}"))), expires_at: Some(now + 3600) })
        }
        .boxed()
    }
}

#[tokio::test]
async fn calls_at_the_same_time_share_a_fetch_and_later_ones_its_grant() {
    let mint = Mint::default();
    let credential = Credential::new(mint.clone());
    let all = futures_util::future::join_all((0..20).map(|_| credential.grant(1000))).await;
    assert!(all.iter().all(|grant| grant == &all[0]) && all[0].is_ok());
    assert!(credential.grant(1000 + 3600 - MARGIN - 1).await.is_ok());
    assert_eq!(mint.fetches.load(Ordering::SeqCst), 1);
    let newer = credential.grant(1000 + 3600 - MARGIN).await.expect("a grant");
    assert_eq!(newer.pass, Pass::Bearer(Secret::new("token-2")));
    assert!(!format!("{credential:?}{newer:?}").contains("token-"));
}

#[tokio::test]
async fn a_failed_renewal_leaves_the_older_grant_until_its_end() {
    let mint = Mint::default();
    let credential = Credential::new(mint.clone());
    let first = credential.grant(0).await.expect("a grant");
    mint.broken.store(true, Ordering::SeqCst);
    for now in [3500, 3500, 3501, 3502] {
        assert_eq!(credential.grant(now).await.as_ref(), Ok(&first));
    }
    // Fetched at 0, and again at 3500 and 3501; the second failure pauses for two seconds.
    assert_eq!(mint.fetches.load(Ordering::SeqCst), 3);
    assert_eq!(credential.grant(3600).await.expect_err("expired").kind, ErrorKind::Auth);
    mint.broken.store(false, Ordering::SeqCst);
    assert!(credential.grant(3600).await.is_err(), "pausing");
    assert!(credential.grant(3660).await.is_ok());
}

#[tokio::test]
async fn a_refused_grant_is_dropped_once() {
    let mint = Mint::default();
    let credential = Credential::new(mint.clone());
    let first = credential.grant(0).await.expect("a grant");
    credential.reject(&first);
    let second = credential.grant(0).await.expect("a grant");
    credential.reject(&first);
    assert_eq!(credential.grant(0).await.as_ref(), Ok(&second));
    assert_eq!(mint.fetches.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_says_nothing_is_not_waited_for_for_ever() {
    let credential = Credential::new(Mint { silent: true, ..Mint::default() });
    let failure = credential.grant(0).await.expect_err("nothing came");
    assert_eq!(failure.kind, ErrorKind::Timeout);
}
