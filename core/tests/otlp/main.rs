//! Traces and metrics as a collector gets them, over HTTP and gRPC, decoded with the published messages.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod collector;
mod config;

use std::time::{Duration, Instant};

use axum::http::Version;
use collector::{Answer, Collector, value};
use locum::testkit::{Mock, Script};
use locum::{ErrorKind, Router};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use serde_json::{Value, json};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A router that tells `collector`, over providers that play `script`.
async fn telling(collector: &Collector, script: Value, otlp: Value) -> (Mock, Router) {
    let mock = Mock::start(Script::from_value(script).unwrap()).await.unwrap();
    let mut settings = json!({"endpoint": collector.url(), "service_name": "shop", "metrics": false});
    settings.as_object_mut().unwrap().extend(otlp.as_object().unwrap().clone());
    let router = Router::from_value(json!({
        "state": "router",
        "providers": {
            "a": {"kind": "openai", "base_url": mock.url("a"), "api_key": "sk-1"},
            "b": {"kind": "xai", "base_url": mock.url("b"), "api_key": "sk-1"},
        },
        "tasks": {"t": {"primary": "a/big", "fallback": ["b/small"], "retries": 0}},
        "accounting": {"otlp": settings},
    }))
    .unwrap();
    (mock, router)
}

/// Flushes where it may block.
async fn flush(router: &Router, patience: Option<Duration>) -> bool {
    let router = router.clone();
    tokio::task::spawn_blocking(move || router.flush(patience)).await.unwrap()
}

fn answered() -> Value {
    json!({"a": [{"status": 503}], "b": [{"answer": {"text": "An answer", "usage": {"input": 300, "output": 50}}}]})
}

