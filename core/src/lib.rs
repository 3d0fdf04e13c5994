//! Embedded multi-model LLM fallback: name the task, one file decides the models.
//!
//! An application says what kind of work it wants done, a **task**. One file says which model does it, which models stand
//! in, and within which limits. When the primary fails, is slow or is out of money, a stand-in answers in time, and the
//! trail tells what happened.
//!
//! # A first call
//!
//! ```toml
//! # locum.toml
//! [providers.openai]
//! api_key = "env:OPENAI_API_KEY"
//! [providers.anthropic]
//! api_key = "env:ANTHROPIC_API_KEY"
//!
//! [tasks.support_chat]
//! primary = "openai/gpt-4.1"
//! fallback = ["anthropic/claude-sonnet-4-6"]
//! max_latency_ms = 8000
//! ```
//!
//! ```no_run
//! use locum::{Message, Router};
//!
//! # async fn first() -> Result<(), locum::Error> {
//! let router = Router::from_file("locum.toml")?;
//! let messages = [Message::system("Be kind."), Message::user("My invoice is wrong")];
//! let reply = router.complete("support_chat", messages).await?;
//! println!("{} — {} in {:?}", reply.text(), reply.model, reply.latency);
//! # Ok(()) }
//! ```
//!
//! A [`Router`] is cheap to clone, and clones share their connections. It wants a tokio runtime with time and IO enabled.
//!
//! # Options
//!
//! What a call needs beyond task and messages is set on the [`Call`] before it is awaited:
//!
//! ```no_run
//! # async fn options(router: locum::Router) -> Result<(), locum::Error> {
//! use std::time::Duration;
//!
//! let reply = router
//!     .complete("title_generation", "A title for: my invoice is wrong")
//!     .customer("acme")
//!     .max_output_tokens(20)
//!     .timeout(Duration::from_secs(2))
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! # Streams
//!
//! [`Router::stream`] gives [`Event`]s as they come. A candidate that fails before its first content is replaced unseen; what
//! follows a break after that is declared by the task's, or the call's, [`OnBreak`]:
//!
//! ```no_run
//! # async fn streams(router: locum::Router) -> Result<(), locum::Error> {
//! use futures_util::StreamExt;
//! use locum::{Event, OnBreak};
//!
//! let mut events = router.stream("support_chat", "My invoice is wrong").on_break(OnBreak::Restart);
//! while let Some(event) = events.next().await {
//!     match event? {
//!         Event::Text(text) => print!("{text}"),
//!         Event::Restart { .. } => println!("\n(from the beginning)"),
//!         Event::End(reply) => println!(" — {}", reply.model),
//!         _ => {}
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! [`EventStream::text`] gives nothing but the text, [`EventStream::collect`] the whole [`Reply`]. A stream reads from the
//! provider only while it is read itself; dropping it closes its connections.
//!
//! # When something fails
//!
//! Every failure has a [kind](ErrorKind), the same word in all languages. When all candidates failed, the error is the
//! primary's, and [`Error::attempts`] has the whole ladder:
//!
//! ```no_run
//! # async fn failures(router: locum::Router) {
//! use locum::ErrorKind;
//!
//! match router.complete("support_chat", "My invoice is wrong").await {
//!     Ok(reply) if reply.fallback_used => eprintln!("a stand-in answered:\n{}", reply.trail()),
//!     Ok(_) => {}
//!     Err(error) if error.retryable() => eprintln!("later, perhaps in {:?}", error.retry_after()),
//!     Err(error) if error.kind() == ErrorKind::InputTooLong => eprintln!("shorten it: {error}"),
//!     Err(error) => eprintln!("{error}\n{}", error.trail()),
//! }
//! # }
//! ```
//!
//! Dropping a call closes its connections; [`Call::cancel_on`] does so too and keeps the trail. Warnings that an operator
//! must see (a dead key, spent credit) go to `tracing`, each once, and into [`Reply::warnings`].
//!
//! # Knowing how candidates are
//!
//! What calls learn of a candidate decides how the next ones are made, across all routers of the process: cooldowns, circuit
//! breakers, retry budgets, measured times. [`Router::health`] shows it, [`Router::explain`] tells what a call would do at this
//! moment, and [`Router::on_event`] hears of it as it happens:
//!
//! ```no_run
//! # fn health(router: locum::Router) -> Result<(), locum::Error> {
//! router.on_event(|event| println!("{event}"));
//! for candidate in router.health().iter().filter(|candidate| !candidate.available) {
//!     println!("{}: {}", candidate.model, candidate.reason.as_deref().unwrap_or_default());
//! }
//! print!("{}", router.explain("support_chat", "My invoice is wrong")?);
//! # Ok(()) }
//! ```
//!
//! # Knowing what calls did and cost
//!
//! Where `[accounting]` keeps records, [`Router::usage`] adds them up by task, customer, day, model or provider:
//!
//! ```no_run
//! # fn usage(router: locum::Router) -> Result<(), locum::Error> {
//! print!("{}", router.usage(locum::UsageBy::Customer, Some("2026-11-01"), None)?);
//! # Ok(()) }
//! ```
//!
//! # Under a client of OpenAI's API
//!
//! [`Router::handle`] answers requests to OpenAI's API (chat completions, responses, models) with calls of tasks: in a web
//! application, or behind whatever carries HTTP. Official SDKs in Python and Node are hooked to [`Router::fetch`] in process.
//!
//! ```no_run
//! # async fn face(router: locum::Router) -> Result<(), Box<dyn std::error::Error>> {
//! let body = r#"{"model": "support_chat", "messages": [{"role": "user", "content": "My invoice is wrong"}]}"#;
//! let request = http::Request::post("/v1/chat/completions").body(body.into())?;
//! let response = router.handle(request).await;
//! let model = response.headers()["x-locum-model"].to_owned();
//! let body = response.into_body().chunk().await;
//! # Ok(()) }
//! ```
//!
//! # Testing an application
//!
//! The feature `testkit` has scripted providers on loopback that answer, refuse, stall and break off as told:
//!
#![cfg_attr(feature = "testkit", doc = "```")]
#![cfg_attr(not(feature = "testkit"), doc = "```ignore")]
//! use locum::Router;
//! use locum::testkit::{Mock, Script};
//! use serde_json::json;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let script = json!({"main": [{"status": 503}], "spare": [{"answer": "Hello"}]});
//! let mock = Mock::start(Script::from_value(script)?).await?;
//! let router = Router::from_value(json!({
//!     "providers": {
//!         "main": {"kind": "openai", "base_url": mock.url("main"), "api_key": "test"},
//!         "spare": {"kind": "anthropic", "base_url": mock.url("spare"), "api_key": "test"},
//!     },
//!     "tasks": {"support_chat": {"primary": "main/gpt-4.1", "fallback": ["spare/claude-sonnet-4-6"]}},
//! }))?;
//! let reply = router.complete("support_chat", "My invoice is wrong").await?;
//! assert!(reply.fallback_used);
//! assert_eq!(mock.count("main"), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `testkit` | scripted providers on loopback |
//! | `serve` | the OpenAI face over HTTP, on a socket or inside your own axum application |
//! | `bpe` | counts the tokens of OpenAI's models exactly where a limit is near, instead of estimating them |
//! | `sqlite` | `[accounting.sqlite]`: records of calls in SQLite files; SQLite itself is compiled in |
//! | `postgres` | `[accounting.postgres]`: records of calls in a PostgreSQL database |
//! | `otlp` | sends traces and metrics of calls to an OpenTelemetry collector |
//! | `cli` | the `locum` command, with all of the above: `cargo install locum --features cli` |
//! | `schema` | generates the JSON Schema of the configuration (for work on Locum itself) |
//!
//! The way of a request through these modules is told in `ARCHITECTURE.md`.

#![forbid(unsafe_code)]
// The library is silent; only the command speaks.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod accept;
mod accounting;
pub mod catalog;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod credential;
mod driver;
mod error;
pub mod ladder;
mod observe;
mod openai;
pub mod prompt;
pub mod provider;
mod route;
mod router;
#[cfg(feature = "serve")]
pub mod serve;
mod state;
#[cfg(feature = "testkit")]
pub mod testkit;
mod tokens;
pub mod transport;
pub mod types;

#[cfg(feature = "sqlite")]
pub use accounting::fork;
pub use config::Policy;
pub use error::{Error, ErrorKind};
pub use observe::EventQueue;
pub use router::{Body, Builder, Call, EventStream, Router, TextStream};
pub use types::{
    Attempt, AttemptRecord, CallRecord, CandidateHealth, Event, Explanation, Finish, FinishReason, Happening, Level,
    Message, Messages, Next, OnBreak, Options, Outcome, Reply, ResponseFormat, Role, RouterEvent, Secret, Tool,
    ToolCall, ToolCallDelta, ToolChoice, TraceParent, Upstream, Usage, UsageBy, UsageReport, UsageRow,
};
