//! Names and values as OpenTelemetry's conventions for generative AI have them
//! (<https://github.com/open-telemetry/semantic-conventions-genai>), and attributes made of them.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};

use super::{Server, Servers};
use crate::types::AttemptRecord;

/// What a request to a model is, there: all of Locum's are chats.
pub(super) const CHAT: &str = "chat";

/// Kinds whose well-known name is another one than ours.
const PROVIDERS: [(&str, &str); 6] = [
    ("azure", "azure.ai.openai"),
    ("bedrock", "aws.bedrock"),
    ("gemini", "gcp.gemini"),
    ("mistral", "mistral_ai"),
    ("vertex", "gcp.vertex_ai"),
    ("xai", "x_ai"),
];

/// What a provider is called: its well-known name, else its kind, else the name that the configuration gives it.
fn provider<'a>(name: &'a str, server: Option<&'a Server>) -> &'a str {
    let kind = server.map_or(name, |server| server.kind.as_str());
    let known = PROVIDERS.iter().find(|(ours, _)| *ours == kind).map(|(_, known)| *known);
    known.unwrap_or(if kind == "openai_compatible" { name } else { kind })
}

/// The model's id at its provider.
pub(super) fn model(record: &AttemptRecord) -> &str {
    let name = record.attempt.model.as_str();
    name.strip_prefix(record.provider.as_str()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name)
}

/// What an attempt was: the operation, and who was asked.
pub(super) fn operation(record: &AttemptRecord, servers: &Servers) -> Vec<KeyValue> {
    let server = servers.get(&record.provider);
    let mut attributes = vec![
        text("gen_ai.operation.name", CHAT),
        text("gen_ai.provider.name", provider(&record.provider, server)),
        text("gen_ai.request.model", model(record)),
    ];
    if let Some(Server { address, port, .. }) = server {
        attributes.push(text("server.address", address));
        attributes.push(int("server.port", u64::from(*port)));
    }
    attributes
}

pub(super) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

pub(super) fn int(key: &str, value: u64) -> KeyValue {
    attribute(key, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

pub(super) fn float(key: &str, value: f64) -> KeyValue {
    attribute(key, Value::DoubleValue(value))
}

pub(super) fn flag(key: &str, value: bool) -> KeyValue {
    attribute(key, Value::BoolValue(value))
}

/// A list of one text.
pub(super) fn list(key: &str, value: &str) -> KeyValue {
    let values = vec![AnyValue { value: Some(Value::StringValue(value.to_owned())) }];
    attribute(key, Value::ArrayValue(ArrayValue { values }))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