/// What the mock says at `path`.
async fn get(mock: &Mock, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let url = mock.url("a");
    let address = url.split('/').nth(2).unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mock_is_a_collector_to_look_at() {
    let collector = Collector::start([]).await;
    let (mock, _) = telling(&collector, answered(), json!({})).await;
    let endpoint = mock.url("a").replace("/a/v1", "/_otlp");
    let router = Router::from_value(json!({
        "state": "router",
        "providers": {
            "a": {"kind": "openai", "base_url": mock.url("a"), "api_key": "sk-1"},
            "b": {"kind": "openai", "base_url": mock.url("b"), "api_key": "sk-1"},
        },
        "tasks": {"t": {"primary": "a/big", "fallback": ["b/small"], "retries": 0}},
        "accounting": {"otlp": {"endpoint": endpoint}},
    }))
    .unwrap();
    router.complete("t", "A question").customer("acme").await.unwrap();
    assert!(flush(&router, None).await, "{:?}", router.take_notices());
    let text = get(&mock, "/_otlp/text").await;
    let expected = "locum t locum.customer=acme locum.outcome=ok\n  \
                    chat big locum.outcome=failed error.type=overloaded\n  \
                    chat small locum.outcome=ok gen_ai.usage.input_tokens=300 gen_ai.usage.output_tokens=50\n";
    assert!(text.starts_with(expected), "{text}");
    let tokens = "gen_ai.client.token.usage gen_ai.request.model=small gen_ai.token.type=input count=1 sum=300.0\n";
    assert!(text.contains(tokens) && text.contains("locum.records.dropped value=0\n"), "{text}");
    let told: Value = serde_json::from_str(&get(&mock, "/_otlp").await).unwrap();
    assert_eq!(told["spans"][1]["parent_span_id"], told["spans"][0]["span_id"]);
    assert_eq!(told["spans"][1]["status"], "error");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_a_span_and_every_attempt_a_span_below_it() {
    for protocol in ["http/protobuf", "grpc"] {
        let collector = Collector::start([]).await;
        let settings = json!({"protocol": protocol, "headers": {"x-tenant": "blue"}, "resource": {"deployment.environment.name": "test"}});
        let (_mock, router) = telling(&collector, answered(), settings).await;
        router.complete("t", "A question").customer("acme").metadata("feature", "help").await.unwrap();
        assert!(flush(&router, None).await, "{:?}", router.take_notices());
        let got = collector.got();
        let (path, version) = match protocol {
            "grpc" => ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", Version::HTTP_2),
            _ => ("/v1/traces", Version::HTTP_11),
        };
        assert_eq!((got[0].path.as_str(), got[0].version, got.len()), (path, version, 1));
        assert_eq!(got[0].headers["x-tenant"], "blue");
        assert_eq!(value(&got[0].resource(), "service.name").unwrap(), "shop");
        assert_eq!(value(&got[0].resource(), "deployment.environment.name").unwrap(), "test");
        let text = String::from_utf8_lossy(&got[0].body);
        assert!(!text.contains("A question") && !text.contains("An answer") && !text.contains("sk-1"));

        let spans = collector.spans();
        let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["locum t", "chat big", "chat small"]);
        let (call, failed, won) = (&spans[0], &spans[1], &spans[2]);
        assert!(call.parent_span_id.is_empty() && call.trace_id.len() == 16);
        assert_eq!(value(&call.attributes, "locum.call.id").unwrap(), hex(&call.trace_id));
        for attempt in [failed, won] {
            assert_eq!((&attempt.trace_id, &attempt.parent_span_id), (&call.trace_id, &call.span_id));
            assert_eq!(attempt.kind, SpanKind::Client as i32);
            assert!(call.start_time_unix_nano <= attempt.start_time_unix_nano);
            assert!(attempt.end_time_unix_nano <= call.end_time_unix_nano);
        }
        assert_ne!(failed.span_id, won.span_id);
        let told = |key: &str| value(&call.attributes, key);
        assert_eq!(
            (told("locum.customer").unwrap(), told("locum.metadata.feature").unwrap()),
            ("acme".into(), "help".into())
        );
        assert_eq!(
            (told("locum.fallback_used").unwrap(), told("locum.model").unwrap()),
            ("true".into(), "b/small".into())
        );
        let told = |key: &str| value(&failed.attributes, key);
        assert_eq!(
            (told("gen_ai.provider.name").unwrap(), told("error.type").unwrap()),
            ("openai".into(), "overloaded".into())
        );
        assert_eq!(
            (told("http.response.status_code").unwrap(), failed.status.clone().unwrap().code),
            ("503".into(), 2)
        );
        let told = |key: &str| value(&won.attributes, key);
        assert!(
            told("gen_ai.response.model").is_some() && told("gen_ai.response.finish_reasons").unwrap().contains("stop")
        );
        assert_eq!(
            (told("gen_ai.provider.name").unwrap(), told("gen_ai.request.model").unwrap()),
            ("x_ai".into(), "small".into())
        );
        assert_eq!(
            (told("gen_ai.usage.input_tokens").unwrap(), told("gen_ai.usage.output_tokens").unwrap()),
            ("300".into(), "50".into())
        );
        assert_eq!((told("server.address").unwrap(), won.status.clone()), ("127.0.0.1".into(), None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_the_caller_has_is_joined() {
    let collector = Collector::start([]).await;
    let (_mock, router) =
        telling(&collector, json!({"a": [{"answer": "1"}, {"answer": "2"}, {"answer": "3"}]}), json!({})).await;
    router.complete("t", "Hi").traceparent(format!("00-{TRACE}-{PARENT}-01")).await.unwrap();
    // What is not recorded there is not recorded here.
    router.complete("t", "Hi").traceparent(format!("00-{TRACE}-{PARENT}-00")).await.unwrap();
    let body = json!({"model": "t", "messages": [{"role": "user", "content": "Hi"}]}).to_string();
    let request =
        axum::http::Request::post("/v1/chat/completions").header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    let response = router.handle(request.header("content-type", "application/json").body(body.into()).unwrap()).await;
    assert_eq!(response.status(), 200);
    assert!(flush(&router, None).await);
    let spans = collector.spans();
    assert_eq!(spans.len(), 4);
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE));
    assert_eq!([hex(&spans[0].parent_span_id), hex(&spans[2].parent_span_id)], [PARENT, PARENT]);
    assert_eq!((spans[0].flags, spans[1].flags), (0x301, 0x101));
    let error = router.complete("t", "Hi").traceparent("00-abc").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("traceparent"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_add_up_and_come_with_a_flush() {
    for protocol in ["http/protobuf", "grpc"] {
        let collector = Collector::start([]).await;
        let script = json!({"a": [{"answer": {"text": "x", "usage": {"input": 10, "output": 5}}}, {"status": 503}],
                            "b": [{"answer": {"text": "x", "usage": {"input": 300, "output": 50}}}]});
        let (_mock, router) =
            telling(&collector, script, json!({"metrics": true, "traces": false, "protocol": protocol})).await;
        for _ in 0..2 {
            router.complete("t", "Hi").customer("acme").metadata("feature", "help").await.unwrap();
            assert!(flush(&router, None).await, "{:?}", router.take_notices());
        }
        let metrics = collector.metrics();
        let find =
            |name: &str| metrics.iter().find(|metric| metric.name == name).and_then(|metric| metric.data.clone());
        let Some(Data::Histogram(tokens)) = find("gen_ai.client.token.usage") else { panic!("{metrics:?}") };
        let mut sums: Vec<_> = tokens
            .data_points
            .iter()
            .map(|point| {
                let told = |key: &str| value(&point.attributes, key).unwrap();
                (told("gen_ai.request.model"), told("gen_ai.token.type"), point.count, point.sum.unwrap())
            })
            .collect();
        sums.sort_by(|one, other| one.partial_cmp(other).unwrap());
        let expected =
            [("big", "input", 10.0), ("big", "output", 5.0), ("small", "input", 300.0), ("small", "output", 50.0)];
        assert_eq!(sums, expected.map(|(model, which, sum)| (model.to_owned(), which.to_owned(), 1, sum)));
        let Some(Data::Histogram(durations)) = find("gen_ai.client.operation.duration") else { panic!("{metrics:?}") };
        let errors = |point: &&opentelemetry_proto::tonic::metrics::v1::HistogramDataPoint| {
            value(&point.attributes, "error.type").is_some()
        };
        assert_eq!((durations.data_points.len(), durations.data_points.iter().filter(errors).count()), (3, 1));
        assert_eq!(durations.aggregation_temporality, 2);
        let Some(Data::Sum(fallbacks)) = find("locum.fallbacks") else { panic!("{metrics:?}") };
        assert_eq!(fallbacks.data_points[0].value, Some(Number::AsInt(1)));
        let Some(Data::Gauge(breakers)) = find("locum.breaker.state") else { panic!("{metrics:?}") };
        assert_eq!(breakers.data_points.len(), 2);
        assert!(find("locum.records.dropped").is_some());
        let text = format!("{metrics:?}");
        assert!(!text.contains("acme") && !text.contains("feature"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_come_each_interval() {
    let collector = Collector::start([]).await;
    let settings = json!({"metrics": true, "traces": false, "metrics_interval_ms": 20});
    let (_mock, router) = telling(&collector, answered(), settings).await;
    router.complete("t", "Hi").await.unwrap();
    collector.wait(3).await;
    drop(router);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_end_of_a_router_finds_is_sent() {
    let collector = Collector::start([]).await;
    let (_mock, router) = telling(&collector, answered(), json!({"metrics": true})).await;
    router.complete("t", "Hi").await.unwrap();
    tokio::task::spawn_blocking(move || drop(router)).await.unwrap();
    assert_eq!((collector.spans().len(), collector.metrics().is_empty()), (3, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_without_time_is_asked_again_with_the_same_spans() {
    for (protocol, busy) in [("http/protobuf", Answer::Http(503, "".into())), ("grpc", Answer::Grpc(14, "not now"))] {
        let collector = Collector::start([busy]).await;
        let (_mock, router) = telling(&collector, answered(), json!({"protocol": protocol})).await;
        router.complete("t", "Hi").await.unwrap();
        assert!(flush(&router, None).await);
        let spans = collector.spans();
        assert_eq!((collector.got().len(), spans.len()), (2, 6));
        assert_eq!(spans[..3], spans[3..]);
        let notices = router.take_notices().join("\n");
        assert!(notices.contains("1 wait"), "{notices}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_records_none_is_told_twice() {
    let busy = || Answer::Http(503, "".into());
    let collector = Collector::start([busy(), Answer::Http(200, "".into()), busy()]).await;
    let (_mock, router) = telling(&collector, json!({"a": vec![json!({"answer": "x"}); 700]}), json!({})).await;
    router.complete("t", "Hi").await.unwrap();
    collector.wait(1).await;
    // While the collector rests, more come than fit into one request.
    futures_util::future::join_all((0..699).map(|_| router.complete("t", "Hi").into_future())).await;
    assert!(flush(&router, Some(Duration::from_secs(20))).await);
    let mut taken: Vec<_> =
        [1].into_iter().chain(3..collector.got().len()).flat_map(|at| collector.spans_of(at)).collect();
    taken.sort_by(|one, other| one.span_id.cmp(&other.span_id));
    let count = taken.len();
    taken.dedup_by(|one, other| one.span_id == other.span_id);
    assert_eq!((count, taken.len()), (1400, 1400));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_told_and_holds_up_nothing() {
    const SECRET: &str = "a-secret-of-the-collector";
    for (protocol, refusal) in
        [("http/protobuf", Answer::Http(400, status(SECRET))), ("grpc", Answer::Grpc(16, SECRET))]
    {
        let collector = Collector::start([refusal]).await;
        let script = json!({"a": [{"answer": "1"}, {"answer": "2"}]});
        let settings = json!({"protocol": protocol, "headers": {"authorization": SECRET}});
        let (_mock, router) = telling(&collector, script, settings).await;
        router.complete("t", "Hi").await.unwrap();
        flush(&router, None).await;
        router.complete("t", "Hi").await.unwrap();
        assert!(flush(&router, None).await);
        assert_eq!(collector.got().len(), 2);
        let notices = router.take_notices().join("\n");
        assert!(
            notices.contains("traces of 1 records were refused and are dropped") && notices.contains("[secret]"),
            "{notices}"
        );
        let printed = format!("{notices}{:?}{router:?}", router.policy());
        assert!(!printed.contains(SECRET), "{printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_in_part_is_told() {
    let partial_success = Some(ExportTracePartialSuccess { rejected_spans: 2, error_message: "too old".to_owned() });
    let part = ExportTraceServiceResponse { partial_success }.encode_to_vec();
    let collector = Collector::start([Answer::Http(200, part.into())]).await;
    let (_mock, router) = telling(&collector, answered(), json!({})).await;
    router.complete("t", "Hi").await.unwrap();
    assert!(flush(&router, None).await);
    let notices = router.take_notices().join("\n");
    assert!(notices.contains("2 spans rejected: too old"), "{notices}");
    assert_eq!(collector.got().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_collector_holds_up_no_call() {
    let collector = Collector::start([Answer::Silence, Answer::Silence]).await;
    let script = json!({"a": vec![json!({"answer": "x"}); 20]});
    let (_mock, router) = telling(&collector, script, json!({"timeout_ms": 60_000})).await;
    let begun = Instant::now();
    for _ in 0..20 {
        router.complete("t", "Hi").await.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    collector.wait(1).await;
    assert!(!flush(&router, Some(Duration::from_millis(50))).await);
    let begun = Instant::now();
    tokio::task::spawn_blocking(move || drop(router)).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4));
}

/// A `google.rpc.Status`, as collectors answer with over HTTP.
fn status(message: &str) -> axum::body::Bytes {
    let mut body = vec![0x12, u8::try_from(message.len()).unwrap()];
    body.extend(message.bytes());
    body.into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
