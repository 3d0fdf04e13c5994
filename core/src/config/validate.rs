//! A well-shaped configuration → the policy: names, references and what hangs together.

mod accept;
mod accounting;
mod hand_over;
mod otlp;
mod prompt;
mod task;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::defaults;
use super::policy::{Api, Format, Model, Policy, Provider, Task};
use super::problem::{Findings, Places, join};
use super::provider::{Builder, implicit};
use super::schema::{BreakerConfig, ConfigFile, ModelConfig, QuotaConfig};
use super::secret::Sources;
use super::{lint, presets};
use crate::catalog;
use crate::types::parse::did_you_mean;
use crate::types::{Breaker, Feature, Params, Price, Quota};

/// Builds the policy. It is whole only where no problem was added; its lints are left to the caller.
pub(super) fn policy(
    config: ConfigFile,
    places: &Places,
    sources: &Sources<'_>,
    is_file: bool,
    problems: &mut Findings,
    lints: &mut Findings,
) -> Policy {
    let mut check = Check {
        sources,
        places,
        problems,
        providers: BTreeMap::new(),
        models: BTreeMap::new(),
        direct: BTreeMap::new(),
    };
    for (name, provider) in config.providers {
        let named = check.name("providers", &name, true);
        let mut builder = Builder { sources, places, problems: check.problems, lints, is_file };
        let built = builder.build(&name, provider).filter(|_| named);
        check.providers.insert(name, built.map(Arc::new));
    }
    for (alias, model) in config.models {
        let named = check.name("models", &alias, true);
        let built = check.model(&alias, model).filter(|_| named);
        check.models.insert(alias, built.map(Arc::new));
    }
    check.hand_overs(&config.tasks);
    let mut tasks = BTreeMap::new();
    for (name, task) in config.tasks {
        check.name("tasks", &name, false);
        if let Some(task) = check.task(&name, task) {
            tasks.insert(name, Arc::new(task));
        }
    }
    let breaker = check.breaker(&config.breaker.unwrap_or_default());
    let mut quotas = Vec::new();
    for (name, quota) in config.quotas {
        check.name("quotas", &name, false);
        quotas.push(check.quota(&name, quota, &tasks));
    }
    let accounting = check.accounting(config.accounting.unwrap_or_default(), is_file, lints);
    let serve =
        Builder { sources, places, problems: check.problems, lints, is_file }.serve(config.serve.unwrap_or_default());
    let policy = Policy {
        tasks,
        models: sound(check.models),
        providers: sound(check.providers),
        state: config.state.map_or(defaults::STATE, Into::into),
        breaker,
        quotas,
        accounting,
        serve,
        lints: Vec::new(),
    };
    lint::add(&policy, places, lints);
    policy
}

fn sound<T>(map: BTreeMap<String, Option<Arc<T>>>) -> BTreeMap<String, Arc<T>> {
    map.into_iter().filter_map(|(name, item)| Some((name, item?))).collect()
}

/// Names that are known by now. One with problems of its own is there without a value, or only among the places, so
/// that references to it are not reported once more.
struct Check<'a> {
    sources: &'a Sources<'a>,
    places: &'a Places,
    problems: &'a mut Findings,
    providers: BTreeMap<String, Option<Arc<Provider>>>,
    models: BTreeMap<String, Option<Arc<Model>>>,
    /// Models named as `provider/model`, shared by all tasks.
    direct: BTreeMap<String, Arc<Model>>,
}

