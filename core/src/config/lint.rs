//! Remarks on a policy that is allowed but surely not meant.

use std::collections::BTreeSet;

use super::policy::{Credential, Policy, Task};
use super::problem::{Findings, Places, join};

/// Adds what is worth a look.
pub(super) fn add(policy: &Policy, places: &Places, lints: &mut Findings) {
    for task in policy.tasks.values() {
        candidates(task, places, lints);
        timeouts(task, places, lints);
    }
    unused(policy, places, lints);
}

fn candidates(task: &Task, places: &Places, lints: &mut Findings) {
    let path = join(&join("tasks", &task.name), "fallback");
    let Some((primary, stand_ins)) = task.candidates.split_first() else {
        return;
    };
    if stand_ins.is_empty() {
        return;
    }
    if !task.allow_fallback {
        lints.add(places.find(&path), "nobody in this list stands in, since allow_fallback is false");
    } else if stand_ins.iter().all(|model| model.provider.base_url == primary.provider.base_url) {
        let name = &primary.provider.name;
        lints.add(
            places.find(&path),
            format!("every stand-in is at {name:?} like the primary: one outage takes them all"),
        );
    }
    for (i, model) in task.candidates.iter().enumerate().skip(1) {
        if task.candidates.iter().take(i).any(|earlier| earlier.name() == model.name()) {
            lints.add(
                places.find(&format!("{path}[{}]", i - 1)),
                format!("the same model as an earlier candidate, {}", model.name()),
            );
        }
    }
}

fn timeouts(task: &Task, places: &Places, lints: &mut Findings) {
    for model in &task.candidates {
        if let (Some(alias), Some(timeout), Some(deadline)) = (&model.alias, model.timeout, task.max_latency)
            && timeout > deadline
        {
            let path = join(&join("tasks", &task.name), "max_latency_ms");
            lints.add(
                places.find(&path),
                format!(
                    "ends before the timeout_ms of {alias:?} ({} ms), which never takes effect here",
                    timeout.as_millis()
                ),
            );
        }
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
