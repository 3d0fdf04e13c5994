//! The OpenAI face over HTTP: real sockets on loopback, between raw clients and scripted providers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::needless_pass_by_value)]

#[path = "serve/calls.rs"]
mod calls;
#[path = "serve/client.rs"]
mod client;
#[path = "serve/command.rs"]
mod command;
#[path = "serve/door.rs"]
mod door;
#[path = "serve/ending.rs"]
mod ending;
#[path = "serve/limits.rs"]
mod limits;
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use locum::Router;
use locum::config::Serve;
use locum::testkit::{Mock, Script};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(10);

/// A server in this process, between clients and the one upstream `a`.
struct Place {
    mock: Mock,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<usize>,
}

impl Place {
    /// With these steps of the upstream, and the task `t`.
    async fn open(steps: Value, serve: Value) -> Self {
        let mock = Mock::start(Script::from_value(json!({"a": steps})).unwrap()).await.unwrap();
        let router = router(&mock, serve);
        let settings = router.policy().serve.clone();
        Self::with(mock, router, &settings).await
    }

    async fn with(mock: Mock, router: Router, settings: &Serve) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = locum::serve::serve(listener, router, settings, async { drop(stopped.await) }).unwrap();
        Self { mock, address, stop: Some(stop), served: tokio::spawn(serving) }
    }

    /// Has it stop; calls that run go on.
    fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// The number of calls that were cut off.
    async fn stopped(self) -> usize {
        tokio::time::timeout(SOON, self.served).await.expect("it ends").unwrap()
    }
}

fn router(mock: &Mock, serve: Value) -> Router {
    Router::from_value(json!({
        "state": "router",
        "providers": {"a": {"kind": "openai", "base_url": mock.url("a"), "api_key": "sk-upstream"}},
        "tasks": {"t": {"primary": "a/m", "retries": 0}},
        "serve": serve,
    }))
    .unwrap()
}

/// The body of a call of the task `t`.
fn body(stream: bool) -> Value {
    json!({"model": "t", "messages": [{"role": "user", "content": "Hi"}], "stream": stream})
}
