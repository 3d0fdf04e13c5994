//! The OpenAI face over HTTP: [`Router::handle`] behind a door, with limits, on a socket or inside an axum application of your
//! own.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use locum::{Router, serve};
//!
//! let router = Router::from_file("locum.toml")?;
//! let settings = router.policy().serve.clone();
//! // On a socket of its own …
//! let listener = tokio::net::TcpListener::bind(settings.listen).await?;
//! let interrupted = async { drop(tokio::signal::ctrl_c().await) };
//! let cut_off = serve::serve(listener, router.clone(), &settings, interrupted)?.await;
//! // … or below a path of another server:
//! let app = axum::Router::<()>::new().nest("/llm", serve::app(router, &settings));
//! # Ok(()) }
//! ```
//!
//! | path | needs a token | what comes |
//! |---|---|---|
//! | `POST …/chat/completions`, `GET …/models` and the others of [`Router::handle`] | yes | what that says |
//! | `/healthz` | no | 200 |
//! | `/readyz` | no | 200; 503 once the server is told to stop |
//! | `/metrics` | unless it is served on loopback | counts for Prometheus |
//!
//! `door` decides who may come in, `face` reads and answers a request, `metrics` counts, `pulse` knows whose turn it is on a
//! connection, `listen` accepts connections and ends them.

mod door;
mod face;
mod listen;
mod metrics;
mod pulse;

use std::future::Future;

use tokio::net::TcpListener;

use self::door::Door;
use self::face::Face;
use crate::config::Serve;
use crate::error::{Error, ErrorKind};
use crate::router::Router;

/// The face as an axum application, to be mounted in another one. Tokens and the limits of a request are those of `settings`;
/// without tokens it lets everybody in. Limits of connections, and the end of the server, are left to who serves it.
pub fn app(router: Router, settings: &Serve) -> axum::Router {
    face::app(Face::new(router, settings, Door::new(settings, false)))
}

/// Serves the face on `listener`, over HTTP/1.1 and HTTP/2 without TLS, until `shutdown` is ready. Then new calls are refused
/// and running ones have [`Serve::shutdown`] to finish. Resolves to the number of calls that were cut off.
///
/// # Errors
/// Kind `config`, before anything is accepted: a token of `settings` is missing, or there is none although the address is not one of this machine
/// alone.
pub fn serve<S: Future<Output = ()> + Send>(
    listener: TcpListener,
    router: Router,
    settings: &Serve,
    shutdown: S,
) -> Result<impl Future<Output = usize> + Send + use<S>, Error> {
    if !settings.missing.is_empty() {
        return Err(Error::new(ErrorKind::Config, settings.missing.join("; ")));
    }
    let address =
        listener.local_addr().map_err(|error| Error::new(ErrorKind::Config, format!("no address: {error}")))?;
    let loopback = address.ip().to_canonical().is_loopback();
    if !loopback && settings.tokens.is_empty() {
        let message = format!(
            "{address} can be reached from other machines, so [serve] tokens must say who may call; \
             set them, or listen on 127.0.0.1"
        );
        return Err(Error::new(ErrorKind::Config, message));
    }
    let face = Face::new(router, settings, Door::new(settings, loopback));
    Ok(listen::run(listener, face, settings.clone(), shutdown))
}
