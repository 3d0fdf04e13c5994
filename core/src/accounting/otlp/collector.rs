//! Sending: a request to the collector over HTTP or gRPC, and what its answer means
//! (<https://opentelemetry.io/docs/specs/otlp/>).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::{BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use percent_encoding::percent_decode_str;
use prost::Message;
use tokio::runtime::Runtime;

use crate::transport::{Http, HttpAnswer, HttpRequest};
use crate::types::{Otlp, OtlpProtocol, Secret};

/// The largest answer read: a partial success with a sentence has a few hundred bytes.
const MOST: usize = 1024 * 1024;
/// How much of what a collector says is told on.
const TOLD: usize = 300;
/// The longest wait that a collector is granted.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What became of a request.
pub(super) enum Sent {
    /// It was taken, with a remark where that was not all of it.
    Taken(Option<String>),
    /// It may be sent again, after the time that the collector asked for.
    Busy { why: String, wait: Option<Duration> },
    /// It is not worth sending again.
    Refused(String),
}

/// A collector, and the thread's own way to it.
pub(super) struct Collector {
    runtime: Runtime,
    http: Http,
    protocol: OtlpProtocol,
    endpoint: String,
    headers: HeaderMap,
    secrets: Vec<Secret>,
    timeout: Duration,
}

impl Collector {
    pub(super) fn new(settings: &Otlp) -> Result<Self, String> {
        let Otlp { endpoint, protocol, timeout, .. } = settings;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let grpc = *protocol == OtlpProtocol::Grpc;
        let mut headers = HeaderMap::new();
        for (name, secret) in &settings.headers {
            let mut value =
                HeaderValue::from_str(secret.expose()).map_err(|_| format!("header {name} cannot be sent"))?;
            value.set_sensitive(true);
            headers
                .insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header has no name".to_owned())?, value);
        }
        let kind = if grpc { "application/grpc" } else { "application/x-protobuf" };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if grpc {
            headers.insert(http::header::TE, HeaderValue::from_static("trailers"));
        }
        Ok(Self {
            runtime: runtime.map_err(|error| format!("no way to send: {error}"))?,
            http: if grpc { Http::h2() } else { Http::new() },
            protocol: *protocol,
            endpoint: endpoint.clone(),
            headers,
            secrets: settings.headers.values().cloned().collect(),
            timeout: *timeout,
        })
    }

    pub(super) fn traces(&self, request: &ExportTraceServiceRequest) -> Sent {
        self.send("trace", request, |body| {
            let partial = ExportTraceServiceResponse::decode(body).ok()?.partial_success?;
            Some((partial.rejected_spans, "spans", partial.error_message))
        })
    }

    pub(super) fn metrics(&self, request: &ExportMetricsServiceRequest) -> Sent {
        self.send("metrics", request, |body| {
            let partial = ExportMetricsServiceResponse::decode(body).ok()?.partial_success?;
            Some((partial.rejected_data_points, "data points", partial.error_message))
        })
    }

