//! The HTTP transport: reqwest over rustls. The only file that names reqwest.

use std::error::Error as _;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};

use super::{HttpRequest, HttpResponse, MAX_HEADERS, Phase, Transport, TransportError};

/// HTTP/1.1 and HTTP/2 with pooled connections. Redirects are never followed: they would carry credentials along.
///
/// Costs nothing until the first request.
#[derive(Default)]
pub struct Http {
    // Connecting is limited per client, so there is one for each limit in use; nearly always a single one.
    clients: Mutex<Vec<(Duration, reqwest::Client)>>,
    /// Whether nothing but HTTP/2 is spoken, from the first byte.
    h2_only: bool,
}

impl Http {
    /// A transport with an empty pool.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that speaks nothing but HTTP/2, as gRPC does.
    #[cfg(feature = "otlp")]
    pub(crate) fn h2() -> Self {
        Self { h2_only: true, ..Self::default() }
    }

    /// Sends `request` and reads the answer whole, of at most `most` bytes, with its trailers.
    #[cfg(feature = "otlp")]
    pub(crate) async fn whole(
        &self,
        request: HttpRequest,
        most: usize,
    ) -> Result<(super::HttpAnswer, http::HeaderMap), TransportError> {
        use http_body_util::{BodyExt, Limited};

        let client = self.client(request.connect_timeout)?;
        let sent = client.request(request.method, &request.url).headers(request.headers).body(request.body).send();
        let (head, body) =
            http::Response::<reqwest::Body>::from(sent.await.map_err(|error| failed(&error))?).into_parts();
        let body = Limited::new(body, most).collect().await.map_err(|error| match error.downcast_ref() {
            Some(error) => failed(error),
            None => TransportError { phase: Phase::TooLarge, message: format!("the answer exceeds {most} bytes") },
        })?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        let answer = super::HttpAnswer { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() };
        Ok((answer, trailers))
    }

    fn client(&self, connect_timeout: Duration) -> Result<reqwest::Client, TransportError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(limit, _)| *limit == connect_timeout) {
            return Ok(client.clone());
        }
        // An error only says that some provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("locum/", env!("CARGO_PKG_VERSION")));
        let client = if self.h2_only { client.http2_prior_knowledge() } else { client };
        let client = client.build().map_err(|error| failed(&error))?;
        clients.push((connect_timeout, client.clone()));
        Ok(client)
    }
}

impl Transport for Http {
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse, TransportError>> {
        let client = self.client(request.connect_timeout);
        async move {
            let response = client?
                .request(request.method, &request.url)
                .headers(request.headers)
                .body(request.body)
                .send()
                .await
                .map_err(|error| failed(&error))?;
            let headers = response.headers().clone();
            let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
            if size > MAX_HEADERS {
                return Err(TransportError {
                    phase: Phase::TooLarge,
                    message: format!("response headers of {size} bytes exceed the limit of {MAX_HEADERS}"),
                });
            }
            Ok(HttpResponse {
                status: response.status().as_u16(),
                headers,
                body: response.bytes_stream().map(|piece| piece.map_err(|error| failed(&error))).boxed(),
            })
        }
        .boxed()
    }
}

fn failed(error: &reqwest::Error) -> TransportError {
    let phase = match (error.is_connect() || error.is_builder(), error.is_timeout()) {
        (true, true) => Phase::ConnectTimeout,
        (true, false) => Phase::Connect,
        _ => Phase::Read,
    };
    // reqwest's own words repeat the URL; the innermost cause is what a reader needs.
    let mut cause = error.source();
    while let Some(inner) = cause.and_then(|error| error.source()) {
        cause = Some(inner);
    }
    let ended = cause
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .is_some_and(|cause| cause.kind() == io::ErrorKind::UnexpectedEof);
    let phase = if phase == Phase::Read && ended { Phase::Cut } else { phase };
    TransportError { phase, message: cause.map_or_else(|| "request failed".to_owned(), ToString::to_string) }
}
