//! The entries of `model_list`.

use super::super::text::quoted;
use super::super::yaml::Node;
use super::{Notes, milliseconds};
use crate::config::find_preset;

/// A provider's prefix in a model's name, and the kind it is here.
const PREFIXES: [(&str, &str); 16] = [
    ("openai", "openai"),
    ("anthropic", "anthropic"),
    ("groq", "groq"),
    ("mistral", "mistral"),
    ("deepseek", "deepseek"),
    ("openrouter", "openrouter"),
    ("together_ai", "together"),
    ("xai", "xai"),
    ("ollama", "ollama"),
    ("ollama_chat", "ollama"),
    ("hosted_vllm", "vllm"),
    ("lm_studio", "lmstudio"),
    ("custom_openai", "openai_compatible"),
    ("openai_like", "openai_compatible"),
    ("litellm_proxy", "openai_compatible"),
    ("llamafile", "openai_compatible"),
];

/// Parameters that have the same meaning, by both names.
const SAME: [(&str, &str); 6] = [
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("max_tokens", "max_output_tokens"),
    ("max_completion_tokens", "max_output_tokens"),
    ("seed", "seed"),
    ("reasoning_effort", "reasoning_effort"),
];

/// One deployment of a model group.
pub(super) struct Deployment {
    pub(super) group: String,
    pub(super) id: Option<String>,
    pub(super) kind: &'static str,
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) base_url: Option<String>,
    /// Variables that hold its keys.
    pub(super) keys: Vec<String>,
    pub(super) weight: Option<f64>,
    pub(super) order: Option<f64>,
    /// Names and values of its parameters, as TOML.
    pub(super) params: Vec<(&'static str, String)>,
    /// Its name among the models, where it has parameters.
    pub(super) alias: Option<String>,
}

impl Deployment {
    /// What a task calls it.
    pub(super) fn name(&self) -> String {
        self.alias.clone().unwrap_or_else(|| format!("{}/{}", self.provider, self.model))
    }

    fn same_but_key(&self, other: &Self) -> bool {
        (&self.group, self.kind, &self.model, &self.base_url)
            == (&other.group, other.kind, &other.model, &other.base_url)
            && (self.weight, self.order) == (other.weight, other.order)
            && self.params == other.params
            && !self.keys.is_empty()
            && !other.keys.is_empty()
    }
}

/// The variable that `os.environ/NAME` names.
pub(super) fn variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix("os.environ/")?;
    let sound = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (sound && name.starts_with(|c: char| !c.is_ascii_digit())).then_some(name)
}

/// Everything in the list that can be asked, with the names it gets here. A timeout in milliseconds holds where a deployment
/// has none of its own.
pub(super) fn read(root: &Node, timeout: Option<u64>, notes: &mut Notes<'_>) -> Vec<Deployment> {
    let mut found: Vec<Deployment> = Vec::new();
    for (number, node) in root.get("model_list").map(Node::items).unwrap_or_default().iter().enumerate() {
        let place = format!("model_list[{number}]");
        let Some(one) = deployment(node, &place, timeout, notes) else { continue };
        match found.iter_mut().find(|other| other.same_but_key(&one)) {
            Some(other) => {
                notes.add(node, &place, "differs by its key alone; the keys serve in order, as api_keys");
                for name in one.keys.into_iter().filter(|name| !other.keys.contains(name)).collect::<Vec<_>>() {
                    other.keys.push(name);
                }
            }
            None => found.push(one),
        }
    }
    christen(&mut found);
    found
}

fn deployment(node: &Node, place: &str, timeout: Option<u64>, notes: &mut Notes<'_>) -> Option<Deployment> {
    let params = node.get("litellm_params");
    let (Some(group), Some(params), Some(full)) = (
        node.get("model_name").and_then(Node::text),
        params,
        params.and_then(|params| params.get("model")).and_then(Node::text),
    ) else {
        notes.add(node, place, "left out: model_name or litellm_params.model is missing");
        return None;
    };
    let own = params.get("custom_llm_provider").and_then(Node::text);
    let Some((kind, model)) = provider(full, own) else {
        let what = "left out: no wire format for this provider yet; if it has an OpenAI-compatible address, write it as kind \
                    \"openai_compatible\" with base_url";
        notes.add(params, &format!("{place}.litellm_params.model ({full})"), what);
        return None;
    };
    let info = node.get("model_info");
    let mode = info.and_then(|info| info.get("mode")).and_then(Node::text);
    if mode.is_some_and(|mode| mode != "chat") || model.contains('*') || model.is_empty() {
        notes.add(node, place, "left out: only single models for chat are converted");
        return None;
    }
    let mut one = Deployment {
        group: group.to_owned(),
        id: info.and_then(|info| info.get("id")).and_then(Node::text).map(str::to_owned),
        kind,
        provider: String::new(),
        model: model.to_owned(),
        base_url: None,
        keys: Vec::new(),
        weight: None,
        order: None,
        params: timeout.map(|ms| ("timeout_ms", ms.to_string())).into_iter().collect(),
        alias: None,
    };
    for (name, value) in params.entries() {
        member(&mut one, name, value, &format!("{place}.litellm_params.{name}"), notes);
    }
    if one.base_url.is_none() && one.kind == "openai_compatible" {
        notes.add(params, place, "left out: its address (api_base) is needed");
        return None;
    }
    for (name, value) in info.map(Node::entries).unwrap_or_default() {
        if !["id", "mode"].contains(&name.as_str()) {
            notes.add(value, &format!("{place}.model_info.{name}"), "no equivalent");
        }
    }
    Some(one)
}

