//! A request in Bedrock Converse.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{ANSWER, by_tool, history};
use crate::provider::anthropic::{self, DEFAULT_MAX_TOKENS};
use crate::provider::body::{self, Body};
use crate::provider::params::Asked;
use crate::provider::stream::restate;
use crate::provider::{Target, resume, wire};
use crate::transport::HttpRequest;
use crate::types::{Failure, Params, Request, ResponseFormat, Tool, ToolChoice};

/// All that is not escaped in a segment of a path that AWS signs.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The member that goes to the model as it is.
const ADDITIONAL: &str = "additionalModelRequestFields";

pub(super) fn encode(target: &Target<'_>, request: &Request) -> Result<(HttpRequest, Vec<String>), Failure> {
    let mut asked = Asked::new(target, request);
    let prefilled = resume::prefilled(target);
    let messages = resume::chat(target, request, prefilled, false);
    let mut chat = history::translate(target, messages, asked.strip_reasoning)?;
    asked.warnings.append(&mut chat.warnings);
    let mut additional = think(&mut asked, target, request);
    if let Some(over) = asked.extra.shift_remove(ADDITIONAL) {
        restate(&mut additional, over);
    }
    if let Some(instruction) = instruction(&mut asked, request) {
        chat.system.push(json!({"text": instruction}));
    }
    let config = sampling(&mut asked, &additional);
    let tools = tool_config(&mut asked, request, &chat.called);

    let mut body = Body::new(&asked.extra);
    body.put("messages", &chat.messages);
    if !chat.system.is_empty() {
        body.put("system", &chat.system);
    }
    if !config.is_empty() {
        body.put("inferenceConfig", &config);
    }
    body.put_some("toolConfig", tools);
    if !additional.is_null() {
        body.put(ADDITIONAL, &additional);
    }
    let bytes = body.finish()?;
    let bearer = target.api_key.map(|key| format!("Bearer {}", key.expose()));
    let own: Vec<_> = bearer.as_deref().map(|bearer| ("authorization", bearer)).into_iter().collect();
    let model = utf8_percent_encode(target.model, SEGMENT);
    let call = if target.stream { "converse-stream" } else { "converse" };
    let http = body::post(target, request, &format!("/model/{model}/{call}"), &own, bytes)?;
    Ok((http, asked.warnings))
}

/// The effort in the words of the model's family; null where there is nothing to say.
fn think(asked: &mut Asked<'_>, target: &Target<'_>, request: &Request) -> Value {
    let Some(effort) = asked.params.reasoning_effort.clone() else {
        return Value::Null;
    };
    let forced = matches!(asked.tool_choice, Some(ToolChoice::Required | ToolChoice::Tool(_))) || by_tool(request);
    let name = target.model.rsplit('/').next().unwrap_or(target.model);
    if let Some((_, claude)) = name.split_once("anthropic.") {
        let Some(thinking) = anthropic::thinking(&effort, claude) else {
            asked.warn(format!("reasoning_effort \"{effort}\" left out: Anthropic has no such word"));
            return Value::Null;
        };
        if thinking.enabled() && forced {
            asked.warn("reasoning_effort left out: Claude does not think before a forced tool call");
            return Value::Null;
        }
        let longest = asked.params.max_output_tokens;
        if thinking.effort.is_none() && longest.is_some_and(|longest| longest <= thinking.room) {
            asked.warn("reasoning_effort left out: max_output_tokens leaves no room to think");
            return Value::Null;
        }
        asked.params.max_output_tokens = longest.or(Some(DEFAULT_MAX_TOKENS + thinking.room));
        let mut additional = json!({"thinking": thinking.thinking});
        if let Some(effort) = thinking.effort {
            restate(&mut additional, json!({"output_config": {"effort": effort}}));
        }
        return additional;
    }
    if name.contains("nova-2") {
        return match effort.as_str() {
            "none" => json!({"reasoningConfig": {"type": "disabled"}}),
            "minimal" | "low" => json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
            "medium" => json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}),
            _ => json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}),
        };
    }
    if name.contains("openai.") {
        return json!({"reasoning_effort": effort});
    }
    asked.warn(format!("reasoning_effort left out: nothing is known of how {} takes it", target.model));
    Value::Null
}

