//! The policy of one call, as the ladder takes it, and what its candidates are known by.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde_json::{Map, Value};

use super::Live;
use super::seat::params;
use crate::config::{Credential, Format, Key, Model, Policy, Task};
use crate::ladder::health::Identity;
use crate::ladder::{Candidate, Plan, Size};
use crate::provider;
use crate::route::Choice;
use crate::state::Members;
use crate::types::{Breaker, Options, Request, Upstream};

/// What a plan is made from.
pub(super) struct Facts<'a> {
    /// The task that was called.
    pub(super) called: &'a Task,
    /// The one whose candidates take it.
    pub(super) task: &'a Task,
    pub(super) breaker: Breaker,
    pub(super) choices: &'a [Choice],
    pub(super) options: &'a Options,
    pub(super) request: &'a Request,
    /// How large the prompt is for a model.
    pub(super) size: &'a dyn Fn(&Model) -> Size,
    /// How long the call has been prepared.
    pub(super) elapsed: Duration,
    pub(super) live: Option<Live>,
}

pub(super) fn plan(facts: &Facts<'_>, members: &Members) -> Plan {
    let Facts { task, options, live, .. } = facts;
    let asked = options.timeout_ms.map(Duration::from_millis);
    Plan {
        candidates: candidates(facts, members),
        deadline: task.max_latency.into_iter().chain(asked).min(),
        tightened: asked.is_some_and(|asked| task.max_latency.is_none_or(|own| asked < own)),
        origin: members.state.now().saturating_sub(facts.elapsed),
        hedge: task.hedge,
        hedge_after: task.hedge_after,
        breaker: facts.breaker,
        retries: task.retries,
        reask: facts.called.reask,
        max_retry_wait: task.max_retry_wait,
        fallback_on: task.fallback_on.clone(),
        strict: task.strict.clone(),
        drop_unsupported: task.drop_unsupported,
        upstream: match live {
            Some(_) => Upstream::Stream,
            None => options.upstream.unwrap_or(task.upstream),
        },
        live: live.is_some(),
        on_break: options.on_break.unwrap_or(task.on_break),
        restarts: live.is_some_and(|live| live.restarts),
    }
}

fn candidates(facts: &Facts<'_>, members: &Members) -> Vec<Candidate> {
    let Facts { task, options, request, .. } = facts;
    let mut seat = 0;
    let mut place = None;
    let numbered = facts.choices.iter().enumerate();
    let all = numbered.filter_map(|(index, choice)| {
        seat = if place.replace(choice.place) == Some(choice.place) { seat + 1 } else { 0 };
        let model = &choice.model;
        let name = model.name();
        Some(Candidate {
            index,
            place: choice.place,
            key: choice.key.as_ref().and_then(|key| key.number),
            vitals: *members.of(&name).get(seat)?,
            name: name.into(),
            provider: model.provider.name.as_str().into(),
            skip: choice.skip.clone(),
            timeout: model.timeout,
            first_token: model.first_token.or(task.first_token),
            idle: model.idle.unwrap_or(task.idle),
            reasons: params(task, model, options).reasons(),
            context_window: model.context_window,
            max_request_bytes: (model.format() == Format::AnthropicMessages).then_some(provider::ANTHROPIC_MAX_REQUEST),
            price: model.price,
            size: (facts.size)(model),
            acts: [Some(&model.extra_body), request.extra_body.get(&model.provider.name)]
                .into_iter()
                .flatten()
                .any(has_server_tools),
        })
    });
    all.collect()
}

/// Whether members of a request's body let the provider act by itself: search, run code, call other servers. All known ones
/// are asked for by these members, or by tools that are not the application's own functions.
fn has_server_tools(body: &Map<String, Value>) -> bool {
    const MEMBERS: [&str; 4] = ["mcp_servers", "plugins", "web_search_options", "container"];
    let own = |tool: &Value| {
        let kind = tool.get("type").and_then(Value::as_str);
        matches!(kind, Some("function" | "custom")) || (kind.is_none() && tool.get("input_schema").is_some())
    };
    let tools = body.get("tools").and_then(Value::as_array).into_iter().flatten();
    MEMBERS.iter().any(|member| body.contains_key(*member)) || tools.into_iter().any(|tool| !own(tool))
}

/// What every model of a policy is known by, once for each key of its provider.
pub(super) fn identities(policy: &Policy) -> Vec<(String, Vec<Identity>)> {
    let named = policy.tasks.values().flat_map(|task| &task.candidates);
    named.map(|model| (model.name(), of(model))).collect::<std::collections::BTreeMap<_, _>>().into_iter().collect()
}

fn of(model: &Model) -> Vec<Identity> {
    let provider = &model.provider;
    let mark = |keys: &[&Key]| {
        let mut hasher = DefaultHasher::new();
        for secret in keys.iter().map(|key| &key.secret).chain(provider.headers.values()) {
            secret.expose().hash(&mut hasher);
        }
        provider.headers.keys().for_each(|name| name.hash(&mut hasher));
        hasher.finish()
    };
    let identity = |key: u64, keys: u64| Identity {
        provider: provider.base_url.clone(),
        model: model.id.clone(),
        key,
        keys,
        limit: provider.max_concurrency,
    };
    match &provider.credential {
        Credential::Keys(keys) => {
            let all: Vec<&Key> = keys.iter().collect();
            keys.iter().map(|key| identity(mark(&[key]), mark(&all))).collect()
        }
        Credential::Fetched(auth) => {
            let mut hasher = DefaultHasher::new();
            (mark(&[]), auth).hash(&mut hasher);
            vec![identity(hasher.finish(), hasher.finish())]
        }
        Credential::None | Credential::Missing(_) => vec![identity(mark(&[]), mark(&[]))],
    }
}
