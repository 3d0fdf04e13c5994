//! Scripted providers on loopback, for tests of applications and of Locum itself.
//!
//! A [`Script`] says what each upstream does, request by request: answers, errors in the providers' own shapes, and faults
//! of the network. A [`Mock`] plays it on a port of 127.0.0.1, in OpenAI's chat completions, in Anthropic's messages or in
//! Gemini's format, whichever the request's path asks for, and logs what it saw. The language is described in `docs/testing.md`.
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use locum::testkit::{Mock, Script};
//! use serde_json::json;
//!
//! let script = Script::from_value(json!({
//!     "main": [{ "error": "server_is_overloaded" }],
//!     "spare": [{ "answer": "Hello" }],
//! }))?;
//! let mock = Mock::start(script).await?;
//! let base_url = mock.url("main");
//! // … point the application at it, make it ask, and look at what was asked:
//! assert_eq!(mock.count("main"), 0);
//! # Ok(())
//! # }
//! ```

mod answer;
mod chunks;
#[cfg(feature = "otlp")]
mod collector;
mod errors;
mod fields;
mod gemini;
mod http;
mod log;
mod script;
mod server;
mod shape;
mod stage;
mod stream;
mod usage;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::log::Log;
pub use self::log::Seen;
pub use self::script::Script;
use self::server::Shared;

/// The wire formats that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    OpenAiChat,
    AnthropicMessages,
    Gemini,
}

/// Upstreams that play a script. Dropping it closes the port and every connection.
pub struct Mock {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Mock {
    /// Plays `script` on a free port of 127.0.0.1, in the current tokio runtime.
    ///
    /// # Errors
    /// What the operating system says when it gives no port.
    pub async fn start(script: Script) -> io::Result<Self> {
        Self::start_on(script, 0).await
    }

    /// Plays `script` on `port` of 127.0.0.1, in the current tokio runtime; 0 is any free port.
    ///
    /// # Errors
    /// What the operating system says when the port cannot be had.
    pub async fn start_on(script: Script, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            script,
            log: Log::new(),
            #[cfg(feature = "otlp")]
            collector: collector::Collector::default(),
            stopping: watch::Sender::new(None),
        });
        let server = tokio::spawn(server::run(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, where the control endpoints are.
    #[must_use]
    pub fn root(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL of an upstream, `http://127.0.0.1:PORT/NAME/v1`, for Locum and the OpenAI SDK in either format. The
    /// Anthropic SDK adds the `/v1` itself.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}/v1", self.address)
    }

    /// The upstreams' names, in alphabetical order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.shared.script.names().collect()
    }

    /// What was seen, in the order of arrival. The last 10 000 requests are kept.
    #[must_use]
    pub fn log(&self) -> Vec<Seen> {
        self.shared.log.entries()
    }

    /// What was logged since an earlier look: the requests from number `from` on, and the number to go on from. Begin with 0.
    #[must_use]
    pub fn log_from(&self, from: u64) -> (Vec<Seen>, u64) {
        self.shared.log.entries_from(from)
    }

    /// How many requests this upstream has seen, refused ones included.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.shared.log.count(name)
    }

    /// Clears the log and starts every upstream's script again.
    pub fn reset(&self) {
        self.shared.log.reset();
    }

    /// Waits until this upstream has seen `count` requests; false when `within` passes before.
    pub async fn wait_count(&self, name: &str, count: u64, within: Duration) -> bool {
        let log = &self.shared.log;
        let reached = || (log.count(name) >= count).then_some(());
        log.wait(within, reached).await.is_some()
    }

    /// Waits until the client has closed the connection of this upstream's `n`-th request, from 0, before it was answered;
    /// none when it was answered, or when `within` passes before.
    pub async fn wait_closed(&self, name: &str, n: u64, within: Duration) -> Option<Seen> {
        let log = &self.shared.log;
        let ended = || log.find(name, n).filter(|seen| seen.closed_ms.or(seen.answered_ms).is_some());
        let seen = log.wait(within, ended).await?;
        seen.closed_ms.is_some().then_some(seen)
    }

    /// Stops: no new requests, and up to `grace` for the answers under way. The port is free when it returns.
    pub async fn stop(mut self, grace: Duration) {
        self.shared.stopping.send_replace(Some(grace));
        let _ = (&mut self.server).await;
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mock")
            .field("address", &self.address)
            .field("script", &self.shared.script)
            .finish_non_exhaustive()
    }
}