fn sampling(asked: &mut Asked<'_>, additional: &Value) -> Map<String, Value> {
    let thinks = additional.pointer("/thinking/type").is_some_and(|kind| kind != "disabled");
    if asked.params.seed.take().is_some() {
        asked.warn("seed left out: Converse has none");
    }
    if thinks && asked.params.temperature.take().is_some_and(|temperature| temperature != 1.0) {
        asked.warn("temperature left out: Claude takes none while thinking");
    }
    if asked.params.temperature.is_some_and(|temperature| temperature > 1.0) {
        asked.params.temperature = Some(1.0);
        asked.warn("temperature lowered to 1, the most Converse takes");
    }
    let Params { temperature, top_p, max_output_tokens, stop, .. } = &asked.params;
    let members = [
        ("maxTokens", max_output_tokens.map(Value::from)),
        ("temperature", temperature.map(Value::from)),
        ("topP", top_p.map(Value::from)),
        ("stopSequences", stop.clone().filter(|stop| !stop.is_empty()).map(Value::from)),
    ];
    members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// What to say to the model where JSON is asked for and no tool can ask for it.
fn instruction(asked: &mut Asked<'_>, request: &Request) -> Option<String> {
    let schema = match &request.response_format {
        _ if by_tool(request) => return None,
        Some(ResponseFormat::JsonSchema { schema, .. }) => Some(schema),
        Some(ResponseFormat::JsonObject) => None,
        Some(ResponseFormat::Text) | None => return None,
    };
    asked.warn("response_format became an instruction: Converse has none beside tools");
    Some(wire::ask_for_json(schema))
}

/// The tools and the choice among them. A chat in which tools were called must come with tools.
fn tool_config(asked: &mut Asked<'_>, request: &Request, called: &[String]) -> Option<Value> {
    if by_tool(request)
        && let Some(ResponseFormat::JsonSchema { schema, .. }) = &request.response_format
    {
        let words = "Gives the answer. Call it once, with the whole answer as its input.";
        let mut tools: Vec<Value> = known(called, &[]);
        tools.insert(0, json!({"toolSpec": {"name": ANSWER, "description": words, "inputSchema": {"json": schema}}}));
        return Some(json!({"tools": tools, "toolChoice": {"tool": {"name": ANSWER}}}));
    }
    let mut tools: Vec<Value> = request.tools.iter().map(declared).collect();
    if asked.tool_choice == Some(&ToolChoice::None) && !tools.is_empty() {
        if called.is_empty() {
            asked.warn("tools left out: Converse has no way to forbid their use");
            tools.clear();
        } else {
            asked.warn("tool_choice none left out: Converse has no way to forbid the use of tools");
        }
    }
    tools.extend(known(called, &request.tools));
    if tools.is_empty() {
        return None;
    }
    let choice = match asked.tool_choice {
        None | Some(ToolChoice::Auto | ToolChoice::None) => None,
        Some(ToolChoice::Required) => Some(json!({"any": {}})),
        Some(ToolChoice::Tool(name)) => Some(json!({"tool": {"name": name}})),
    };
    Some(match choice {
        Some(choice) => json!({"tools": tools, "toolChoice": choice}),
        None => json!({"tools": tools}),
    })
}

/// The tools of the chat that the request no longer has.
fn known(called: &[String], tools: &[Tool]) -> Vec<Value> {
    let mut names: Vec<&String> = called.iter().filter(|name| !tools.iter().any(|tool| tool.name == **name)).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}}))
        .collect()
}

fn declared(tool: &Tool) -> Value {
    let mut map = Map::new();
    map.insert("name".to_owned(), tool.name.as_str().into());
    if let Some(description) = tool.description.as_ref().filter(|words| !words.trim().is_empty()) {
        map.insert("description".to_owned(), description.as_str().into());
    }
    let schema = tool.parameters.clone().unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    map.insert("inputSchema".to_owned(), json!({"json": schema}));
    json!({"toolSpec": map})
}
