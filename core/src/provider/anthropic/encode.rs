//! A request in Anthropic Messages.

use serde_json::{Map, Value, json};

use super::thinking::{self, Thinking};
use super::{DEFAULT_MAX_TOKENS, history};
use crate::provider::body::{self, Body};
use crate::provider::params::Asked;
use crate::provider::{Target, resume};
use crate::transport::HttpRequest;
use crate::types::{Failure, Request, ResponseFormat, Tool, ToolChoice};

/// The version of the API whose shapes are written and read here.
const VERSION: &str = "2023-06-01";

/// What a `json_object` format becomes, since this format knows JSON only by a schema.
const JSON_INSTRUCTION: &str = "Answer with one valid JSON object and nothing else: no explanation, no code fence.";

pub(super) fn encode(target: &Target<'_>, request: &Request) -> Result<(HttpRequest, Vec<String>), Failure> {
    let mut asked = Asked::new(target, request);
    let thinking = think(&mut asked, target, request);
    sample(&mut asked, thinking.as_ref());
    // A turn that thinks begins with a block of thoughts, which no words can be put before.
    let prefilled = resume::prefilled(target) && !thinks(&asked, thinking.as_ref());
    let messages = resume::chat(target, request, prefilled, false);
    let mut chat = history::translate(target, messages, asked.strip_reasoning)?;
    asked.warnings.append(&mut chat.warnings);
    if request.response_format == Some(ResponseFormat::JsonObject) {
        chat.system.push(JSON_INSTRUCTION.to_owned());
        asked.warn("response_format json_object became an instruction: Anthropic has no JSON mode without a schema");
    }

    let room = thinking.as_ref().map_or(0, |thinking| thinking.room);
    let params = &asked.params;
    let mut body = Body::new(&asked.extra);
    body.put("model", target.model);
    let longest = params.max_output_tokens.unwrap_or(DEFAULT_MAX_TOKENS + room);
    body.put("max_tokens", &longest);
    if !chat.system.is_empty() {
        body.put("system", &chat.system.join("\n\n"));
    }
    body.put("messages", &chat.messages);
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(|one| tool(one, asked.strict_tools)).collect();
        body.put("tools", &tools);
        body.put_some("tool_choice", asked.tool_choice.map(tool_choice));
    }
    body.put_some("temperature", params.temperature);
    body.put_some("top_p", params.top_p);
    body.put_some("stop_sequences", params.stop.as_ref().filter(|stop| !stop.is_empty()));
    body.put_some("thinking", thinking.as_ref().map(|thinking| &thinking.thinking));
    body.put_some("output_config", output_config(request, thinking.as_ref()));
    if target.stream {
        body.put("stream", &true);
    }
    let bytes = body.finish()?;

    let mut own = vec![("anthropic-version", VERSION)];
    own.extend(target.api_key.map(|key| ("x-api-key", key.expose())));
    let path = if target.base_url.ends_with("/v1") { "/messages" } else { "/v1/messages" };
    let http = body::post(target, request, path, &own, bytes)?;
    Ok((http, asked.warnings))
}

/// The effort in this format, unless something else that was asked for rules it out.
fn think(asked: &mut Asked<'_>, target: &Target<'_>, request: &Request) -> Option<Thinking> {
    let effort = asked.params.reasoning_effort.clone()?;
    let Some(thinking) = thinking::of(&effort, target.model) else {
        asked.warn(format!("reasoning_effort \"{effort}\" left out: Anthropic has no such word"));
        return None;
    };
    if !thinking.enabled() {
        return Some(thinking);
    }
    let forced = matches!(asked.tool_choice, Some(ToolChoice::Required | ToolChoice::Tool(_)));
    if forced && !request.tools.is_empty() {
        asked.warn("reasoning_effort left out: Anthropic does not think before a forced tool call");
        return None;
    }
    let budgeted = thinking.effort.is_none();
    if budgeted && asked.params.max_output_tokens.is_some_and(|longest| longest <= thinking.room) {
        asked.warn(format!(
            "reasoning_effort left out: it takes {} tokens, and max_output_tokens leaves no more for the answer",
            thinking.room
        ));
        return None;
    }
    Some(thinking)
}

/// Whether the request makes the model think, by its effort or by `extra_body`.
fn thinks(asked: &Asked<'_>, thinking: Option<&Thinking>) -> bool {
    match asked.extra.get("thinking") {
        Some(over) => over.get("type").is_some_and(|kind| kind != "disabled"),
        None => thinking.is_some_and(Thinking::enabled),
    }
}

/// Fits the sampling parameters to what this format has.
fn sample(asked: &mut Asked<'_>, thinking: Option<&Thinking>) {
    if asked.params.seed.take().is_some() {
        asked.warn("seed left out: Anthropic has none");
    }
    if thinking.is_some_and(Thinking::enabled) {
        if asked.params.temperature.take().is_some_and(|temperature| temperature != 1.0) {
            asked.warn("temperature left out: Anthropic takes none while thinking");
        }
    } else if asked.params.temperature.is_some_and(|temperature| temperature > 1.0) {
        asked.params.temperature = Some(1.0);
        asked.warn("temperature lowered to 1, the most Anthropic takes");
    }
}

fn output_config(request: &Request, thinking: Option<&Thinking>) -> Option<Map<String, Value>> {
    let mut config = Map::new();
    if let Some(effort) = thinking.and_then(|thinking| thinking.effort) {
        config.insert("effort".to_owned(), effort.into());
    }
    if let Some(ResponseFormat::JsonSchema { schema, .. }) = &request.response_format {
        config.insert("format".to_owned(), json!({"type": "json_schema", "schema": schema}));
    }
    (!config.is_empty()).then_some(config)
}

fn tool(tool: &Tool, strict: bool) -> Value {
    let mut map = Map::new();
    map.insert("name".to_owned(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        map.insert("description".to_owned(), description.as_str().into());
    }
    let schema = tool.parameters.clone();
    map.insert("input_schema".to_owned(), schema.unwrap_or_else(|| json!({"type": "object", "properties": {}})));
    if strict && tool.strict == Some(true) {
        map.insert("strict".to_owned(), true.into());
    }
    Value::Object(map)
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({"type": "auto"}),
        ToolChoice::None => json!({"type": "none"}),
        ToolChoice::Required => json!({"type": "any"}),
        ToolChoice::Tool(name) => json!({"type": "tool", "name": name}),
    }
}
