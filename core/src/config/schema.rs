//! The shape of the file, as Rust types. Their doc comments become the descriptions in `schema/locum.schema.json`.
//!
//! The committed schema is what `shape` checks a configuration against; a test keeps it equal to these types.

mod books;

use std::collections::BTreeMap;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

pub(super) use self::books::{
    AccountingConfig, JsonlConfig, OtlpConfig, OtlpWord, PostgresConfig, QuotaConfig, SqliteConfig,
};
use super::words::{
    ApiWord, ConcurrencyLimit, FallbackOnWord, FirstTokenLimit, HedgeDelay, LacksWord, OnBreakWord, StateWord,
    StickyWord, StrictWord, UpstreamWord,
};
use crate::types::{Params, Price, Tier};

/// Which models do which work, which stand in, and within which limits.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(title = "locum.toml", deny_unknown_fields, extend("required" = ["tasks"])))]
pub(super) struct ConfigFile {
    /// Address of this schema, for editors; not used otherwise.
    #[serde(rename = "$schema")]
    #[allow(dead_code, reason = "accepted for editors only")]
    pub(super) schema: Option<String>,
    /// Accounts at providers, by a name of your choice. A provider of a known kind that needs no settings beyond its
    /// usual environment variable may be left out.
    #[serde(default)]
    pub(super) providers: BTreeMap<String, ProviderConfig>,
    /// Aliases: models with their parameters, by a name of your choice.
    #[serde(default)]
    pub(super) models: BTreeMap<String, ModelConfig>,
    /// Kinds of work, by the name the application calls them.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("minProperties" = 1)))]
    pub(super) tasks: BTreeMap<String, TaskConfig>,
    /// Who shares what is learned of candidates: cooldowns, breakers, budgets, measured times. Default: process.
    pub(super) state: Option<StateWord>,
    /// When the circuit breaker of a candidate opens, and for how long.
    pub(super) breaker: Option<BreakerConfig>,
    /// How much calls may use in a time, by names of your choice.
    #[serde(default)]
    pub(super) quotas: BTreeMap<String, QuotaConfig>,
    /// Where records of calls go: what each did and cost.
    pub(super) accounting: Option<AccountingConfig>,
    /// How `locum serve` offers the tasks over HTTP.
    pub(super) serve: Option<ServeConfig>,
}

/// How `locum serve` offers the tasks over HTTP.
#[derive(Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(super) struct ServeConfig {
    /// Address and port: `0.0.0.0:4100`. Default: `127.0.0.1:4100`.
    pub(super) listen: Option<String>,
    /// Tokens that let clients in. Required unless `listen` is an address of this machine alone. Default: none.
    #[cfg_attr(feature = "schema", schemars(extend("minItems" = 1)))]
    pub(super) tokens: Option<Vec<TokenConfig>>,
    /// The largest body of a request. Bytes. Default: 33554432.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = super::defaults::LARGEST_BODY)))]
    pub(super) max_body_bytes: Option<u64>,
    /// The most connections at a time; further ones wait. Default: 10000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = super::defaults::MOST_CONNECTIONS)))]
    pub(super) max_connections: Option<u64>,
    /// How long the head of a request may take. Milliseconds. Default: 10000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = super::defaults::LONGEST_MS)))]
    pub(super) header_timeout_ms: Option<u64>,
    /// How long the body of a request may take. Milliseconds. Default: 60000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = super::defaults::LONGEST_MS)))]
    pub(super) body_timeout_ms: Option<u64>,
    /// How long a connection may rest between two requests, and a client that reads an answer between two reads.
    /// Milliseconds. Default: 75000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = super::defaults::LONGEST_MS)))]
    pub(super) idle_timeout_ms: Option<u64>,
    /// How long running requests may go on once the server is told to stop. Milliseconds. Default: 25000.
    #[cfg_attr(feature = "schema", schemars(range(max = super::defaults::LONGEST_MS)))]
    pub(super) shutdown_ms: Option<u64>,
}

/// What lets a client in.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(untagged)]
pub(super) enum TokenConfig {
    /// Reference to a token: `env:NAME` or `file:PATH`.
    Bare(String),
    /// A token with what it says of the caller.
    Named(NamedTokenConfig),
}

