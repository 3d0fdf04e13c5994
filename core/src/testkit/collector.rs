//! An OpenTelemetry collector to look at: what came over OTLP (HTTP, protobuf), as JSON for programs and as text for people.

use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Map, Value, json};

use super::http::Response;

/// The most spans kept; further ones are taken and forgotten.
const KEPT: usize = 10_000;
/// The attributes that the text shows, of which no run has others.
const OF_SPANS: [&str; 6] = [
    "locum.customer",
    "locum.outcome",
    "error.type",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "locum.cost.usd",
];
const OF_METRICS: [&str; 5] = ["gen_ai.request.model", "gen_ai.token.type", "error.type", "locum.task", "locum.model"];

#[derive(Default)]
pub(super) struct Collector {
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    spans: Vec<Span>,
    /// Since the start of whoever sent them, as of the last request.
    metrics: Vec<Metric>,
}

impl Collector {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn reset(&self) {
        *self.told() = Told::default();
    }

    pub(super) fn traces(&self, body: Bytes) -> Response {
        let Ok(request) = ExportTraceServiceRequest::decode(body) else { return unread() };
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        let mut told = self.told();
        let room = KEPT.saturating_sub(told.spans.len());
        told.spans.extend(scopes.flat_map(|scope| scope.spans).take(room));
        taken()
    }

    pub(super) fn metrics(&self, body: Bytes) -> Response {
        let Ok(request) = ExportMetricsServiceRequest::decode(body) else { return unread() };
        let scopes = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
        self.told().metrics = scopes.flat_map(|scope| scope.metrics).collect();
        taken()
    }

    /// `{spans, metrics}`, in the order of their beginning, and of their names.
    pub(super) fn to_value(&self) -> Value {
        let told = self.told();
        let metrics = told.metrics().into_iter().map(|metric| {
            let points = points(metric).into_iter().map(|(attributes, numbers)| {
                let mut point = Map::from_iter([("attributes".to_owned(), json(attributes).into())]);
                point.extend(numbers.into_iter().map(|(key, number)| (key.to_owned(), number)));
                Value::Object(point)
            });
            json!({ "name": metric.name, "unit": metric.unit, "points": points.collect::<Value>() })
        });
        json!({ "spans": told.spans().into_iter().map(span).collect::<Value>(), "metrics": metrics.collect::<Value>() })
    }

    /// Spans below those they belong to, then the metrics; without times and ids, of which every run has others.
    pub(super) fn text(&self) -> String {
        let told = self.told();
        let spans = told.spans();
        let is_root = |span: &&&Span| spans.iter().all(|other| other.span_id != span.parent_span_id);
        let mut text = String::new();
        for root in spans.iter().filter(is_root) {
            branch(&mut text, root, &spans, 0);
        }
        for metric in told.metrics() {
            let line = |(attributes, numbers): Point<'_>| {
                // How long something took is never the same.
                let same = numbers.into_iter().filter(|(key, _)| metric.unit != "s" || *key == "count");
                let numbers: String = same.map(|(key, number)| format!(" {key}={number}")).collect();
                format!("{}{}{numbers}\n", metric.name, shown(attributes, &OF_METRICS))
            };
            let mut lines: Vec<String> = points(metric).into_iter().map(line).collect();
            lines.sort();
            text.extend(lines);
        }
        text
    }
}

impl Told {
    fn spans(&self) -> Vec<&Span> {
        let mut spans: Vec<&Span> = self.spans.iter().collect();
        spans.sort_by_key(|span| span.start_time_unix_nano);
        spans
    }

    fn metrics(&self) -> Vec<&Metric> {
        let mut metrics: Vec<&Metric> = self.metrics.iter().collect();
        metrics.sort_by(|one, other| one.name.cmp(&other.name));
        metrics
    }
}

fn branch(text: &mut String, span: &Span, spans: &[&Span], depth: usize) {
    let _ = writeln!(text, "{:indent$}{}{}", "", span.name, shown(&span.attributes, &OF_SPANS), indent = depth * 2);
    // As deep as Locum's are: who sends a circle is not followed round and round.
    for child in spans.iter().filter(|child| depth < 8 && child.parent_span_id == span.span_id) {
        branch(text, child, spans, depth + 1);
    }
}

fn shown(attributes: &[KeyValue], keys: &[&str]) -> String {
    let attributes = json(attributes);
    let named = keys.iter().filter_map(|key| Some((key, attributes.get(*key)?)));
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    named.map(|(key, value)| format!(" {key}={}", plain(value))).collect()
}

fn span(span: &Span) -> Value {
    let id = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let status = span.status.as_ref().map_or("unset", |status| match status.code {
        1 => "ok",
        2 => "error",
        _ => "unset",
    });
    json!({
        "trace_id": id(&span.trace_id),
        "span_id": id(&span.span_id),
        "parent_span_id": (!span.parent_span_id.is_empty()).then(|| id(&span.parent_span_id)),
        "name": span.name,
        "status": status,
        "duration_ms": span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano) as f64 / 1e6,
        "attributes": json(&span.attributes),
    })
}

/// Attributes and named numbers.
type Point<'a> = (&'a [KeyValue], Vec<(&'static str, Value)>);

fn points(metric: &Metric) -> Vec<Point<'_>> {
    fn numbers(points: &[NumberDataPoint]) -> Vec<Point<'_>> {
        let number = |point: &NumberDataPoint| match point.value {
            Some(number_data_point::Value::AsInt(value)) => value.into(),
            Some(number_data_point::Value::AsDouble(value)) => value.into(),
            None => Value::Null,
        };
        points.iter().map(|point| (&point.attributes[..], vec![("value", number(point))])).collect()
    }
    match &metric.data {
        Some(metric::Data::Sum(sum)) => numbers(&sum.data_points),
        Some(metric::Data::Gauge(gauge)) => numbers(&gauge.data_points),
        Some(metric::Data::Histogram(histogram)) => {
            let points = histogram.data_points.iter();
            let numbers = points
                .map(|point| (&point.attributes[..], vec![("count", point.count.into()), ("sum", point.sum.into())]));
            numbers.collect()
        }
        _ => Vec::new(),
    }
}

fn json(attributes: &[KeyValue]) -> Map<String, Value> {
    fn value(of: Option<&AnyValue>) -> Value {
        match of.and_then(|of| of.value.as_ref()) {
            Some(any_value::Value::StringValue(text)) => text.as_str().into(),
            Some(any_value::Value::BoolValue(flag)) => (*flag).into(),
            Some(any_value::Value::IntValue(number)) => (*number).into(),
            Some(any_value::Value::DoubleValue(number)) => (*number).into(),
            Some(any_value::Value::ArrayValue(list)) => list.values.iter().map(|of| value(Some(of))).collect(),
            _ => Value::Null,
        }
    }
    attributes.iter().map(|pair| (pair.key.clone(), value(pair.value.as_ref()))).collect()
}

/// An empty message: all of it was taken.
fn taken() -> Response {
    Response::new(200, Bytes::new()).with_type("application/x-protobuf")
}

fn unread() -> Response {
    Response::json(400, &json!({ "error": { "message": "the body is no OTLP in protobuf" } }))
}
