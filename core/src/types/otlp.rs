//! How traces and metrics are sent to an OpenTelemetry collector.

use std::collections::BTreeMap;
use std::time::Duration;

use super::secret::Secret;

/// How traces and metrics are sent to an OpenTelemetry collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otlp {
    /// Where it is, without a trailing slash: `http://localhost:4318`.
    pub endpoint: String,
    /// How it is spoken to.
    pub protocol: OtlpProtocol,
    /// Headers of every request, by lower-case name.
    pub headers: BTreeMap<String, Secret>,
    /// The attributes of the resource, `service.name` among them.
    pub resource: BTreeMap<String, String>,
    /// Whether traces are sent.
    pub traces: bool,
    /// Whether metrics are sent.
    pub metrics: bool,
    /// How often metrics are sent.
    pub metrics_interval: Duration,
    /// How long sending may take.
    pub timeout: Duration,
}

/// How a collector is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// Protobuf over HTTP.
    Http,
    /// gRPC.
    Grpc,
}