/// A token with what it says of the caller.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(super) struct NamedTokenConfig {
    /// Reference to the token: `env:NAME` or `file:PATH`.
    pub(super) token: String,
    /// Whose calls are made with it, whatever they say themselves. Default: whom the call names.
    pub(super) customer: Option<String>,
}

/// When the circuit breaker of a candidate opens, and for how long.
#[derive(Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(super) struct BreakerConfig {
    /// So many failures in a row open it. Default: 3.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = super::defaults::MOST_FAILURES)))]
    pub(super) failures: Option<u32>,
    /// How long it stays open the first time. Milliseconds. Default: 5000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = super::defaults::LONGEST_MS)))]
    pub(super) open_ms: Option<u64>,
    /// It stays open twice as long each time, but no longer than this. Milliseconds. Default: 20000, or `open_ms` where
    /// that is longer.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = super::defaults::LONGEST_MS)))]
    pub(super) max_open_ms: Option<u64>,
}

/// An account at a provider.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(super) struct ProviderConfig {
    /// What kind of provider it is. Default: the provider's name, where that is a known kind.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = super::presets::words_or_null())))]
    pub(super) kind: Option<String>,
    /// Where its API starts: `https://llm.example.com/v1`. Default: the kind's own; required for `openai_compatible`.
    pub(super) base_url: Option<String>,
    /// Which of OpenAI's interfaces its models are asked by. Default: chat.
    pub(super) api: Option<ApiWord>,
    /// The AWS region (`bedrock`). Default: `AWS_REGION`, or `AWS_DEFAULT_REGION`.
    pub(super) region: Option<String>,
    /// The Google Cloud project (`vertex`). Default: `GOOGLE_CLOUD_PROJECT`.
    pub(super) project: Option<String>,
    /// The location in Google Cloud (`vertex`): `europe-west4`. Default: `GOOGLE_CLOUD_LOCATION`, else `global`.
    pub(super) location: Option<String>,
    /// The version of the API (`azure`), which selects the older addresses by deployment: `2024-10-21`. Default: none.
    pub(super) api_version: Option<String>,
    /// Reference to its key: `env:NAME` or `file:PATH` (relative to this file). Default: the kind's usual environment
    /// variable, such as `OPENAI_API_KEY`.
    pub(super) api_key: Option<String>,
    /// How its requests are let in: by a key, signed with the keys that AWS's own SDKs would find (`bedrock`), with tokens of
    /// Google or of Microsoft Entra ID as their own libraries would find them, or by what the program's callback gives.
    /// Default: a key; where none is there, the AWS keys for `bedrock` and Google's tokens for `vertex`.
    pub(super) auth: Option<AuthWord>,
    /// The profile of AWS's shared files to take the keys from. Default: the variables, then `AWS_PROFILE`.
    pub(super) profile: Option<String>,
    /// Reference to a file of Google's with the key of a service account, or what gcloud has written: `file:PATH` (relative to
    /// this file) or `env:NAME`. Default: `GOOGLE_APPLICATION_CREDENTIALS`, then gcloud's file, then the machine's metadata.
    pub(super) credentials: Option<String>,
    /// What tokens are asked for. Default: `https://www.googleapis.com/auth/cloud-platform` of Google,
    /// `https://cognitiveservices.azure.com/.default` of Entra.
    pub(super) scope: Option<String>,
    /// References to several keys, instead of `api_key`. They serve in this order: the next one when one is cooling down,
    /// refused, out of money or at its limit. Default: the one key.
    #[cfg_attr(feature = "schema", schemars(extend("minItems" = 1)))]
    pub(super) api_keys: Option<Vec<String>>,
    /// Further headers of every request. Values may be `env:` and `file:` references. Default: none.
    pub(super) headers: Option<BTreeMap<String, String>>,
    /// Whether plain http to another machine is allowed. Default: false.
    pub(super) allow_http: Option<bool>,
    /// How long connecting may take. Milliseconds. Default: 5000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = super::defaults::LONGEST_MS)))]
    pub(super) connect_timeout_ms: Option<u64>,
    /// How many calls each key may have at a time; `auto` finds out how many the provider takes. Default: no limit.
    pub(super) max_concurrency: Option<ConcurrencyLimit>,
    /// The part that is taken off the known prices of its models: `0.15`. Default: none.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 1)))]
    pub(super) discount: Option<f64>,
}