impl Check<'_> {
    fn problem(&mut self, path: &str, sentence: impl Into<String>) {
        self.problems.add(self.places.find(path), sentence);
    }

    fn name(&mut self, section: &str, name: &str, no_slash: bool) -> bool {
        let problem = if name.is_empty() {
            "a name must not be empty"
        } else if name.trim() != name || name.chars().any(char::is_control) {
            "a name must not start or end with a space or hold control characters"
        } else if no_slash && name.contains('/') {
            "a name must not hold a slash, which separates provider and model"
        } else {
            return true;
        };
        self.problem(&join(section, name), problem);
        false
    }

    fn breaker(&mut self, config: &BreakerConfig) -> Breaker {
        let open = config.open_ms.map_or(defaults::BREAKER.open, Duration::from_millis);
        let max_open = config.max_open_ms.map(Duration::from_millis);
        if max_open.is_some_and(|max_open| max_open < open) {
            self.problem("breaker.max_open_ms", format!("must not be below open_ms ({})", open.as_millis()));
        }
        Breaker {
            failures: config.failures.unwrap_or(defaults::BREAKER.failures),
            open,
            max_open: max_open.unwrap_or_else(|| defaults::BREAKER.max_open.max(open)),
        }
    }

    fn quota(&mut self, name: &str, config: QuotaConfig, tasks: &BTreeMap<String, Arc<Task>>) -> Quota {
        let path = join("quotas", name);
        if config.requests.is_none() && config.tokens.is_none() && config.usd.is_none() {
            self.problem(&path, "limits nothing; set requests, tokens or usd");
        }
        if config.usd.is_some_and(|usd| !usd.is_finite()) {
            self.problem(&join(&path, "usd"), "must be a number");
        }
        if let Some(customer) = &config.customer
            && (customer.is_empty() || customer.strip_suffix('*').unwrap_or(customer).contains('*'))
        {
            self.problem(&join(&path, "customer"), "must be a name, or the beginning of names and a *");
        }
        if let Some(task) = config.task.as_ref().filter(|task| !tasks.contains_key(*task)) {
            let hint = did_you_mean(task, tasks.keys().map(String::as_str));
            self.problem(&join(&path, "task"), format!("there is no such task{hint}"));
        }
        let candidates = || tasks.values().flat_map(|task| &task.candidates);
        let model = config.model.map(|named| {
            let known = candidates().find(|model| model.alias.as_deref() == Some(&named) || model.name() == named);
            known.map(|model| model.name()).ok_or(named)
        });
        let model = match model.transpose() {
            Ok(model) => model,
            Err(named) => {
                let names: Vec<String> = candidates().map(|model| model.name()).collect();
                let hint = did_you_mean(&named, names.iter().map(String::as_str));
                self.problem(&join(&path, "model"), format!("is no candidate of any task{hint}"));
                None
            }
        };
        Quota {
            name: name.to_owned(),
            customer: config.customer,
            task: config.task,
            model,
            requests: config.requests,
            tokens: config.tokens,
            usd: config.usd,
            per: config.per.into(),
            window: config.window.map_or(defaults::WINDOW, Into::into),
            on_exceeded: config.on_exceeded.map_or(defaults::ON_EXCEEDED, Into::into),
        }
    }

    fn model(&mut self, alias: &str, config: ModelConfig) -> Option<Model> {
        let path = join("models", alias);
        let params = self.params(&path, config.params.into());
        let reference = join(&path, "use");
        let (provider, id) = self.address(&reference, &config.model)?;
        let api = config.api.map(Api::from);
        let several = matches!(provider.format, Format::OpenAiChat | Format::OpenAiResponses);
        if api.is_some() && !several {
            self.problem(&join(&path, "api"), format!("kind {:?} has one interface only", provider.kind));
        }
        let known = Known::of(&provider, &id);
        if config.price.is_some() && config.discount.is_some() {
            self.problem(&join(&path, "discount"), "is for the known price; what `price` says is what is paid");
        }
        let supports: BTreeSet<Feature> = set(config.supports);
        let lacks: BTreeSet<Feature> = set(config.lacks);
        if let Some(both) = lacks.intersection(&supports).next() {
            self.problem(&join(&path, "supports"), format!("{:?} is among what it lacks too", both.as_str()));
        }
        Some(Model {
            provider,
            id,
            api: api.map(Format::from).or(known.api),
            alias: Some(alias.to_owned()),
            params,
            extra_body: config.extra_body.unwrap_or_default(),
            context_window: config.context_window.or(known.window),
            max_output: config.max_output.or(known.max_output),
            doubts: known.doubts.difference(&supports).copied().collect(),
            lacks,
            until: known.until,
            timeout: config.timeout_ms.map(Duration::from_millis),
            first_token: config.first_token_ms.map(Into::into),
            idle: config.idle_ms.map(Duration::from_millis),
            prefill: config.prefill,
            price: match (config.price, config.discount) {
                (Some(price), _) => Some(price.into()),
                (None, Some(discount)) => known.list_price.map(|price| price.less(discount)),
                (None, None) => known.price,
            },
        })
    }

    /// Splits `provider/model`; the model's id may hold slashes of its own.
    fn address(&mut self, path: &str, reference: &str) -> Option<(Arc<Provider>, String)> {
        let Some((provider, id)) = reference.split_once('/') else {
            self.problem(path, format!("{reference:?} is not of the form provider/model"));
            return None;
        };
        if id.is_empty() || id.trim() != id || id.chars().any(char::is_control) {
            self.problem(path, format!("{reference:?} names no model behind the slash"));
            return None;
        }
        Some((self.provider(path, provider)?, id.to_owned()))
    }

    fn provider(&mut self, path: &str, name: &str) -> Option<Arc<Provider>> {
        if let Some(provider) = self.providers.get(name) {
            return provider.clone();
        }
        if self.places.written(&join("providers", name)) {
            return None;
        }
        if let Some(preset) = presets::implicit(name) {
            let provider = match implicit(preset, self.sources) {
                Ok(provider) => Some(Arc::new(provider)),
                Err(sentence) => {
                    self.problem(path, sentence);
                    None
                }
            };
            self.providers.insert(name.to_owned(), provider.clone());
            return provider;
        }
        if presets::find(name).is_some() {
            self.problem(path, format!("kind {name:?} needs a [providers] section with its base_url"));
            return None;
        }
        let known = self.providers.keys().map(String::as_str).chain(presets::words());
        let hint = did_you_mean(name, known);
        self.problem(path, format!("unknown provider {name:?}{hint}"));
        None
    }

    fn params(&mut self, path: &str, params: Params) -> Params {
        if params.stop.iter().flatten().any(String::is_empty) {
            self.problem(&join(path, "stop"), "must not hold an empty text");
        }
        if params.reasoning_effort.as_deref() == Some("") {
            self.problem(&join(path, "reasoning_effort"), "must not be empty");
        }
        params
    }

    /// The model an alias or `provider/model` stands for.
    fn candidate(&mut self, path: &str, reference: &str) -> Option<Arc<Model>> {
        if let Some(model) = self.models.get(reference) {
            return model.clone();
        }
        if self.places.written(&join("models", reference)) {
            return None;
        }
        if let Some(model) = self.direct.get(reference) {
            return Some(Arc::clone(model));
        }
        if !reference.contains('/') {
            let problem = if self.providers.contains_key(reference) || presets::find(reference).is_some() {
                format!("{reference:?} is a provider; name its model too, as \"{reference}/MODEL\"")
            } else {
                let hint = did_you_mean(reference, self.models.keys().map(String::as_str));
                format!("unknown alias {reference:?}{hint}")
            };
            self.problem(path, problem);
            return None;
        }
        let (provider, id) = self.address(path, reference)?;
        let known = Known::of(&provider, &id);
        let model = Arc::new(Model {
            provider,
            id,
            api: known.api,
            alias: None,
            params: Params::default(),
            extra_body: serde_json::Map::new(),
            context_window: known.window,
            max_output: known.max_output,
            lacks: BTreeSet::new(),
            doubts: known.doubts,
            until: known.until,
            timeout: None,
            first_token: None,
            idle: None,
            prefill: None,
            price: known.price,
        });
        self.direct.insert(reference.to_owned(), Arc::clone(&model));
        Some(model)
    }
}

