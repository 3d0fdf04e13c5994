//! What is said of one deployment: its address, keys, headers, parameters, price and abilities.

use http::Uri;

use super::super::text::{inline, list, looks_secret, number, quoted};
use super::super::yaml::{Node, Value};
use super::deployment::{Deployment, free, variable};
use super::{Notes, milliseconds};
use crate::config::{Format, address_problem, find_preset, is_loopback};

/// Parameters that have the same meaning, by both names.
const SAME: [(&str, &str); 6] = [
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("max_tokens", "max_output_tokens"),
    ("max_completion_tokens", "max_output_tokens"),
    ("seed", "seed"),
    ("reasoning_effort", "reasoning_effort"),
];

/// Members of OpenAI chat that pass through as they are.
const PASSED: [&str; 5] =
    ["presence_penalty", "frequency_penalty", "logit_bias", "parallel_tool_calls", "service_tier"];

/// USD for one token, and the key of `price`, which is for a million.
const COSTS: [(&str, &str); 4] = [
    ("input_cost_per_token", "input"),
    ("output_cost_per_token", "output"),
    ("cache_read_input_token_cost", "cached_input"),
    ("cache_creation_input_token_cost", "cache_write"),
];

/// Abilities, and the word of `lacks`.
const ABILITIES: [(&str, &str); 3] = [
    ("supports_vision", "vision"),
    ("supports_function_calling", "tools"),
    ("supports_response_schema", "json_schema"),
];

/// What stands in the place of a key where a client insists on one, in lower case.
const PLACEHOLDERS: [&str; 15] = [
    "",
    "none",
    "null",
    "empty",
    "dummy",
    "fake",
    "fake-key",
    "no-key",
    "not-needed",
    "unused",
    "sk-none",
    "sk-dummy",
    "sk-fake",
    "sk-no-key-required",
    "lm-studio",
];

/// What is said of a value that is of no use.
pub(super) const BAD: &str = "left out: not a value it may have";

/// Where a deployment is asked. Whoever has an address that cannot be taken over must not be asked at its kind's own: the key
/// is meant for another server.
pub(super) fn address(one: &mut Deployment, params: &Node, root: &Node, place: &str, notes: &mut Notes<'_>) -> bool {
    if let Some(name) = params.get("litellm_credential_name") {
        let what = "left out: its key and address stand elsewhere; write api_key and api_base here";
        notes.add(name, &format!("{place}.litellm_credential_name"), what);
        return false;
    }
    let own = |name: &str| params.get(name).map(|node| (format!("{place}.{name}"), node));
    let given = own("api_base").or_else(|| own("base_url"));
    if let (Some(_), Some((place, node))) = (params.get("api_base"), own("base_url")) {
        notes.add(node, &place, "passed over: api_base counts");
    }
    let Some((place, node)) = given.or_else(|| general_address(one.kind, root)) else {
        let needed = one.kind == "openai_compatible";
        if needed {
            notes.add(params, place, "left out: its address (api_base) is needed");
        }
        return !needed;
    };
    let text = node.text().unwrap_or_default().trim_end_matches('/');
    let text = ["/chat/completions", "/messages"].iter().find_map(|end| text.strip_suffix(end)).unwrap_or(text);
    if address_problem(text, true).is_some() {
        let what = "left out: the address must be written out, without user, query or fragment";
        notes.add(node, &place, what);
        return false;
    }
    if one.kind == "openai" && host(text).is_none_or(|host| host != "api.openai.com") {
        one.kind = "openai_compatible";
    }
    let version = if one.kind == "ollama" && !text.ends_with("/v1") { "/v1" } else { "" };
    one.base_url = Some(format!("{text}{version}"));
    true
}

/// The address of all deployments of a kind: a setting, or a variable that the file sets.
fn general_address<'a>(kind: &str, root: &'a Node) -> Option<(String, &'a Node)> {
    let setting = root.get("litellm_settings").and_then(|settings| settings.get("api_base"));
    let variables = root.get("environment_variables").map(Node::entries).unwrap_or_default();
    let kind = kind.to_ascii_uppercase();
    let names_it = |name: &str| name.contains(&kind) && (name.ends_with("_API_BASE") || name.ends_with("_BASE_URL"));
    let variable = || variables.iter().find(|(name, _)| names_it(name));
    setting
        .map(|node| ("litellm_settings.api_base".to_owned(), node))
        .or_else(|| variable().map(|(name, node)| (format!("environment_variables.{name}"), node)))
}

fn host(url: &str) -> Option<String> {
    Some(url.parse::<Uri>().ok()?.host()?.to_ascii_lowercase())
}

