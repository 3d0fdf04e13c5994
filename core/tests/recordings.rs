//! Recorded provider traffic, read by the codecs and, independently, by this file.
//!
//! The recordings live outside the repository: in the folder named by `LOCUM_RECORDINGS`, else in `../shared/recordings`
//! beside it. Without them the test says so and passes, unless `LOCUM_REQUIRE_RECORDINGS=1`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::needless_pass_by_value)]

#[path = "recordings/answers.rs"]
mod answers;
#[path = "recordings/bedrock.rs"]
mod bedrock;
#[path = "recordings/cohere.rs"]
mod cohere;
#[path = "recordings/costs.rs"]
mod costs;
#[path = "recordings/errors.rs"]
mod errors;
mod feed;
#[path = "recordings/gemini.rs"]
mod gemini;
#[path = "recordings/requests.rs"]
mod requests;
#[path = "recordings/responses.rs"]
mod responses;
#[path = "recordings/streams.rs"]
mod streams;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use answers::{Reading, read_anthropic, read_openai, reading_of};
use errors::{error_inside, expected_kind};
use locum::ErrorKind;
use locum::provider::{ANTHROPIC, BEDROCK, COHERE, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES, Provider, Target};
use locum::transport::{HeaderMap, HeaderName, HttpAnswer};
use locum::types::{Completion, Failure, Params, Request, Secret};
use requests::{from_anthropic, from_openai, mandatory, same, written};
use serde_json::{Map, Value};

/// The files whose requests are in OpenAI chat or Anthropic Messages.
const CHAT_FILES: [&str; 12] = [
    "openai-chat",
    "azure-chat",
    "groq-chat",
    "mistral-chat",
    "deepseek-chat",
    "openrouter-chat",
    "together-chat",
    "xai-chat",
    "llamacpp-chat",
    "ollama-chat",
    "other-openai-compatible",
    "anthropic-messages",
];

/// The files in other formats.
const OTHER_FILES: [&str; 10] = [
    "bedrock-converse",
    "gemini-generate",
    "vertex-gemini",
    "cohere-chat",
    "openai-responses",
    "azure-responses",
    "deepseek-responses",
    "openrouter-responses",
    "xai-responses",
    "other-openai-responses",
];

/// How a record is read.
#[derive(Clone, Copy, PartialEq)]
enum Wire {
    Chat,
    Messages,
    Gemini,
    Cohere,
    Responses,
    Bedrock,
}

impl Wire {
    fn of(api: &str) -> Self {
        match api {
            "anthropic-messages" => Self::Messages,
            "gemini-generate" | "vertex-gemini" => Self::Gemini,
            "cohere-chat" => Self::Cohere,
            "bedrock-converse" => Self::Bedrock,
            api if api.ends_with("-responses") => Self::Responses,
            _ => Self::Chat,
        }
    }

    fn codec(self) -> &'static dyn Provider {
        match self {
            Self::Chat => &OPENAI_CHAT,
            Self::Messages => &ANTHROPIC,
            Self::Gemini => &GEMINI,
            Self::Cohere => &COHERE,
            Self::Bedrock => &BEDROCK,
            Self::Responses => &OPENAI_RESPONSES,
        }
    }

    /// The request in the canonical form, as far as decoding depends on it.
    fn request(self, body: &Value) -> (Request, Params) {
        match self {
            Self::Chat | Self::Cohere => from_openai(body).0,
            Self::Messages => from_anthropic(body),
            Self::Gemini => gemini::request(body),
            Self::Bedrock => bedrock::request(body),
            Self::Responses => responses::request(body),
        }
    }

    /// What a body says, by the specification.
    fn read(self, body: &Value, request: Option<&Value>) -> Result<Reading, &'static str> {
        match self {
            Self::Chat => read_openai(body, request),
            Self::Messages => read_anthropic(body, request),
            Self::Gemini => gemini::read(body, request),
            Self::Cohere => cohere::read(body, request.is_some_and(ends_with_result)),
            Self::Responses => responses::read(body, request),
            Self::Bedrock => bedrock::read(body, request),
        }
    }

    /// The answer that the events of a stream make up.
    fn whole(self, events: &[Value]) -> Value {
        match self {
            Self::Chat => streams::completion(events),
            Self::Messages => streams::message(events),
            Self::Gemini => gemini::whole(events),
            Self::Cohere => cohere::whole(events),
            Self::Responses => responses::whole(events),
            Self::Bedrock => bedrock::whole(events),
        }
    }

    /// The visible reasoning of an answer.
    fn thoughts(self, body: &Value) -> String {
        match self {
            Self::Chat | Self::Messages => streams::thoughts(body),
            Self::Gemini => gemini::thoughts(body),
            Self::Cohere => cohere::thoughts(body),
            Self::Responses => responses::thoughts(body),
            Self::Bedrock => bedrock::thoughts(body),
        }
    }

    /// Whether nothing comes after what ends a stream of this format, or of this one.
    fn ends(self, body: &str) -> bool {
        matches!(self, Self::Messages | Self::Cohere | Self::Responses | Self::Bedrock) || body.contains("[DONE]")
    }
}

