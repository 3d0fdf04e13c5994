//! What a call would do, told without making it.

use serde_json::Value;

use super::seat::params;
use super::{Call, Prepared, Router};
use crate::error::Error;
use crate::ladder::{Part, rehearse};
use crate::provider::DEFAULT_MAX_TOKENS;
use crate::types::{Explanation, Messages, Outcome, Prospect, Usage};

/// The same explanation for the same question.
const SEED: u64 = 0;

impl Router {
    /// Tells what a call would do at this moment: which candidates it would ask, in which order, within which limits, whom it
    /// would pass over and why, and how long it takes and what it costs at worst. Nothing is sent, and nothing changes.
    ///
    /// Options are set on a call: `router.complete(task, messages).customer("acme").explain()`.
    ///
    /// # Errors
    /// Those that the call itself would have before it asks anybody: unknown task, wrong options, input too long.
    pub fn explain(&self, task: impl Into<String>, messages: impl Into<Messages>) -> Result<Explanation, Error> {
        self.complete(task, messages).explain()
    }

    /// The same from loosely typed input, as in [`Router::complete_value`].
    ///
    /// # Errors
    /// As [`Router::explain`].
    pub fn explain_value(
        &self,
        task: impl Into<String>,
        messages: Value,
        options: Value,
    ) -> Result<Explanation, Error> {
        self.complete_value(task, messages, options).explain()
    }
}

impl Call {
    /// Tells what this call would do, as [`Router::explain`].
    ///
    /// # Errors
    /// As [`Router::explain`].
    pub fn explain(self) -> Result<Explanation, Error> {
        let router = self.router.clone();
        let checked = router.check(self, None)?;
        if router.is_near_limit(&checked) {
            checked.asked.count();
        }
        let prepared = router.prepare(checked, false)?;
        let Prepared { task, taker, choices, plan, options, .. } = &prepared;
        let health = router.inner.members.state.with(|health| health.clone());
        let rehearsal = rehearse(plan, &health, SEED);
        let prospect = |part: &Part| {
            let (choice, candidate) = (choices.get(part.index)?, plan.candidates.get(part.index)?);
            let model = &choice.model;
            let is_its = |line: &&crate::types::Attempt| *line.model == *candidate.name && line.key == candidate.key;
            let skipped = rehearsal.trail.iter().filter(is_its).find(|line| line.outcome == Outcome::Skipped);
            // The one format that requires a limit of the output has a default for it.
            let required = candidate.max_request_bytes.map(|_| DEFAULT_MAX_TOKENS);
            let output = params(taker, model, options).max_output_tokens.or(required);
            let dearest = model.price.zip(output).map(|(price, output)| {
                f64::from(part.attempts) * price.of(&Usage { input: candidate.size.tokens, output, ..Usage::default() })
            });
            let waits = (part.attempts == 0 && skipped.is_none())
                .then(|| "asked where an earlier key is refused, limited or out of money".to_owned());
            Some(Prospect {
                model: model.name(),
                provider: model.provider.name.clone(),
                key: candidate.key,
                kept: part.attempts > 0 || skipped.is_none(),
                reason: skipped.and_then(|line| line.reason.clone()).or(waits),
                starts: part.starts,
                attempts: part.attempts,
                alone: part.alone,
                timeout: part.timeout,
                first_token: part.first_token,
                idle: candidate.idle,
                max_cost: if part.attempts == 0 { Some(0.0) } else { dearest },
            })
        };
        let candidates: Vec<Prospect> = rehearsal.parts.iter().filter_map(prospect).collect();
        Ok(Explanation {
            task: task.name.clone(),
            handed_to: (task.name != taker.name).then(|| taker.name.clone()),
            input_tokens: plan.candidates.first().map_or(0, |first| first.size.tokens),
            deadline: plan.deadline,
            worst_case: rehearsal.worst,
            worst_case_cost: candidates.iter().map(|candidate| candidate.max_cost).sum(),
            candidates,
            warnings: prepared.warnings.clone(),
        })
    }
}
