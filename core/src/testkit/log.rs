//! What the upstreams saw, with times.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::http::Request;
use crate::types::attempt::millis;

/// The most requests kept; older ones are forgotten, and still counted.
const KEPT: usize = 10_000;
/// Headers and query parameters that hold credentials: their values are never kept.
const SECRET_HEADERS: &[&str] =
    &["authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"];
const SECRET_PARAMETERS: &[&str] = &["key", "api_key", "api-key", "access_token", "token"];
const SECRET: &str = "[secret]";

/// One request as an upstream saw it. Times are milliseconds since the mock started.
#[derive(Clone, PartialEq)]
pub struct Seen {
    /// Who was asked; empty where the path names no upstream of the script.
    pub upstream: String,
    /// Which request of this upstream it is, from 0.
    pub n: u64,
    /// Which connection it came by, from 0 for the mock's first.
    pub connection: u64,
    /// `POST`, …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers by lower-case name, repeated ones joined by a comma; credentials are `[secret]`.
    pub headers: BTreeMap<String, String>,
    /// The body: parsed where it is JSON, text where it is not, null where there is none.
    pub body: Value,
    /// When the request had arrived whole.
    pub at_ms: f64,
    /// The status that was sent, if any.
    pub status: Option<u16>,
    /// When the response was written whole.
    pub answered_ms: Option<f64>,
    /// When the client closed the connection before that.
    pub closed_ms: Option<f64>,
    /// How many content chunks of a stream were written so far; 0 where the answer is whole.
    pub sent_chunks: u64,
}

impl Seen {
    /// The entry as an object with the public field names.
    #[must_use]
    pub fn to_value(&self) -> Value {
        json!({
            "upstream": self.upstream,
            "n": self.n,
            "connection": self.connection,
            "method": self.method,
            "path": self.path,
            "headers": self.headers,
            "body": self.body,
            "at_ms": self.at_ms,
            "status": self.status,
            "answered_ms": self.answered_ms,
            "closed_ms": self.closed_ms,
            "sent_chunks": self.sent_chunks,
        })
    }
}

/// Without headers and body: prompts have no place in a debug print.
impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen")
            .field("upstream", &self.upstream)
            .field("n", &self.n)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("at_ms", &self.at_ms)
            .field("status", &self.status)
            .field("answered_ms", &self.answered_ms)
            .field("closed_ms", &self.closed_ms)
            .field("sent_chunks", &self.sent_chunks)
            .finish_non_exhaustive()
    }
}

/// Which entry of the log an exchange belongs to.
#[derive(Clone, Copy)]
pub(super) struct Ticket {
    /// Position in all that was ever logged.
    id: u64,
    /// Which request of its upstream it is.
    pub(super) n: u64,
    /// Which of those that play the script.
    pub(super) turn: u64,
}

/// What goes out with some bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct Sent {
    /// A content chunk of a stream.
    pub(super) chunk: bool,
    /// The end of the response.
    pub(super) end: bool,
}

