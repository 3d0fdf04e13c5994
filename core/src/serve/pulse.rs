//! Whose turn it is on a connection. While a request is worked on, it is the server's, however long that takes; a client that
//! lets its own turn pass is not waited for.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body as AxumBody;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval};

/// How often it is looked whether a first request has come.
const LOOK: Duration = Duration::from_millis(10);

/// The pulse of one connection.
pub(super) struct Pulse {
    turns: Mutex<Turns>,
}

struct Turns {
    /// Requests with which the server is busy.
    ours: usize,
    /// Whether a request has come at all.
    used: bool,
    /// Since when it is the client's turn.
    since: Instant,
    /// When the first bytes of its next request came.
    heard: Option<Instant>,
}

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the head of a request.
    pub(super) header: Duration,
    /// Between requests, and between reads of an answer.
    pub(super) idle: Duration,
}

impl Pulse {
    /// A connection is opened in order to be used: the time for its first request runs.
    pub(super) fn new() -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self { turns: Mutex::new(Turns { ours: 0, used: false, since: now, heard: Some(now) }) })
    }

    /// The server's turn with a request that has come.
    pub(super) fn turn(self: &Arc<Self>) -> Turn {
        let mut turn = Turn { pulse: Arc::clone(self), ours: false };
        turn.take();
        turn
    }

    fn turns<T>(&self, with: impl FnOnce(&mut Turns) -> T) -> T {
        with(&mut self.turns.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn heard(&self) {
        self.turns(|turns| {
            if turns.ours == 0 && turns.heard.is_none() {
                turns.heard = Some(Instant::now());
            }
        });
    }

    /// Ready once a request has come, if one does so soon.
    pub(super) async fn used(&self, soon: Duration) {
        let (begin, mut look) = (Instant::now(), interval(LOOK));
        while !self.turns(|turns| turns.used) && begin.elapsed() < soon {
            look.tick().await;
        }
    }

    fn is_over(&self, patience: Patience) -> bool {
        self.turns(|turns| {
            let heard = turns.heard.is_some_and(|heard| heard.elapsed() >= patience.header);
            turns.ours == 0 && (heard || turns.since.elapsed() >= patience.idle)
        })
    }

    /// Ready once the client has let its turn pass, and up to a quarter of the shorter time later.
    pub(super) async fn over(&self, patience: Patience) {
        let mut look = interval((patience.header.min(patience.idle) / 4).max(Duration::from_millis(1)));
        while !self.is_over(patience) {
            look.tick().await;
        }
    }
}

/// One request's share in a connection's pulse.
pub(super) struct Turn {
    pulse: Arc<Pulse>,
    ours: bool,
}

impl Turn {
    fn take(&mut self) {
        if !self.ours {
            self.ours = true;
            self.pulse.turns(|turns| {
                turns.ours += 1;
                turns.used = true;
                turns.heard = None;
            });
        }
    }

    fn pass(&mut self) {
        if self.ours {
            self.ours = false;
            self.pulse.turns(|turns| {
                turns.ours = turns.ours.saturating_sub(1);
                turns.since = Instant::now();
            });
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.pass();
    }
}

/// The body of an answer. With each piece it is the client's turn to read it, until the next is asked for.
pub(super) struct Answer {
    pub(super) body: AxumBody,
    pub(super) turn: Turn,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.turn.take();
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.turn.pass();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that feels the pulse of its client.
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    pub(super) pulse: Arc<Pulse>,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if buffer.filled().len() > before {
            self.pulse.heard();
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { header: Duration::from_secs(10), idle: Duration::from_secs(75) };

    async fn lasts(pulse: &Pulse) -> Duration {
        let begin = Instant::now();
        pulse.over(PATIENCE).await;
        begin.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_has_the_time_of_a_head() {
        let lasts = lasts(&Pulse::new()).await;
        assert!(lasts >= PATIENCE.header && lasts <= PATIENCE.header * 5 / 4, "{lasts:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_it_may_rest() {
        let pulse = Pulse::new();
        drop(pulse.turn());
        let rest = lasts(&pulse).await;
        assert!(rest >= PATIENCE.idle && rest <= PATIENCE.idle + PATIENCE.header / 4, "{rest:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_head_is_waited_for_no_longer_than_a_whole_one() {
        let pulse = Pulse::new();
        drop(pulse.turn());
        tokio::time::sleep(Duration::from_secs(30)).await;
        pulse.heard();
        tokio::time::sleep(Duration::from_secs(6)).await;
        pulse.heard();
        let lasts = lasts(&pulse).await;
        assert!(lasts <= PATIENCE.header, "{lasts:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn work_takes_the_time_it_takes() {
        let pulse = Pulse::new();
        let (first, mut second) = (pulse.turn(), pulse.turn());
        drop(first);
        tokio::select! {
            () = pulse.over(PATIENCE) => unreachable!("it is the server's turn"),
            () = tokio::time::sleep(Duration::from_secs(3_600)) => {}
        }
        // A piece of the answer is out, and nobody reads it.
        second.pass();
        let lasts = lasts(&pulse).await;
        assert!(lasts >= PATIENCE.idle && lasts <= PATIENCE.idle + PATIENCE.header / 4, "{lasts:?}");
    }
}
