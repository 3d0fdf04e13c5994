//! The default of every configuration key, with its reason. `docs/defaults.md` says the same with sources, and tells of
//! the constants that no key changes, which stand where they are used.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::policy::Sharing;
use crate::types::{Breaker, OnBreak, OnExceeded, Upstream, Window};

/// Further tries of the same candidate. One catches a hiccup; a second would eat the stand-in's time.
pub const RETRIES: u32 = 1;
/// The longest wait before such a try while a stand-in exists. Longer, and the stand-in would have answered.
pub const MAX_RETRY_WAIT: Duration = Duration::from_millis(2000);
/// Connecting. A healthy provider needs well under a second; five leave room for a lost packet or two.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A parameter that a model rejects is left out: an answer at the default temperature beats no answer.
pub const DROP_UNSUPPORTED: bool = true;
/// Content comes many times a second; after so much silence nothing more is likely, and a stand-in can still help.
pub const IDLE: Duration = Duration::from_secs(15);
/// A model that was wrong once is a second answer's time and price away from being right; a stand-in often is no farther.
pub const REASK: u32 = 0;
/// Asked for whole answers, providers send them whole: their body as it is, with all of its counts.
pub const UPSTREAM: Upstream = Upstream::Unary;
/// Nothing is hidden and nothing spliced unless the application says that it can take it.
pub const ON_BREAK: OnBreak = OnBreak::Error;
/// Stand-ins serve where there are any: that is what they were named for.
pub const ALLOW_FALLBACK: bool = true;
/// What one router learns of a dead candidate, the others need not learn anew.
pub const STATE: Sharing = Sharing::Process;
/// Three failures in a row are no hiccup. A probe costs one call, a late return costs every user, so it opens for seconds:
/// long enough to spare a provider that restarts, short enough that its return is noticed.
pub const BREAKER: Breaker = Breaker { failures: 3, open: Duration::from_secs(5), max_open: Duration::from_secs(20) };
/// A slow candidate may still win, so it is raced and not cut.
pub const HEDGE: bool = true;

/// This machine alone: who opens the door to others says so, and names who may come in.
pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4100);
/// The largest body of a request, 32 MiB: room for a long chat with several images, and the size of the answers taken.
pub const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;
/// Connections of clients. Each stream has one more at its provider; far more than one process usually carries.
pub const MAX_CONNECTIONS: usize = 10_000;
/// The head of a request is one packet or two; ten seconds leave room for some that are lost.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest body in this time needs 4.5 Mbit/s; usual ones need next to nothing.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than the 60 s after which usual load balancers close a connection at rest, so that it is they who do.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Kubernetes and systemd's like kill 30 s and more after they asked; five are left to end in order.
pub const SHUTDOWN: Duration = Duration::from_secs(25);

/// A cheaper stand-in may still serve; whoever wants no answer then says so.
pub(super) const ON_EXCEEDED: OnExceeded = OnExceeded::Skip;

/// As providers and bills have them.
pub(super) const WINDOW: Window = Window::Calendar;

/// The length from which on a new file of records is begun, 100 MiB: some 100,000 calls, and editors still open it.
pub(super) const MAX_LINES_BYTES: u64 = 100 * 1024 * 1024;
/// How many older files of records are kept. With the current one they take 600 MiB at most.
pub(super) const KEPT_FILES: u32 = 5;
/// The most of them that may be kept: each is renamed when a new one is begun.
#[cfg(feature = "schema")]
pub(super) const MOST_FILES: u32 = 1000;

/// As what traces and metrics are told where nobody says.
pub(super) const SERVICE_NAME: &str = "locum";
/// How often metrics are sent: as OpenTelemetry's own libraries do.
pub(super) const METRICS_INTERVAL: Duration = Duration::from_secs(60);
/// How long sending traces or metrics may take: as OpenTelemetry's own libraries have it.
pub(super) const OTLP_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest configuration file, 1 MiB: hundreds of times a large one, and no mistaken log file.
pub(super) const LARGEST_FILE: u64 = 1024 * 1024;
/// The largest schema or prompt, 1 MiB: a thousand pages.
pub(super) const LARGEST_TEXT: u64 = 1024 * 1024;
/// The largest file a `file:` reference to a key may name, 64 KiB: no header is longer.
pub(super) const LARGEST_SECRET: u64 = 64 * 1024;
/// The longest time any setting may give, one day: beyond it a slip of units is certain.
#[cfg(feature = "schema")]
pub(super) const LONGEST_MS: u64 = 24 * 60 * 60 * 1000;
/// The most retries: more would hammer a failing provider for nothing.
#[cfg(feature = "schema")]
pub(super) const MOST_RETRIES: u32 = 10;
/// One: who is wrong twice, knowing why, is left to a stand-in.
#[cfg(feature = "schema")]
pub(super) const MOST_REASKS: u32 = 1;
/// The most failures in a row that a breaker may wait for: beyond it, none ever opens.
#[cfg(feature = "schema")]
pub(super) const MOST_FAILURES: u32 = 100;
/// The most calls at a time that may be set for a key: far above what any provider takes.
#[cfg(feature = "schema")]
pub(super) const MOST_CALLS: u32 = 10_000;
/// The largest body that may be allowed, 1 GiB: it is held in memory.
#[cfg(feature = "schema")]
pub(super) const LARGEST_BODY: u64 = 1024 * 1024 * 1024;
/// The most connections that may be allowed: about what one address has ports for, many times over.
#[cfg(feature = "schema")]
pub(super) const MOST_CONNECTIONS: u64 = 1_000_000;
/// The largest weight: shares as fine as one call in a million.
#[cfg(feature = "schema")]
pub(super) const LARGEST_WEIGHT: u32 = 1_000_000;
