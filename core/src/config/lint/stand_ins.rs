//! Stand-ins that cannot help when they are needed: taken by the same outage, or not up to the task.

use std::collections::BTreeSet;

use super::{place, primaries};
use crate::config::policy::{Credential, Model, Task};
use crate::config::problem::{Findings, Places, join};
use crate::types::Feature;

/// Shorter keys are placeholders for servers that want none, and may well be the same.
const SHORTEST_KEY: usize = 8;

pub(super) fn add(task: &Task, places: &Places, lints: &mut Findings) {
    let first = primaries(task);
    let path = join(&join("tasks", &task.name), "fallback");
    if task.candidates.len() > first {
        if task.allow_fallback {
            outage(task, &path, places, lints);
        } else {
            lints.add(places.find(&path), "nobody in this list stands in, since allow_fallback is false");
        }
    }
    for (i, model) in task.candidates.iter().enumerate() {
        if task.candidates.iter().take(i).any(|earlier| earlier.name() == model.name()) {
            let sentence = format!("the same model as an earlier candidate, {}", model.name());
            lints.add(place(task, i, places), sentence);
        }
        if i >= first && task.allow_fallback {
            abilities(task, model).into_iter().for_each(|sentence| lints.add(place(task, i, places), sentence));
        }
    }
}

/// What one outage, or one limit of a key, takes all at once.
fn outage(task: &Task, path: &str, places: &Places, lints: &mut Findings) {
    let Some((primary, others)) = task.candidates.split_first() else {
        return;
    };
    let name = &primary.provider.name;
    let same_place = |model: &Model| model.provider.base_url == primary.provider.base_url;
    if others.iter().all(|model| same_place(model)) {
        let sentence = format!("every stand-in is at {name:?} like the primary: one outage takes them all");
        lints.add(places.find(path), sentence);
    } else if others.iter().all(|model| same_place(model) || same_key(model, primary)) {
        let sentence = format!("every stand-in has the key of {name:?} like the primary: one limit takes them all");
        lints.add(places.find(path), sentence);
    }
}

/// Whether the two have a key in common.
fn same_key(one: &Model, other: &Model) -> bool {
    let (Credential::Keys(ones), Credential::Keys(others)) = (&one.provider.credential, &other.provider.credential)
    else {
        return false;
    };
    let real = ones.iter().filter(|key| key.secret.expose().len() >= SHORTEST_KEY);
    real.into_iter().any(|key| others.iter().any(|other| other.secret == key.secret))
}

/// What the task needs or the primary does, and this stand-in does not.
fn abilities(task: &Task, model: &Model) -> Vec<String> {
    let mut found = Vec::new();
    if let (Some(window), Some(most)) = (model.context_window, task.max_input_tokens)
        && window < most
    {
        found.push(format!(
            "its context_window of {window} is below the task's max_input_tokens ({most}): it cannot take the longest calls"
        ));
    }
    for primary in task.candidates.iter().take(primaries(task)) {
        // That the catalog knows a model to see no images matters to few tasks; whoever sends some finds it skipped.
        let cannot = |model: &Model| -> BTreeSet<Feature> {
            let known = model.doubts.iter().filter(|feature| **feature == Feature::Tools);
            model.lacks.iter().chain(known).copied().filter(|feature| *feature != Feature::Temperature).collect()
        };
        let lacks: Vec<_> = cannot(model).difference(&cannot(primary)).map(|feature| feature.as_str()).collect();
        if !lacks.is_empty() {
            let (lacks, primary) = (lacks.join(" and "), primary.name());
            found.push(format!("lacks {lacks}, which the primary {primary} does not: it cannot take such calls"));
            break;
        }
    }
    found
}
