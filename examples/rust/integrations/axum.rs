//! A web service that streams answers: axum. As a program it answers two requests that it makes up itself;
//! `axum::serve(listener, app(router))` puts it on a socket.

use std::convert::Infallible;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::routing::post;
use futures_util::StreamExt;
use locum::Router;
use tower::ServiceExt;

async fn ask(State(router): State<Router>, question: String) -> Result<String, (StatusCode, String)> {
    match router.complete("support_chat", question).await {
        Ok(reply) => Ok(format!("{} — {}", reply.text(), reply.model)),
        Err(error) if error.retryable() => Err((StatusCode::SERVICE_UNAVAILABLE, error.kind().to_string())),
        Err(error) => Err((StatusCode::BAD_GATEWAY, error.kind().to_string())),
    }
}

/// A client that goes away drops the body, and with it the connection to the provider.
async fn stream(State(router): State<Router>, question: String) -> Body {
    let pieces = router.stream("support_chat", question).text();
    Body::from_stream(
        pieces.map(|piece| Ok::<_, Infallible>(piece.unwrap_or_else(|error| format!(" [{}]", error.kind())))),
    )
}

fn app(router: Router) -> axum::Router {
    axum::Router::new().route("/ask", post(ask)).route("/stream", post(stream)).with_state(router)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = app(Router::from_default()?);
    for path in ["/ask", "/stream"] {
        let request = Request::post(path).body(Body::from("My invoice is wrong."))?;
        let answer = app.clone().oneshot(request).await?;
        println!("{}", String::from_utf8(to_bytes(answer.into_body(), 10_000).await?.into())?);
    }
    Ok(())
}
