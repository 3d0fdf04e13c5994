//! What each kind of provider can be told, found out by telling it: the table in `docs/providers/README.md`.
//! `LOCUM_UPDATE_DOCS=1` writes it anew.

use std::fmt::Write;
use std::fs;

use locum::config::{Format, JSON_SCHEMA, Policy};
use locum::provider::{ANTHROPIC, BEDROCK, COHERE, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES, Provider};
use locum::types::{Params, Request};
use serde_json::{Map, Value, json};

use crate::{Setup, request};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/providers/README.md");
const MARKS: [&str; 2] = ["<!-- made by provider_suite -->\n", "<!-- end -->\n"];

/// What is asked for, and how.
fn questions() -> Vec<(&'static str, Request, Params)> {
    let tool =
        json!({"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}});
    let schema = json!({"type": "json_schema", "json_schema": {"name": "person", "schema": {
        "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": false}}});
    let part = |part: Value| json!([{"role": "user", "content": [{"type": "text", "text": "Hi"}, part]}]);
    let image = |url: &str| part(json!({"type": "image_url", "image_url": {"url": url}}));
    let hi = || json!([{"role": "user", "content": "Hi"}]);
    let named = json!({"type": "function", "function": {"name": "look"}});
    let asked = [
        ("tools", hi(), json!({"tools": [tool]})),
        ("a named tool", hi(), json!({"tools": [tool], "tool_choice": named})),
        ("`required`", hi(), json!({"tools": [tool], "tool_choice": "required"})),
        ("`none`", hi(), json!({"tools": [tool], "tool_choice": "none"})),
        ("image by address", image("https://example.com/cat.png"), json!({})),
        ("image as data", image("data:image/png;base64,iVBORw0KGgo="), json!({})),
        (
            "PDF",
            part(
                json!({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}),
            ),
            json!({}),
        ),
        (
            "sound",
            part(json!({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}})),
            json!({}),
        ),
        ("JSON Schema", hi(), json!({"response_format": schema})),
        ("JSON Schema and tools", hi(), json!({"tools": [tool], "response_format": schema})),
        ("JSON object", hi(), json!({"response_format": {"type": "json_object"}})),
        ("`max_output_tokens`", hi(), json!({"max_output_tokens": 900})),
        ("`temperature`", hi(), json!({"temperature": 0.5})),
        ("`top_p`", hi(), json!({"top_p": 0.5})),
        ("`stop`", hi(), json!({"stop": ["#"]})),
        ("`seed`", hi(), json!({"seed": 7})),
        ("`reasoning_effort`", hi(), json!({"reasoning_effort": "low"})),
    ];
    let asked = asked.into_iter().map(|(name, messages, options)| {
        let (request, params) = request(messages, options);
        (name, request, params)
    });
    asked.collect()
}

/// A model of the kind's, where what it is matters.
fn model(kind: &str) -> &'static str {
    match kind {
        "openai" | "azure" => "gpt-5.1",
        "anthropic" => "claude-sonnet-4-5",
        "gemini" | "vertex" => "gemini-2.5-flash",
        "bedrock" => "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "cohere" => "command-a-03-2025",
        _ => "the-model",
    }
}

struct Asker {
    codec: &'static dyn Provider,
    setup: Setup,
}

impl Asker {
    fn new(kind: &str, api: Option<&str>) -> Self {
        let provider =
            json!({"kind": kind, "base_url": "https://api.test/v1", "api_key": "k", "region": null, "api": api});
        let mut provider: Map<String, Value> = provider.as_object().unwrap().clone();
        match kind {
            "bedrock" => drop(provider.insert("region".to_owned(), json!("eu-west-1"))),
            "vertex" => drop(provider.insert("project".to_owned(), json!("p"))),
            _ => {}
        }
        let config = json!({"providers": {"p": provider}, "tasks": {"a": {"primary": "p/m"}}});
        let policy = Policy::from_value(config).unwrap_or_else(|error| panic!("{error}"));
        let provider = &policy.providers["p"];
        let codec: &dyn Provider = match provider.format {
            Format::OpenAiChat => &OPENAI_CHAT,
            Format::OpenAiResponses => &OPENAI_RESPONSES,
            Format::AnthropicMessages => &ANTHROPIC,
            Format::GeminiGenerate => &GEMINI,
            Format::BedrockConverse => &BEDROCK,
            Format::CohereChat => &COHERE,
        };
        let kind = provider.kind.clone().leak();
        Self { codec, setup: Setup { kind: Some(kind), model: Some(model(kind)), ..Setup::default() } }
    }

