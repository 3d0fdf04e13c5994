//! The checked, immutable policy that a configuration becomes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::accept::Accept;
use crate::prompt::Prompt;
use crate::types::{
    Breaker, Concurrency, FallbackOn, Feature, FirstToken, HedgeAfter, OnBreak, Otlp, Params, Price, Quota, Secret,
    Sticky, Strict, Upstream,
};

/// Which wire format a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenAI chat completions.
    OpenAiChat,
    /// OpenAI Responses.
    OpenAiResponses,
    /// Anthropic Messages.
    AnthropicMessages,
    /// Gemini generateContent, of Google AI Studio and of Vertex AI.
    GeminiGenerate,
    /// AWS Bedrock Converse.
    BedrockConverse,
    /// Cohere chat, version 2.
    CohereChat,
}

/// One of OpenAI's interfaces, which many other providers offer too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// Chat completions.
    Chat,
    /// Responses.
    Responses,
}

impl From<Api> for Format {
    fn from(api: Api) -> Self {
        match api {
            Api::Chat => Self::OpenAiChat,
            Api::Responses => Self::OpenAiResponses,
        }
    }
}

/// Everything the configuration decided.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Tasks by name.
    pub tasks: BTreeMap<String, Arc<Task>>,
    /// Model aliases by name.
    pub models: BTreeMap<String, Arc<Model>>,
    /// Providers by name.
    pub providers: BTreeMap<String, Arc<Provider>>,
    /// Who else shares what is learned of a candidate's health.
    pub state: Sharing,
    /// When a candidate's circuit breaker opens, and for how long.
    pub breaker: Breaker,
    /// How much calls may use in a time.
    pub quotas: Vec<Quota>,
    /// Where records of calls go.
    pub accounting: Accounting,
    /// How the OpenAI face is served over HTTP.
    pub serve: Serve,
    /// Things that are allowed but worth a look, one sentence each.
    pub lints: Vec<String>,
}

/// Who shares what is learned of the health of candidates: cooldowns, breakers, budgets, measured times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// All routers of the process.
    Process,
    /// This router alone, with its clones.
    Router,
}

/// Where records of calls go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounting {
    /// A file with a line of JSON for each.
    pub jsonl: Option<Lines>,
    /// A collector that is sent traces and metrics.
    pub otlp: Option<Otlp>,
}

/// A file of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// Where it is.
    pub path: PathBuf,
    /// The length in bytes from which on a new one is begun.
    pub max_bytes: u64,
    /// How many older ones are kept.
    pub keep: u32,
}

/// How the OpenAI face is served over HTTP.
#[derive(Debug, Clone)]
pub struct Serve {
    /// Where `locum serve` listens.
    pub listen: SocketAddr,
    /// Who may call. Where nobody is named, everybody may who reaches the address.
    pub tokens: Vec<Token>,
    /// Tokens that are named but not there, a sentence each. A server does not start without them.
    pub missing: Vec<String>,
    /// The largest body of a request, in bytes.
    pub max_body_bytes: usize,
    /// The most connections at a time; further ones wait.
    pub max_connections: usize,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// How long a connection may rest between two requests, and a client that reads an answer between two reads.
    pub idle_timeout: Duration,
    /// How long running requests may go on once the server is told to stop.
    pub shutdown: Duration,
}

/// What lets a client in.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub secret: Secret,
    /// Whose calls are made with it, whatever they say themselves.
    pub customer: Option<String>,
}

/// An account at a provider.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name in the configuration.
    pub name: String,
    /// Its kind or preset: `openai`, `anthropic`, `groq`, `ollama`, …
    pub kind: String,
    /// The wire format it speaks.
    pub format: Format,
    /// Where its API starts, without a trailing slash: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The region it is in, where its requests are signed for one.
    pub region: Option<String>,
    /// The version of its API, where the address names one (Azure's older addresses).
    pub api_version: Option<String>,
    /// Its key, or its keys.
    pub credential: Credential,
    /// Further headers of every request, by lower-case name.
    pub headers: BTreeMap<String, Secret>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How many calls each of its keys may have at a time.
    pub max_concurrency: Option<Concurrency>,
}

/// One of a provider's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub secret: Secret,
    /// Its place in the configuration, from 1; absent where there is only one.
    pub number: Option<u32>,
}

