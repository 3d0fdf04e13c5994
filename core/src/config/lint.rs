//! Remarks on a policy that is allowed but surely not meant.

mod shares;
mod stand_ins;
mod times;

use std::collections::BTreeSet;

use super::policy::{Credential, Policy, Task};
use super::problem::{Findings, Place, Places, join};

/// Adds what is worth a look.
pub(super) fn add(policy: &Policy, places: &Places, lints: &mut Findings) {
    for task in policy.tasks.values() {
        stand_ins::add(task, places, lints);
        shares::add(task, places, lints);
        times::add(task, places, lints);
        hand_over(policy, task, places, lints);
        for (index, model) in task.candidates.iter().enumerate() {
            if let Some(until) = model.until {
                let ends = if until == "deprecated" {
                    "is deprecated".to_owned()
                } else {
                    format!("is switched off on {until}")
                };
                let sentence = format!("{} {ends}, by the built-in catalog", model.name());
                lints.add(place(task, index, places), sentence);
            }
        }
    }
    unused(policy, places, lints);
}

/// Where the candidate with this index is named.
fn place(task: &Task, index: usize, places: &Places) -> Place {
    let path = join("tasks", &task.name);
    if let Some(i) = index.checked_sub(primaries(task)) {
        return places.find(&format!("{}[{i}]", join(&path, "fallback")));
    }
    let primary = join(&path, "primary");
    let share = join(&format!("{primary}[{index}]"), "model");
    places.find(if places.written(&share) { &share } else { &primary })
}

/// How many candidates share the work of the primary.
fn primaries(task: &Task) -> usize {
    task.weights.len().max(1)
}

fn hand_over(policy: &Policy, task: &Task, places: &Places, lints: &mut Findings) {
    let limit = |task: &Task| task.max_input_tokens.unwrap_or(u64::MAX);
    if let Some(taker) = task.too_long.as_ref().and_then(|name| policy.tasks.get(name))
        && limit(taker) <= limit(task)
    {
        let path = join(&join(&join("tasks", &task.name), "too_long"), "use_task");
        lints.add(places.find(&path), format!("{:?} takes no longer input than this task", taker.name));
    }
}

fn unused(policy: &Policy, places: &Places, lints: &mut Findings) {
    let candidates = || policy.tasks.values().flat_map(|task| &task.candidates);
    let aliases: BTreeSet<_> = candidates().filter_map(|model| model.alias.as_deref()).collect();
    for alias in policy.models.keys().filter(|alias| !aliases.contains(alias.as_str())) {
        lints.add(places.find(&join("models", alias)), "no task uses this alias");
    }
    let providers: BTreeSet<_> =
        candidates().chain(policy.models.values()).map(|model| model.provider.name.as_str()).collect();
    for (name, provider) in &policy.providers {
        let place = places.find(&join("providers", name));
        if !providers.contains(name.as_str()) {
            lints.add(place, "no model is at this provider");
        } else if let Credential::Missing(sentence) = &provider.credential {
            lints.add(place, format!("its models will be skipped: {sentence}"));
        }
    }
}
