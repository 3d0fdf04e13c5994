//! The credentials that are fetched: one for each provider, kept as long as the router.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{self, Auth, Policy, Provider};
use crate::credential::{Credential, Surroundings, aws, entra, google};
use crate::transport::Transport;
use crate::types::parse::did_you_mean;

/// By provider.
pub(super) type Credentials = BTreeMap<String, Arc<Credential>>;

/// Those of a policy, with the callbacks that the program gave. Nothing is looked for before the first call. A provider that was
/// to have a callback, and got none, will be passed over.
pub(super) fn collect(policy: &mut Policy, transport: &Arc<dyn Transport>, mut given: Credentials) -> Credentials {
    let mut all = Credentials::new();
    let mut bereft = Vec::new();
    for provider in policy.providers.values() {
        let config::Credential::Fetched(auth) = &provider.credential else {
            continue;
        };
        let around = || Surroundings::new(transport.clone());
        let made = match auth.clone() {
            Auth::Aws { profile } => Some(Credential::new(aws::Chain::new(around(), profile))),
            Auth::Google { credentials, scope } => {
                Some(Credential::new(google::Chain::new(around(), credentials, scope)))
            }
            Auth::Entra { scope } => Some(Credential::new(entra::Chain::new(around(), scope))),
            Auth::Callback => None,
        };
        let name = provider.name.clone();
        match made.map(Arc::new).or_else(|| given.remove(&name)) {
            Some(credential) => drop(all.insert(name, credential)),
            None => bereft.push(name),
        }
    }
    for name in bereft {
        pass_over(policy, &name);
    }
    all
}

/// Has a provider that waits for a callback passed over, as one without a key is.
fn pass_over(policy: &mut Policy, name: &str) {
    let why = "auth is \"callback\", and the program gave none";
    let mute = |provider: &mut Arc<Provider>| {
        if provider.name == name {
            Arc::make_mut(provider).credential = config::Credential::Missing(why.to_owned());
        }
    };
    policy.providers.values_mut().for_each(mute);
    let candidates = policy.tasks.values_mut().flat_map(|task| &mut Arc::make_mut(task).candidates);
    candidates.chain(policy.models.values_mut()).for_each(|model| mute(&mut Arc::make_mut(model).provider));
    policy.lints.push(format!("providers.{name}: its models will be skipped: {why}"));
}

/// What to say of callbacks for providers that ask for none.
pub(super) fn unasked(policy: &Policy, given: &Credentials) -> Vec<String> {
    let idle = |name: &&String| {
        let provider = policy.providers.get(*name);
        !provider.is_some_and(|provider| matches!(provider.credential, config::Credential::Fetched(Auth::Callback)))
    };
    let say = |name: &String| match policy.providers.get(name) {
        Some(_) => format!("credentials.{name}: it takes none; set auth = \"callback\" in [providers.{name}]"),
        None => {
            let known = policy.providers.keys().map(String::as_str);
            format!("credentials.{name}: there is no such provider{}", did_you_mean(name, known))
        }
    };
    given.keys().filter(idle).map(say).collect()
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
            "providers": {"p": {"kind": "openai", "auth": "callback"}},
            "tasks": {"a": {"primary": "p/m"}},
        }))
        .unwrap();
        let credential = Credential::new(Mint(Arc::default(), first));
        Router::builder().transport(door.clone()).credential("p", credential).build(policy).unwrap()
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
    #[tokio::test]
    async fn what_was_given_and_what_was_asked_for_must_agree() {
        let config = |auth: &str| {
            let provider = json!({"kind": "openai", "api_key": if auth == "key" { json!("sk-1") } else { json!(null) }, "auth": auth});
            Policy::from_value(json!({"providers": {"azure-eu": provider}, "tasks": {"a": {"primary": "azure-eu/m"}}}))
                .unwrap()
        };
        let given = |name: &str| Router::builder().credential(name, Credential::new(Mint(Arc::default(), 1)));
        let unasked = given("azure-eu").build(config("key")).unwrap_err();
        assert_eq!(
            unasked.problems(),
            ["credentials.azure-eu: it takes none; set auth = \"callback\" in [providers.azure-eu]"]
        );
        let unknown = given("azure").build(config("callback")).unwrap_err();
        assert_eq!(unknown.problems(), ["credentials.azure: there is no such provider, did you mean \"azure-eu\"?"]);
        let without = Router::new(config("callback"));
        let sentence = "auth is \"callback\", and the program gave none";
        assert_eq!(without.take_notices(), [format!("providers.azure-eu: its models will be skipped: {sentence}")]);
        let error = without.complete("a", "Hi").await.unwrap_err();
        assert!(error.attempts().first().unwrap().reason.as_deref().unwrap().contains(sentence), "{error:?}");
    }
}