/// Where a credential is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Auth {
    /// AWS keys, by the chain of AWS's SDKs; they sign the requests.
    Aws {
        /// The profile of the shared files, where one is named.
        profile: Option<String>,
    },
    /// Google's tokens, by the chain of its libraries.
    Google {
        /// The text of a file of credentials, where one is named.
        credentials: Option<Secret>,
        /// What they are asked for, where that is said.
        scope: Option<String>,
    },
    /// Tokens of Microsoft Entra ID, by the chain of Azure's libraries.
    Entra {
        /// What they are asked for, where that is said.
        scope: Option<String>,
    },
    /// What the program's own callback gives.
    Callback,
}

/// How a provider is paid.
#[derive(Debug, Clone)]
pub enum Credential {
    /// Its keys, at least one, in the order in which they are used.
    Keys(Vec<Key>),
    /// It is fetched when it is needed.
    Fetched(Auth),
    /// The provider needs none.
    None,
    /// The provider needs one and it is not there; the sentence says which reference was empty.
    Missing(String),
}

/// A model at a provider, with its parameters.
#[derive(Debug, Clone)]
pub struct Model {
    /// Where it runs.
    pub provider: Arc<Provider>,
    /// Its id at the provider.
    pub id: String,
    /// The wire format it is asked in, where that is not the provider's.
    pub api: Option<Format>,
    /// The alias it was named by, if any.
    pub alias: Option<String>,
    /// Its parameters.
    pub params: Params,
    /// Members set in every request body.
    pub extra_body: Map<String, Value>,
    /// The most tokens of a prompt, if known.
    pub context_window: Option<u64>,
    /// The most tokens of an answer, if known.
    pub max_output: Option<u64>,
    /// What it cannot do, as the configuration says.
    pub lacks: BTreeSet<Feature>,
    /// What it cannot do by the built-in catalog, which may be wrong.
    pub doubts: BTreeSet<Feature>,
    /// `deprecated`, or the day on which it is switched off, by the built-in catalog.
    pub until: Option<&'static str>,
    /// The limit of one attempt.
    pub timeout: Option<Duration>,
    /// How long the first content of its streams may take, instead of the task's limit.
    pub first_token: Option<FirstToken>,
    /// How long its streams may pause, instead of the task's limit.
    pub idle: Option<Duration>,
    /// Whether it continues words put into its mouth, where the configuration says so.
    pub prefill: Option<bool>,
    /// What its tokens cost, if known.
    pub price: Option<Price>,
}

impl Model {
    /// `provider/id`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.provider.name, self.id)
    }

    /// How a task names it: by its alias, or as `provider/id`.
    #[must_use]
    pub fn reference(&self) -> String {
        self.alias.clone().unwrap_or_else(|| self.name())
    }

    /// The wire format it is asked in.
    #[must_use]
    pub fn format(&self) -> Format {
        self.api.unwrap_or(self.provider.format)
    }
}

/// A kind of work.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// The primary, then the stand-ins in order. Where several share the work of the primary, those come first.
    pub candidates: Vec<Arc<Model>>,
    /// The shares of the first candidates in the work of the primary; empty where there is one primary.
    pub weights: Vec<u32>,
    /// What calls must share to be given the same primary; otherwise it is drawn for each call.
    pub sticky: Option<Sticky>,
    /// The time within which the caller has the answer.
    pub max_latency: Option<Duration>,
    /// The most tokens the input may have.
    pub max_input_tokens: Option<u64>,
    /// The task that takes calls whose input is larger.
    pub too_long: Option<String>,
    /// Whether a slow candidate is raced; otherwise it is cut when the next one starts.
    pub hedge: bool,
    /// When the next candidate is started beside a slow one, instead of late.
    pub hedge_after: Option<HedgeAfter>,
    /// Whether stand-ins may serve.
    pub allow_fallback: bool,
    /// Further tries of the same candidate after a failure.
    pub retries: u32,
    /// The longest wait before such a try while a stand-in exists.
    pub max_retry_wait: Duration,
    /// Further causes of a fallback.
    pub fallback_on: BTreeSet<FallbackOn>,
    /// What an answer must be, where the task says so.
    pub accept: Option<Accept>,
    /// How often a candidate whose answer is not accepted is told why and asked again.
    pub reask: u32,
    /// What is said beside the messages of a call.
    pub prompt: Option<Prompt>,
    /// Failures that surface instead of falling back.
    pub strict: BTreeSet<Strict>,
    /// Whether a parameter that a model rejects is left out and the call tried again.
    pub drop_unsupported: bool,
    /// How providers are asked for whole answers.
    pub upstream: Upstream,
    /// What follows when an answer breaks off after its first content.
    pub on_break: OnBreak,
    /// How long the first content of a stream may take.
    pub first_token: Option<FirstToken>,
    /// How long a stream may pause between two pieces of content.
    pub idle: Duration,
    /// Parameters of every candidate.
    pub params: Params,
}