/// The kind and the model of `provider/model`.
fn provider<'a>(full: &'a str, own: Option<&str>) -> Option<(&'static str, &'a str)> {
    let known = |word: &str| PREFIXES.iter().find(|(prefix, _)| *prefix == word).map(|(_, kind)| *kind);
    if let Some(own) = own {
        return known(own)
            .map(|kind| (kind, full.strip_prefix(own).and_then(|rest| rest.strip_prefix('/')).unwrap_or(full)));
    }
    match full.split_once('/') {
        Some((prefix, model)) => known(prefix).map(|kind| (kind, model)),
        None if ["gpt-", "chatgpt-", "o1", "o3", "o4"].iter().any(|start| full.starts_with(start)) => {
            Some(("openai", full))
        }
        None if full.starts_with("claude-") => Some(("anthropic", full)),
        None => None,
    }
}

fn member(one: &mut Deployment, name: &str, value: &Node, place: &str, notes: &mut Notes<'_>) {
    let number = value.number();
    match name {
        "model" | "custom_llm_provider" => {}
        "api_key" => api_key(one, value, place, notes),
        "api_base" | "base_url" => address(one, value, place, notes),
        "weight" => one.weight = number,
        "order" => one.order = number,
        "timeout" | "request_timeout" => {
            if let Some(ms) = milliseconds(value) {
                set(one, "timeout_ms", ms.to_string());
            }
        }
        "rpm" | "tpm" => notes.add(value, place, "limits per minute are not kept; the provider's own are obeyed"),
        _ => match SAME.iter().find(|(theirs, _)| *theirs == name) {
            Some((_, "reasoning_effort")) if value.text().is_some() => {
                set(one, "reasoning_effort", quoted(value.text().unwrap_or_default()));
            }
            Some((_, ours)) if number.is_some_and(|number| number >= 0.0) => {
                set(one, ours, number.unwrap_or_default().to_string());
            }
            _ => notes.add(value, place, "no equivalent"),
        },
    }
}

fn set(one: &mut Deployment, name: &'static str, value: String) {
    one.params.retain(|(there, _)| *there != name);
    one.params.push((name, value));
}

fn api_key(one: &mut Deployment, value: &Node, place: &str, notes: &mut Notes<'_>) {
    if let Some(name) = value.text().and_then(variable) {
        one.keys.push(name.to_owned());
        return;
    }
    // The line makes it another variable for each key that was written out.
    let stem = find_preset(one.kind).and_then(|preset| preset.key).unwrap_or("LOCUM_API_KEY");
    let name = format!("{stem}_LINE_{}", value.line);
    notes.add(value, place, &format!("a key written out is not copied; set {name}"));
    one.keys.push(name);
}

fn address(one: &mut Deployment, value: &Node, place: &str, notes: &mut Notes<'_>) {
    let text = value.text().unwrap_or_default().trim_end_matches('/');
    let plain = text.starts_with("http") && !text.contains(['@', '?', '#']);
    if !plain {
        notes.add(
            value,
            place,
            "an address must be written out, without user, query or fragment; set base_url by hand",
        );
        return;
    }
    let text = text.strip_suffix("/chat/completions").unwrap_or(text);
    if one.kind == "openai" && !text.starts_with("https://api.openai.com") {
        one.kind = "openai_compatible";
    }
    let version = if one.kind == "ollama" && !text.ends_with("/v1") { "/v1" } else { "" };
    one.base_url = Some(format!("{text}{version}"));
}

/// Names for providers and models: one provider for each address with its keys, one model for each with parameters.
fn christen(found: &mut [Deployment]) {
    let mut accounts: Vec<(&'static str, Option<String>, Vec<String>, String)> = Vec::new();
    let mut aliases: Vec<String> = Vec::new();
    for one in found {
        let known =
            accounts.iter().find(|(kind, url, keys, _)| *kind == one.kind && *url == one.base_url && *keys == one.keys);
        one.provider = if let Some((.., name)) = known {
            name.clone()
        } else {
            let taken: Vec<String> = accounts.iter().map(|(.., name)| name.clone()).collect();
            let name = free(one.kind, &taken);
            accounts.push((one.kind, one.base_url.clone(), one.keys.clone(), name.clone()));
            name
        };
        if !one.params.is_empty() {
            let name = free(&one.group.replace('/', "-"), &aliases);
            aliases.push(name.clone());
            one.alias = Some(name);
        }
    }
}

fn free(stem: &str, taken: &[String]) -> String {
    let mut name = stem.to_owned();
    for number in 2..=taken.len() + 1 {
        if !taken.contains(&name) {
            break;
        }
        name = format!("{stem}_{number}");
    }
    name
}
