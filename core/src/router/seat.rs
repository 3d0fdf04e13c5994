//! A candidate of the configuration, as the driver asks it.

use std::sync::Arc;

use crate::config::{Format, Key, Model, Task};
use crate::credential::{Credential, sigv4};
use crate::driver::Seat;
use crate::provider::{self, Provider, Target};
use crate::types::{Amend, Feature, Options, Params, Request};

/// A model, with what this call makes of its parameters.
pub(super) struct ModelSeat {
    pub(super) model: Arc<Model>,
    pub(super) key: Option<Key>,
    /// What it is asked.
    pub(super) request: Arc<Request>,
    pub(super) params: Params,
    pub(super) known: Vec<Amend>,
    /// Where its credential is fetched, if it is.
    pub(super) credential: Option<Arc<Credential>>,
}

impl Seat for ModelSeat {
    fn request(&self) -> &Arc<Request> {
        &self.request
    }

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

/// The changes that what is known of the model asks for: no more output than it has, and no temperature where it takes none.
pub(super) fn limits(task: &Task, model: &Model, params: &Params) -> Vec<Amend> {
    let mut amends = Vec::new();
    if let (Some(most), Some(asked)) = (model.max_output, params.max_output_tokens)
        && asked > most
    {
        amends.push(Amend::ClampOutput(most));
    }
    let doubted = task.drop_unsupported && model.doubts.contains(&Feature::Temperature);
    // The one value that every model takes is the one it uses anyway.
    let asked = params.temperature.is_some_and(|temperature| temperature != 1.0);
    if asked && (doubted || model.lacks.contains(&Feature::Temperature)) {
        amends.push(Amend::Drop("temperature".to_owned()));
    }
    amends
}

/// Task, alias and call parameters, merged.
pub(super) fn params(task: &Task, model: &Model, options: &Options) -> Params {
    task.params.merged(&model.params).merged(&options.params)
}