/// How requests are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum AuthWord {
    Key,
    Aws,
    Google,
    Entra,
    Callback,
}

/// A model at a provider, with its parameters. They win over the task's and yield to the call's.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("additionalProperties" = false)))]
pub(super) struct ModelConfig {
    /// The model, as `provider/model`.
    #[serde(rename = "use")]
    pub(super) model: String,
    /// Which of OpenAI's interfaces it is asked by. Default: the provider's.
    pub(super) api: Option<ApiWord>,
    #[serde(flatten)]
    pub(super) params: ParamsConfig,
    /// The limit of one attempt. Milliseconds. Default: none beyond the task's `max_latency_ms`; 600000 where the task
    /// sets none.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = super::defaults::LONGEST_MS)))]
    pub(super) timeout_ms: Option<u64>,
    /// How long the first content of its streams may take. Milliseconds, or `auto`. Default: the task's.
    pub(super) first_token_ms: Option<FirstTokenLimit>,
    /// How long its streams may pause between two pieces of content. Milliseconds. Default: the task's.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = super::defaults::LONGEST_MS)))]
    pub(super) idle_ms: Option<u64>,
    /// Whether the model continues an assistant message at the end of the chat, which `on_break = "resume"` uses.
    /// Default: what is known of the model.
    pub(super) prefill: Option<bool>,
    /// Tokens of prompt and answer together. Default: what is known of the model; unknown counts as large enough.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub(super) context_window: Option<u64>,
    /// The most tokens of an answer; more is not asked for. Default: what is known of the model.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub(super) max_output: Option<u64>,
    /// What the model cannot do; calls that need it skip the model. Default: what is known of the model.
    pub(super) lacks: Option<Vec<LacksWord>>,
    /// What the model can do, whatever is known of it. Default: nothing beyond that.
    pub(super) supports: Option<Vec<LacksWord>>,
    /// What its tokens cost. Default: what is known of the model.
    pub(super) price: Option<PriceConfig>,
    /// The part that is taken off the known price: `0.15`. Default: that of its provider.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 1)))]
    pub(super) discount: Option<f64>,
    /// Members set in every request body, passed through as they are. Default: none.
    pub(super) extra_body: Option<Map<String, Value>>,
}

/// USD for a million tokens.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(super) struct PriceConfig {
    /// Of the prompt.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub(super) input: f64,
    /// Of the answer, reasoning included.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub(super) output: f64,
    /// Of the prompt, read from a cache. Default: as `input`.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub(super) cached_input: Option<f64>,
    /// Of the prompt, written to a cache. Default: as `input`.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub(super) cache_write: Option<f64>,
    /// What counts instead where the prompt is long. Default: nothing.
    pub(super) tier: Option<TierConfig>,
}

/// USD for a million tokens where the prompt has more than a number of tokens.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(super) struct TierConfig {
    /// Tokens of the prompt above which it counts.
    pub(super) above: u64,
    /// Of the prompt.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub(super) input: f64,
    /// Of the answer, reasoning included.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub(super) output: f64,
    /// Of the prompt, read from a cache. Default: as `input`.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub(super) cached_input: Option<f64>,
    /// Of the prompt, written to a cache. Default: as `input`.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub(super) cache_write: Option<f64>,
}

