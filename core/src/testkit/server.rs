//! Accepts connections, and does to each request what the stage planned.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, header};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::http::{Gone, Request, Response, Wire, send};
use super::log::{Log, Ticket};
use super::script::Script;
use super::stage::{Deed, Plan, plan};

/// How long to wait after a failure to accept, which is most often a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Shared {
    pub(super) script: Script,
    pub(super) log: Log,
    /// Set once: no further requests, and so long for the answers under way.
    pub(super) stopping: watch::Sender<Option<Duration>>,
}

/// Serves until stopped.
pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let grace = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
            grace = stopped(&shared) => break grace,
        }
    };
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(grace, finished).await;
    connections.shutdown().await;
}

/// Ready once the mock is told to stop.
async fn stopped(shared: &Shared) -> Duration {
    let mut stopping = shared.stopping.subscribe();
    let told = stopping.wait_for(Option::is_some).await;
    told.ok().and_then(|grace| *grace).unwrap_or_default()
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // Without it small pieces would wait for acknowledgements; a socket that refuses the option still works.
    let _ = stream.set_nodelay(true);
    let mut wire = Wire::new(stream);
    loop {
        let request = tokio::select! {
            request = wire.request() => request,
            _ = stopped(&shared) => return,
        };
        match request {
            Ok(request) => {
                if !exchange(&mut wire, &shared, &request).await {
                    return;
                }
            }
            Err(Gone::Closed) => return,
            Err(Gone::Refused(status, why)) => {
                let response = Response::json(status, &json!({ "error": { "message": why } }));
                let (head, body) = response.encode(&Method::POST, false);
                if send(&wire.stream, &[&head[..], &body].concat()).await.is_ok() {
                    wire.close().await;
                }
                return;
            }
        }
    }
}

/// Answers one request; whether the connection goes on.
async fn exchange(wire: &mut Wire, shared: &Shared, request: &Request) -> bool {
    if request.path().starts_with("/_") {
        let (head, body) = control(&shared.log, request).encode(&request.method, request.keep_alive);
        let sent = send(&wire.stream, &[&head[..], &body].concat()).await;
        return sent.is_ok() && request.keep_alive;
    }
    let (ticket, plan) = plan(&shared.script, &shared.log, request);
    let (stream, hung_up) = wire.watched();
    tokio::select! {
        biased;
        () = hung_up => {
            shared.log.closed(ticket);
            false
        }
        goes_on = perform(stream, shared, request, ticket, plan) => goes_on,
    }
}

fn control(log: &Log, request: &Request) -> Response {
    match (request.method.as_str(), request.path()) {
        ("GET", "/_log") => {
            let entries = log.entries();
            Response::json(200, &entries.iter().map(super::Seen::to_value).collect())
        }
        ("POST", "/_reset") => {
            log.reset();
            Response::new(204, Bytes::new())
        }
        _ => {
            let why = "control endpoints are GET /_log and POST /_reset";
            Response::json(404, &json!({ "error": { "message": why } }))
        }
    }
}

/// Does what is planned; whether the connection goes on.
async fn perform(stream: &TcpStream, shared: &Shared, request: &Request, ticket: Ticket, plan: Plan) -> bool {
    if plan.delay > Duration::ZERO {
        tokio::time::sleep(plan.delay).await;
    }
    let (response, slow_body, close_after) = match plan.deed {
        Deed::Silence => return std::future::pending().await,
        Deed::Reset => {
            // A socket that refuses the option closes in the ordinary way, which is a fault as well.
            let _ = stream.set_zero_linger();
            return false;
        }
        Deed::Garbage => {
            let _ = send(stream, GARBAGE).await;
            return false;
        }
        Deed::Send { response, slow_body, close_after } => (response, slow_body, close_after),
    };
    let scripted_close =
        response.headers.get(header::CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
    let goes_on = request.keep_alive && !scripted_close && close_after.is_none();
    // The head of a response that breaks off says nothing of it.
    let (head, body) = response.encode(&request.method, goes_on || close_after.is_some());
    shared.log.status(ticket, response.status);
    let mut rest = body.clone();
    rest.truncate(close_after.map_or(body.len(), |(length, _)| length));
    let whole = rest.len() == body.len();
    let sent = async {
        let rest = if slow_body > Duration::ZERO {
            send(stream, &head).await?;
            tokio::time::sleep(slow_body).await;
            rest.to_vec()
        } else {
            [&head[..], &rest].concat()
        };
        if whole { finish(stream, &shared.log, ticket, &rest).await } else { send(stream, &rest).await }
    };
    if sent.await.is_err() {
        shared.log.closed(ticket);
        return false;
    }
    if let Some((_, true)) = close_after {
        let _ = stream.set_zero_linger();
    }
    goes_on
}

/// Sends the end of a response.
async fn finish(stream: &TcpStream, log: &Log, ticket: Ticket, bytes: &[u8]) -> io::Result<()> {
    let mut sent = 0;
    loop {
        let rest = bytes.get(sent..).unwrap_or_default();
        let all_sent = log.answering(ticket, || {
            if !rest.is_empty() {
                sent += stream.try_write(rest)?;
            }
            Ok(sent == bytes.len())
        });
        match all_sent {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
}

/// Neither HTTP nor TLS nor text.
const GARBAGE: &[u8] = b"\x00\xff\x13\x37 this is not HTTP \xde\xad\xbe\xef\r\n\r\n";
