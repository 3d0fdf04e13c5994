//! A task: its candidates, and the limits within which they serve.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Check, set};
use crate::config::defaults;
use crate::config::policy::{Model, Task};
use crate::config::problem::join;
use crate::config::schema::{PrimaryConfig, TaskConfig};

/// The candidates of a task as they are read.
#[derive(Default)]
struct Candidates {
    models: Vec<Option<Arc<Model>>>,
    /// Where each reference stands.
    named: BTreeMap<String, String>,
}

impl Check<'_> {
    pub(super) fn task(&mut self, name: &str, config: TaskConfig) -> Option<Task> {
        let path = join("tasks", name);
        let params = self.params(&path, config.params.into());
        let mut candidates = Candidates::default();
        let weights = self.primaries(&join(&path, "primary"), config.primary, &mut candidates);
        let fallback = join(&path, "fallback");
        for (i, reference) in config.fallback.into_iter().flatten().enumerate() {
            self.add(&format!("{fallback}[{i}]"), reference, &mut candidates);
        }
        let accept = config.accept.map(|accept| self.accept(&join(&path, "accept"), accept));
        let prompt = config.prompt.map(|prompt| self.prompt(&join(&path, "prompt"), prompt, &candidates.named));
        Some(Task {
            name: name.to_owned(),
            accept,
            reask: config.reask.unwrap_or(defaults::REASK),
            prompt,
            candidates: candidates.models.into_iter().collect::<Option<_>>()?,
            weights,
            sticky: config.sticky.map(Into::into),
            max_latency: config.max_latency_ms.map(Duration::from_millis),
            max_input_tokens: config.max_input_tokens,
            too_long: config.too_long.map(|too_long| too_long.use_task),
            hedge: config.hedge.unwrap_or(defaults::HEDGE),
            hedge_after: config.hedge_after_ms.map(Into::into),
            allow_fallback: config.allow_fallback.unwrap_or(defaults::ALLOW_FALLBACK),
            retries: config.retries.unwrap_or(defaults::RETRIES),
            max_retry_wait: config.max_retry_wait_ms.map_or(defaults::MAX_RETRY_WAIT, Duration::from_millis),
            fallback_on: set(config.fallback_on),
            strict: set(config.strict),
            drop_unsupported: config.drop_unsupported.unwrap_or(defaults::DROP_UNSUPPORTED),
            upstream: config.upstream.map_or(defaults::UPSTREAM, Into::into),
            on_break: config.on_break.map_or(defaults::ON_BREAK, Into::into),
            first_token: config.first_token_ms.map(Into::into),
            idle: config.idle_ms.map_or(defaults::IDLE, Duration::from_millis),
            params,
        })
    }

    /// Adds who does the work; their weights, where they are several.
    fn primaries(&mut self, path: &str, config: PrimaryConfig, candidates: &mut Candidates) -> Vec<u32> {
        let shares = match config {
            PrimaryConfig::One(reference) => {
                self.add(path, reference, candidates);
                return Vec::new();
            }
            PrimaryConfig::Several(shares) => shares,
        };
        let weights: Vec<u32> = shares.iter().map(|share| share.weight).collect();
        if weights.iter().all(|weight| *weight == 0) {
            self.problem(path, "at least one weight must be above 0");
        }
        for (i, share) in shares.into_iter().enumerate() {
            self.add(&join(&format!("{path}[{i}]"), "model"), share.model, candidates);
        }
        if weights.len() > 1 { weights } else { Vec::new() }
    }

    fn add(&mut self, path: &str, reference: String, candidates: &mut Candidates) {
        if let Some(earlier) = candidates.named.get(&reference) {
            let earlier = self.places.find(earlier).path;
            self.problem(path, format!("{reference:?} is a candidate already, as {earlier}"));
            return;
        }
        candidates.models.push(self.candidate(path, &reference));
        candidates.named.insert(reference, path.to_owned());
    }
}
