//! A request in Cohere chat.

use serde_json::{Map, Value, json};

use crate::error::ErrorKind;
use crate::provider::body::{self, Body};
use crate::provider::history;
use crate::provider::params::{Asked, is_reasoning};
use crate::provider::{Target, resume, wire};
use crate::transport::HttpRequest;
use crate::types::{Content, Failure, Message, Part, Request, ResponseFormat, Role, Tool, ToolChoice};

/// Effort in words and the tokens to think with; the highest words set no bound.
const BUDGETS: &[(&str, Option<u64>)] = &[
    ("minimal", Some(1024)),
    ("low", Some(1024)),
    ("medium", Some(4096)),
    ("high", None),
    ("xhigh", None),
    ("max", None),
];

pub(super) fn encode(target: &Target<'_>, request: &Request) -> Result<(HttpRequest, Vec<String>), Failure> {
    let mut asked = Asked::new(target, request);
    let prefilled = resume::prefilled(target);
    let messages = resume::chat(target, request, prefilled, false);
    let messages = history::settled(messages, &mut asked.warnings);
    let mut chat = Vec::with_capacity(messages.len());
    for one in messages.iter() {
        chat.extend(message(target, one, asked.strip_reasoning)?);
    }
    let format = response_format(&mut asked, request, &mut chat);
    let thinking = thinking(&mut asked);

    let params = &asked.params;
    let mut body = Body::new(&asked.extra);
    body.put("model", target.model);
    body.put("messages", &chat);
    let tools: Vec<&Tool> = match asked.tool_choice {
        // There is no word for one tool; it is the only one to choose from.
        Some(ToolChoice::Tool(name)) => request.tools.iter().filter(|tool| tool.name == *name).collect(),
        _ => request.tools.iter().collect(),
    };
    if !tools.is_empty() {
        body.put("tools", &tools.iter().map(|one| tool(one)).collect::<Vec<_>>());
        body.put_some("tool_choice", asked.tool_choice.and_then(tool_choice));
        if asked.strict_tools && tools.iter().any(|tool| tool.strict == Some(true)) {
            body.put("strict_tools", &true);
        }
    }
    body.put_some("response_format", format);
    body.put_some("temperature", params.temperature);
    body.put_some("p", params.top_p);
    body.put_some("max_tokens", params.max_output_tokens);
    body.put_some("stop_sequences", params.stop.as_ref().filter(|stop| !stop.is_empty()));
    body.put_some("seed", params.seed);
    body.put_some("thinking", thinking);
    // The format wants to hear it either way.
    body.put("stream", &target.stream);
    let bytes = body.finish()?;
    let bearer = target.api_key.map(|key| format!("Bearer {}", key.expose()));
    let own: Vec<_> = bearer.as_deref().map(|bearer| ("authorization", bearer)).into_iter().collect();
    let http = body::post(target, request, "/chat", &own, bytes)?;
    Ok((http, asked.warnings))
}

fn thinking(asked: &mut Asked<'_>) -> Option<Value> {
    let effort = asked.params.reasoning_effort.clone()?;
    if effort == "none" {
        return Some(json!({"type": "disabled"}));
    }
    let Some((_, budget)) = BUDGETS.iter().find(|(word, _)| *word == effort) else {
        asked.warn(format!("reasoning_effort \"{effort}\" left out: Cohere has no such word"));
        return None;
    };
    Some(match budget {
        Some(budget) => json!({"type": "enabled", "token_budget": budget}),
        None => json!({"type": "enabled"}),
    })
}

/// Asks for JSON. Beside tools the format takes no schema: then the model is told in words.
fn response_format(asked: &mut Asked<'_>, request: &Request, chat: &mut Vec<Value>) -> Option<Value> {
    let schema = match &request.response_format {
        Some(ResponseFormat::JsonSchema { schema, .. }) => Some(schema),
        Some(ResponseFormat::JsonObject) => None,
        Some(ResponseFormat::Text) | None => return None,
    };
    if request.tools.is_empty() {
        return Some(match schema {
            Some(schema) => json!({"type": "json_object", "json_schema": schema}),
            None => json!({"type": "json_object"}),
        });
    }
    asked.warn("response_format became an instruction: Cohere takes none beside tools");
    let words = wire::ask_for_json(schema);
    chat.insert(0, json!({"role": "system", "content": words}));
    None
}

fn tool(tool: &Tool) -> Value {
    let mut map = Map::new();
    map.insert("name".to_owned(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        map.insert("description".to_owned(), description.as_str().into());
    }
    let parameters = tool.parameters.clone();
    map.insert("parameters".to_owned(), parameters.unwrap_or_else(|| json!({"type": "object", "properties": {}})));
    json!({"type": "function", "function": map})
}

fn tool_choice(choice: &ToolChoice) -> Option<&'static str> {
    match choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some("NONE"),
        ToolChoice::Required | ToolChoice::Tool(_) => Some("REQUIRED"),
    }
}

fn message(target: &Target<'_>, message: &Message, strip_reasoning: bool) -> Result<Option<Value>, Failure> {
    let mut written = Map::new();
    let role = match message.role {
        Role::Developer => Role::System,
        role => role,
    };
    written.insert("role".to_owned(), role.as_str().into());
    match role {
        Role::Tool => {
            let id = message.tool_call_id.as_deref().unwrap_or_default();
            written.insert("tool_call_id".to_owned(), id.into());
            written.insert("content".to_owned(), message.text().into());
        }
        Role::Assistant => {
            if let Some(Value::Object(own)) = history::own_turn(target, message, strip_reasoning) {
                written.extend(own.clone());
                return Ok(Some(Value::Object(written)));
            }
            if !say(message, &mut written) {
                return Ok(None);
            }
        }
        _ => {
            let content = content(&message.content)?;
            if content.is_null() {
                return Ok(None);
            }
            written.insert("content".to_owned(), content);
        }
    }
    Ok(Some(Value::Object(written)))
}

/// What the model said; whether that is anything. Words beside calls are the plan that led to them.
fn say(message: &Message, written: &mut Map<String, Value>) -> bool {
    let mut text = message.text();
    if text.trim().is_empty() {
        text = message.extra.get("refusal").and_then(Value::as_str).unwrap_or_default().to_owned();
    }
    let silent = text.trim().is_empty();
    if !silent {
        let key = if message.tool_calls.is_empty() { "content" } else { "tool_plan" };
        written.insert(key.to_owned(), text.into());
    }
    if message.tool_calls.is_empty() {
        return !silent;
    }
    written.insert("tool_calls".to_owned(), message.tool_calls.iter().map(crate::types::ToolCall::to_value).collect());
    true
}

/// Text, or texts and images; null where nothing is said.
fn content(content: &Content) -> Result<Value, Failure> {
    let parts = match content {
        Content::None => return Ok(Value::Null),
        Content::Text(text) if text.trim().is_empty() => return Ok(Value::Null),
        Content::Text(text) => return Ok(text.as_str().into()),
        Content::Parts(parts) => parts,
    };
    let mut written = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Text(text) if text.trim().is_empty() => {}
            Part::Text(_) | Part::Image { .. } => written.push(part.to_value()),
            reasoning if is_reasoning(reasoning) => {}
            Part::Other(map) => {
                let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
                let why = format!("Cohere has no content part of type \"{kind}\"");
                return Err(Failure::new(ErrorKind::Unsupported, why));
            }
        }
    }
    Ok(if written.is_empty() { Value::Null } else { written.into() })
}
