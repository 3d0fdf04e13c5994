//! Every default value, in one place, each with its reason. `docs/defaults.md` says the same with sources.

use std::time::Duration;

/// Further tries of the same candidate. One catches a hiccup; a second would eat the stand-in's time.
pub const RETRIES: u32 = 1;
/// The longest wait before such a try while a stand-in exists. Longer, and the stand-in would have answered.
pub const MAX_RETRY_WAIT: Duration = Duration::from_millis(2000);
/// Connecting. A healthy provider needs well under a second; five leave room for a lost packet or two.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One attempt of a task without a deadline. The providers' own SDKs give up after as long.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(600);
/// The share of the time left after which a stand-in starts beside a silent candidate: both halves can hold an answer.
pub const RACE_SHARE: f64 = 0.5;
/// The same without a deadline: most unary answers are there within a minute.
pub const RACE_DELAY: Duration = Duration::from_secs(60);
/// The same for a model that reasons before it speaks, which often takes minutes.
pub const RACE_DELAY_REASONING: Duration = Duration::from_secs(180);
/// First backoff of a retry: short, since the deadline is shared with the stand-ins.
pub const BACKOFF: Duration = Duration::from_millis(100);
/// First backoff after throttling, whose windows are seconds long.
pub const BACKOFF_THROTTLED: Duration = Duration::from_secs(1);
/// The longest wait a server may ask for and get where the task has no deadline; as in the providers' own SDKs.
pub const LONGEST_SERVER_DELAY: Duration = Duration::from_secs(60);
/// Answer tokens asked of Anthropic, which requires a number, where nobody named one: a long page, and within the
/// output limit of every current model.
pub const ANTHROPIC_MAX_TOKENS: u64 = 4096;

/// The largest configuration file, 1 MiB: hundreds of times a large one, and no mistaken log file.
pub(super) const LARGEST_FILE: u64 = 1024 * 1024;
/// The largest file a `file:` reference may name, 64 KiB: no header is longer.
pub(super) const LARGEST_SECRET: u64 = 64 * 1024;
/// The longest time any setting may give, one day: beyond it a slip of units is certain.
#[cfg(feature = "schema")]
pub(super) const LONGEST_MS: u64 = 24 * 60 * 60 * 1000;
/// The most retries: more would hammer a failing provider for nothing.
#[cfg(feature = "schema")]
pub(super) const MOST_RETRIES: u32 = 10;
