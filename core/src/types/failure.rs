//! What one attempt reported when it did not bring an answer.

use std::fmt;
use std::time::Duration;

use super::call::Amend;
use super::completion::Usage;
use super::hidden;
use crate::error::ErrorKind;

/// One attempt's failure, classified. The ladder decides what follows from it.
#[derive(Clone, PartialEq)]
pub struct Failure {
    /// What happened.
    pub kind: ErrorKind,
    /// Which flavour of it (`connect`, `attempt`, `tpm`, `daily`, …), where the kind has flavours.
    pub subkind: Option<&'static str>,
    /// A sentence for people: the provider's own message where it gave one.
    pub message: String,
    /// HTTP status, if there was a response.
    pub status: Option<u16>,
    /// The provider's own code or type.
    pub provider_code: Option<String>,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
    /// `x-should-retry`.
    pub should_retry: Option<bool>,
    /// The provider's id of the exchange.
    pub request_id: Option<String>,
    /// A change that would let this model accept the request.
    pub amend: Option<Amend>,
    /// Tokens spent all the same.
    pub usage: Option<Usage>,
    /// USD, where the provider states the cost.
    pub cost: Option<f64>,
    /// Whether the response had begun to stream.
    pub in_stream: bool,
    /// Text received before the failure.
    pub partial: Option<String>,
    /// For a context overflow: tokens of the prompt and of the window, as far as the provider said.
    pub overflow: Option<(Option<u64>, Option<u64>)>,
}

impl Failure {
    /// A failure with nothing but its kind and a sentence.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            subkind: None,
            message: message.into(),
            status: None,
            provider_code: None,
            retry_after: None,
            should_retry: None,
            request_id: None,
            amend: None,
            usage: None,
            cost: None,
            in_stream: false,
            partial: None,
            overflow: None,
        }
    }

    /// The same, with its flavour.
    #[must_use]
    pub fn with_subkind(mut self, subkind: &'static str) -> Self {
        self.subkind = Some(subkind);
        self
    }
}

/// Without text that was received.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("kind", &self.kind)
            .field("subkind", &self.subkind)
            .field("message", &self.message)
            .field("status", &self.status)
            .field("provider_code", &self.provider_code)
            .field("retry_after", &self.retry_after)
            .field("should_retry", &self.should_retry)
            .field("request_id", &self.request_id)
            .field("amend", &self.amend)
            .field("in_stream", &self.in_stream)
            .field("partial", &self.partial.as_deref().map(hidden::Text))
            .field("overflow", &self.overflow)
            .finish_non_exhaustive()
    }
}