/// Whether the chat ends with a tool's result, after which a model may say nothing.
fn ends_with_result(body: &Value) -> bool {
    body["messages"].as_array().and_then(|messages| messages.last()).is_some_and(|last| last["role"] == "tool")
}

fn folder() -> PathBuf {
    std::env::var_os("LOCUM_RECORDINGS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/recordings"), PathBuf::from)
}

/// The records of a file; none when there is no such file.
fn records(name: &str) -> Vec<Value> {
    let Ok(text) = std::fs::read_to_string(folder().join(format!("{name}.jsonl"))) else {
        return Vec::new();
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Whether the recordings are there; says so if not.
fn present() -> bool {
    if folder().is_dir() {
        return true;
    }
    let required = std::env::var("LOCUM_REQUIRE_RECORDINGS").is_ok_and(|value| value == "1");
    assert!(!required, "recordings required, but {} is no folder", folder().display());
    println!("recordings SKIPPED: {} is no folder", folder().display());
    false
}

struct Record<'a> {
    api: &'a str,
    kind: &'a str,
    status: u16,
    headers: HeaderMap,
    body: &'a str,
    request: Option<&'a Value>,
    path: &'a str,
}

impl<'a> Record<'a> {
    fn new(record: &'a Value) -> Self {
        let api = record["api"].as_str().unwrap();
        let headers = record["response"]["headers"].as_object();
        Self {
            api,
            kind: match api {
                "ollama-native" => "ollama",
                "other-openai-compatible" | "other-openai-responses" => record["provider"].as_str().unwrap(),
                "anthropic-messages" => "anthropic",
                "gemini-generate" => "gemini",
                "bedrock-converse" => "bedrock",
                "vertex-gemini" => "vertex",
                _ => api.strip_suffix("-chat").or_else(|| api.strip_suffix("-responses")).unwrap_or(api),
            },
            status: u16::try_from(record["response"]["status"].as_u64().unwrap()).unwrap(),
            headers: headers
                .into_iter()
                .flatten()
                .filter_map(|(name, value)| {
                    let name = HeaderName::try_from(name.as_str()).ok()?;
                    Some((name, value.as_str()?.parse().ok()?))
                })
                .collect(),
            path: record["request"]["path"].as_str().unwrap_or_default(),
            body: record["response"]["body"].as_str().unwrap_or_default(),
            request: record.get("request").map(|request| &request["body"]).filter(|body| body.is_object()),
        }
    }

    /// Whether it is in an older format of the same provider, whose answers have other members.
    fn of_another_version(&self) -> bool {
        self.path.contains("/v1/chat") && self.wire() == Wire::Cohere
    }

    fn wire(&self) -> Wire {
        Wire::of(self.api)
    }

    fn decode(&self) -> Result<Completion, Failure> {
        let (request, params) = self.request.map_or_else(Default::default, |body| self.wire().request(body));
        let nothing = Map::new();
        let answer =
            HttpAnswer { status: self.status, headers: self.headers.clone(), body: self.body.to_owned().into() };
        self.wire().codec().decode(&target(self.kind, &params, &nothing), &request, &answer, 1_790_000_000)
    }
}

static NO_HEADERS: BTreeMap<String, Secret> = BTreeMap::new();

fn target<'a>(kind: &'a str, params: &'a Params, nothing: &'a Map<String, Value>) -> Target<'a> {
    Target {
        provider: "recorded",
        kind,
        base_url: "https://example.test",
        api_version: None,
        api_key: None,
        token: None,
        headers: &NO_HEADERS,
        model: "model",
        params,
        extra_body: nothing,
        amends: &[],
        connect_timeout: Duration::from_secs(5),
        stream: false,
        resume: None,
        prefill: false,
    }
}

#[derive(Default)]
struct Tally {
    lines: BTreeMap<String, (usize, Vec<String>)>,
}

impl Tally {
    fn note(&mut self, file: &str, record: &Value, problem: Option<String>) {
        let (read, failed) = self.lines.entry(file.to_owned()).or_default();
        *read += 1;
        failed.extend(problem.map(|problem| format!("{}: {problem}", record["id"].as_str().unwrap_or("?"))));
    }

    fn finish(self, what: &str) {
        let mut total = 0;
        for (file, (read, failed)) in &self.lines {
            println!("{what} {file}.jsonl: {read} read, {} failed", failed.len());
            failed.iter().for_each(|line| println!("    {line}"));
            total += failed.len();
        }
        assert!(!self.lines.is_empty(), "the recordings folder holds no record of these providers");
        assert_eq!(total, 0, "{what}: {total} records are not handled as the specification says");
    }
}

