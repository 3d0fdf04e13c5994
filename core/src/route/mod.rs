//! Task and request → candidates in order, each kept or passed over with a reason. No network, no waiting.

mod split;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::config::{Credential, Key, Model, Policy, Task};
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

/// Who may do a call.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// The task whose candidates and limits count: the one that was called, or the one its input was handed over to.
    pub(crate) task: Arc<Task>,
    /// The candidates in order.
    pub(crate) choices: Vec<Choice>,
    /// A sentence for each hand-over on the way.
    pub(crate) warnings: Vec<String>,
}

/// The tokens of a call's prompt for a model, where they exceed a limit.
pub(crate) type Beyond<'a> = dyn Fn(&Model, u64) -> Option<u64> + 'a;

/// The limits that a prompt for `task` may meet on its way, and whose tokens count for each.
pub(crate) fn limits<'a>(policy: &'a Policy, task: &'a Task) -> impl Iterator<Item = (&'a Model, u64)> {
    let next = |task: &&'a Task| task.too_long.as_ref().and_then(|name| policy.tasks.get(name)).map(|task| &**task);
    std::iter::successors(Some(task), next).flat_map(|task| {
        let own = measure(task).zip(task.max_input_tokens);
        let windows = task.candidates.iter().filter_map(|model| Some((&**model, model.context_window?)));
        own.into_iter().chain(windows)
    })
}

/// The model by which a task's own limit is measured: the first that it names.
fn measure(task: &Task) -> Option<&Model> {
    task.candidates.first().map(|model| &**model)
}

/// The candidates of one call of `task`. `draw` is a random number that decides between several primaries where the call
/// itself does not.
///
/// # Errors
/// `input_too_long` when the input exceeds what the task allows and nobody takes it; `invalid_request` when the pinned
/// model is none of the task's.
pub(crate) fn route(
    policy: &Policy,
    task: &Arc<Task>,
    request: &Request,
    options: &Options,
    draw: u64,
    beyond: &Beyond<'_>,
) -> Result<Route, Error> {
    let (task, warnings) = taker(policy, task, beyond)?;
    let all = in_order(&task, split::chosen(&task, options, draw));
    let (first, rest): (_, Vec<_>) = match &options.model {
        None => (all.first().copied(), all.get(1..).unwrap_or_default().to_vec()),
        Some(name) => {
            let named = |model: &Model| model.alias.as_deref() == Some(name) || model.name() == *name;
            let found = all.iter().copied().find(|model| named(model));
            if found.is_none() {
                return Err(unknown_pin(&task, name, !warnings.is_empty()));
            }
            (found, all.into_iter().filter(|model| !named(model)).collect())
        }
    };
    let fallback = options.allow_fallback.unwrap_or(task.allow_fallback && options.model.is_none());
    let models = first.into_iter().chain(rest.into_iter().filter(|_| fallback));
    let features = request.features();
    let models: Vec<_> = models.collect();
    let certain = |model: &Model| reason_to_skip(model, &features, beyond);
    // Where the catalog leaves nobody, it may be wrong: the providers themselves are asked then.
    let doubted = |model: &Model| doubt(model, &features);
    let trusted = models.iter().any(|model| certain(model).is_none() && doubted(model).is_none());
    let choices = models
        .into_iter()
        .enumerate()
        .flat_map(|(place, model)| {
            let skip = certain(model).or_else(|| doubted(model).filter(|_| trusted));
            let keys = keys(model);
            keys.into_iter().map(move |key| Choice { model: model.clone(), key, place, skip: skip.clone() })
        })
        .collect();
    Ok(Route { task, choices, warnings })
}

/// The task that takes an input of this size, and a sentence for each hand-over to it. The way ends, since the
/// configuration allows no loop.
fn taker(policy: &Policy, called: &Arc<Task>, beyond: &Beyond<'_>) -> Result<(Arc<Task>, Vec<String>), Error> {
    let (mut task, mut warnings) = (called, Vec::new());
    let over = |task: &Task| {
        let limit = task.max_input_tokens?;
        Some((beyond(measure(task)?, limit)?, limit))
    };
    while let Some((tokens, limit)) = over(task) {
        let Some(next) = task.too_long.as_ref().and_then(|name| policy.tasks.get(name)) else {
            let who = if warnings.is_empty() {
                "the task".to_owned()
            } else {
                format!("{:?}, the last to take it,", task.name)
            };
            return Err(Error::new(
                ErrorKind::InputTooLong,
                format!(
                    "the input is about {tokens} tokens, {who} allows {limit} (max_input_tokens); nothing was sent"
                ),
            ));
        };
        warnings.push(format!("about {tokens} tokens, {} allows {limit}: handed to {}", task.name, next.name));
        task = next;
    }
    Ok((task.clone(), warnings))
}

/// The task's candidates with this one of its primaries first.
fn in_order(task: &Task, chosen: usize) -> Vec<&Arc<Model>> {
    let mut all: Vec<_> = task.candidates.iter().collect();
    if let Some(before) = all.get_mut(..=chosen) {
        before.rotate_right(1);
    }
    all
}

/// Each key of the model's provider; one without a key where there is none.
pub(crate) fn keys(model: &Model) -> Vec<Option<Key>> {
    match &model.provider.credential {
        Credential::Keys(keys) => keys.iter().cloned().map(Some).collect(),
        Credential::Fetched(_) | Credential::None | Credential::Missing(_) => vec![None],
    }
}

fn unknown_pin(task: &Task, name: &str, handed_over: bool) -> Error {
    let known: Vec<String> =
        task.candidates.iter().map(|model| model.alias.clone().unwrap_or_else(|| model.name())).collect();
    let hint = did_you_mean(name, known.iter().map(String::as_str));
    let whose = if handed_over { format!("{:?}, which takes this input", task.name) } else { "this task".to_owned() };
    Error::new(
        ErrorKind::InvalidRequest,
        format!("model: \"{name}\" is no candidate of {whose}{hint} (candidates: {})", known.join(", ")),
    )
}

/// What the catalog says that the model cannot do and the request needs.
fn doubt(model: &Model, features: &[Feature]) -> Option<String> {
    let feature = features.iter().find(|feature| model.doubts.contains(feature))?;
    Some(format!("missing capability by the built-in catalog: {}", feature.as_str()))
}

fn reason_to_skip(model: &Model, features: &[Feature], beyond: &Beyond<'_>) -> Option<String> {
    if let Credential::Missing(why) = &model.provider.credential {
        return Some(format!("no credentials: {why}"));
    }
    if let Some(feature) = features.iter().find(|feature| model.lacks.contains(feature)) {
        return Some(format!("missing capability: {}", feature.as_str()));
    }
    let window = model.context_window?;
    beyond(model, window).map(|tokens| format!("its context window of {window} tokens is too small for about {tokens}"))
}
