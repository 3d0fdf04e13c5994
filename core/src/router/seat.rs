//! A candidate of the configuration, as the driver asks it.

use std::sync::Arc;

use crate::config::{Format, Key, Model, Task};
use crate::credential::{Credential, sigv4};
use crate::driver::Seat;
use crate::provider::{self, Provider, Target};
use crate::types::{Amend, Options, Params};

/// A model, with what this call makes of its parameters.
pub(super) struct ModelSeat {
    pub(super) model: Arc<Model>,
    pub(super) key: Option<Key>,
    pub(super) params: Params,
    pub(super) known: Vec<Amend>,
    /// Where its credential is fetched, if it is.
    pub(super) credential: Option<Arc<Credential>>,
}

impl Seat for ModelSeat {
    fn codec(&self) -> &'static dyn Provider {
        match self.model.format() {
            Format::OpenAiChat => &provider::OPENAI_CHAT,
            Format::OpenAiResponses => &provider::OPENAI_RESPONSES,
            Format::BedrockConverse => &provider::BEDROCK,
            Format::CohereChat => &provider::COHERE,
            Format::GeminiGenerate => &provider::GEMINI,
            Format::AnthropicMessages => &provider::ANTHROPIC,
        }
    }

    fn known(&self) -> &[Amend] {
        &self.known
    }

    fn target<'a>(&'a self, amends: &'a [Amend]) -> Target<'a> {
        let provider = &self.model.provider;
        Target {
            provider: &provider.name,
            kind: &provider.kind,
            base_url: &provider.base_url,
            api_version: provider.api_version.as_deref(),
            api_key: self.key.as_ref().map(|key| &key.secret),
            token: None,
            headers: &provider.headers,
            model: &self.model.id,
            params: &self.params,
            extra_body: &self.model.extra_body,
            amends,
            connect_timeout: provider.connect_timeout,
            stream: false,
            resume: None,
            prefill: self.model.prefill.unwrap_or_else(|| provider::prefills(&provider.kind, &self.model.id)),
        }
    }

    fn credential(&self) -> Option<&Credential> {
        self.credential.as_deref()
    }

    fn scope(&self) -> Option<sigv4::Scope<'_>> {
        // The name of its service in signatures, by AWS's list of endpoints of Bedrock.
        self.model.provider.region.as_deref().map(|region| sigv4::Scope { region, service: "bedrock" })
    }
}

/// Task, alias and call parameters, merged.
pub(super) fn params(task: &Task, model: &Model, options: &Options) -> Params {
    task.params.merged(&model.params).merged(&options.params)
}
