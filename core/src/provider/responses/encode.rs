//! A request in OpenAI Responses.

use serde_json::{Map, Value, json};

use super::input;
use crate::provider::body::{self, Body};
use crate::provider::params::Asked;
use crate::provider::{Target, openai_chat, resume};
use crate::transport::HttpRequest;
use crate::types::{Amend, Failure, Request, ResponseFormat, Tool, ToolChoice};

/// Asks for the reasoning in a form that can be sent back, since nothing of it is stored.
const ENCRYPTED: &str = "reasoning.encrypted_content";
/// The member that asks for it.
const INCLUDE: &str = "include";
/// Models whose names begin so reason without being asked to.
const REASONERS: [&str; 7] = ["o1", "o3", "o4", "gpt-5", "gpt-6", "grok-4", "codex"];

pub(super) fn encode(target: &Target<'_>, request: &Request) -> Result<(HttpRequest, Vec<String>), Failure> {
    let mut asked = Asked::new(target, request);
    let messages = resume::chat(target, request, false, false);
    let items = input::items(target, messages, asked.strip_reasoning, &mut asked.warnings)?;
    if asked.params.stop.take().is_some_and(|stop| !stop.is_empty()) {
        asked.warn("stop left out: Responses has none");
    }
    if asked.params.seed.take().is_some() {
        asked.warn("seed left out: Responses has none");
    }

    let params = &asked.params;
    let mut body = Body::new(&asked.extra);
    body.put("model", target.model);
    body.put("input", &items);
    body.put("store", &false);
    let refused = target.amends.contains(&Amend::Drop(INCLUDE.to_owned()));
    if !refused && (params.reasons() || reasons(target.model)) {
        body.put(INCLUDE, &[ENCRYPTED]);
    }
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(|one| tool(one, asked.strict_tools)).collect();
        body.put("tools", &tools);
        body.put_some("tool_choice", asked.tool_choice.map(tool_choice));
    }
    body.put_some("text", request.response_format.as_ref().and_then(text));
    body.put_some("reasoning", params.reasoning_effort.as_ref().map(|effort| json!({"effort": effort})));
    body.put_some("max_output_tokens", params.max_output_tokens);
    body.put_some("temperature", params.temperature);
    body.put_some("top_p", params.top_p);
    if target.stream {
        body.put("stream", &true);
    }
    let bytes = body.finish()?;
    let own = openai_chat::key(target);
    let own: Vec<_> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let http = body::post(target, request, &openai_chat::path(target, "/responses"), &own, bytes)?;
    Ok((http, asked.warnings))
}

/// Whether a model reasons by itself, by its name.
fn reasons(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    REASONERS.iter().any(|prefix| name.starts_with(prefix))
}

fn text(format: &ResponseFormat) -> Option<Value> {
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(json!({"format": {"type": "json_object"}})),
        ResponseFormat::JsonSchema { .. } => {
            // The same members as in chat, one level up.
            let chat = format.to_value();
            let mut format = chat.get("json_schema").and_then(Value::as_object).cloned().unwrap_or_default();
            format.insert("type".to_owned(), "json_schema".into());
            Some(json!({"format": format}))
        }
    }
}

/// Where nothing is said of it, Responses takes a tool for strict and chat does not: what counts is chat's meaning.
fn tool(tool: &Tool, strict: bool) -> Value {
    let mut map = Map::new();
    map.insert("type".to_owned(), "function".into());
    map.insert("name".to_owned(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        map.insert("description".to_owned(), description.as_str().into());
    }
    let parameters = tool.parameters.clone();
    map.insert("parameters".to_owned(), parameters.unwrap_or_else(|| json!({"type": "object", "properties": {}})));
    if strict {
        map.insert("strict".to_owned(), tool.strict.unwrap_or(false).into());
    }
    Value::Object(map)
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Tool(name) => json!({"type": "function", "name": name}),
        word => word.to_value(),
    }
}
