//! Per-call options that OpenAI's API has no member for: `x-locum-*` headers, and `locum_*` keys of `metadata` for clients that
//! cannot set headers. A header wins.

use std::collections::BTreeMap;

use http::HeaderMap;
use serde_json::{Map, Value};

use super::Order;
use super::refusal::Refusal;
use crate::types::{OnBreak, Options, TraceParent, Variables};

/// What the official SDKs wait for without being told to: it says nothing of the caller's hurry.
const PATIENCE: u64 = 600_000;

/// The options, by their names after `x-locum-` and, with underscores, after `locum_`.
const NAMES: [&str; 5] = ["customer", "timeout-ms", "fallback", "variables", "on-break"];

/// The headers in which the official SDKs tell how long they wait, in seconds.
const WAITS: [&str; 2] = ["x-stainless-read-timeout", "x-stainless-timeout"];

/// Sets what headers and metadata ask for.
pub(super) fn apply(headers: &HeaderMap, order: &mut Order) -> Result<(), Refusal> {
    let mut metadata = std::mem::take(&mut order.options.metadata);
    for name in NAMES {
        let (header, key) = (format!("x-locum-{name}"), format!("locum_{}", name.replace('-', "_")));
        let labelled = metadata.remove(&key).map(|value| (format!("metadata.{key}"), value));
        let told = match headers.get(&header).map(|value| value.to_str()) {
            Some(Ok(value)) => Some((header, value.to_owned())),
            Some(Err(_)) => return Err(Refusal::invalid(Some(&header), format!("{header}: not ASCII"))),
            None => labelled,
        };
        if let Some((place, value)) = told {
            set(name, &place, value.trim(), order)?;
        }
    }
    order.options.metadata = metadata;
    let options = &mut order.options;
    if let Some(key) = headers.get("idempotency-key").and_then(|value| value.to_str().ok()) {
        options.idempotency_key = Some(key.to_owned());
    }
    // One that is damaged is as none, as the standard has it for servers: a proxy's slip fails no call.
    let parent = headers.get("traceparent").and_then(|value| value.to_str().ok());
    options.traceparent = parent.filter(|parent| TraceParent::parse(parent).is_some()).map(str::to_owned);
    for wait in WAITS {
        let seconds = headers.get(wait).and_then(|value| value.to_str().ok()?.parse::<f64>().ok());
        if let Some(seconds) = seconds.filter(|seconds| *seconds > 0.0) {
            hurry(options, (seconds * 1e3).ceil() as u64);
        }
    }
    Ok(())
}

/// The client waits for so many milliseconds.
fn hurry(options: &mut Options, ms: u64) {
    if ms < PATIENCE {
        options.timeout_ms = Some(options.timeout_ms.map_or(ms, |own| own.min(ms)));
    }
}

fn set(name: &str, place: &str, value: &str, order: &mut Order) -> Result<(), Refusal> {
    let wrong = |expected: &str| Refusal::invalid(Some(place), format!("{place}: expected {expected}"));
    let options = &mut order.options;
    match name {
        "customer" if value.is_empty() => return Err(wrong("a name")),
        "customer" => options.customer = Some(value.to_owned()),
        "timeout-ms" => {
            let ms: f64 = value.parse().map_err(|_| wrong("milliseconds"))?;
            if ms.is_nan() || ms < 1.0 {
                return Err(wrong("1 millisecond or more"));
            }
            hurry(options, ms.ceil() as u64);
        }
        "fallback" => {
            options.allow_fallback = Some(match value {
                "true" => true,
                "false" => false,
                _ => return Err(wrong("true or false")),
            });
        }
        "variables" => {
            let variables = serde_json::from_str(value).map_err(|_| wrong("a JSON object"))?;
            options.variables = Variables(variables);
        }
        _ => {
            let known = OnBreak::WORDS;
            let found = known.iter().find(|(word, _)| *word == value).map(|(_, meaning)| *meaning);
            options.on_break = Some(found.ok_or_else(|| wrong("error, restart or resume"))?);
            order.restarts = found == Some(OnBreak::Restart);
        }
    }
    Ok(())
}

/// Free labels: a map of texts. Numbers and booleans are taken as their text, as clients in loosely typed languages send them.
pub(super) fn labels(value: Option<Value>) -> Result<BTreeMap<String, String>, Refusal> {
    let labels: Map<String, Value> = match value {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(labels)) => labels,
        Some(_) => return Err(Refusal::invalid(Some("metadata"), "metadata: expected an object".to_owned())),
    };
    labels
        .into_iter()
        .map(|(key, value)| match value {
            Value::String(text) => Ok((key, text)),
            Value::Bool(_) | Value::Number(_) => Ok((key, value.to_string())),
            _ => Err(Refusal::invalid(Some(&format!("metadata.{key}")), format!("metadata.{key}: expected a string"))),
        })
        .collect()
}