    /// The body, and whether something was remarked; nothing where the request is refused.
    fn ask(&mut self, request: &Request, params: &Params) -> Option<(Value, bool)> {
        self.setup.params = params.clone();
        let (http, warnings) = self.codec.encode(&self.setup.target(crate::Format::Chat), request).ok()?;
        Some((serde_json::from_slice(&http.body).unwrap(), !warnings.is_empty()))
    }

    /// One cell of the table.
    fn cell(&mut self, name: &str, asked: &Request, params: &Params) -> &'static str {
        let plain = Request { response_format: None, ..asked.clone() };
        let schema = name.starts_with("JSON");
        let without = if schema { plain } else { crate::asking("Hi") };
        let (before, _) = self.ask(&without, &Params::default()).unwrap();
        let Some((body, remarked)) = self.ask(asked, params) else { return "no" };
        let tools = ["tools", "toolConfig"].into_iter().any(|member| body.get(member) != before.get(member));
        if body == before {
            // Where no tool is to be called, to offer none says the same.
            assert!(remarked || name == "`none`", "{name} is left out without a word");
            return if remarked { "left out" } else { "yes" };
        }
        match schema {
            true if tools => "tool",
            true if without_words(&body) == without_words(&before) => "words",
            _ if remarked => "in part",
            _ => "yes",
        }
    }
}

/// A body but for what the model gets to read.
fn without_words(body: &Value) -> Value {
    let mut body = body.clone();
    for name in ["messages", "contents", "input", "system", "systemInstruction", "instructions"] {
        body.as_object_mut().unwrap().remove(name);
    }
    body
}

fn table() -> String {
    let schema: Value = serde_json::from_str(JSON_SCHEMA).unwrap();
    let kinds = schema.pointer("/$defs/ProviderConfig/properties/kind/enum").unwrap();
    let mut rows: Vec<(&str, Option<&str>)> = Vec::new();
    for kind in kinds.as_array().unwrap().iter().filter_map(Value::as_str) {
        rows.push((kind, None));
        if kind == "openai" {
            rows.push((kind, Some("responses")));
        }
    }
    let questions = questions();
    let mut askers: Vec<_> = rows.iter().map(|(kind, api)| Asker::new(kind, *api)).collect();
    let mut columns: Vec<(Vec<String>, Vec<&str>)> = Vec::new();
    for ((kind, api), asker) in rows.iter().zip(&mut askers) {
        let cells = questions.iter().map(|(name, asked, params)| asker.cell(name, asked, params)).collect();
        let name = api.map_or_else(|| format!("`{kind}`"), |api| format!("`{kind}` ({api})"));
        // Kinds that are alike stand together.
        match columns.iter_mut().find(|(_, known)| *known == cells) {
            Some((kinds, _)) => kinds.push(name),
            None => columns.push((vec![name], cells)),
        }
    }
    let mut table = String::new();
    let heads: Vec<_> = columns.iter().map(|(kinds, _)| kinds[0].clone()).collect();
    writeln!(table, "| | {} |", heads.join(" | ")).unwrap();
    writeln!(table, "|---|{}", "---|".repeat(heads.len())).unwrap();
    for (row, (name, ..)) in questions.iter().enumerate() {
        let cells: Vec<_> = columns.iter().map(|(_, cells)| cells[row]).collect();
        writeln!(table, "| {name} | {} |", cells.join(" | ")).unwrap();
    }
    for (kinds, _) in columns.iter().filter(|(kinds, _)| kinds.len() > 1) {
        writeln!(table, "\n{} stands for {} too.", kinds[0], kinds[1..].join(", ")).unwrap();
    }
    table
}

#[test]
fn the_table_of_abilities_is_what_the_code_does() {
    let page = fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(MARKS[0]).expect("the mark where the table begins");
    let (written, after) = rest.split_once(MARKS[1]).expect("the mark where it ends");
    let table = table();
    if std::env::var_os("LOCUM_UPDATE_DOCS").is_some() {
        fs::write(PAGE, format!("{before}{}{table}{}{after}", MARKS[0], MARKS[1])).unwrap();
        return;
    }
    assert_eq!(written, table, "LOCUM_UPDATE_DOCS=1 writes it anew");
}
