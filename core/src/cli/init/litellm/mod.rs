//! A LiteLLM configuration as Locum's. What has no equivalent is told, with its place, and never dropped in silence.
//!
//! Source of the keys: LiteLLM's documentation of its proxy's configuration, of routing and of fallbacks.

mod deployment;
mod params;
mod tasks;

use super::text::{comment, key, list, quoted};
use super::yaml::{self, Node, Value};
use deployment::{Deployment, read};

/// Sections in which settings of the router may stand, the one that counts first.
const SECTIONS: [&str; 2] = ["router_settings", "litellm_settings"];

/// What of those settings is understood.
const UNDERSTOOD: [&str; 15] = [
    "fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "default_fallbacks",
    "num_retries",
    "timeout",
    "request_timeout",
    "stream_timeout",
    "api_base",
    "cooldown_time",
    "allowed_fails",
    "routing_strategy",
    "model_group_alias",
    "drop_params",
    "enable_pre_call_checks",
];

/// What there is to say about places of the other file.
struct Notes<'a> {
    file: &'a str,
    lines: Vec<String>,
}

impl Notes<'_> {
    fn add(&mut self, node: &Node, place: &str, what: &str) {
        self.lines.push(comment(&format!("{}:{}: {place}: {what}", self.file, node.line)));
    }
}

/// The configuration, and the notes that stand at its top too.
///
/// # Errors
/// The text is no YAML, with line and column; or nothing in it can be converted.
pub(super) fn convert(text: &str, file: &str) -> Result<(String, Vec<String>), String> {
    let root = yaml::parse(text).map_err(|problem| format!("{file}:{problem}"))?;
    let mut notes = Notes { file, lines: Vec::new() };
    let timeout = setting(&root, "timeout").or_else(|| setting(&root, "request_timeout"));
    let limits = [("timeout_ms", timeout), ("first_token_ms", setting(&root, "stream_timeout"))];
    let limits = limits.into_iter().filter_map(|(name, found)| Some((name, milliseconds(found?.1)?.to_string())));
    let deployments = read(&root, &limits.collect::<Vec<_>>(), &mut notes);
    if deployments.is_empty() {
        let told: String = notes.lines.iter().map(|line| format!("\n  {line}")).collect();
        return Err(format!("{file}: no model in model_list can be converted{told}"));
    }
    remarks(&root, &mut notes);
    let tasks = tasks::write(&root, &deployments, &mut notes);
    let mut out = comment(&format!("# From {file}. Each model group became a task of its name."));
    out.push('\n');
    if !notes.lines.is_empty() {
        out.push_str("#\n# Not taken over, or with another meaning here:\n");
    }
    for line in &notes.lines {
        out.push_str(&format!("#   {line}\n"));
    }
    breaker(&root, &mut out);
    providers(&deployments, &mut out);
    models(&deployments, &mut out);
    out.push_str(&tasks);
    tokens(&root, &mut out);
    Ok((out, notes.lines))
}

/// A setting of the router, with the section it stands in.
fn setting<'a>(root: &'a Node, name: &str) -> Option<(&'static str, &'a Node)> {
    SECTIONS.iter().find_map(|section| Some((*section, root.get(section)?.get(name)?)))
}

/// Seconds as whole milliseconds.
fn milliseconds(node: &Node) -> Option<u64> {
    node.number().filter(|seconds| *seconds > 0.0).map(|seconds| (seconds * 1e3).ceil().clamp(1.0, 86_400_000.0) as u64)
}

/// What of the settings means nothing here, or something else.
fn remarks(root: &Node, notes: &mut Notes<'_>) {
    for section in SECTIONS {
        for (name, node) in root.get(section).map(Node::entries).unwrap_or_default() {
            if let Some(what) = remark(root, section, name, node) {
                notes.add(node, &format!("{section}.{name}"), &what);
            }
        }
    }
    for (name, node) in root.entries() {
        if name == "general_settings" {
            for (name, node) in node.entries() {
                let what =
                    if name == "master_key" { "see [serve] at the end; no key is copied" } else { "no equivalent" };
                notes.add(node, &format!("general_settings.{name}"), what);
            }
        } else if name == "environment_variables" {
            notes.add(node, name, "no keys are copied; set the variables in the environment");
        } else if name != "model_list" && !SECTIONS.contains(&name.as_str()) {
            notes.add(node, name, "no equivalent");
        }
    }
}

