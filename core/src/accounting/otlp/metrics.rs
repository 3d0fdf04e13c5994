//! What calls add up to: histograms and counts since the start, in series that are bounded by the configuration. Customers and
//! labels are not among their attributes.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::words::{int, operation, text};
use super::{Servers, scope};
use crate::error::ErrorKind;
use crate::types::{AttemptRecord, CallRecord};

/// Bounds that the conventions advise, of tokens and of seconds.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
const SECONDS: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// A request to a model, as far as a series tells: `provider/model`, the kind of its failure, which tokens.
type Series = (String, Option<ErrorKind>, &'static str);

/// Everything since the start.
pub(super) struct Metrics {
    start: u64,
    tokens: HashMap<Series, Spread>,
    durations: HashMap<Series, Spread>,
    first_chunks: HashMap<Series, Spread>,
    /// Calls that a stand-in answered, by task and model.
    fallbacks: HashMap<(String, String), u64>,
}

/// How values are spread over fourteen bounds.
struct Spread {
    attributes: Vec<KeyValue>,
    buckets: [u64; 15],
    sum: f64,
    min: f64,
    max: f64,
}

impl Metrics {
    pub(super) fn new() -> Self {
        Self {
            start: now(),
            tokens: HashMap::new(),
            durations: HashMap::new(),
            first_chunks: HashMap::new(),
            fallbacks: HashMap::new(),
        }
    }

    pub(super) fn count(&mut self, record: &CallRecord, servers: &Servers) {
        for made in &record.attempts {
            self.attempt(made, servers);
        }
        if let (true, Some(model)) = (record.fallback_used, &record.model) {
            bump(&mut self.fallbacks, (record.task.clone(), model.clone()));
        }
    }

    fn attempt(&mut self, made: &AttemptRecord, servers: &Servers) {
        let attempt = &made.attempt;
        let series = |kind, which| (attempt.model.clone(), kind, which);
        let seconds = |time: Duration| time.as_secs_f64();
        let failed = |mut attributes: Vec<KeyValue>| {
            attributes.extend(attempt.kind.map(|kind| text("error.type", kind.as_str())));
            attributes
        };
        let spread = self.durations.entry(series(attempt.kind, ""));
        let spread = spread.or_insert_with(|| Spread::of(failed(operation(made, servers))));
        spread.add(&SECONDS, seconds(attempt.latency));
        if let Some(first) = attempt.first_token {
            let spread = self.first_chunks.entry(series(None, ""));
            spread.or_insert_with(|| Spread::of(operation(made, servers))).add(&SECONDS, seconds(first));
        }
        for (which, tokens) in made.usage.into_iter().flat_map(|used| [("input", used.input), ("output", used.output)])
        {
            let spread = self.tokens.entry(series(None, which)).or_insert_with(|| {
                let mut attributes = operation(made, servers);
                attributes.push(text("gen_ai.token.type", which));
                Spread::of(attributes)
            });
            spread.add(&TOKENS, tokens as f64);
        }
    }

    /// All of it by now.
    pub(super) fn request(
        &self,
        dropped: u64,
        breakers: &[(String, Option<u32>, i64)],
        resource: Resource,
    ) -> ExportMetricsServiceRequest {
        let time = now();
        let point = |attributes, value| NumberDataPoint {
            attributes,
            start_time_unix_nano: self.start,
            time_unix_nano: time,
            value: Some(Value::AsInt(value)),
            ..NumberDataPoint::default()
        };
        let sum = |data_points| Sum { data_points, aggregation_temporality: CUMULATIVE, is_monotonic: true };
        let histogram = |spreads: &HashMap<Series, Spread>, bounds: &[f64]| {
            let data_points = spreads.values().map(|spread| spread.point(bounds, self.start, time)).collect();
            Data::Histogram(Histogram { data_points, aggregation_temporality: CUMULATIVE })
        };
        let fallbacks = self.fallbacks.iter().map(|((task, model), count)| {
            point(vec![text("locum.task", task), text("locum.model", model)], signed(*count))
        });
        let states = breakers.iter().map(|(model, key, state)| {
            let mut attributes = vec![text("locum.model", model)];
            attributes.extend(key.map(|key| int("locum.key", u64::from(key))));
            NumberDataPoint { start_time_unix_nano: 0, ..point(attributes, *state) }
        });
        let metrics = vec![
            metric("gen_ai.client.token.usage", "{token}", histogram(&self.tokens, &TOKENS)),
            metric("gen_ai.client.operation.duration", "s", histogram(&self.durations, &SECONDS)),
            metric("gen_ai.client.operation.time_to_first_chunk", "s", histogram(&self.first_chunks, &SECONDS)),
            metric("locum.fallbacks", "{call}", Data::Sum(sum(fallbacks.collect()))),
            metric("locum.records.dropped", "{record}", Data::Sum(sum(vec![point(Vec::new(), signed(dropped))]))),
            metric("locum.breaker.state", "1", Data::Gauge(Gauge { data_points: states.collect() })),
        ];
        let metrics = metrics.into_iter().filter(has_points).collect();
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() }];
        let told = ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![told] }
    }
}

impl Spread {
    fn of(attributes: Vec<KeyValue>) -> Self {
        Self { attributes, buckets: [0; 15], sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }

    /// A bound belongs to the values below it.
    fn add(&mut self, bounds: &[f64; 14], value: f64) {
        let place = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket += 1;
        }
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    fn point(&self, bounds: &[f64], start: u64, time: u64) -> HistogramDataPoint {
        HistogramDataPoint {
            attributes: self.attributes.clone(),
            start_time_unix_nano: start,
            time_unix_nano: time,
            count: self.buckets.iter().sum(),
            sum: Some(self.sum),
            bucket_counts: self.buckets.to_vec(),
            explicit_bounds: bounds.to_vec(),
            min: Some(self.min),
            max: Some(self.max),
            ..HistogramDataPoint::default()
        }
    }
}

fn has_points(metric: &Metric) -> bool {
    match &metric.data {
        Some(Data::Histogram(histogram)) => !histogram.data_points.is_empty(),
        Some(Data::Sum(sum)) => !sum.data_points.is_empty(),
        Some(Data::Gauge(gauge)) => !gauge.data_points.is_empty(),
        _ => false,
    }
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric { name: name.to_owned(), unit: unit.to_owned(), data: Some(data), ..Metric::default() }
}

fn bump<K: Eq + Hash>(counts: &mut HashMap<K, u64>, key: K) {
    *counts.entry(key).or_default() += 1;
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