/// Whether an address is of this machine.
pub(super) fn is_here(url: &str) -> bool {
    host(url).is_some_and(|host| is_loopback(&host))
}

/// Keys that were written out, with the variables that take their place.
#[derive(Default)]
pub(super) struct Keys {
    known: Vec<(String, String)>,
}

impl Keys {
    pub(super) fn take(&mut self, one: &mut Deployment, value: &Node, place: &str, notes: &mut Notes<'_>) {
        if let Some(name) = value.text().and_then(variable) {
            one.keys.push(name.to_owned());
            return;
        }
        let key = value.name().unwrap_or_default();
        let usual = find_preset(one.kind).and_then(|preset| preset.key);
        let local = usual.is_none() && (one.base_url.as_deref().is_none_or(is_here) || one.kind != "openai_compatible");
        if (local || key.is_empty()) && PLACEHOLDERS.contains(&key.to_ascii_lowercase().as_str()) {
            let what =
                usual.map_or("a placeholder; no key is needed".to_owned(), |name| format!("no key; {name} is used"));
            notes.add(value, place, &what);
            return;
        }
        let known = self.known.iter().find(|(known, _)| *known == key).map(|(_, name)| name.clone());
        // The line makes it another variable for each key that was written out.
        let name = known.unwrap_or_else(|| {
            let taken: Vec<String> = self.known.iter().map(|(_, name)| name.clone()).collect();
            let name = free(&format!("{}_LINE_{}", usual.unwrap_or("LOCUM_API_KEY"), value.line), &taken);
            self.known.push((key, name.clone()));
            name
        });
        notes.add(value, place, &format!("a key written out is not copied; set {name}"));
        one.keys.push(name);
    }
}

/// One of the parameters.
pub(super) fn take(one: &mut Deployment, name: &str, value: &Node, place: &str, notes: &mut Notes<'_>) {
    let sound = match name {
        "model" | "custom_llm_provider" | "api_base" | "base_url" => true,
        name if COSTS.iter().any(|(theirs, _)| *theirs == name) => true,
        "weight" => {
            one.weight = value.number().filter(|weight| *weight >= 0.0);
            one.weight.is_some()
        }
        "order" => {
            one.order = value.number();
            one.order.is_some()
        }
        "timeout" | "request_timeout" => set(one, "timeout_ms", milliseconds(value).map(|ms| ms.to_string())),
        "stream_timeout" => set(one, "first_token_ms", milliseconds(value).map(|ms| ms.to_string())),
        "stop" => set(one, "stop", stop(value)),
        "extra_headers" => headers(one, value, place, notes),
        "organization" if one.kind == "openai" => {
            header(one, "openai-organization", value, place, notes);
            true
        }
        "extra_body" => {
            for (name, value) in value.entries() {
                body(one, name, value, &format!("{place}.{name}"), notes);
            }
            matches!(value.value, Value::Map(_))
        }
        "rpm" | "tpm" => {
            notes.add(value, place, "limits per minute are not kept; the provider's own are obeyed");
            true
        }
        name if PASSED.contains(&name) && speaks_chat(one) => {
            body(one, name, value, place, notes);
            true
        }
        _ => match SAME.iter().find(|(theirs, _)| *theirs == name) {
            Some((_, ours)) if one.params.iter().any(|(there, _)| there == ours) => {
                notes.add(value, place, "passed over: its other name stands before it");
                true
            }
            Some((_, ours)) => set(one, ours, same(ours, value)),
            None => {
                notes.add(value, place, "no equivalent");
                true
            }
        },
    };
    if !sound {
        notes.add(value, place, BAD);
    }
}

fn speaks_chat(one: &Deployment) -> bool {
    find_preset(one.kind).is_some_and(|preset| preset.format == Format::OpenAiChat)
}

/// Sets a parameter where there is a value; whether there is one.
fn set(one: &mut Deployment, name: &'static str, value: Option<String>) -> bool {
    let Some(value) = value else { return false };
    one.params.retain(|(there, _)| *there != name);
    one.params.push((name, value));
    true
}

/// The value of a parameter that has the same meaning, as TOML.
fn same(name: &str, value: &Node) -> Option<String> {
    if name == "reasoning_effort" {
        return value.text().filter(|text| !text.is_empty()).map(quoted);
    }
    let whole = |number: f64| number.fract() == 0.0 && number.abs() < 1e15;
    let sound = |given: f64| match name {
        "top_p" => (0.0..=1.0).contains(&given),
        "max_output_tokens" => given >= 1.0 && whole(given),
        "seed" => whole(given),
        _ => given >= 0.0,
    };
    value.number().filter(|given| sound(*given)).map(number)
}