    /// Sends a message of one of the two services, and has `partial` read what was not taken of it.
    fn send(
        &self,
        service: &str,
        message: &impl Message,
        partial: impl FnOnce(Bytes) -> Option<(i64, &'static str, String)>,
    ) -> Sent {
        let taken = |body: Bytes| {
            let (rejected, what, said) = partial(body).filter(|(count, _, said)| *count > 0 || !said.is_empty())?;
            Some(format!("{rejected} {what} rejected: {}", self.shown(&said)))
        };
        let request = HttpRequest {
            method: Method::POST,
            url: self.url(service),
            headers: self.headers.clone(),
            body: self.body(message),
            connect_timeout: self.timeout,
        };
        let answer = self.runtime.block_on(async {
            // A connection that has rested hears only now whether the other side has closed it.
            tokio::task::yield_now().await;
            tokio::time::timeout(self.timeout, self.http.whole(request, MOST)).await
        });
        let busy = |why: String| Sent::Busy { why, wait: None };
        let (answer, trailers) = match answer {
            Err(_) => return busy(format!("no answer within {} ms", self.timeout.as_millis())),
            Ok(Err(error)) => return busy(error.message),
            Ok(Ok(answer)) => answer,
        };
        match (answer.status, self.protocol) {
            (200, OtlpProtocol::Grpc) => self.of_grpc(&answer, &trailers, taken),
            (200..=299, OtlpProtocol::Http) => Sent::Taken(taken(answer.body)),
            (429 | 502 | 503 | 504, _) => {
                Sent::Busy { why: format!("status {}", answer.status), wait: wait(&answer.headers) }
            }
            (status, _) => Sent::Refused(format!("status {status}{}", self.said(&answer))),
        }
    }

    fn url(&self, service: &str) -> String {
        let Self { endpoint, .. } = self;
        match (self.protocol, service) {
            (OtlpProtocol::Http, "trace") => format!("{endpoint}/v1/traces"),
            (OtlpProtocol::Http, _) => format!("{endpoint}/v1/metrics"),
            (OtlpProtocol::Grpc, "trace") => {
                format!("{endpoint}/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            }
            (OtlpProtocol::Grpc, _) => {
                format!("{endpoint}/opentelemetry.proto.collector.metrics.v1.MetricsService/Export")
            }
        }
    }

    /// gRPC puts five bytes before a message: that it is not compressed, and its length.
    fn body(&self, message: &impl Message) -> Bytes {
        if self.protocol == OtlpProtocol::Http {
            return message.encode_to_vec().into();
        }
        let message = message.encode_to_vec();
        let mut body = BytesMut::with_capacity(message.len() + 5);
        body.put_u8(0);
        body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
        body.extend_from_slice(&message);
        body.freeze()
    }

    /// gRPC's own status comes after the message, or among the headers where there is none.
    fn of_grpc(&self, answer: &HttpAnswer, trailers: &HeaderMap, taken: impl FnOnce(Bytes) -> Option<String>) -> Sent {
        let of =
            |name: &str| trailers.get(name).or_else(|| answer.headers.get(name)).and_then(|value| value.to_str().ok());
        let Some(status) = of("grpc-status").and_then(|status| status.parse::<u32>().ok()) else {
            return Sent::Refused("the answer has no gRPC status; does it speak gRPC?".to_owned());
        };
        let said = of("grpc-message").map(|text| percent_decode_str(text).decode_utf8_lossy().into_owned());
        let said = said.map(|said| format!(": {}", self.shown(&said))).unwrap_or_default();
        let why = format!("gRPC status {status}{said}");
        match status {
            0 if answer.body.len() >= 5 => Sent::Taken(taken(answer.body.slice(5..))),
            0 => Sent::Taken(None),
            // Cancelled, deadline exceeded, aborted, out of range, unavailable, data loss.
            1 | 4 | 10 | 11 | 14 | 15 => Sent::Busy { why, wait: wait(&answer.headers) },
            // Resource exhausted: only where the server says that it will be better.
            8 if of("grpc-status-details-bin").is_some_and(says_retry) => {
                Sent::Busy { why, wait: wait(&answer.headers) }
            }
            _ => Sent::Refused(why),
        }
    }

    /// What the body of a failure says: a `google.rpc.Status`, whose message has tag 2, or a text.
    fn said(&self, answer: &HttpAnswer) -> String {
        #[derive(Clone, PartialEq, Message)]
        struct Status {
            #[prost(string, tag = "2")]
            message: String,
        }
        let kind = answer.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let text = if kind.starts_with("application/x-protobuf") {
            Status::decode(answer.body.clone()).map(|status| status.message).unwrap_or_default()
        } else if kind.starts_with("text/plain") || kind.starts_with("application/json") {
            String::from_utf8_lossy(&answer.body).into_owned()
        } else {
            String::new()
        };
        if text.trim().is_empty() { text } else { format!(": {}", self.shown(&text)) }
    }

    /// What a collector says, in one short line and without the headers that it was sent.
    fn shown(&self, said: &str) -> String {
        let mut said = said.to_owned();
        for secret in self.secrets.iter().filter(|secret| !secret.expose().is_empty()) {
            said = said.replace(secret.expose(), "[secret]");
        }
        said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TOLD).collect()
    }
}

/// How long the collector asks to wait, in seconds; dates are not common here.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

/// Whether the details of a status hold a `google.rpc.RetryInfo`.
fn says_retry(details: &str) -> bool {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    let sign = b"google.rpc.RetryInfo";
    engine.decode(details).is_ok_and(|bytes| bytes.windows(sign.len()).any(|part| part == sign))
}
