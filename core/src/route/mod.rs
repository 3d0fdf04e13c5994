//! Task and request → candidates in order, each kept or passed over with a reason. No network, no waiting.

mod tokens;

use std::cell::LazyCell;
use std::sync::Arc;

pub(crate) use tokens::estimate;

use crate::config::{Credential, Key, Model, Task};
use crate::error::{Error, ErrorKind};
use crate::types::parse::did_you_mean;
use crate::types::{Feature, Options, Request};

/// One candidate of a call: a model with one of its provider's keys.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// The model.
    pub(crate) model: Arc<Model>,
    /// The key, where the provider takes one.
    pub(crate) key: Option<Key>,
    /// The place of its model among those of the call, from 0. The keys of one model stand side by side.
    pub(crate) place: usize,
    /// Why it is passed over, if it is.
    pub(crate) skip: Option<String>,
}

/// The candidates of one call.
///
/// # Errors
/// `input_too_long` when the input exceeds what the task allows; `invalid_request` when the pinned model is none of the
/// task's.
pub(crate) fn route(task: &Task, request: &Request, options: &Options) -> Result<Vec<Choice>, Error> {
    // Counted only where something depends on it.
    let tokens = LazyCell::new(|| estimate(request));
    if let Some(limit) = task.max_input_tokens.filter(|limit| *tokens > *limit) {
        return Err(Error::new(
            ErrorKind::InputTooLong,
            format!(
                "the input is about {} tokens, the task allows {limit} (max_input_tokens); nothing was sent",
                *tokens
            ),
        ));
    }
    let all = &task.candidates;
    let (pinned, rest) = match &options.model {
        None => (all.first(), all.get(1..).unwrap_or_default().iter().collect()),
        Some(name) => {
            let named = |model: &Model| model.alias.as_deref() == Some(name) || model.name() == *name;
            let found = all.iter().find(|model| named(model));
            if found.is_none() {
                return Err(unknown_pin(task, name));
            }
            (found, all.iter().filter(|model| !named(model)).collect::<Vec<_>>())
        }
    };
    let fallback = options.allow_fallback.unwrap_or(task.allow_fallback && options.model.is_none());
    let chosen = pinned.into_iter().chain(rest.into_iter().filter(|_| fallback));
    let features = request.features();
    let with_keys = chosen.enumerate().flat_map(|(place, model)| {
        let skip = reason_to_skip(model, &features, || *tokens);
        let keys = keys(model);
        keys.into_iter().map(move |key| Choice { model: model.clone(), key, place, skip: skip.clone() })
    });
    Ok(with_keys.collect())
}

/// Each key of the model's provider; one without a key where there is none.
pub(crate) fn keys(model: &Model) -> Vec<Option<Key>> {
    match &model.provider.credential {
        Credential::Keys(keys) => keys.iter().cloned().map(Some).collect(),
        Credential::None | Credential::Missing(_) => vec![None],
    }
}

fn unknown_pin(task: &Task, name: &str) -> Error {
    let known: Vec<String> =
        task.candidates.iter().map(|model| model.alias.clone().unwrap_or_else(|| model.name())).collect();
    let hint = did_you_mean(name, known.iter().map(String::as_str));
    Error::new(
        ErrorKind::InvalidRequest,
        format!("model: \"{name}\" is no candidate of this task{hint} (candidates: {})", known.join(", ")),
    )
}

fn reason_to_skip(model: &Model, features: &[Feature], tokens: impl Fn() -> u64) -> Option<String> {
    if let Credential::Missing(why) = &model.provider.credential {
        return Some(format!("no credentials: {why}"));
    }
    if let Some(feature) = features.iter().find(|feature| model.lacks.contains(feature)) {
        return Some(format!("missing capability: {}", feature.as_str()));
    }
    let (window, tokens) = (model.context_window?, tokens());
    (tokens > window).then(|| format!("its context window of {window} tokens is too small for about {tokens}"))
}