fn stop(value: &Node) -> Option<String> {
    let texts: Option<Vec<&str>> = match &value.value {
        Value::List(items) => items.iter().map(Node::text).collect(),
        _ => value.text().map(|text| vec![text]),
    };
    texts.filter(|texts| !texts.is_empty() && !texts.contains(&"")).map(list)
}

fn headers(one: &mut Deployment, value: &Node, place: &str, notes: &mut Notes<'_>) -> bool {
    for (name, value) in value.entries() {
        header(one, name, value, &format!("{place}.{name}"), notes);
    }
    matches!(value.value, Value::Map(_))
}

fn header(one: &mut Deployment, name: &str, value: &Node, place: &str, notes: &mut Notes<'_>) {
    let reference = value.text().and_then(variable).map(|name| format!("env:{name}"));
    // What looks like a reference would be followed.
    let plain = |text: &String| !["env:", "file:", "$"].iter().any(|start| text.starts_with(start));
    let text = value.name().filter(|text| plain(text) && !looks_secret(name, text));
    let Ok(name) = name.parse::<http::HeaderName>() else {
        notes.add(value, place, "left out: no name for a header");
        return;
    };
    match reference.or(text) {
        Some(text) => {
            one.headers.retain(|(there, _)| there != name.as_str());
            one.headers.push((name.as_str().to_owned(), quoted(&text)));
            one.headers.sort();
        }
        None => {
            notes.add(value, place, "not copied, as it may be a key; add it to the provider's headers as env:NAME");
        }
    }
}

/// A member of every request's body.
fn body(one: &mut Deployment, name: &str, value: &Node, place: &str, notes: &mut Notes<'_>) {
    match inline(name, value) {
        Some(text) => {
            one.body.retain(|(there, _)| there != name);
            one.body.push((name.to_owned(), text));
        }
        None => notes.add(value, place, "not copied: it holds a null, a reference or what may be a key"),
    }
}

/// The price, where there is one of both input and output.
pub(super) fn price(one: &mut Deployment, sources: &[(Option<&Node>, &str)], notes: &mut Notes<'_>) {
    let mut parts: Vec<(&str, String, &Node, String)> = Vec::new();
    for (theirs, ours) in COSTS {
        for (source, place) in sources {
            let Some(node) = source.and_then(|source| source.get(theirs)) else { continue };
            let place = format!("{place}.{theirs}");
            let usd = node.number().filter(|usd| (0.0..1.0).contains(usd));
            if parts.iter().any(|(there, ..)| *there == ours) {
                notes.add(node, &place, "passed over: litellm_params counts");
            } else if let Some(usd) = usd {
                // Rounded to a millionth of the unit, since 2e-6 times a million is not quite 2.
                parts.push((ours, number((usd * 1e12).round() / 1e6), node, place));
            } else {
                notes.add(node, &place, BAD);
            }
        }
    }
    let has = |key: &str| parts.iter().any(|(ours, ..)| *ours == key);
    if has("input") && has("output") {
        let members: Vec<String> = parts.iter().map(|(ours, usd, ..)| format!("{ours} = {usd}")).collect();
        set(one, "price", Some(format!("{{ {} }}", members.join(", "))));
    } else {
        for (_, _, node, place) in &parts {
            notes.add(node, place, "left out: a price needs that of input and of output");
        }
    }
}

/// Something known of the model.
pub(super) fn info(one: &mut Deployment, name: &str, value: &Node, place: &str, notes: &mut Notes<'_>) {
    let ability = ABILITIES.iter().find(|(theirs, _)| *theirs == name).map(|(_, word)| *word);
    match (name, value.boolean()) {
        ("mode", _) => {}
        ("id", _) if value.name().is_some() => one.ids.extend(value.name()),
        (name, _) if COSTS.iter().any(|(theirs, _)| *theirs == name) => {}
        ("supports_assistant_prefill", Some(flag)) => {
            set(one, "prefill", Some(flag.to_string()));
        }
        (name, Some(true)) if name.starts_with("supports_") => {}
        (_, Some(false)) if ability.is_some() => lack(one, ability.unwrap_or_default()),
        ("max_input_tokens" | "max_tokens", _) => {
            notes.add(value, place, "left out: context_window, its nearest, counts prompt and answer together");
        }
        _ => notes.add(value, place, "no equivalent"),
    }
}

fn lack(one: &mut Deployment, word: &str) {
    let there = one.params.iter().find(|(name, _)| *name == "lacks").map(|(_, words)| words.trim_matches(['[', ']']));
    let words = there.map_or_else(|| quoted(word), |words| format!("{words}, {}", quoted(word)));
    set(one, "lacks", Some(format!("[{words}]")));
}
