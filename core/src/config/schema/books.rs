//! Quotas, and where records of calls go.

use std::collections::BTreeMap;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::words::{OnExceededWord, PeriodWord, WindowWord};

/// How much calls may use in a time.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(in crate::config) struct QuotaConfig {
    /// Which customers it is for, each with an account of its own: a name, or the beginning of names and a `*`. Default: all
    /// calls share one account.
    pub(in crate::config) customer: Option<String>,
    /// The task that it is for. Default: all.
    pub(in crate::config) task: Option<String>,
    /// The model that it is for, an alias or `provider/model`. Default: all.
    pub(in crate::config) model: Option<String>,
    /// The most calls. Default: no limit.
    pub(in crate::config) requests: Option<u64>,
    /// The most tokens, of prompts and answers. Default: no limit.
    pub(in crate::config) tokens: Option<u64>,
    /// The most USD. Default: no limit.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub(in crate::config) usd: Option<f64>,
    /// In which time.
    pub(in crate::config) per: PeriodWord,
    /// Whether that is a time of the calendar, in UTC, or one that ends now. Default: calendar.
    pub(in crate::config) window: Option<WindowWord>,
    /// What becomes of calls that would use more: candidates with which they would are passed over, or the call is refused.
    /// Default: skip.
    pub(in crate::config) on_exceeded: Option<OnExceededWord>,
}

/// Where records of calls go: what each did and cost.
#[derive(Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(in crate::config) struct AccountingConfig {
    /// A file with a line of JSON for each call. Default: none.
    pub(in crate::config) jsonl: Option<JsonlConfig>,
    /// Tables of calls and attempts in an SQLite file. Default: none.
    pub(in crate::config) sqlite: Option<SqliteConfig>,
    /// Tables of calls and attempts in a PostgreSQL database. Default: none.
    pub(in crate::config) postgres: Option<PostgresConfig>,
    /// An OpenTelemetry collector that is sent traces and metrics over OTLP. Default: none.
    pub(in crate::config) otlp: Option<OtlpConfig>,
}

/// Tables of calls and attempts in an SQLite file.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(in crate::config) struct SqliteConfig {
    /// The file: `usage.db` (relative to this file).
    pub(in crate::config) path: String,
}

/// Tables of calls and attempts in a PostgreSQL database.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(in crate::config) struct PostgresConfig {
    /// Where it is: `env:DATABASE_URL` or `file:PATH`, which hold `postgres://user:password@host/database`.
    pub(in crate::config) url: String,
}

/// A file with a line of JSON for each call.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(in crate::config) struct JsonlConfig {
    /// The file: `usage.jsonl` (relative to this file).
    pub(in crate::config) path: String,
    /// The length from which on a new file is begun, and the older one numbered. Bytes. Default: 104857600.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub(in crate::config) max_bytes: Option<u64>,
    /// How many older files are kept. Default: 5.
    #[cfg_attr(feature = "schema", schemars(range(max = crate::config::defaults::MOST_FILES)))]
    pub(in crate::config) keep: Option<u32>,
}

/// An OpenTelemetry collector that is sent traces and metrics over OTLP.
#[derive(Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub(in crate::config) struct OtlpConfig {
    /// Where it is: `http://localhost:4318`; over http, `/v1/traces` and `/v1/metrics` are appended. Default:
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, else `http://localhost:4318`, or `http://localhost:4317` for grpc.
    pub(in crate::config) endpoint: Option<String>,
    /// How it is spoken to. Default: `OTEL_EXPORTER_OTLP_PROTOCOL`, else `http/protobuf`.
    pub(in crate::config) protocol: Option<OtlpWord>,
    /// Headers of every request. Values may be `env:` and `file:` references. Default: `OTEL_EXPORTER_OTLP_HEADERS`.
    pub(in crate::config) headers: Option<BTreeMap<String, String>>,
    /// As what the traces and metrics are told. Default: `OTEL_SERVICE_NAME`, else `locum`.
    pub(in crate::config) service_name: Option<String>,
    /// Further attributes of the resource: `{ "deployment.environment.name" = "production" }`. They win over those of
    /// `OTEL_RESOURCE_ATTRIBUTES`. Default: none.
    pub(in crate::config) resource: Option<BTreeMap<String, String>>,
    /// Whether traces are sent. Default: true.
    pub(in crate::config) traces: Option<bool>,
    /// Whether metrics are sent. Default: true.
    pub(in crate::config) metrics: Option<bool>,
    /// How often metrics are sent. Milliseconds. Default: 60000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = crate::config::defaults::LONGEST_MS)))]
    pub(in crate::config) metrics_interval_ms: Option<u64>,
    /// How long sending may take. Milliseconds. Default: 10000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = crate::config::defaults::LONGEST_MS)))]
    pub(in crate::config) timeout_ms: Option<u64>,
}

/// How a collector is spoken to.
#[derive(Deserialize, Clone, Copy)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub(in crate::config) enum OtlpWord {
    /// Protobuf over HTTP.
    #[serde(rename = "http/protobuf")]
    Http,
    /// gRPC.
    #[serde(rename = "grpc")]
    Grpc,
}
