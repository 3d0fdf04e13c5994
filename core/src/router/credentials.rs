//! The credentials that a policy has fetched: one for each provider, kept as long as the router.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{self, Auth, Policy};
use crate::credential::{Credential, Surroundings, aws};
use crate::transport::Transport;

/// By provider. Nothing is looked for before the first call.
pub(super) fn configured(policy: &Policy, transport: &Arc<dyn Transport>) -> BTreeMap<String, Arc<Credential>> {
    let fetched = policy.providers.values().filter_map(|provider| match &provider.credential {
        config::Credential::Fetched(Auth::Aws { profile }) => {
            let chain = aws::Chain::new(Surroundings::new(transport.clone()), profile.clone());
            Some((provider.name.clone(), Arc::new(Credential::new(chain))))
        }
        _ => None,
    });
    fetched.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use bytes::Bytes;
    use futures_util::future::BoxFuture;
    use futures_util::{FutureExt, StreamExt, stream};
    use serde_json::json;

    use super::*;
    use crate::Router;
    use crate::credential::{Grant, Pass, Source};
    use crate::transport::{HeaderMap, HttpRequest, HttpResponse, TransportError};
    use crate::types::{Failure, Secret};

    /// Takes the second token alone, and remembers what was sent.
    #[derive(Default)]
    struct Door(Mutex<Vec<String>>);

    impl Transport for Door {
        fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse, TransportError>> {
            let shown = request.headers.get("authorization").unwrap().to_str().unwrap().to_owned();
            let (status, body) = if shown == "Bearer token-number-2" {
                let answer = json!({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]});
                (200, answer.to_string())
            } else {
                (401, json!({"error": {"message": format!("bad {shown}"), "code": "invalid_api_key"}}).to_string())
            };
            self.0.lock().unwrap().push(shown);
            let body = stream::iter([Ok(Bytes::from(body))]).boxed();
            async move { Ok(HttpResponse { status, headers: HeaderMap::new(), body }) }.boxed()
        }
    }

    struct Mint(Arc<AtomicU64>, u64);

    impl Source for Mint {
        fn fetch(&self, _now: u64) -> BoxFuture<'static, Result<Grant, Failure>> {
            let number = self.0.fetch_add(1, Ordering::SeqCst) + self.1;
            let pass = Pass::Bearer(Secret::new(format!("token-number-{number}")));
            async move { Ok(Grant { pass, expires_at: None }) }.boxed()
        }
    }

    fn router(door: &Arc<Door>, first: u64) -> Router {
        let policy = Policy::from_value(json!({
            "state": "router",
            "providers": {"p": {"kind": "openai", "api_key": "sk-never-to-be-sent"}},
            "tasks": {"a": {"primary": "p/m"}},
        }))
        .unwrap();
        let credential = Credential::new(Mint(Arc::default(), first));
        Router::with_credentials(policy, door.clone(), [("p".to_owned(), credential)])
    }

    #[tokio::test]
    async fn a_refused_token_is_fetched_anew_once() {
        let door = Arc::new(Door::default());
        let router = router(&door, 1);
        let reply = router.complete("a", "Hi").await.unwrap();
        assert_eq!(reply.text(), "Hello");
        assert_eq!(*door.0.lock().unwrap(), ["Bearer token-number-1", "Bearer token-number-2"]);
        router.complete("a", "Hi").await.unwrap();
        assert_eq!(door.0.lock().unwrap().len(), 3, "the newer token is kept");
    }

    #[tokio::test]
    async fn a_second_refusal_is_the_end_and_shows_no_token() {
        let door = Arc::new(Door::default());
        let error = router(&door, 7).complete("a", "Hi").await.expect_err("refused");
        assert_eq!(error.kind(), crate::ErrorKind::Auth);
        assert_eq!(door.0.lock().unwrap().len(), 2);
        assert!(!format!("{error} {error:?}").contains("token-number"));
    }
}
