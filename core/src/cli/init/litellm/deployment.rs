//! The entries of `model_list`.

use super::super::yaml::{Node, Value};
use super::Notes;
use super::params::{self, Keys};

/// A provider's prefix in a model's name, and the kind it is here.
const PREFIXES: [(&str, &str); 22] = [
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
    ("gemini", "gemini"),
    ("cohere", "cohere"),
    ("cohere_chat", "cohere"),
    ("fireworks_ai", "fireworks"),
    ("cerebras", "cerebras"),
    ("perplexity", "perplexity"),
];

/// Providers that are known here, but whose place and credentials LiteLLM tells in ways of its own.
const PLACED: [&str; 3] = ["azure", "bedrock", "vertex_ai"];

/// One deployment of a model group.
pub(super) struct Deployment {
    pub(super) group: String,
    /// What fallbacks may call it besides.
    pub(super) ids: Vec<String>,
    pub(super) kind: &'static str,
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) base_url: Option<String>,
    /// Variables that hold its keys.
    pub(super) keys: Vec<String>,
    /// Names and values of further headers, as TOML.
    pub(super) headers: Vec<(String, String)>,
    pub(super) weight: Option<f64>,
    pub(super) order: Option<f64>,
    /// Names and values of its parameters, as TOML.
    pub(super) params: Vec<(&'static str, String)>,
    /// Members of its requests' bodies, as TOML.
    pub(super) body: Vec<(String, String)>,
    /// Its name among the models, where it has parameters.
    pub(super) alias: Option<String>,
}

impl Deployment {
    /// What a task calls it.
    pub(super) fn name(&self) -> String {
        self.alias.clone().unwrap_or_else(|| format!("{}/{}", self.provider, self.model))
    }

    fn same_account(&self, other: &Self) -> bool {
        (self.kind, &self.base_url, &self.keys, &self.headers)
            == (other.kind, &other.base_url, &other.keys, &other.headers)
    }

    fn same_but_key(&self, other: &Self) -> bool {
        (&self.group, self.kind, &self.model, &self.base_url)
            == (&other.group, other.kind, &other.model, &other.base_url)
            && (self.weight, self.order) == (other.weight, other.order)
            && (&self.params, &self.body, &self.headers) == (&other.params, &other.body, &other.headers)
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

/// Everything in the list that can be asked, with the names it gets here. The parameters given hold where a deployment has
/// none of its own.
pub(super) fn read(root: &Node, general: &[(&'static str, String)], notes: &mut Notes<'_>) -> Vec<Deployment> {
    let (mut found, mut keys) = (Vec::<Deployment>::new(), Keys::default());
    for (number, node) in root.get("model_list").map(Node::items).unwrap_or_default().iter().enumerate() {
        let place = format!("model_list[{number}]");
        let Some(mut one) = blank(node, &place, notes) else { continue };
        one.params = general.to_vec();
        if !fill(&mut one, node, &place, root, &mut keys, notes) {
            continue;
        }
        match found.iter_mut().find(|other| other.same_but_key(&one)) {
            Some(other) => {
                let what =
                    "differs by its key alone; the keys serve in order, as api_keys, and its id means all of them";
                notes.add(node, &place, what);
                other.ids.append(&mut one.ids);
                for name in one.keys {
                    if !other.keys.contains(&name) {
                        other.keys.push(name);
                    }
                }
            }
            None => found.push(one),
        }
    }
    christen(&mut found);
    found
}

/// A deployment by its provider and model, if it has those.
fn blank(node: &Node, place: &str, notes: &mut Notes<'_>) -> Option<Deployment> {
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
        let named = own.or_else(|| full.split_once('/').map(|(prefix, _)| prefix)).unwrap_or_default();
        let what = if PLACED.contains(&named) {
            "left out: where it is and how it lets in must be written by hand, after docs/providers"
        } else {
            "left out: no wire format for this provider; if it has an OpenAI-compatible address, write it as kind \
             \"openai_compatible\" with base_url"
        };
        notes.add(params, &format!("{place}.litellm_params.model ({full})"), what);
        return None;
    };
    let mode = node.get("model_info").and_then(|info| info.get("mode")).and_then(Node::text);
    if mode.is_some_and(|mode| mode != "chat") || model.contains('*') || model.is_empty() {
        notes.add(node, place, "left out: only single models for chat are converted");
        return None;
    }
    Some(Deployment {
        group: group.to_owned(),
        ids: Vec::new(),
        kind,
        provider: String::new(),
        model: model.to_owned(),
        base_url: None,
        keys: Vec::new(),
        headers: Vec::new(),
        weight: None,
        order: None,
        params: Vec::new(),
        body: Vec::new(),
        alias: None,
    })
}

/// Takes over what is said of a deployment; whether it can be asked then.
fn fill(one: &mut Deployment, node: &Node, place: &str, root: &Node, keys: &mut Keys, notes: &mut Notes<'_>) -> bool {
    let Some(params) = node.get("litellm_params") else { return false };
    let below = format!("{place}.litellm_params");
    if !params::address(one, params, root, &below, notes) {
        return false;
    }
    for (name, value) in params.entries().iter().filter(|(_, value)| !matches!(value.value, Value::Null)) {
        let place = format!("{below}.{name}");
        match name.as_str() {
            "api_key" => keys.take(one, value, &place, notes),
            "request_timeout" if params.get("timeout").is_some() => {
                notes.add(value, &place, "passed over: timeout counts");
            }
            _ => params::take(one, name, value, &place, notes),
        }
    }
    let elsewhere = one.base_url.as_deref().is_some_and(|url| !params::is_here(url));
    if one.kind == "openai_compatible" && elsewhere && params.get("api_key").is_none() {
        notes.add(params, &below, "no api_key, so none is sent; if the server needs one, write it at the provider");
    }
    let info = node.get("model_info");
    for (name, value) in info.map(Node::entries).unwrap_or_default() {
        params::info(one, name, value, &format!("{place}.model_info.{name}"), notes);
    }
    params::price(one, &[(Some(params), &below), (info, &format!("{place}.model_info"))], notes);
    for (name, value) in node.entries() {
        if !["model_name", "litellm_params", "model_info"].contains(&name.as_str()) {
            notes.add(value, &format!("{place}.{name}"), "no equivalent");
        }
    }
    true
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

/// Names for providers and models: one provider for each address with its keys and headers, one model for each with
/// parameters.
fn christen(found: &mut [Deployment]) {
    let mut accounts: Vec<usize> = Vec::new();
    let (mut providers, mut aliases): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for index in 0..found.len() {
        let (earlier, rest) = found.split_at_mut(index);
        let Some(one) = rest.first_mut() else { return };
        let known = accounts.iter().filter_map(|index| earlier.get(*index)).find(|other| one.same_account(other));
        if let Some(other) = known {
            one.provider.clone_from(&other.provider);
        } else {
            one.provider = free(one.kind, &providers);
            providers.push(one.provider.clone());
            accounts.push(index);
        }
        if !one.params.is_empty() || !one.body.is_empty() {
            let name = free(&one.group.replace('/', "-"), &aliases);
            aliases.push(name.clone());
            one.alias = Some(name);
        }
    }
}

/// A name that is not taken.
pub(super) fn free(stem: &str, taken: &[String]) -> String {
    let mut name = stem.to_owned();
    for number in 2..=taken.len() + 1 {
        if !taken.contains(&name) {
            break;
        }
        name = format!("{stem}_{number}");
    }
    name
}
