//! Model groups and their fallbacks as tasks.

use super::super::text::{key, list, quoted};
use super::super::yaml::{Node, Value};
use super::deployment::Deployment;
use super::{Notes, setting};

/// Lists of groups that stand in, by group, and what of them is told.
const KINDS: [(&str, Option<&str>); 3] = [
    ("fallbacks", None),
    ("context_window_fallbacks", Some("these stand in after other failures too: a task has one order")),
    ("content_policy_fallbacks", Some("these stand in after other failures too: a task has one order")),
];

/// The tasks.
pub(super) fn write(root: &Node, deployments: &[Deployment], notes: &mut Notes<'_>) -> String {
    let mut out = String::new();
    let mut names: Vec<(&str, &str)> = Vec::new();
    for one in deployments {
        if !names.contains(&(&one.group, &one.group)) {
            names.push((&one.group, &one.group));
        }
    }
    if let Some((section, aliases)) = setting(root, "model_group_alias") {
        for (alias, target) in aliases.entries() {
            for (name, node) in target.entries().iter().filter(|(name, _)| name != "model") {
                notes.add(node, &format!("{section}.model_group_alias.{alias}.{name}"), "no equivalent");
            }
            let group = target.text().or_else(|| target.get("model")?.text());
            match group.filter(|group| deployments.iter().any(|one| one.group == *group)) {
                Some(group) if !names.iter().any(|(name, _)| *name == alias.as_str()) => names.push((alias, group)),
                _ => notes.add(
                    target,
                    &format!("{section}.model_group_alias.{alias}"),
                    "left out: no such group, or the name is taken",
                ),
            }
        }
    }
    remark(root, deployments, notes);
    for (name, group) in names {
        task(root, deployments, name, group, &mut out);
    }
    out
}

/// Says of fallbacks what does not fit.
fn remark(root: &Node, deployments: &[Deployment], notes: &mut Notes<'_>) {
    for (kind, what) in KINDS {
        let Some((section, node)) = setting(root, kind) else { continue };
        let place = format!("{section}.{kind}");
        if let Some(what) = what.filter(|_| !node.items().is_empty()) {
            notes.add(node, &place, what);
        }
        let mut seen: Vec<&str> = Vec::new();
        for entry in node.items() {
            if entry.entries().is_empty() {
                notes.add(entry, &place, "an entry is left out: a group with its list is expected");
            }
            for (group, targets) in entry.entries() {
                let place = format!("{place}.{group}");
                if group != "*" && !deployments.iter().any(|one| one.group == *group) {
                    notes.add(targets, &place, "left out: no such group here");
                } else if seen.contains(&group.as_str()) {
                    notes.add(targets, &place, "passed over: the first entry of a group counts");
                } else if !matches!(targets.value, Value::List(_)) {
                    notes.add(targets, &place, "left out: a list is expected");
                }
                seen.push(group);
                unknown(targets, deployments, &place, "a target is left out: no such group here", notes);
            }
        }
    }
    if let Some((section, node)) = setting(root, "default_fallbacks") {
        let place = format!("{section}.default_fallbacks");
        unknown(node, deployments, &place, "an entry is left out: no such group here", notes);
    }
}

/// Says it of each target that means nobody.
fn unknown(targets: &Node, deployments: &[Deployment], place: &str, what: &str, notes: &mut Notes<'_>) {
    for target in targets.items().iter().filter(|target| members(deployments, target).is_empty()) {
        notes.add(target, place, what);
    }
}

/// The deployments a target of a fallback means: a group, or one by its id.
fn members<'a>(deployments: &'a [Deployment], target: &Node) -> Vec<&'a Deployment> {
    let Some(name) = target.name() else { return Vec::new() };
    deployments.iter().filter(|one| one.group == name || one.ids.contains(&name)).collect()
}

/// What a list of fallbacks names for a group.
fn targets<'a>(root: &'a Node, kind: &str, group: &str) -> &'a [Node] {
    let lists = setting(root, kind).map(|(_, node)| node.items()).unwrap_or_default();
    lists.iter().find_map(|entry| entry.get(group)).map(Node::items).unwrap_or_default()
}

fn task(root: &Node, deployments: &[Deployment], name: &str, group: &str, out: &mut String) {
    let mut own: Vec<&Deployment> = deployments.iter().filter(|one| one.group == group).collect();
    let place = |one: &Deployment| one.order.unwrap_or(f64::INFINITY);
    own.sort_by(|a, b| place(a).total_cmp(&place(b)));
    let first = own.first().map(|one| place(one));
    let (primaries, mut others): (Vec<&Deployment>, Vec<&Deployment>) =
        own.into_iter().partition(|one| Some(place(one)) == first);
    let mut general = targets(root, "fallbacks", group);
    if general.is_empty() {
        general = targets(root, "fallbacks", "*");
    }
    if general.is_empty() {
        general = setting(root, "default_fallbacks").map(|(_, node)| node.items()).unwrap_or_default();
    }
    let policy = targets(root, "content_policy_fallbacks", group);
    let named = general.iter().chain(targets(root, "context_window_fallbacks", group)).chain(policy);
    others.extend(named.flat_map(|target| members(deployments, target)));
    let primaries = shares(&primaries);
    let mut fallback: Vec<String> = Vec::new();
    for name in others.iter().map(|one| one.name()) {
        if !fallback.contains(&name) && !primaries.iter().any(|(taken, _)| *taken == name) {
            fallback.push(name);
        }
    }
    out.push_str(&format!("\n[tasks.{}]\nprimary = ", key(name)));
    match primaries.as_slice() {
        [(name, _)] => out.push_str(&quoted(name)),
        several => {
            let several =
                several.iter().map(|(name, weight)| format!("{{ model = {}, weight = {weight} }}", quoted(name)));
            out.push_str(&format!("[{}]", several.collect::<Vec<_>>().join(", ")));
        }
    }
    out.push('\n');
    if !fallback.is_empty() {
        out.push_str(&format!("fallback = {}\n", list(fallback.iter().map(String::as_str))));
    }
    if !policy.is_empty() {
        out.push_str("fallback_on = [\"content_filter\"]\n");
    }
    if let Some(retries) = setting(root, "num_retries").and_then(|(_, node)| node.number()) {
        out.push_str(&format!("retries = {}\n", retries.clamp(0.0, 10.0) as u64));
    }
    if setting(root, "drop_params").and_then(|(_, node)| node.boolean()) == Some(false) {
        out.push_str("drop_unsupported = false\n");
    }
}

/// Names with whole weights. Where none is given, all are equal; where some are, the others are drawn by nobody.
fn shares(primaries: &[&Deployment]) -> Vec<(String, u64)> {
    let weights = || primaries.iter().filter_map(|one| one.weight);
    let largest = weights().fold(0.0, f64::max);
    let whole = weights().all(|weight| weight.fract() == 0.0) && largest <= 1e6;
    let scale = match largest {
        _ if whole => 1.0,
        0.1..=1e3 => 1e3,
        _ => 1e3 / largest,
    };
    let mut shares: Vec<(String, u64)> = Vec::new();
    for one in primaries {
        // Who has a share at all keeps one.
        let scaled = |weight: f64| if weight > 0.0 { (weight * scale).round().clamp(1.0, 1e6) as u64 } else { 0 };
        let weight = if largest > 0.0 { scaled(one.weight.unwrap_or_default()) } else { 1 };
        match shares.iter_mut().find(|(name, _)| *name == one.name()) {
            Some((_, sum)) => *sum = (*sum + weight).min(1_000_000),
            None => shares.push((one.name(), weight)),
        }
    }
    shares
}