/// What there is to say of a setting.
fn remark(root: &Node, section: &str, name: &str, node: &Node) -> Option<String> {
    if matches!(node.value, Value::Null) {
        return None;
    }
    if !UNDERSTOOD.contains(&name) {
        return Some("no equivalent".to_owned());
    }
    let counts = setting(root, name).map_or(section, |(section, _)| section);
    if counts != section {
        return Some(format!("passed over: {counts}.{name} counts"));
    }
    if let ("request_timeout", Some((counts, _))) = (name, setting(root, "timeout")) {
        return Some(format!("passed over: {counts}.timeout counts"));
    }
    let is_list = matches!(node.value, Value::List(_));
    let sound = match name {
        "timeout" | "request_timeout" | "stream_timeout" | "cooldown_time" => milliseconds(node).is_some(),
        "num_retries" | "allowed_fails" => node.number().is_some_and(|number| number >= 0.0),
        "drop_params" | "enable_pre_call_checks" => node.boolean().is_some(),
        "model_group_alias" => matches!(node.value, Value::Map(_)),
        "routing_strategy" | "api_base" => true,
        _ if is_list => true,
        _ => return Some("left out: a list is expected".to_owned()),
    };
    let what = match name {
        _ if !sound => params::BAD,
        "routing_strategy" if node.text() != Some("simple-shuffle") => {
            "no equivalent; the deployments of a group share its calls by weight"
        }
        "allowed_fails" => "became breaker.failures, which counts failures in a row, not in a minute",
        "num_retries" if node.number().is_some_and(|number| number > 10.0) => {
            "became retries, which ask the same candidate again, 10 times at most"
        }
        "num_retries" => "became retries, which ask the same candidate again",
        "enable_pre_call_checks" => "always on; it needs context_window at the models",
        "api_base" if section == "router_settings" => "no equivalent",
        _ => return None,
    };
    Some(what.to_owned())
}

fn breaker(root: &Node, out: &mut String) {
    let failures = setting(root, "allowed_fails").and_then(|(_, node)| node.number()).filter(|fails| *fails >= 0.0);
    let open = setting(root, "cooldown_time").and_then(|(_, node)| milliseconds(node));
    if failures.is_none() && open.is_none() {
        return;
    }
    out.push_str("\n[breaker]\n");
    if let Some(fails) = failures {
        out.push_str(&format!("failures = {}\n", (fails + 1.0).clamp(1.0, 100.0) as u64));
    }
    if let Some(open) = open {
        out.push_str(&format!("open_ms = {open}\n"));
    }
}

fn providers(deployments: &[Deployment], out: &mut String) {
    let mut seen: Vec<&str> = Vec::new();
    for one in deployments {
        if seen.contains(&one.provider.as_str()) {
            continue;
        }
        seen.push(&one.provider);
        out.push_str(&format!("\n[providers.{}]\n", key(&one.provider)));
        if one.provider != one.kind {
            out.push_str(&format!("kind = {}\n", quoted(one.kind)));
        }
        if let Some(url) = &one.base_url {
            out.push_str(&format!("base_url = {}\n", quoted(url)));
            if url.starts_with("http://") && !params::is_here(url) {
                out.push_str("allow_http = true                       # plain http sends the key in clear\n");
            }
        }
        match one.keys.as_slice() {
            [] => {}
            [name] => out.push_str(&format!("api_key = {}\n", quoted(&format!("env:{name}")))),
            names => {
                let names: Vec<String> = names.iter().map(|name| format!("env:{name}")).collect();
                out.push_str(&format!("api_keys = {}\n", list(names.iter().map(String::as_str))));
            }
        }
        if !one.headers.is_empty() {
            out.push_str(&format!("headers = {}\n", table(&one.headers)));
        }
    }
}

fn models(deployments: &[Deployment], out: &mut String) {
    for one in deployments {
        let Some(alias) = &one.alias else { continue };
        let used = quoted(&format!("{}/{}", one.provider, one.model));
        out.push_str(&format!("\n[models.{}]\nuse = {used}\n", key(alias)));
        for (name, value) in &one.params {
            out.push_str(&format!("{name} = {value}\n"));
        }
        if !one.body.is_empty() {
            out.push_str(&format!("extra_body = {}\n", table(&one.body)));
        }
    }
}

/// A table in one line, of values that are TOML.
fn table(entries: &[(String, String)]) -> String {
    let entries: Vec<String> = entries.iter().map(|(name, value)| format!("{} = {value}", key(name))).collect();
    format!("{{ {} }}", entries.join(", "))
}

/// Where the proxy's own key goes. A server whose token is missing does not start, so that none is open by mistake; programs
/// that read the file for its tasks alone need no token.
fn tokens(root: &Node, out: &mut String) {
    let Some(master) = root.get("general_settings").and_then(|settings| settings.get("master_key")) else { return };
    let name = master.text().and_then(deployment::variable).unwrap_or("LOCUM_SERVE_TOKEN");
    out.push_str(&format!(
        "\n# `locum serve` starts once {name} is set to what its clients send as their API key.\n\
         [serve]\ntokens = [{}]\n",
        quoted(&format!("env:{name}"))
    ));
}