/// A kind of work.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("additionalProperties" = false)))]
pub(super) struct TaskConfig {
    /// Who does it: an alias of `models`, or `provider/model`; or several that share the work by weight.
    pub(super) primary: PrimaryConfig,
    /// What calls must share to be given the same one of several primaries. Default: nothing, it is drawn for each call.
    pub(super) sticky: Option<StickyWord>,
    /// Who stands in, in order. Default: nobody.
    pub(super) fallback: Option<Vec<String>>,
    /// The time within which the caller has the whole answer, or the first content of a stream; retries and stand-ins
    /// included. Milliseconds. Default: none.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = super::defaults::LONGEST_MS)))]
    pub(super) max_latency_ms: Option<u64>,
    /// The most tokens the input may have; larger calls are refused before anything is spent, or handed over as `too_long`
    /// says. Default: no limit.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub(super) max_input_tokens: Option<u64>,
    /// Who takes calls whose input is larger. Default: nobody.
    pub(super) too_long: Option<TooLongConfig>,
    /// Whether a slow candidate goes on beside its stand-in; otherwise it is cut when that one starts. Default: true.
    pub(super) hedge: Option<bool>,
    /// When a stand-in is started beside a slow candidate. Milliseconds, or a percentile of that candidate's own measured
    /// times: `p95`. Default: half of the time left; without a deadline, times of the core.
    pub(super) hedge_after_ms: Option<HedgeDelay>,
    /// Whether stand-ins may serve. Default: true.
    pub(super) allow_fallback: Option<bool>,
    /// Further tries of the same candidate after a failure. Default: 1.
    #[cfg_attr(feature = "schema", schemars(range(max = super::defaults::MOST_RETRIES)))]
    pub(super) retries: Option<u32>,
    /// The longest wait before such a try while a stand-in exists. Milliseconds. Default: 2000.
    #[cfg_attr(feature = "schema", schemars(range(max = super::defaults::LONGEST_MS)))]
    pub(super) max_retry_wait_ms: Option<u64>,
    /// Further causes of a fallback. Default: none.
    pub(super) fallback_on: Option<Vec<FallbackOnWord>>,
    /// What an answer must be; any other is not delivered, and the next candidate is asked. Default: anything.
    pub(super) accept: Option<AcceptConfig>,
    /// How often a candidate whose answer is not accepted, or not in the format that was asked for where `fallback_on` names
    /// that, is told what was wrong with it and asked again, before the next one is. Default: 0.
    #[cfg_attr(feature = "schema", schemars(range(max = super::defaults::MOST_REASKS)))]
    pub(super) reask: Option<u32>,
    /// What is said beside the messages of a call: templates that the call's `variables` fill in. Default: nothing.
    pub(super) prompt: Option<PromptConfig>,
    /// Failures that surface instead of falling back. Default: none.
    pub(super) strict: Option<Vec<StrictWord>>,
    /// Whether a parameter that a model rejects is left out and the call tried again. Default: true.
    pub(super) drop_unsupported: Option<bool>,
    /// How providers are asked for whole answers. Default: unary.
    pub(super) upstream: Option<UpstreamWord>,
    /// What follows when an answer breaks off after its first content. Default: error.
    pub(super) on_break: Option<OnBreakWord>,
    /// How long the first content of a stream may take, of one candidate. Milliseconds, or `auto`: three times what nearly
    /// all of its streams took. Default: none beyond `max_latency_ms` and the stand-in that starts beside a silent
    /// candidate.
    pub(super) first_token_ms: Option<FirstTokenLimit>,
    /// How long a stream may pause between two pieces of content. Milliseconds. Default: 15000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = super::defaults::LONGEST_MS)))]
    pub(super) idle_ms: Option<u64>,
    #[serde(flatten)]
    pub(super) params: ParamsConfig,
}

/// What an answer must be. One that calls tools is no final answer: of it, only `not_truncated` is asked.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(super) struct AcceptConfig {
    /// Whether it must say more than white space. Default: false.
    pub(super) non_empty: Option<bool>,
    /// Whether it must not be cut at the token limit. Default: false.
    pub(super) not_truncated: Option<bool>,
    /// The fewest characters. Default: none.
    pub(super) min_chars: Option<u64>,
    /// The most characters. Default: none.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub(super) max_chars: Option<u64>,
    /// A regular expression that must match somewhere in it (the syntax of Rust's `regex`, without look-around). Default:
    /// none.
    pub(super) regex: Option<String>,
    /// The JSON Schema that it must match: a path of a file (relative to this file), or the schema itself. Where a call names
    /// no `response_format`, models are asked for it. Default: none.
    pub(super) json_schema: Option<SchemaConfig>,
}

