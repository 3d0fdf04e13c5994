//! The one public error: what kind of failure, whether to try again, and everything that was attempted.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::types::attempt::{millis, table};
use crate::types::{Attempt, Failure, Outcome, ParseError, Usage};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, retryable: $retryable:literal;)*) => {
        /// What kind of failure it is. The words are stable and the same in all languages.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $variant,)*
        }

        impl ErrorKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The public word of this kind.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// Whether the same call may succeed later without a change by the caller.
            #[must_use]
            pub fn retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)* }
            }
        }
    };
}

kinds! {
    /// Too many requests or tokens in a short window.
    RateLimited = "rate_limited", retryable: true;
    /// Money or allowance at the provider is used up.
    ProviderQuota = "provider_quota", retryable: false;
    /// The provider has no capacity right now.
    Overloaded = "overloaded", retryable: true;
    /// The provider failed.
    ServerError = "server_error", retryable: true;
    /// A limit of time passed: `connect`, `first_event`, `idle` or `attempt`.
    Timeout = "timeout", retryable: true;
    /// The connection could not be made or broke: `pool`, `connect`, `write` or `read`.
    Connection = "connection", retryable: true;
    /// The prompt does not fit the model's context window.
    ContextOverflow = "context_overflow", retryable: false;
    /// The request is larger than the provider takes, in bytes or against a rate limit.
    RequestTooLarge = "request_too_large", retryable: false;
    /// A filter refused the prompt (`input`) or the answer (`output`).
    ContentFiltered = "content_filtered", retryable: false;
    /// The model declined, and the task treats that as a failure.
    Refusal = "refusal", retryable: false;
    /// The key was not accepted.
    Auth = "auth", retryable: false;
    /// The key may not do this.
    Permission = "permission", retryable: false;
    /// The provider does not know the model.
    ModelNotFound = "model_not_found", retryable: false;
    /// The model cannot do what the request asks.
    Unsupported = "unsupported", retryable: false;
    /// The request is wrong, whoever is asked.
    InvalidRequest = "invalid_request", retryable: false;
    /// The answer makes no sense: HTML, no JSON, empty, broken tool calls.
    MalformedResponse = "malformed_response", retryable: true;
    /// A stream ended before its end was announced.
    TruncatedStream = "truncated_stream", retryable: true;
    /// The answer was not accepted by the task's rules.
    InvalidOutput = "invalid_output", retryable: false;
    /// The caller cancelled.
    Cancelled = "cancelled", retryable: false;
    /// The task's time was spent.
    DeadlineExceeded = "deadline_exceeded", retryable: true;
    /// The input is larger than the task allows.
    InputTooLong = "input_too_long", retryable: false;
    /// A limit set in the configuration is used up.
    QuotaExceeded = "quota_exceeded", retryable: false;
    /// No candidate was eligible.
    NoCandidate = "no_candidate", retryable: false;
    /// The configuration is wrong.
    Config = "config", retryable: false;
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong. It holds no request body, no answer text beyond [`Error::partial`], and no key.
///
/// When all candidates failed, the error is the primary's and [`Error::attempts`] tells the whole story.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    failure: Failure,
    model: Option<String>,
    task: Option<String>,
    attempts: Vec<Attempt>,
    warnings: Vec<String>,
    problems: Vec<String>,
    /// The option or the member of a message that is wrong.
    param: Option<String>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::from_failure(Failure::new(kind, message))
    }

    /// The option or the member of a message that is wrong, where the call itself is.
    pub(crate) fn param(&self) -> Option<&str> {
        self.0.param.as_deref()
    }

    pub(crate) fn from_failure(failure: Failure) -> Self {
        Self(Box::new(Inner {
            failure,
            model: None,
            task: None,
            attempts: Vec::new(),
            warnings: Vec::new(),
            problems: Vec::new(),
            param: None,
        }))
    }

    /// A configuration error listing every problem found.
    pub(crate) fn config(source: &str, problems: Vec<String>) -> Self {
        let count = problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        let mut error = Self::new(ErrorKind::Config, format!("{source}: {count} {noun}\n  {}", problems.join("\n  ")));
        error.0.problems = problems;
        error
    }

    pub(crate) fn with_task(mut self, task: &str) -> Self {
        self.0.task = Some(task.to_owned());
        self
    }

    pub(crate) fn with_model(mut self, model: Option<String>) -> Self {
        self.0.model = model;
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: Vec<Attempt>) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn with_warnings(mut self, warnings: Vec<String>) -> Self {
        self.0.warnings = warnings;
        self
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.failure.kind
    }

    /// The kind's flavour: `connect`, `attempt`, `tpm`, `daily`, …
    #[must_use]
    pub fn subkind(&self) -> Option<&'static str> {
        self.0.failure.subkind
    }

    /// Whether the same call may succeed later without a change by the caller.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.kind().retryable()
    }

    /// How long the provider asks to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.failure.retry_after
    }

    /// HTTP status of the failed exchange.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.failure.status
    }

    /// The provider's own code.
    #[must_use]
    pub fn provider_code(&self) -> Option<&str> {
        self.0.failure.provider_code.as_deref()
    }

    /// The provider's id of the failed exchange.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.failure.request_id.as_deref()
    }

    /// Whether it happened after the response had begun to stream.
    #[must_use]
    pub fn in_stream(&self) -> bool {
        self.0.failure.in_stream
    }

    /// Text and usage received before the failure.
    #[must_use]
    pub fn partial(&self) -> Option<(&str, Option<Usage>)> {
        self.0.failure.partial.as_deref().map(|text| (text, self.0.failure.usage))
    }

    /// Whose failure it is, as `provider/model`.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.0.model.as_deref()
    }

    /// The provider's name in the configuration.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.model().and_then(|model| model.split('/').next())
    }

    /// The task that was called.
    #[must_use]
    pub fn task(&self) -> Option<&str> {
        self.0.task.as_deref()
    }

    /// What was tried and what was passed over, in order.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.0.attempts
    }

    /// The trail as a table for people, a line per attempt.
    #[must_use]
    pub fn trail(&self) -> String {
        table(self.attempts())
    }

    /// Things worth knowing beside the failure.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.0.warnings
    }

    /// For kind `config`: every problem found, one sentence each.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.0.problems
    }

    /// The message without the trail.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.failure.message
    }

    /// The error as an object with the public field names.
    #[must_use]
    pub fn to_value(&self) -> Value {
        json!({
            "kind": self.kind().as_str(),
            "subkind": self.subkind(),
            "message": self.to_string(),
            "retryable": self.retryable(),
            "retry_after_ms": self.retry_after().map(millis),
            "status": self.status(),
            "provider_code": self.provider_code(),
            "request_id": self.request_id(),
            "in_stream": self.in_stream(),
            "partial": self.partial().map(|(text, usage)| json!({"text": text, "usage": usage.map(Usage::to_value)})),
            "model": self.model(),
            "provider": self.provider(),
            "task": self.task(),
            "warnings": self.warnings(),
            "problems": self.problems(),
            "attempts": self.attempts().iter().map(Attempt::to_value).collect::<Value>(),
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(task) = &self.0.task {
            write!(f, "{task}: ")?;
        }
        if let Some(model) = &self.0.model {
            write!(f, "{model}: ")?;
        }
        write!(f, "{}", self.kind())?;
        if let Some(subkind) = self.subkind() {
            write!(f, " ({subkind})")?;
        }
        write!(f, ": {}", self.message())?;
        if self.attempts().len() > 1 {
            f.write_str(" [")?;
            for (i, attempt) in self.attempts().iter().enumerate() {
                let separator = if i == 0 { "" } else { "; " };
                let what = match (attempt.outcome, attempt.kind) {
                    (Outcome::Failed, Some(kind)) => kind.as_str(),
                    (outcome, _) => outcome.as_str(),
                };
                write!(f, "{separator}{} {what}", attempt.model)?;
            }
            f.write_str("]")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind())
            .field("subkind", &self.subkind())
            .field("message", &self.message())
            .field("model", &self.model())
            .field("status", &self.status())
            .field("attempts", &self.attempts())
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        let mut wrong = Self::new(ErrorKind::InvalidRequest, error.to_string());
        wrong.0.param = Some(error.path);
        wrong
    }
}
