//! A request from its head to its answer: who asks, the whole body within limits, the call, the body of the answer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

use super::door::Door;
use super::metrics::{Metrics, Running};
use crate::config::Serve;
use crate::openai::Refusal;
use crate::router::{self, Router};

const CUSTOMER: HeaderName = HeaderName::from_static("x-locum-customer");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Proxies that would collect a stream before they hand it on understand this.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What serves requests, on all connections.
pub(super) struct Face {
    router: Router,
    door: Door,
    largest_body: usize,
    body_timeout: Duration,
    metrics: Arc<Metrics>,
    stopping: AtomicBool,
}

impl Face {
    pub(super) fn new(router: Router, settings: &Serve, door: Door) -> Arc<Self> {
        let metrics = Arc::<Metrics>::default();
        let counts = Arc::downgrade(&metrics);
        router.on_event(move |event| {
            if let Some(counts) = counts.upgrade() {
                counts.happened(event);
            }
        });
        Arc::new(Self {
            router,
            door,
            largest_body: settings.max_body_bytes,
            body_timeout: settings.body_timeout,
            metrics,
            stopping: AtomicBool::new(false),
        })
    }

    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// From now on, calls are refused.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    async fn answer(&self, request: Request) -> Result<http::Response<router::Body>, Refusal> {
        if self.is_stopping() {
            return Err(Refusal::at_the_door(503, "shutting_down", "this server is being stopped".to_owned()));
        }
        let (mut parts, body) = request.into_parts();
        let customer = self.door.admit(&parts.headers)?;
        if let Some(customer) = customer.and_then(|name| HeaderValue::try_from(name).ok()) {
            // The header wins over what the body says.
            parts.headers.insert(CUSTOMER, customer);
        }
        let body = match timeout(self.body_timeout, self.read(&parts.headers, body)).await {
            Ok(body) => body?,
            Err(_) => {
                let message = format!("the body did not come within {} ms", self.body_timeout.as_millis());
                return Err(Refusal::at_the_door(408, "request_timeout", message));
            }
        };
        parts.headers.remove(AUTHORIZATION);
        Ok(self.router.handle(Request::from_parts(parts, body)).await)
    }

    /// The whole body. One that is too large is read on for a while, since many clients listen only when they have sent it.
    async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
        let most = self.largest_body;
        let too_large = || {
            let message = format!("the body is larger than {most} bytes");
            Refusal::at_the_door(413, "request_too_large", message)
        };
        let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > most.saturating_mul(2)) {
            return Err(too_large());
        }
        let (mut whole, mut size) = (BytesMut::new(), 0_usize);
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let broken = |_| Refusal::invalid(None, "the body broke off".to_owned());
            let piece = piece.map_err(broken)?;
            size = size.saturating_add(piece.len());
            if size > most {
                whole = BytesMut::new();
            } else {
                whole.extend_from_slice(&piece);
            }
            if size > most.saturating_mul(2) {
                break;
            }
        }
        if size > most { Err(too_large()) } else { Ok(whole.freeze()) }
    }
}

/// The paths that are served.
pub(super) fn app(face: Arc<Face>) -> axum::Router {
    axum::Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(call)
        .fallback(call)
        .with_state(face)
}

async fn ready(State(face): State<Arc<Face>>) -> (StatusCode, &'static str) {
    if face.is_stopping() { (StatusCode::SERVICE_UNAVAILABLE, "stopping\n") } else { (StatusCode::OK, "ready\n") }
}

async fn metrics(State(face): State<Arc<Face>>, headers: HeaderMap) -> Response {
    if let Err(refusal) = face.door.admit_to_metrics(&headers) {
        return refused(&refusal);
    }
    let mut response = Response::new(Body::from(face.metrics.render(&face.router.health())));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

async fn call(State(face): State<Arc<Face>>, request: Request) -> Response {
    let running = face.metrics.begin(request.uri().path());
    let response = match face.answer(request).await {
        Ok(response) => response,
        Err(refusal) => {
            let response = refused(&refusal);
            running.answered(&response);
            return response;
        }
    };
    running.answered(&response);
    let (mut parts, mut body) = response.into_parts();
    let body = if body.is_stream() {
        parts.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        parts.headers.insert(BUFFERING, HeaderValue::from_static("no"));
        Body::from_stream(Flow { body, over: false, running })
    } else {
        Body::from(body.chunk().await.unwrap_or_default())
    };
    Response::from_parts(parts, body)
}

/// A stream on its way to a client. Dropping it closes the connection to the provider.
struct Flow {
    body: router::Body,
    over: bool,
    running: Running,
}

impl Stream for Flow {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = std::task::ready!(self.body.poll_next_unpin(cx));
        self.over = piece.is_none();
        Poll::Ready(piece.map(Ok))
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if !self.over {
            self.running.left();
        }
    }
}

/// A refusal as OpenAI's API writes it.
fn refused(refusal: &Refusal) -> Response {
    let mut response = Response::new(Body::from(refusal.body().to_string()));
    *response.status_mut() = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = refusal.headers();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(id) = HeaderValue::try_from(format!("req_{:032x}", fastrand::u128(..))) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    match refusal.status {
        401 => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"locum\""));
        }
        // Nobody was asked, and another server may answer.
        503 => {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("true"));
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}
