//! What one attempt reported when it did not bring an answer.

use std::time::Duration;

use super::call::Amend;
use super::completion::Usage;
use crate::error::ErrorKind;

/// One attempt's failure, classified. The ladder decides what follows from it.
#[derive(Debug, Clone, PartialEq)]
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
