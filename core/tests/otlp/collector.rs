//! A collector on loopback: it answers as it is told and keeps what it is sent.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, Version};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

/// How the collector answers one request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// With a status of HTTP, and a body.
    Http(u16, Bytes),
    /// With a status of gRPC and what it says.
    Grpc(u16, &'static str),
    /// Never.
    Silence,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Default)]
struct Inner {
    answers: VecDeque<Answer>,
    got: Vec<Got>,
}

#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

impl Collector {
    /// Answers with `answers`, then takes everything.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner = Inner { answers: answers.into_iter().collect(), ..Inner::default() };
        let collector = Self { address: listener.local_addr().unwrap(), inner: Arc::new(Mutex::new(inner)) };
        let app = axum::Router::new().fallback(take).with_state(collector.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = hyper_util::service::TowerToHyperService::new(app.clone());
                let io = hyper_util::rt::TokioIo::new(stream);
                tokio::spawn(async move {
                    let server = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
                    let _ = server.serve_connection(io, service).await;
                });
            }
        });
        collector
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests by now.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.inner.lock().unwrap().got.clone()
    }

    fn about(&self, word: &str) -> Vec<Got> {
        self.got().into_iter().filter(|got| got.path.to_lowercase().contains(word)).collect()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.about("trace").iter().flat_map(Got::spans).collect()
    }

    /// Those of one request.
    pub(crate) fn spans_of(&self, request: usize) -> Vec<Span> {
        self.got()[request].spans()
    }

    /// As the last request had them.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let last = self.about("metrics").pop().expect("no metrics came");
        let told = ExportMetricsServiceRequest::decode(last.message()).unwrap().resource_metrics;
        told.into_iter().flat_map(|told| told.scope_metrics).flat_map(|scope| scope.metrics).collect()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn wait(&self, count: usize) {
        let come = async {
            while self.got().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), come).await.expect("they did not come");
    }
}

impl Got {
    fn is_grpc(&self) -> bool {
        self.headers.get("content-type").is_some_and(|kind| kind == "application/grpc")
    }

    fn message(&self) -> Bytes {
        if !self.is_grpc() {
            return self.body.clone();
        }
        let length = u32::from_be_bytes(self.body[1..5].try_into().unwrap()) as usize;
        assert_eq!((self.body[0], length), (0, self.body.len() - 5));
        self.body.slice(5..)
    }

    fn spans(&self) -> Vec<Span> {
        let told = ExportTraceServiceRequest::decode(self.message()).unwrap().resource_spans;
        told.into_iter().flat_map(|told| told.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// What the request says of the resource.
    pub(crate) fn resource(&self) -> Vec<KeyValue> {
        let told = ExportTraceServiceRequest::decode(self.message()).unwrap().resource_spans;
        told[0].resource.clone().unwrap().attributes
    }
}

async fn take(State(collector): State<Collector>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let got = Got { path: head.uri.path().to_owned(), version: head.version, headers: head.headers, body };
    let is_grpc = got.is_grpc();
    let answer = {
        let mut inner = collector.inner.lock().unwrap();
        inner.got.push(got);
        inner.answers.pop_front()
    };
    match answer {
        Some(Answer::Silence) => std::future::pending().await,
        Some(Answer::Http(status, body)) => {
            let kind = "application/x-protobuf";
            Response::builder().status(status).header("content-type", kind).body(Body::from(body)).unwrap()
        }
        // Without a message the status stands among the headers.
        Some(Answer::Grpc(status, said)) => {
            grpc().header("grpc-status", status).header("grpc-message", said).body(Body::empty()).unwrap()
        }
        None if is_grpc => {
            let mut message = BytesMut::new();
            message.put_u8(0);
            message.put_u32(0);
            let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
            let body = Full::new(message.freeze()).with_trailers(std::future::ready(Some(Ok(trailers))));
            grpc().body(Body::new(body)).unwrap()
        }
        None => Response::new(Body::empty()),
    }
}

fn grpc() -> axum::http::response::Builder {
    Response::builder().header("content-type", "application/grpc")
}

/// The value of an attribute, as text.
pub(crate) fn value(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.clone()? {
        AnyValue { value: Some(Value::StringValue(text)) } => text,
        AnyValue { value: Some(Value::IntValue(number)) } => number.to_string(),
        AnyValue { value: Some(Value::BoolValue(flag)) } => flag.to_string(),
        AnyValue { value: Some(Value::DoubleValue(number)) } => number.to_string(),
        other => format!("{other:?}"),
    })
}
