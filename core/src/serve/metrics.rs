//! Counts for Prometheus, in its text format. They name paths, tasks and models, never who asked or what.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::Response;

use crate::error::ErrorKind;

use crate::types::{BreakerState, CandidateHealth, Happening, RouterEvent};

/// The ends of paths that are told apart.
const ROUTES: [&str; 4] = ["/chat/completions", "/responses", "/models", "/embeddings"];
/// What is counted where the client left before there was a status; nginx's number for it.
const LEFT: u16 = 499;

/// What is counted.
#[derive(Default)]
pub(super) struct Metrics {
    connections: AtomicUsize,
    running: AtomicUsize,
    streams: AtomicUsize,
    streams_left: AtomicUsize,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// By route, task and status.
    requests: BTreeMap<(&'static str, String, u16), u64>,
    /// By task, model and outcome.
    attempts: BTreeMap<(String, String, &'static str), u64>,
    /// By task and model.
    switches: BTreeMap<(String, String), u64>,
    hedges: BTreeMap<(String, String), u64>,
}

/// A request that is being answered.
pub(super) struct Running {
    metrics: Arc<Metrics>,
    route: &'static str,
    answered: AtomicUsize,
}

const UNANSWERED: usize = 0;
const ANSWERED: usize = 1;
const STREAMING: usize = 2;

impl Running {
    /// The head of the answer is there.
    pub(super) fn answered<B>(&self, response: &Response<B>) {
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let task = header("x-locum-task").unwrap_or_default();
        self.metrics.count(self.route, task, response.status().as_u16());
        let streams = header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        if streams {
            self.metrics.streams.fetch_add(1, Ordering::Relaxed);
        }
        self.answered.store(if streams { STREAMING } else { ANSWERED }, Ordering::Relaxed);
    }

    /// The client did not wait for the end of its stream.
    pub(super) fn left(&self) {
        self.metrics.streams_left.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.metrics.running.fetch_sub(1, Ordering::Relaxed);
        match self.answered.load(Ordering::Relaxed) {
            UNANSWERED => self.metrics.count(self.route, "", LEFT),
            STREAMING => {
                self.metrics.streams.fetch_sub(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// A connection that is open.
pub(super) struct Connected(Arc<Metrics>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    pub(super) fn begin(self: &Arc<Self>, path: &str) -> Running {
        let path = path.trim_end_matches('/');
        let route = ROUTES.iter().find(|route| path.ends_with(**route)).copied();
        let route = route.or_else(|| path.contains("/models/").then_some("/models")).unwrap_or("other");
        self.running.fetch_add(1, Ordering::Relaxed);
        Running { metrics: Arc::clone(self), route, answered: AtomicUsize::new(UNANSWERED) }
    }

    pub(super) fn connected(self: &Arc<Self>) -> Connected {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connected(Arc::clone(self))
    }

    /// How many requests are being answered.
    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    fn count(&self, route: &'static str, task: &str, status: u16) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.requests.entry((route, task.to_owned(), status)).or_default() += 1;
    }

    pub(super) fn happened(&self, event: &RouterEvent) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (task, model) = (event.task.clone(), event.model.clone());
        let count = match event.what {
            Happening::AttemptAnswered => counts.attempts.entry((task, model, "ok")).or_default(),
            Happening::AttemptFailed => {
                let kind = event.kind.map_or("failed", ErrorKind::as_str);
                counts.attempts.entry((task, model, kind)).or_default()
            }
            Happening::Switched => counts.switches.entry((task, model)).or_default(),
            Happening::Hedged => counts.hedges.entry((task, model)).or_default(),
            _ => return,
        };
        *count += 1;
    }

    /// Everything as text.
    pub(super) fn render(&self, health: &[CandidateHealth]) -> String {
        let mut page = Page::default();
        let gauge = |count: &AtomicUsize| count.load(Ordering::Relaxed) as f64;
        page.family("locum_connections", "gauge", "Connections of clients that are open.");
        page.line("locum_connections", &[], gauge(&self.connections));
        page.family("locum_requests_running", "gauge", "Requests that are being answered.");
        page.line("locum_requests_running", &[], gauge(&self.running));
        page.family("locum_streams", "gauge", "Streams that are open.");
        page.line("locum_streams", &[], gauge(&self.streams));
        page.family("locum_streams_left_total", "counter", "Streams that were closed before their end.");
        page.line("locum_streams_left_total", &[], gauge(&self.streams_left));
        self.render_counts(&mut page);
        render_health(&mut page, health);
        page.0
    }

    fn render_counts(&self, page: &mut Page) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        page.family(
            "locum_requests_total",
            "counter",
            "Requests, by path, task and HTTP status; 499: the client left.",
        );
        for ((route, task, status), count) in &counts.requests {
            let labels = [("route", *route), ("task", task.as_str()), ("status", &status.to_string())];
            page.line("locum_requests_total", &labels, *count as f64);
        }
        page.family(
            "locum_attempts_total",
            "counter",
            "Attempts, by task, model and outcome: ok, or the kind of failure.",
        );
        for ((task, model, outcome), count) in &counts.attempts {
            page.line("locum_attempts_total", &[("task", task), ("model", model), ("outcome", outcome)], *count as f64);
        }
        let families = [
            ("locum_fallbacks_total", "Calls handed on to a further candidate after a failure.", &counts.switches),
            ("locum_hedges_total", "Calls in which a further candidate was asked beside a slow one.", &counts.hedges),
        ];
        for (name, help, family) in families {
            page.family(name, "counter", help);
            for ((task, model), count) in family {
                page.line(name, &[("task", task), ("model", model)], *count as f64);
            }
        }
    }
}

fn render_health(page: &mut Page, health: &[CandidateHealth]) {
    let key = |candidate: &CandidateHealth| candidate.key.map_or_else(String::new, |key| key.to_string());
    let flag = |is_so: bool| if is_so { 1.0 } else { 0.0 };
    page.family("locum_candidate_available", "gauge", "Whether a call would try the candidate now.");
    for candidate in health {
        let labels = [("model", candidate.model.as_str()), ("key", &key(candidate))];
        page.line("locum_candidate_available", &labels, flag(candidate.available));
    }
    page.family(
        "locum_candidate_breaker",
        "gauge",
        "The state of the candidate's circuit breaker: 1 for the one that holds.",
    );
    for candidate in health {
        for state in [BreakerState::Closed, BreakerState::HalfOpen, BreakerState::Open] {
            let labels = [("model", candidate.model.as_str()), ("key", &key(candidate)), ("state", state.as_str())];
            page.line("locum_candidate_breaker", &labels, flag(candidate.breaker == state));
        }
    }
    page.family("locum_candidate_in_flight", "gauge", "Calls that the candidate's key has at this moment.");
    for candidate in health {
        let labels = [("model", candidate.model.as_str()), ("key", &key(candidate))];
        page.line("locum_candidate_in_flight", &labels, f64::from(candidate.in_flight));
    }
}

/// Text in Prometheus' format.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{open}{label}=\"{escaped}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.line("a_total", &[("task", "say \"hi\"\\\n"), ("b", "")], 3.0);
        page.line("b", &[], 0.0);
        assert_eq!(page.0, "a_total{task=\"say \\\"hi\\\"\\\\\\n\",b=\"\"} 3\nb 0\n");
    }

    #[test]
    fn a_request_counts_once_however_it_ends() {
        let metrics = Arc::<Metrics>::default();
        drop(metrics.begin("/v1/chat/completions/"));
        let running = metrics.begin("/v1/models/chat");
        assert_eq!(metrics.running(), 1);
        running.answered(&Response::new(()));
        drop(running);
        let running = metrics.begin("/elsewhere");
        let mut stream = Response::new(());
        stream.headers_mut().insert("content-type", http::HeaderValue::from_static("text/event-stream; charset=utf-8"));
        stream.headers_mut().insert("x-locum-task", http::HeaderValue::from_static("chat"));
        running.answered(&stream);
        assert!(metrics.render(&[]).contains("\nlocum_streams 1\n"));
        running.left();
        drop(running);
        let page = metrics.render(&[]);
        for line in [
            "locum_requests_running 0",
            "locum_streams 0",
            "locum_streams_left_total 1",
            "locum_requests_total{route=\"/chat/completions\",task=\"\",status=\"499\"} 1",
            "locum_requests_total{route=\"/models\",task=\"\",status=\"200\"} 1",
            "locum_requests_total{route=\"other\",task=\"chat\",status=\"200\"} 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}
