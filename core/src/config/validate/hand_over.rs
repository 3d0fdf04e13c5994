//! Which task takes the calls that are too long for another: it must be there, and the way must end.

use std::collections::BTreeMap;

use super::Check;
use crate::config::problem::join;
use crate::config::schema::TaskConfig;
use crate::types::parse::did_you_mean;

impl Check<'_> {
    /// Checks every `too_long`, and the ways they make together.
    pub(super) fn hand_overs(&mut self, tasks: &BTreeMap<String, TaskConfig>) {
        let mut next = BTreeMap::new();
        for (name, task) in tasks {
            let Some(too_long) = &task.too_long else {
                continue;
            };
            let path = join(&join("tasks", name), "too_long");
            if task.max_input_tokens.is_none() && !self.places.written(&join(&join("tasks", name), "max_input_tokens"))
            {
                self.problem(&path, "needs max_input_tokens, above which a call is too long");
            }
            let target = too_long.use_task.as_str();
            if tasks.contains_key(target) {
                next.insert(name.as_str(), target);
            } else if !self.places.written(&join("tasks", target)) {
                let hint = did_you_mean(target, tasks.keys().map(String::as_str));
                self.problem(&join(&path, "use_task"), format!("unknown task {target:?}{hint}"));
            }
        }
        for name in next.keys() {
            // Every loop is told once, at the first of its names.
            if let Some(ring) = ring(&next, name).filter(|ring| ring.iter().all(|member| name <= member)) {
                let path = join(&join(&join("tasks", name), "too_long"), "use_task");
                self.problem(&path, format!("hands over in a loop: {} → {name}", ring.join(" → ")));
            }
        }
    }
}

/// The tasks on the way from `start` back to `start`, if it leads back.
fn ring<'a>(next: &BTreeMap<&'a str, &'a str>, start: &'a str) -> Option<Vec<&'a str>> {
    let mut ring = vec![start];
    let mut here = start;
    while let Some(then) = next.get(here) {
        if *then == start {
            return Some(ring);
        }
        // A loop that does not lead through the start.
        if ring.contains(then) {
            return None;
        }
        ring.push(then);
        here = then;
    }
    None
}
