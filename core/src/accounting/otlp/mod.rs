//! Records as OpenTelemetry's traces and metrics, sent to a collector over OTLP.
//!
//! `spans` and `metrics` say what is told, `collector` how it is sent; here is the order: each record is told once, a batch that
//! the collector has no time for is tried again by the books, and one that it refuses is dropped, so that it holds up no other.

mod collector;
mod metrics;
mod spans;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;

use self::collector::{Collector, Sent};
use self::metrics::Metrics;
use super::Sink;
use crate::types::{CallRecord, Otlp};

/// The most records of one request. At a few attempts each it stays well below the 4 MiB that gRPC servers take.
const MOST_RECORDS: usize = 512;

/// What the collector is told of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// Its kind, as the configuration has it: `openai`, `vertex`, …
    pub(crate) kind: String,
    /// The host of its API.
    pub(crate) address: String,
    /// And the port.
    pub(crate) port: u16,
}

/// Providers by name.
pub(crate) type Servers = HashMap<String, Server>;

/// How each candidate's circuit breaker is: the model as `provider/model`, the key's number, and 0 (closed), 1 (half open) or 2
/// (open).
pub(crate) type Breakers = dyn Fn() -> Vec<(String, Option<u32>, i64)> + Send;

/// Hears of what the collector refused: a topic, told once, and a sentence.
pub(crate) type Warn = dyn Fn(&str, &str) + Send;

/// The way to a collector.
pub(crate) struct Exporter {
    settings: Otlp,
    servers: Servers,
    breakers: Box<Breakers>,
    warn: Box<Warn>,
    /// Begins with the first request, on the thread that writes.
    collector: Option<Collector>,
    metrics: Metrics,
    /// The last record whose spans are told, and the last one that is counted. After a failure the same ones come again.
    told: Option<Arc<CallRecord>>,
    counted: Option<Arc<CallRecord>>,
    /// Records whose spans the collector refused.
    refused: u64,
    /// When the collector may be asked again, where it said so.
    not_before: Option<Instant>,
}

impl Exporter {
    pub(crate) fn new(settings: Otlp, servers: Servers, breakers: Box<Breakers>, warn: Box<Warn>) -> Self {
        Self {
            settings,
            servers,
            breakers,
            warn,
            collector: None,
            metrics: Metrics::new(),
            told: None,
            counted: None,
            refused: 0,
            not_before: None,
        }
    }

    fn tell(&mut self, records: &[Arc<CallRecord>]) -> Result<(), String> {
        for chunk in rest(records, self.told.as_ref()).chunks(MOST_RECORDS) {
            if let Some(request) = spans::request(chunk, &self.servers, resource(&self.settings.resource)) {
                let sent = self.collector()?.traces(&request);
                if !self.settle(sent, chunk.len(), "traces")? {
                    self.refused += chunk.len() as u64;
                }
            }
            self.told = chunk.last().cloned();
        }
        Ok(())
    }

    fn collector(&mut self) -> Result<&Collector, String> {
        let patient = self.not_before.is_some_and(|time| Instant::now() < time);
        if patient {
            return Err(format!("{}: asked to wait", self.settings.endpoint));
        }
        if self.collector.is_none() {
            self.collector = Some(Collector::new(&self.settings)?);
        }
        self.collector.as_ref().ok_or_else(|| "no collector".to_owned())
    }

    /// What became of a request about `count` records: whether they were taken; an error where they may be sent again.
    fn settle(&mut self, sent: Sent, count: usize, what: &str) -> Result<bool, String> {
        let place = &self.settings.endpoint;
        match sent {
            Sent::Taken(None) => Ok(true),
            Sent::Taken(Some(remark)) => {
                (self.warn)(&format!("otlp {what} {remark}"), &format!("{place}: took {what} in part: {remark}"));
                Ok(true)
            }
            Sent::Busy { why, wait } => {
                self.not_before = wait.map(|wait| Instant::now() + wait);
                Err(format!("{place}: {why}"))
            }
            Sent::Refused(why) => {
                let what = format!("{what} of {count} records were refused and are dropped");
                (self.warn)(&format!("otlp {why}"), &format!("{place}: {what}: {why}"));
                Ok(false)
            }
        }
    }
}

impl Sink for Exporter {
    fn write(&mut self, records: &[Arc<CallRecord>]) -> Result<(), String> {
        if self.settings.metrics {
            for record in rest(records, self.counted.as_ref()) {
                self.metrics.count(record, &self.servers);
            }
            self.counted = records.last().cloned();
        }
        if self.settings.traces { self.tell(records) } else { Ok(()) }
    }

    fn period(&self) -> Option<Duration> {
        self.settings.metrics.then_some(self.settings.metrics_interval)
    }

    fn more(&mut self, lost: u64) -> Result<(), String> {
        let breakers = (self.breakers)();
        let request = self.metrics.request(lost + self.refused, &breakers, resource(&self.settings.resource));
        let sent = self.collector()?.metrics(&request);
        let count = request.resource_metrics.len();
        match self.settle(sent, count, "metrics") {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("{}: metrics were refused", self.settings.endpoint)),
            Err(why) => Err(format!("metrics cannot be sent: {why}")),
        }
    }
}

/// The records after `last`, which is among them only where they are tried again.
fn rest<'a>(records: &'a [Arc<CallRecord>], last: Option<&Arc<CallRecord>>) -> &'a [Arc<CallRecord>] {
    let known = last.and_then(|last| records.iter().position(|record| Arc::ptr_eq(record, last)));
    records.get(known.map_or(0, |known| known + 1)..).unwrap_or_default()
}

fn resource(attributes: &BTreeMap<String, String>) -> Resource {
    let own = [("telemetry.sdk.name", "locum"), ("telemetry.sdk.language", "rust")];
    let own = own.into_iter().chain([("telemetry.sdk.version", env!("CARGO_PKG_VERSION"))]);
    let own = own.filter(|(name, _)| !attributes.contains_key(*name)).map(|(name, value)| words::text(name, value));
    let attributes = attributes.iter().map(|(name, value)| words::text(name, value)).chain(own).collect();
    Resource { attributes, ..Resource::default() }
}

/// Who tells it.
fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "locum".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}
