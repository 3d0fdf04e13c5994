//! What a call may use, by the quotas.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Router;
use super::seat::params;
use crate::accounting::quota::{Held, Spent, Wish};
use crate::config::{Model, Task};
use crate::error::{Error, ErrorKind};
use crate::route::Choice;
use crate::types::{Failure, Options, Usage};

/// The tasks and options that a call is made with.
pub(super) struct Terms<'a> {
    pub(super) called: &'a Task,
    pub(super) taker: &'a Task,
    pub(super) options: &'a Options,
    /// The tokens of the prompt for a model.
    pub(super) tokens: &'a dyn Fn(&Model) -> u64,
}

impl Router {
    /// Has the candidates passed over with which the call would exceed a quota. What the others may use is held, if `hold`.
    ///
    /// # Errors
    /// `quota_exceeded` where the call is refused, or nobody is left.
    pub(super) fn ration(&self, terms: &Terms<'_>, choices: &mut [Choice], hold: bool) -> Result<Option<Held>, Error> {
        let quotas = &self.inner.quotas;
        if self.inner.policy.quotas.is_empty() {
            return Ok(None);
        }
        let mut open: Vec<&mut Choice> = choices.iter_mut().filter(|choice| choice.skip.is_none()).collect();
        let candidates: Vec<_> = open
            .iter()
            .map(|choice| {
                let model = &choice.model;
                let output = params(terms.taker, model, terms.options).max_output_tokens.unwrap_or_default();
                let usage = Usage { input: (terms.tokens)(model), output, ..Usage::default() };
                let usd = model.price.map_or(0.0, |price| price.of(&usage));
                (model.name(), Spent { requests: 1, tokens: usage.input + output, usd })
            })
            .collect();
        let wish = Wish {
            task: &terms.called.name,
            customer: terms.options.customer.as_deref(),
            candidates: &candidates,
            now: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        };
        let (ruling, held) = if hold { quotas.hold(&wish) } else { (quotas.look(&wish), None) };
        if let Some(excess) = ruling.refused {
            let failure = Failure::new(ErrorKind::QuotaExceeded, excess.sentence);
            let failure = Failure { retry_after: Some(excess.room_in), ..failure };
            return Err(Error::from_failure(failure).with_task(&terms.called.name));
        }
        for (choice, excess) in open.iter_mut().zip(ruling.exceeded) {
            choice.skip = excess.map(|excess| excess.sentence);
        }
        Ok(held)
    }
}
