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
use super::log::{Log, Sent, Ticket};
use super::script::Script;
use super::shape::End;
use super::stage::{Deed, Plan, plan};
use super::stream::{Move, Moves};

/// How long to wait after a failure to accept, which is most often a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Shared {
    pub(super) script: Script,
    pub(super) log: Log,
    #[cfg(feature = "otlp")]
    pub(super) collector: super::collector::Collector,
    /// Set once: no further requests, and so long for the answers under way.
    pub(super) stopping: watch::Sender<Option<Duration>>,
}

/// Serves until stopped.
pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut count = 0;
    let grace = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, count, Arc::clone(&shared)));
                    count += 1;
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

async fn serve(stream: TcpStream, number: u64, shared: Arc<Shared>) {
    // Without it small pieces would wait for acknowledgements; a socket that refuses the option still works.
    let _ = stream.set_nodelay(true);
    let mut wire = Wire::new(stream, number);
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
        let (head, body) = control(shared, request).encode(&request.method, request.keep_alive);
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

fn control(shared: &Shared, request: &Request) -> Response {
    match (request.method.as_str(), request.path()) {
        ("GET", "/_log") => {
            let entries = shared.log.entries();
            Response::json(200, &entries.iter().map(super::Seen::to_value).collect())
        }
        ("POST", "/_reset") => {
            shared.log.reset();
            #[cfg(feature = "otlp")]
            shared.collector.reset();
            Response::new(204, Bytes::new())
        }
        #[cfg(feature = "otlp")]
        ("POST", "/_otlp/v1/traces") => shared.collector.traces(request.body.clone()),
        #[cfg(feature = "otlp")]
        ("POST", "/_otlp/v1/metrics") => shared.collector.metrics(request.body.clone()),
        #[cfg(feature = "otlp")]
        ("GET", "/_otlp") => Response::json(200, &shared.collector.to_value()),
        #[cfg(feature = "otlp")]
        ("GET", "/_otlp/text") => Response::new(200, shared.collector.text()).with_type("text/plain; charset=utf-8"),
        _ => {
            let why = "control endpoints are GET /_log, POST /_reset, GET /_otlp and GET /_otlp/text";
            Response::json(404, &json!({ "error": { "message": why } }))
        }
    }
}

/// Does what is planned; whether the connection goes on.
async fn perform(stream: &TcpStream, shared: &Shared, request: &Request, ticket: Ticket, plan: Plan) -> bool {
    if plan.delay > Duration::ZERO {
        tokio::time::sleep(plan.delay).await;
    }
    let sender = Sender { stream, log: &shared.log, ticket };
    match plan.deed {
        Deed::Silence => std::future::pending().await,
        Deed::Reset => {
            // A socket that refuses the option closes in the ordinary way, which is a fault as well.
            let _ = stream.set_zero_linger();
            false
        }
        Deed::Garbage => {
            let _ = send(stream, GARBAGE).await;
            false
        }
        Deed::Send { response, slow_body, close_after } => {
            let goes_on = request.keep_alive && !closes(&response) && close_after.is_none();
            // The head of a response that breaks off says nothing of it.
            let (head, body) = response.encode(&request.method, goes_on || close_after.is_some());
            shared.log.status(ticket, response.status);
            let sent = sender.whole(&head, &body, slow_body, close_after);
            sender.told(sent.await.map(|()| goes_on))
        }
        Deed::Stream { response, slow_body, moves, breaks } => {
            let keeps = request.keep_alive && request.chunked && !closes(&response);
            let framing = request.chunked.then_some(("transfer-encoding", "chunked"));
            let head = response.head(framing, keeps);
            shared.log.status(ticket, response.status);
            let sent = sender.stream(head, moves, slow_body, request.chunked);
            sender.told(sent.await.map(|whole| whole && keeps && !breaks))
        }
    }
}

/// Whether the script has the connection closed.
fn closes(response: &Response) -> bool {
    response.headers.get(header::CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

/// Writes one response, and logs how that goes.
struct Sender<'a> {
    stream: &'a TcpStream,
    log: &'a Log,
    ticket: Ticket,
}

impl Sender<'_> {
    /// Whether the connection goes on; not when the client has closed it.
    fn told(&self, sent: io::Result<bool>) -> bool {
        sent.unwrap_or_else(|_| {
            self.log.closed(self.ticket);
            false
        })
    }

    async fn whole(
        &self,
        head: &[u8],
        body: &[u8],
        slow_body: Duration,
        close_after: Option<(usize, bool)>,
    ) -> io::Result<()> {
        let rest = body.get(..close_after.map_or(body.len(), |(length, _)| length)).unwrap_or(body);
        let sent = Sent { chunk: false, end: rest.len() == body.len() };
        if slow_body > Duration::ZERO {
            send(self.stream, head).await?;
            tokio::time::sleep(slow_body).await;
            self.send(rest, sent).await?;
        } else {
            self.send(&[head, rest].concat(), sent).await?;
        }
        if let Some((_, true)) = close_after {
            let _ = self.stream.set_zero_linger();
        }
        Ok(())
    }

    /// Whether the response came to its end. Each move is made when the socket has taken the one before.
    async fn stream(&self, head: Vec<u8>, moves: Moves, slow_body: Duration, chunked: bool) -> io::Result<bool> {
        send(self.stream, &head).await?;
        if slow_body > Duration::ZERO {
            tokio::time::sleep(slow_body).await;
        }
        let last: &[u8] = if chunked { b"0\r\n\r\n" } else { b"" };
        let mut moves = moves.peekable();
        while let Some(next) = moves.next() {
            match next {
                Move::Wait(Some(wait)) => tokio::time::sleep(wait).await,
                Move::Wait(None) => return std::future::pending().await,
                Move::Send { bytes, chunk } => {
                    let mut bytes = if chunked { frame(&bytes) } else { bytes };
                    // Whoever has the last event has the end of the body, too.
                    let end = matches!(moves.peek(), Some(Move::End(End::Whole)));
                    if end {
                        bytes.extend_from_slice(last);
                    }
                    self.send(&bytes, Sent { chunk, end }).await?;
                    if end {
                        return Ok(true);
                    }
                    // A client that reads fast must not keep everybody else from running.
                    tokio::task::yield_now().await;
                }
                Move::End(End::Whole) => {
                    self.send(last, Sent { chunk: false, end: true }).await?;
                    return Ok(true);
                }
                Move::End(End::Reset) => {
                    let _ = self.stream.set_zero_linger();
                    return Ok(false);
                }
                Move::End(End::Broken) => {
                    if chunked {
                        send(self.stream, BROKEN_CHUNK).await?;
                    }
                    return Ok(false);
                }
            }
        }
        Ok(false)
    }

    /// Writes all of `bytes` as the socket takes them.
    async fn send(&self, bytes: &[u8], what: Sent) -> io::Result<()> {
        let mut sent = 0;
        loop {
            let rest = bytes.get(sent..).unwrap_or_default();
            let all_sent = self.log.writing(self.ticket, what, || {
                if !rest.is_empty() {
                    sent += self.stream.try_write(rest)?;
                }
                Ok(sent == bytes.len())
            });
            match all_sent {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(error) => return Err(error),
            }
        }
    }
}

/// One chunk of a chunked body.
fn frame(bytes: &[u8]) -> Vec<u8> {
    let size = format!("{:x}\r\n", bytes.len());
    [size.as_bytes(), bytes, b"\r\n"].concat()
}

/// A chunk that does not come.
const BROKEN_CHUNK: &[u8] = b"10\r\n";

/// Neither HTTP nor TLS nor text.
const GARBAGE: &[u8] = b"\x00\xff\x13\x37 this is not HTTP \xde\xad\xbe\xef\r\n\r\n";