/// Every answer is read as what its body says, every error gets the kind of the table. One line a file.
#[test]
fn every_record() {
    if !present() {
        return;
    }
    let (mut tally, mut older) = (Tally::default(), 0);
    for file in CHAT_FILES.iter().chain(&OTHER_FILES).chain(&["errors-from-docs"]) {
        for value in records(file) {
            let record = Record::new(&value);
            if record.of_another_version() {
                older += 1;
                continue;
            }
            let ours = CHAT_FILES.contains(&record.api)
                || OTHER_FILES.contains(&record.api)
                || ["vllm-chat", "ollama-native"].contains(&record.api);
            match value["kind"].as_str() {
                Some("chat") if record.status < 400 => tally.note(file, &value, misread(&record)),
                Some("error") if ours && record.status >= 400 => {
                    tally.note(file, &value, misjudged(&record));
                }
                _ => {}
            }
        }
    }
    println!("recordings in version 1 of Cohere's chat, which is not spoken: {older} left out");
    tally.finish("recordings");
}

/// Every stream is read as what its events say, however the network splits it. One line a file.
#[test]
fn every_record_streamed() {
    if !present() {
        return;
    }
    let mut tally = Tally::default();
    for file in CHAT_FILES.iter().chain(&OTHER_FILES) {
        for value in records(file) {
            let record = Record::new(&value);
            if value["kind"] == "stream" && record.status < 400 {
                tally.note(file, &value, streams::misread(&record));
            }
        }
    }
    for value in records("errors-from-docs") {
        let record = Record::new(&value);
        if record.status < 400 {
            tally.note("errors-from-docs", &value, streams::misjudged(&record));
        }
    }
    tally.finish("streams");
}

/// Where the codec and the independent reading of an answer differ.
fn misread(record: &Record<'_>) -> Option<String> {
    let body = gemini::joined(serde_json::from_str(record.body).unwrap_or_default());
    let want = match error_inside(record.kind, &body) {
        Some(kind) => Err(kind),
        None => record.wire().read(&body, record.request),
    };
    let got = record
        .decode()
        .map(|completion| {
            assert!(completion.raw == body || record.wire() == Wire::Gemini && record.body.starts_with('['));
            reading_of(&completion)
        })
        .map_err(|failure| failure.kind.as_str());
    (got != want).then(|| format!("got {got:?}, want {want:?}"))
}

/// Where the codec and the table differ about an error.
fn misjudged(record: &Record<'_>) -> Option<String> {
    // AWS names a key that it does not know in a header, beside a status that speaks of permission.
    let stated = record.headers.get("x-amzn-errortype").and_then(|name| name.to_str().ok()).unwrap_or_default();
    let unknown_key = ["UnrecognizedClient", "ExpiredToken"].iter().any(|name| stated.starts_with(name));
    let want = if unknown_key { "auth" } else { expected_kind(record.kind, record.status, record.body) };
    match record.decode() {
        Ok(_) => Some("read as an answer".to_owned()),
        Err(failure) if failure.kind.as_str() != want => {
            Some(format!("got {}, want {want}: {} {}", failure.kind, record.status, record.body))
        }
        Err(failure) => flaw(record, &failure),
    }
}

/// What else every classified failure holds.
fn flaw(record: &Record<'_>, failure: &Failure) -> Option<String> {
    if failure.status != Some(record.status) {
        return Some(format!("status {:?}", failure.status));
    }
    if failure.message.is_empty() || failure.message.chars().count() > 520 {
        return Some("a message of no use".to_owned());
    }
    let asks = |phrase: &str| record.body.contains(phrase);
    if (asks("try again in ") || asks("retry after "))
        && asks("econds") != asks("reduce your")
        && failure.kind == ErrorKind::RateLimited
        && failure.retry_after.is_none()
    {
        return Some("the wait it asks for was not read".to_owned());
    }
    if failure.kind == ErrorKind::ContextOverflow && asks("tokens > ") && failure.overflow.is_none() {
        return Some("its numbers were not read".to_owned());
    }
    None
}

#[test]
fn requests_can_be_written_again() {
    if !present() {
        return;
    }
    let mut tally = Tally::default();
    let mut bodies = Vec::new();
    for file in CHAT_FILES {
        for value in records(file) {
            let record = Record::new(&value);
            let Some(body) = record.request.filter(|body| body["messages"].is_array()) else {
                continue;
            };
            let ((request, params), whole) =
                if record.wire() == Wire::Messages { (from_anthropic(body), false) } else { from_openai(body) };
            let sound = record.status < 400 && !body.to_string().contains(" characters cut]");
            let sound = sound && record.wire() == Wire::Chat;
            for mut one in written(&request, &params, record.kind).into_iter().filter(|_| sound) {
                one["id"] = value["id"].clone();
                bodies.push(one.to_string());
            }
            let problem = mandatory(&request, &params, record.kind)
                .or_else(|| (whole && file == "openai-chat").then(|| same(body, &request, &params)).flatten());
            tally.note(file, &value, problem);
        }
    }
    // For judges outside of this project.
    if let Some(path) = std::env::var_os("LOCUM_WRITTEN") {
        std::fs::write(path, bodies.join("\n")).unwrap();
    }
    tally.finish("requests");
}
