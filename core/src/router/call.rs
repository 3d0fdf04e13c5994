//! One call as it is built up: task, messages, options.

use std::future::{IntoFuture, pending};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::Router;
use crate::error::Error;
use crate::types::{Messages, OnBreak, Options, ParseError, Reply, ResponseFormat, Tool, ToolChoice, Upstream};

/// The options of a call, for whatever has a `set`.
macro_rules! setters {
    () => {
        /// All options at once.
        pub fn options(self, all: Options) -> Self {
            self.set(|options| *options = all)
        }

        /// For whom the call is made.
        pub fn customer(self, customer: impl Into<String>) -> Self {
            self.set(|options| options.customer = Some(customer.into()))
        }

        /// A free label of the call.
        pub fn metadata(self, key: impl Into<String>, value: impl Into<String>) -> Self {
            self.set(|options| {
                options.metadata.insert(key.into(), value.into());
            })
        }

        /// Tools the model may call.
        pub fn tools(self, tools: impl Into<Vec<Tool>>) -> Self {
            self.set(|options| options.tools = tools.into())
        }

        /// Whether and which tool must be called.
        pub fn tool_choice(self, choice: ToolChoice) -> Self {
            self.set(|options| options.tool_choice = Some(choice))
        }

        /// The shape of the answer.
        pub fn response_format(self, format: ResponseFormat) -> Self {
            self.set(|options| options.response_format = Some(format))
        }

        /// Fills in one of the variables of the task's prompt.
        pub fn variable(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
            self.set(|options| {
                options.variables.0.insert(name.into(), value.into());
            })
        }

        /// 0 is the most likely answer.
        pub fn temperature(self, temperature: f64) -> Self {
            self.set(|options| options.params.temperature = Some(temperature))
        }

        /// The most tokens the answer may have.
        pub fn max_output_tokens(self, tokens: u64) -> Self {
            self.set(|options| options.params.max_output_tokens = Some(tokens))
        }

        /// Tightens the task's deadline.
        pub fn timeout(self, timeout: Duration) -> Self {
            self.set(|options| {
                options.timeout_ms = Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
            })
        }

        /// Pins one candidate, an alias or `provider/model`, and allows no other unless [`Call::allow_fallback`] does.
        pub fn model(self, model: impl Into<String>) -> Self {
            self.set(|options| options.model = Some(model.into()))
        }

        /// Whether stand-ins may serve this call.
        pub fn allow_fallback(self, allow: bool) -> Self {
            self.set(|options| options.allow_fallback = Some(allow))
        }

        /// Sent as `Idempotency-Key` with every attempt.
        pub fn idempotency_key(self, key: impl Into<String>) -> Self {
            self.set(|options| options.idempotency_key = Some(key.into()))
        }

        /// The trace that the call belongs to, as W3C's `traceparent` header names it. Without it, a trace of its own begins.
        pub fn traceparent(self, traceparent: impl Into<String>) -> Self {
            self.set(|options| options.traceparent = Some(traceparent.into()))
        }

        /// What follows when the answer breaks off, whatever the task says.
        pub fn on_break(self, on_break: OnBreak) -> Self {
            self.set(|options| options.on_break = Some(on_break))
        }
    };
}
pub(super) use setters;

/// One call, to be awaited. Options set here win over the model alias's and the task's.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call {
    pub(super) router: Router,
    pub(super) task: String,
    pub(super) messages: Result<Messages, ParseError>,
    pub(super) options: Result<Options, ParseError>,
    pub(super) cancelled: BoxFuture<'static, ()>,
}

impl Call {
    pub(super) fn new(
        router: Router,
        task: String,
        messages: Result<Messages, ParseError>,
        options: Result<Options, ParseError>,
    ) -> Self {
        Self { router, task, messages, options, cancelled: Box::pin(pending()) }
    }

    pub(super) fn set(mut self, change: impl FnOnce(&mut Options)) -> Self {
        if let Ok(options) = &mut self.options {
            change(options);
        }
        self
    }

    setters!();

    /// How the provider is asked, whatever the task says.
    pub fn upstream(self, upstream: Upstream) -> Self {
        self.set(|options| options.upstream = Some(upstream))
    }

    /// Ends the call with kind `cancelled` and its trail when `cancelled` resolves. Without it, drop the call.
    pub fn cancel_on(mut self, cancelled: impl Future<Output = ()> + Send + 'static) -> Self {
        self.cancelled = Box::pin(cancelled);
        self
    }
}

impl IntoFuture for Call {
    type Output = Result<Reply, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.router.clone().run(self))
    }
}