/// What the catalog says of a model, as far as it bears on how the model is asked.
struct Known {
    api: Option<Format>,
    window: Option<u64>,
    max_output: Option<u64>,
    doubts: BTreeSet<Feature>,
    until: Option<&'static str>,
    list_price: Option<Price>,
    /// With the provider's discount.
    price: Option<Price>,
}

impl Known {
    fn of(provider: &Provider, id: &str) -> Self {
        let facts = catalog::find(&provider.kind, id);
        let can_not = |feature: &Feature| facts.is_some_and(|facts| facts.can(*feature) == Some(false));
        // These formats have ways to an answer in JSON that do not depend on the model.
        let any_json = matches!(provider.format, Format::BedrockConverse | Format::CohereChat);
        let features = Feature::ALL.into_iter().filter(|feature| !(any_json && *feature == Feature::JsonSchema));
        // Other servers have that interface elsewhere, or not for all.
        let offered =
            provider.format == Format::OpenAiChat && ["openai", "azure", "xai"].contains(&provider.kind.as_str());
        let responses = offered && facts.is_some_and(|facts| facts.responses_only);
        let list_price = facts.and_then(|facts| facts.price);
        Self {
            api: responses.then_some(Format::OpenAiResponses),
            window: facts.and_then(|facts| facts.window),
            max_output: facts.and_then(|facts| facts.max_output),
            doubts: features.filter(can_not).collect(),
            until: facts.and_then(|facts| facts.until),
            list_price,
            price: list_price.map(|price| price.less(provider.discount)),
        }
    }
}

fn set<W, T: From<W> + Ord>(words: Option<Vec<W>>) -> BTreeSet<T> {
    words.into_iter().flatten().map(T::from).collect()
}
