//! `locum serve`: the OpenAI face over HTTP.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};

use super::{FAILED, OK, Source};
use crate::observe::EventQueue;
use crate::router::Router;
use crate::serve::serve;
use crate::types::Level;

/// How often news is looked for, to be told on standard error.
const NEWS: Duration = Duration::from_millis(200);

#[derive(clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    source: Source,
    /// Address and port; without it, what [serve] listen says, else 127.0.0.1:4100. Port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Do not tell of candidates that fail and recover
    #[arg(long)]
    quiet: bool,
}

impl Serve {
    /// Prints a line of JSON when it is ready: `{"ready", "base_url", "tasks"}`. Warnings go to standard error.
    pub(super) async fn run(self) -> io::Result<i32> {
        let Some(router) = self.source.router() else {
            return Ok(FAILED);
        };
        let settings = &router.policy().serve;
        let listen = self.listen.unwrap_or(settings.listen);
        let listener = match TcpListener::bind(listen).await {
            Ok(listener) => listener,
            Err(error) => {
                eprintln!("locum: {listen}: {error}");
                return Ok(FAILED);
            }
        };
        let address = listener.local_addr()?;
        let mut signals = Signals::listen()?;
        let news = News { queue: router.queue_events(Level::Info, || {}), router: router.clone(), quiet: self.quiet };
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = match serve(listener, router.clone(), settings, async { drop(stopped.await) }) {
            Ok(serving) => serving,
            Err(error) => {
                eprintln!("locum: {}", error.message());
                return Ok(FAILED);
            }
        };
        news.tell();
        let mut out = io::stdout();
        let tasks: Vec<&str> = router.tasks().collect();
        writeln!(out, "{}", json!({"ready": true, "base_url": format!("http://{address}/v1"), "tasks": tasks}))?;
        out.flush()?;
        let mut serving = tokio::spawn(serving);
        let mut look = interval(NEWS);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = Some(stop);
        loop {
            tokio::select! {
                cut_off = &mut serving => {
                    if !router.flush(Some(Router::LAST_FLUSH)) {
                        eprintln!("locum: not all usage records could be written");
                    }
                    news.tell();
                    return Ok(told(cut_off.ok()));
                }
                () = signals.next() => match stop.take() {
                    Some(stop) => {
                        let _ = stop.send(());
                        eprintln!("locum: stopping; running requests may finish");
                    }
                    None => return Ok(FAILED),
                },
                _ = look.tick() => news.tell(),
            }
        }
    }
}

/// The exit code of a server that has ended, with so many calls cut off.
fn told(cut_off: Option<usize>) -> i32 {
    match cut_off {
        Some(0) => OK,
        Some(calls) => {
            eprintln!("locum: {calls} requests were cut off");
            OK
        }
        None => FAILED,
    }
}

/// What operators hear of.
struct News {
    router: Router,
    queue: EventQueue,
    quiet: bool,
}

impl News {
    fn tell(&self) {
        for notice in self.router.take_notices() {
            eprintln!("warning: {notice}");
        }
        let (events, dropped) = self.queue.take();
        if self.quiet {
            return;
        }
        for event in events {
            eprintln!("{event}");
        }
        if dropped > 0 {
            eprintln!("{dropped} further events are not shown");
        }
    }
}

/// Being asked to end: by Ctrl-C, or by whoever runs the process.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    #[cfg(not(unix))]
    fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
