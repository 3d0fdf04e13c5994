//! A request in Gemini generateContent.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{history, thinking};
use crate::provider::body::{self, Body};
use crate::provider::params::Asked;
use crate::provider::stream::restate;
use crate::provider::{Target, resume, wire};
use crate::transport::HttpRequest;
use crate::types::{Failure, Params, Request, ResponseFormat, Tool, ToolChoice};

/// The most stop sequences that are taken.
const MAX_STOPS: usize = 5;
/// What would end a segment of the path, or mean something else in it.
const SEGMENT: &AsciiSet = &CONTROLS.add(b' ').add(b'?').add(b'#').add(b'%').add(b':').add(b'"').add(b'<').add(b'>');

pub(super) fn encode(target: &Target<'_>, request: &Request) -> Result<(HttpRequest, Vec<String>), Failure> {
    let mut asked = Asked::new(target, request);
    let prefilled = resume::prefilled(target);
    let messages = resume::chat(target, request, prefilled, false);
    let mut chat = history::translate(target, messages, asked.strip_reasoning)?;
    asked.warnings.append(&mut chat.warnings);
    let mut config = sampling(&mut asked);
    if let Some(effort) = asked.params.reasoning_effort.clone() {
        match thinking::of(&effort, target.model) {
            Ok((thinking, remark)) => {
                config.insert("thinkingConfig".to_owned(), thinking);
                asked.warnings.extend(remark);
            }
            Err(warning) => asked.warn(warning),
        }
    }
    if let Some(instruction) = response_format(&mut config, &mut asked, target, request) {
        chat.system.push(json!({"text": instruction}));
    }
    // What else is set there stands beside what was asked for.
    if let Some(over) = asked.extra.shift_remove("generationConfig") {
        let mut whole = Value::Object(config);
        restate(&mut whole, over);
        config = whole.as_object().cloned().unwrap_or_default();
    }
    let tools = tools(&mut asked, request);

    let mut body = Body::new(&asked.extra);
    body.put("contents", &chat.contents);
    if !chat.system.is_empty() {
        body.put("systemInstruction", &json!({"parts": chat.system}));
    }
    if !tools.is_empty() {
        body.put("tools", &tools);
    }
    if !request.tools.is_empty() {
        body.put_some("toolConfig", asked.tool_choice.map(tool_choice));
    }
    if !config.is_empty() {
        body.put("generationConfig", &config);
    }
    let bytes = body.finish()?;

    let model = target.model.strip_prefix("models/").unwrap_or(target.model);
    let model = utf8_percent_encode(model, SEGMENT);
    let method = if target.stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    let own: Vec<_> = target.api_key.map(|key| ("x-goog-api-key", key.expose())).into_iter().collect();
    let http = body::post(target, request, &format!("/models/{model}:{method}"), &own, bytes)?;
    Ok((http, asked.warnings))
}

fn sampling(asked: &mut Asked<'_>) -> Map<String, Value> {
    let mut config = Map::new();
    let Params { temperature, top_p, max_output_tokens, stop, seed, .. } = asked.params.clone();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.insert(key.to_owned(), value);
        }
    };
    put("temperature", temperature.map(Value::from));
    put("topP", top_p.map(Value::from));
    put("maxOutputTokens", max_output_tokens.map(Value::from));
    put("seed", seed.map(Value::from));
    if let Some(mut stop) = stop.filter(|stop| !stop.is_empty()) {
        if stop.len() > MAX_STOPS {
            stop.truncate(MAX_STOPS);
            asked.warn(format!("only the first {MAX_STOPS} stop sequences were sent, the most Gemini takes"));
        }
        put("stopSequences", Some(Value::from(stop)));
    }
    config
}

/// Asks for JSON. Before Gemini 3 a model with tools takes no schema for its answer: then what to say to it instead.
fn response_format(
    config: &mut Map<String, Value>,
    asked: &mut Asked<'_>,
    target: &Target<'_>,
    request: &Request,
) -> Option<String> {
    let schema = match &request.response_format {
        Some(ResponseFormat::JsonSchema { schema, .. }) => Some(schema),
        Some(ResponseFormat::JsonObject) => None,
        Some(ResponseFormat::Text) | None => return None,
    };
    if !request.tools.is_empty() && !thinking::signs(target.model) {
        asked.warn(format!("response_format became an instruction: {} takes none beside tools", target.model));
        return Some(wire::ask_for_json(schema));
    }
    config.insert("responseMimeType".to_owned(), "application/json".into());
    if let Some(schema) = schema {
        config.insert("responseJsonSchema".to_owned(), schema.clone());
    }
    None
}

/// The application's functions, and beside them the tools of `extra_body`.
fn tools(asked: &mut Asked<'_>, request: &Request) -> Vec<Value> {
    let mut tools = Vec::new();
    if !request.tools.is_empty() {
        tools.push(json!({"functionDeclarations": request.tools.iter().map(declared).collect::<Value>()}));
    }
    if asked.extra.get("tools").is_some_and(Value::is_array)
        && let Some(Value::Array(own)) = asked.extra.shift_remove("tools")
    {
        tools.extend(own);
    }
    tools
}

fn declared(tool: &Tool) -> Value {
    let mut map = Map::new();
    map.insert("name".to_owned(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        map.insert("description".to_owned(), description.as_str().into());
    }
    if let Some(parameters) = &tool.parameters {
        map.insert("parametersJsonSchema".to_owned(), parameters.clone());
    }
    Value::Object(map)
}

fn tool_choice(choice: &ToolChoice) -> Value {
    let config = match choice {
        ToolChoice::Auto => json!({"mode": "AUTO"}),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::Tool(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
    };
    json!({"functionCallingConfig": config})
}