/// A JSON Schema.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(untagged)]
pub(super) enum SchemaConfig {
    /// In a file.
    File(String),
    /// Written out.
    Inline(Map<String, Value>),
}

/// What is said beside the messages of a call: texts, or `file:PATH` (relative to this file), in the language of Jinja2.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(super) struct PromptConfig {
    /// The system message before all others. Default: none.
    pub(super) system: Option<String>,
    /// The user message behind all others. Default: none.
    pub(super) user: Option<String>,
    /// Parts of their own for single candidates, by the name by which the task names them. Default: none.
    pub(super) models: Option<BTreeMap<String, PartsConfig>>,
}

/// The parts of a prompt that a candidate has of its own.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(super) struct PartsConfig {
    /// The system message before all others; an empty one is left out. Default: the task's.
    pub(super) system: Option<String>,
    /// The user message behind all others; an empty one is left out. Default: the task's.
    pub(super) user: Option<String>,
}

/// Who does the work of a task.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(untagged)]
pub(super) enum PrimaryConfig {
    /// One model.
    One(String),
    /// Several, each with its share.
    Several(#[cfg_attr(feature = "schema", schemars(extend("minItems" = 1)))] Vec<ShareConfig>),
}

/// One of several primaries.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(super) struct ShareConfig {
    /// An alias of `models`, or `provider/model`.
    pub(super) model: String,
    /// Its share of the calls, in proportion to the sum of all weights. With 0 it only stands in.
    #[cfg_attr(feature = "schema", schemars(range(max = super::defaults::LARGEST_WEIGHT)))]
    pub(super) weight: u32,
}

/// What becomes of calls whose input is larger than the task allows.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(super) struct TooLongConfig {
    /// The task that takes them.
    pub(super) use_task: String,
}

/// Sampling and length.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub(super) struct ParamsConfig {
    /// Sampling temperature: 0 gives the likeliest answer, the upper end depends on the provider. Default: the
    /// provider's.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1. Default: the provider's.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 1)))]
    top_p: Option<f64>,
    /// The most tokens the answer may have, reasoning included. Default: the provider's; 4096 for Anthropic, which
    /// requires a number.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    max_output_tokens: Option<u64>,
    /// Text, or several, at which the answer ends. Default: none.
    stop: Option<Stop>,
    /// Asks for the same answer again, where the provider supports it. Default: none.
    seed: Option<i64>,
    /// How much the model thinks first: `none`, `minimal`, `low`, `medium`, `high`, … as the model understands it.
    /// Default: the provider's.
    reasoning_effort: Option<String>,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(untagged)]
enum Stop {
    One(String),
    Several(Vec<String>),
}

impl From<ParamsConfig> for Params {
    fn from(config: ParamsConfig) -> Self {
        Self {
            temperature: config.temperature,
            top_p: config.top_p,
            max_output_tokens: config.max_output_tokens,
            stop: config.stop.map(|stop| match stop {
                Stop::One(text) => vec![text],
                Stop::Several(texts) => texts,
            }),
            seed: config.seed,
            reasoning_effort: config.reasoning_effort,
        }
    }
}

impl From<PriceConfig> for Price {
    fn from(config: PriceConfig) -> Self {
        Self {
            input: config.input,
            output: config.output,
            cached_input: config.cached_input,
            cache_write: config.cache_write,
            tier: config.tier.map(|tier| Tier {
                above: tier.above,
                input: tier.input,
                output: tier.output,
                cached_input: tier.cached_input,
                cache_write: tier.cache_write,
            }),
        }
    }
}

#[cfg(all(test, feature = "schema"))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use schemars::generate::SchemaSettings;

    /// `LOCUM_UPDATE_SCHEMA=1 cargo test -p locum --features schema committed_schema` rewrites the file.
    #[test]
    fn committed_schema_matches_the_types() {
        let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<super::ConfigFile>();
        let mut text = serde_json::to_string_pretty(&schema).unwrap();
        text.push('\n');
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/locum.schema.json");
        if std::env::var_os("LOCUM_UPDATE_SCHEMA").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == text, "{path} differs from the types; run this test with LOCUM_UPDATE_SCHEMA=1");
    }
}
