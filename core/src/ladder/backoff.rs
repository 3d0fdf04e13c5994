//! How long to wait before trying the same candidate again.

use std::time::Duration;

use crate::types::Upstream;

/// How long until it is looked again whether somebody is free who is busy with other calls.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Without a deadline, a longer server delay than this is not waited for. The official SDKs obey up to 60 s too.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Without a deadline or a limit of its own, an attempt ends after this long, as in the official SDKs.
pub(super) const ATTEMPT_LIMIT: Duration = Duration::from_secs(600);
/// First backoff of a retry: short, since the deadline is shared with the stand-ins.
pub(super) const BRIEF: Duration = Duration::from_millis(100);
/// First backoff after throttling, whose windows are seconds long.
pub(super) const THROTTLED: Duration = Duration::from_secs(1);
/// A server delay up to this is waited out even while a stand-in exists: about what switching costs the user anyway.
pub(super) const SHORT_WAIT: Duration = Duration::from_secs(1);

/// `least`, and on top of it full jitter: anything from nothing to `base` doubled per earlier retry. Never less than the
/// server asks for.
pub(super) fn delay(
    rng: &mut fastrand::Rng,
    base: Duration,
    earlier_retries: u32,
    least: Duration,
    server: Duration,
) -> Duration {
    let ceiling = base.saturating_mul(1 << earlier_retries.min(8));
    (least + ceiling.mul_f64(rng.f64())).max(server)
}

/// An answer that is whole waits so long for the counts that may follow it.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// How long a candidate works alone before the next one starts beside it: half of what is left until the deadline, or less
/// where the next one usually needs more than that, but no less than a quarter; without a deadline, longer than nearly
/// every answer, or first content of a stream, takes.
pub(super) fn race_delay(
    left: Option<Duration>,
    reasons: bool,
    upstream: Upstream,
    stand_in: Option<Duration>,
) -> Duration {
    match (left, upstream, reasons) {
        (Some(left), _, _) => left.saturating_sub(stand_in.unwrap_or_default()).clamp(left / 4, left / 2),
        (None, Upstream::Stream, false) => Duration::from_secs(10),
        (None, Upstream::Stream, true) => THOUGHT,
        (None, Upstream::Unary, false) => Duration::from_secs(60),
        (None, Upstream::Unary, true) => Duration::from_secs(180),
    }
}

/// How long a model that reasons may be silent before the next one starts beside it.
pub(super) const THOUGHT: Duration = Duration::from_secs(60);
