//! Accepts connections, carries requests and answers over them, and ends them in order.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::face::{self, Face};
use super::pulse::{Answer, Patience, Pulse, Wire};
use crate::config::Serve;

/// The largest head of a request: far above what clients send. hyper answers a larger one, or one of more than a hundred
/// headers, with 431.
const LARGEST_HEAD: u32 = 64 * 1024;
/// How often a silent client of HTTP/2 is asked whether it is there, and how long it has to say so.
const PING: Duration = Duration::from_secs(20);
/// How long to wait after a failure to accept, which is most often a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// How long a connection that is over its time has to end in order, and one that is new when the server stops to say what it
/// wanted.
const GOODBYE: Duration = Duration::from_secs(1);

/// What all connections share.
#[derive(Clone)]
struct Shared {
    app: TowerToHyperService<axum::Router>,
    face: Arc<Face>,
    patience: Patience,
    stopping: watch::Sender<bool>,
}

/// Serves until `shutdown` is ready, then until what runs is done or its time is over. How many calls were cut off.
pub(super) async fn run(
    listener: TcpListener,
    face: Arc<Face>,
    settings: Serve,
    shutdown: impl Future<Output = ()> + Send,
) -> usize {
    let app = TowerToHyperService::new(face::app(Arc::clone(&face)));
    let patience = Patience { header: settings.header_timeout, idle: settings.idle_timeout };
    let shared = Shared { app, face: Arc::clone(&face), patience, stopping: watch::Sender::new(false) };
    let door = Doorway { listener, places: Arc::new(Semaphore::new(settings.max_connections)) };
    let (mut connections, mut late) = (JoinSet::new(), JoinSet::new());
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            (stream, place) = door.next() => {
                connections.spawn(connection(stream, place, shared.clone(), true));
            }
            Some(_) = connections.join_next() => {}
        }
    }
    face.stop();
    shared.stopping.send_replace(true);
    let mut last_call = pin!(sleep(settings.shutdown));
    loop {
        tokio::select! {
            () = &mut last_call => break,
            joined = connections.join_next() => if joined.is_none() { break },
            // Those who ask meanwhile are told that it is over.
            (stream, place) = door.next() => {
                late.spawn(connection(stream, place, shared.clone(), false));
            }
            Some(_) = late.join_next() => {}
        }
    }
    let cut_off = if connections.is_empty() { 0 } else { face.metrics().running() };
    connections.shutdown().await;
    late.shutdown().await;
    cut_off
}

/// Where connections come in, as many as there are places.
struct Doorway {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Doorway {
    async fn next(&self) -> (TcpStream, Option<OwnedSemaphorePermit>) {
        // The semaphore is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return (stream, place),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

async fn connection(stream: TcpStream, _place: Option<OwnedSemaphorePermit>, shared: Shared, stays: bool) {
    let _connected = shared.face.metrics().connected();
    // Without it small pieces would wait for acknowledgements; a socket that refuses the option still works.
    let _ = stream.set_nodelay(true);
    let pulse = Pulse::new();
    let app = shared.app;
    let own = Arc::clone(&pulse);
    let service = service_fn(move |request| {
        let turn = own.turn();
        let response = app.call(request);
        async move { response.await.map(|response| response.map(|body| Answer { body, turn })) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let head = usize::try_from(LARGEST_HEAD).unwrap_or(usize::MAX);
    // The pulse has the times of a client; hyper would know only those of HTTP/1.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(head).keep_alive(stays);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(LARGEST_HEAD);
    builder.http2().keep_alive_interval(PING).keep_alive_timeout(PING);
    let wire = TokioIo::new(Wire { stream, pulse: Arc::clone(&pulse) });
    let mut serving = pin!(builder.serve_connection(wire, service));
    let mut stopping = shared.stopping.subscribe();
    let mut told = !stays;
    loop {
        tokio::select! {
            // How it ended is the client's affair: it closed, or did not speak HTTP.
            _ = serving.as_mut() => return,
            () = pulse.over(shared.patience) => break,
            () = stopped(&mut stopping, &pulse), if !told => {
                told = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
    if !told {
        serving.as_mut().graceful_shutdown();
    }
    let _ = timeout(GOODBYE, serving).await;
}

/// Ready once the server stops. What is on its way over a new connection is let in to be refused, since a close would tell its
/// client nothing.
async fn stopped(stopping: &mut watch::Receiver<bool>, pulse: &Pulse) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
    pulse.used(GOODBYE).await;
}