pub(super) struct Log {
    start: Instant,
    book: Mutex<Book>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Book {
    /// The id of the first entry kept.
    first: u64,
    entries: VecDeque<Seen>,
    counts: BTreeMap<String, Count>,
}

#[derive(Default, Clone, Copy)]
struct Count {
    seen: u64,
    played: u64,
    /// When the first came.
    since: Option<Instant>,
}

impl Book {
    /// The ticket's entry, unless it was forgotten.
    fn entry(&mut self, ticket: Ticket) -> Option<&mut Seen> {
        let index = ticket.id.checked_sub(self.first)?;
        self.entries.get_mut(usize::try_from(index).ok()?)
    }
}

impl Log {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), book: Mutex::default(), changed: watch::Sender::new(()) }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> f64 {
        millis(self.start.elapsed())
    }

    /// How long ago the first request of an upstream came.
    pub(super) fn age(&self, upstream: &str) -> Duration {
        let since = self.book().counts.get(upstream).and_then(|count| count.since);
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Enters a request; `plays` when a step of the script answers it.
    pub(super) fn enter(&self, upstream: &str, request: &Request, plays: bool) -> Ticket {
        let body = match serde_json::from_slice(&request.body) {
            Ok(json) => json,
            Err(_) if request.body.is_empty() => Value::Null,
            Err(_) => String::from_utf8_lossy(&request.body).into(),
        };
        let mut seen = Seen {
            upstream: upstream.to_owned(),
            n: 0,
            connection: request.connection,
            method: request.method.to_string(),
            path: without_secrets(&request.target),
            headers: headers(request),
            body,
            at_ms: 0.0,
            status: None,
            answered_ms: None,
            closed_ms: None,
            sent_chunks: 0,
        };
        let mut book = self.book();
        let count = book.counts.entry(upstream.to_owned()).or_default();
        let Count { seen: n, played, .. } = *count;
        count.since.get_or_insert_with(Instant::now);
        count.seen += 1;
        count.played += u64::from(plays);
        seen.n = n;
        seen.at_ms = self.now_ms();
        let id = book.first + book.entries.len() as u64;
        book.entries.push_back(seen);
        if book.entries.len() > KEPT {
            book.entries.pop_front();
            book.first += 1;
        }
        drop(book);
        self.changed.send_replace(());
        Ticket { id, n, turn: played }
    }

    /// Changes an entry; nothing happens where it is gone.
    fn change(&self, ticket: Ticket, change: impl FnOnce(&mut Seen, f64)) {
        let mut book = self.book();
        let now = self.now_ms();
        if let Some(seen) = book.entry(ticket) {
            change(seen, now);
        }
        drop(book);
        self.changed.send_replace(());
    }

    pub(super) fn status(&self, ticket: Ticket, status: u16) {
        self.change(ticket, |seen, _| seen.status = Some(status));
    }

    /// Lets `write` send something, and notes it if that says that all is sent. The log is locked meanwhile: a client that
    /// has what was sent finds it logged.
    pub(super) fn writing(
        &self,
        ticket: Ticket,
        sent: Sent,
        write: impl FnOnce() -> io::Result<bool>,
    ) -> io::Result<bool> {
        let mut book = self.book();
        let all_sent = write()?;
        if all_sent && (sent.chunk || sent.end) {
            let now = self.now_ms();
            if let Some(seen) = book.entry(ticket) {
                seen.sent_chunks += u64::from(sent.chunk);
                seen.answered_ms = sent.end.then_some(now);
            }
            drop(book);
            self.changed.send_replace(());
        }
        Ok(all_sent)
    }

    pub(super) fn closed(&self, ticket: Ticket) {
        self.change(ticket, |seen, now| seen.closed_ms = Some(now));
    }

    pub(super) fn entries(&self) -> Vec<Seen> {
        self.book().entries.iter().cloned().collect()
    }

    /// The entries from number `from` on, and the number that comes next.
    pub(super) fn entries_from(&self, from: u64) -> (Vec<Seen>, u64) {
        let book = self.book();
        let known = usize::try_from(from.saturating_sub(book.first)).unwrap_or(usize::MAX);
        (book.entries.iter().skip(known).cloned().collect(), book.first + book.entries.len() as u64)
    }

    pub(super) fn find(&self, upstream: &str, n: u64) -> Option<Seen> {
        let book = self.book();
        let mut entries = book.entries.iter();
        entries.find(|seen| seen.n == n && seen.upstream == upstream).cloned()
    }

    pub(super) fn count(&self, upstream: &str) -> u64 {
        self.book().counts.get(upstream).map_or(0, |count| count.seen)
    }

    /// Forgets everything; the script starts again. Exchanges under way go on unlogged.
    pub(super) fn reset(&self) {
        let mut book = self.book();
        book.first += book.entries.len() as u64;
        book.entries.clear();
        book.counts.clear();
        drop(book);
        self.changed.send_replace(());
    }

    /// What `find` finds, as soon as it finds it; none when `within` passes before.
    pub(super) async fn wait<T>(&self, within: Duration, mut find: impl FnMut() -> Option<T>) -> Option<T> {
        let mut changes = self.changed.subscribe();
        let found = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = find() {
                    return Some(found);
                }
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(within, found).await.ok().flatten()
    }
}

fn headers(request: &Request) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in &request.headers {
        let value = if SECRET_HEADERS.contains(&name.as_str()) {
            SECRET.into()
        } else {
            String::from_utf8_lossy(value.as_bytes())
        };
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push_str(", ");
                all.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    headers
}

fn without_secrets(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else {
        return target.to_owned();
    };
    let pairs: Vec<_> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if SECRET_PARAMETERS.contains(&name) => format!("{name}={SECRET}"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{path}?{}", pairs.join("&"))
}
