//! The verdict table: what may follow from each kind of failure, and what it says of the candidate.

use std::time::Duration;

use super::health::{Pause, Scope};
use crate::error::ErrorKind::{self, *};

/// Whether the same candidate may be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// No: the same request meets the same answer.
    Never,
    /// Once, at once: nothing was sent, so nothing is billed twice.
    AtOnce,
    /// Once, after a short backoff, before a stand-in is called.
    Quick,
    /// Only while no stand-in is left, once, after at least this long.
    LastOnce(Duration),
    /// As often as the task's `retries` allow, after the server's delay or at least this long: only while no stand-in
    /// is left, or, where no least wait is set, when the server asks for no more than a second.
    Throttled(Duration),
}

/// Whether the next candidate may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Yes.
    Yes,
    /// No: surface now.
    No,
    /// Yes, unless the task is strict about this kind.
    UnlessStrict,
    /// Only if the task opted in.
    OptIn,
    /// Only to a candidate whose context window is not known to be too small.
    LargerWindow,
    /// Only to a candidate that is not known to refuse a request of this size.
    LargerRequest,
}

/// What may follow from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the same candidate may be asked again.
    pub retry: Retry,
    /// Whether the next candidate may be asked.
    pub fallback: Fallback,
    /// Whether the operator must hear of it even when a stand-in saved the call.
    pub loud: bool,
    /// What it says of the candidate.
    pub harm: Harm,
}

/// What a failure says of a candidate, for the calls that come after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Harm {
    /// Whether a circuit breaker counts it.
    pub counts: Counts,
    /// What is not tried for a while.
    pub cool: Option<(Scope, Pause)>,
    /// Whether the key had too many calls at a time.
    pub throttles: bool,
}

/// How a circuit breaker counts a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// Not at all: it says nothing of whether the candidate works.
    Not,
    /// Two are as bad as one.
    Half,
    /// It counts.
    Full,
    /// It counts against the provider's address, and so against all of its models.
    Unreachable,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The kind it is about.
    pub kind: ErrorKind,
    /// The flavour it is about; `None` for all flavours without a row of their own.
    pub subkind: Option<&'static str>,
    /// What may follow.
    pub verdict: Verdict,
}

const fn row(
    kind: ErrorKind,
    subkind: Option<&'static str>,
    retry: Retry,
    fallback: Fallback,
    loud: bool,
    harm: Harm,
) -> Row {
    Row { kind, subkind, verdict: Verdict { retry, fallback, loud, harm } }
}

const fn counting(counts: Counts) -> Harm {
    Harm { counts, cool: None, throttles: false }
}

/// A cooldown of so many seconds, twice as long each time up to the longest. Who is not sure to be back then is tried by
/// one call alone, if `single`.
const fn cooling(scope: Scope, first: u64, longest: u64, single: bool) -> Harm {
    let (first, longest) = (Duration::from_secs(first), Duration::from_secs(longest));
    Harm { counts: Counts::Not, cool: Some((scope, Pause { first, longest, least: NONE, single })), throttles: false }
}

const fn throttling(scope: Scope, least: u64) -> Harm {
    let pause = Pause {
        first: Duration::from_secs(5),
        longest: Duration::from_secs(60),
        least: Duration::from_secs(least),
        single: false,
    };
    Harm { counts: Counts::Not, cool: Some((scope, pause)), throttles: true }
}

const NOTHING: Harm = counting(Counts::Not);
const COUNTS: Harm = counting(Counts::Full);
const HALF: Harm = counting(Counts::Half);
const UNREACHABLE: Harm = counting(Counts::Unreachable);
/// Capacity: of this model, and worth looking for elsewhere.
const BUSY: Harm = Harm { counts: Counts::Full, throttles: true, ..cooling(Scope::Model, 5, 60, true) };

const NONE: Duration = Duration::ZERO;
const QUARTER: Duration = Duration::from_millis(250);
const SECOND: Duration = Duration::from_secs(1);

/// Every row; a flavour's own row stands before its kind's.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    // Calls came too fast, within the limits: what helps is fewer of them.
    row(RateLimited,       Some("ramp"),       Retry::Throttled(NONE),    Fallback::Yes,           false, throttling(Scope::Candidate, 15)),
    // A limit of the whole account.
    row(RateLimited,       Some("budget"),     Retry::Throttled(NONE),    Fallback::Yes,           false, throttling(Scope::Key, 0)),
    row(RateLimited,       None,               Retry::Throttled(NONE),    Fallback::Yes,           false, throttling(Scope::Candidate, 0)),
    row(ProviderQuota,     Some("daily"),      Retry::Never,              Fallback::Yes,           true,  cooling(Scope::Candidate, 3600, 3600, true)),
    row(ProviderQuota,     Some("service"),    Retry::Never,              Fallback::Yes,           true,  cooling(Scope::Candidate, 300, 300, true)),
    row(ProviderQuota,     None,               Retry::Never,              Fallback::Yes,           true,  cooling(Scope::Key, 600, 3600, true)),
    row(Overloaded,        Some("cold"),       Retry::Throttled(SECOND),  Fallback::Yes,           false, cooling(Scope::Candidate, 5, 5, false)),
    row(Overloaded,        None,               Retry::LastOnce(QUARTER),  Fallback::Yes,           false, BUSY),
    // Two requests met at the provider, which works.
    row(ServerError,       Some("conflict"),   Retry::Quick,              Fallback::Yes,           false, NOTHING),
    row(ServerError,       None,               Retry::Quick,              Fallback::Yes,           false, COUNTS),
    row(Timeout,           Some("connect"),    Retry::AtOnce,             Fallback::Yes,           false, UNREACHABLE),
    row(Timeout,           None,               Retry::LastOnce(NONE),     Fallback::Yes,           false, COUNTS),
    row(Connection,        Some("connect"),    Retry::AtOnce,             Fallback::Yes,           false, UNREACHABLE),
    row(Connection,        Some("pool"),       Retry::AtOnce,             Fallback::Yes,           false, UNREACHABLE),
    row(Connection,        None,               Retry::LastOnce(NONE),     Fallback::Yes,           false, COUNTS),
    row(ContextOverflow,   None,               Retry::Never,              Fallback::LargerWindow,  false, NOTHING),
    // A request that exceeds this provider's rate limit by itself may fit another's; one of too many bytes rarely does.
    row(RequestTooLarge,   Some("tpm"),        Retry::Never,              Fallback::Yes,           false, NOTHING),
    row(RequestTooLarge,   None,               Retry::Never,              Fallback::LargerRequest, false, NOTHING),
    row(ContentFiltered,   None,               Retry::Never,              Fallback::OptIn,         false, NOTHING),
    row(Refusal,           None,               Retry::Never,              Fallback::OptIn,         false, NOTHING),
    row(InvalidOutput,     None,               Retry::Never,              Fallback::OptIn,         false, NOTHING),
    row(Auth,              None,               Retry::Never,              Fallback::UnlessStrict,  true,  cooling(Scope::Key, 300, 300, true)),
    row(Permission,        None,               Retry::Never,              Fallback::UnlessStrict,  true,  cooling(Scope::Candidate, 300, 300, true)),
    row(ModelNotFound,     None,               Retry::Never,              Fallback::Yes,           true,  cooling(Scope::Candidate, 600, 600, true)),
    row(Unsupported,       None,               Retry::Never,              Fallback::Yes,           false, NOTHING),
    // These two are about what this model accepts, not about what the caller asked.
    row(InvalidRequest,    Some("output_cap"), Retry::Never,              Fallback::Yes,           false, NOTHING),
    row(InvalidRequest,    Some("history"),    Retry::Never,              Fallback::Yes,           false, NOTHING),
    row(InvalidRequest,    None,               Retry::Never,              Fallback::No,            false, NOTHING),
    row(MalformedResponse, None,               Retry::Quick,              Fallback::Yes,           false, HALF),
    row(TruncatedStream,   None,               Retry::Quick,              Fallback::Yes,           false, COUNTS),
    row(Cancelled,         None,               Retry::Never,              Fallback::No,            false, NOTHING),
    row(DeadlineExceeded,  None,               Retry::Never,              Fallback::No,            false, NOTHING),
    row(InputTooLong,      None,               Retry::Never,              Fallback::No,            false, NOTHING),
    row(QuotaExceeded,     None,               Retry::Never,              Fallback::No,            false, NOTHING),
    row(NoCandidate,       None,               Retry::Never,              Fallback::No,            false, NOTHING),
    row(Config,            None,               Retry::Never,              Fallback::No,            false, NOTHING),
];

/// The row for a failure of this kind and flavour.
#[must_use]
pub fn verdict(kind: ErrorKind, subkind: Option<&str>) -> Verdict {
    let surface = Verdict { retry: Retry::Never, fallback: Fallback::No, loud: false, harm: NOTHING };
    ROWS.iter()
        .find(|row| row.kind == kind && (row.subkind.is_none() || row.subkind == subkind))
        .map_or(surface, |row| row.verdict)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    use super::*;

    fn is(kind: ErrorKind, subkind: Option<&str>, retry: Retry, fallback: Fallback) {
        let found = verdict(kind, subkind);
        assert_eq!((found.retry, found.fallback), (retry, fallback), "{kind} {subkind:?}");
    }

    #[test]
    fn every_kind_has_a_row_of_its_own() {
        for kind in ErrorKind::ALL {
            assert!(ROWS.iter().any(|row| row.kind == *kind && row.subkind.is_none()), "{kind}");
        }
    }

    #[test]
    fn a_flavour_stands_before_its_kind() {
        for (i, row) in ROWS.iter().enumerate() {
            let shadowed = ROWS[..i].iter().any(|earlier| earlier.kind == row.kind && earlier.subkind.is_none());
            assert!(!shadowed, "{} {:?} is never reached", row.kind, row.subkind);
        }
    }

    #[test]
    fn rate_limits_wait_only_where_nothing_else_is_left() {
        is(RateLimited, None, Retry::Throttled(NONE), Fallback::Yes);
        is(RateLimited, Some("ramp"), Retry::Throttled(NONE), Fallback::Yes);
    }

    #[test]
    fn a_request_beyond_the_rate_limit_goes_elsewhere() {
        is(RequestTooLarge, Some("tpm"), Retry::Never, Fallback::Yes);
    }

    #[test]
    fn money_is_never_retried_and_always_told() {
        for subkind in [None, Some("daily"), Some("service")] {
            is(ProviderQuota, subkind, Retry::Never, Fallback::Yes);
            assert!(verdict(ProviderQuota, subkind).loud);
        }
    }

    #[test]
    fn capacity_is_looked_for_elsewhere_first() {
        is(Overloaded, None, Retry::LastOnce(QUARTER), Fallback::Yes);
        is(Overloaded, Some("cold"), Retry::Throttled(SECOND), Fallback::Yes);
    }

    #[test]
    fn server_errors_get_one_quick_retry() {
        is(ServerError, None, Retry::Quick, Fallback::Yes);
        is(ServerError, Some("conflict"), Retry::Quick, Fallback::Yes);
    }

    #[test]
    fn what_was_never_sent_is_tried_again_at_once() {
        is(Connection, Some("connect"), Retry::AtOnce, Fallback::Yes);
        is(Connection, Some("pool"), Retry::AtOnce, Fallback::Yes);
        is(Timeout, Some("connect"), Retry::AtOnce, Fallback::Yes);
    }

    #[test]
    fn a_silent_provider_is_asked_again_only_as_the_last() {
        for subkind in [Some("attempt"), Some("first_event"), Some("idle"), None] {
            is(Timeout, subkind, Retry::LastOnce(NONE), Fallback::Yes);
        }
        is(Connection, Some("read"), Retry::LastOnce(NONE), Fallback::Yes);
    }

    #[test]
    fn the_end_of_the_deadline_and_a_cancel_surface() {
        is(DeadlineExceeded, None, Retry::Never, Fallback::No);
        is(Cancelled, None, Retry::Never, Fallback::No);
    }

    #[test]
    fn an_overflow_goes_to_larger_windows_only() {
        is(ContextOverflow, None, Retry::Never, Fallback::LargerWindow);
        is(InvalidRequest, Some("output_cap"), Retry::Never, Fallback::Yes);
        is(RequestTooLarge, None, Retry::Never, Fallback::LargerRequest);
    }

    #[test]
    fn filters_and_refusals_are_the_callers_choice() {
        is(ContentFiltered, Some("input"), Retry::Never, Fallback::OptIn);
        is(ContentFiltered, Some("output"), Retry::Never, Fallback::OptIn);
        is(Refusal, None, Retry::Never, Fallback::OptIn);
        is(InvalidOutput, Some("schema"), Retry::Never, Fallback::OptIn);
    }

    #[test]
    fn dead_keys_fall_back_loudly_unless_strict() {
        for kind in [Auth, Permission] {
            is(kind, None, Retry::Never, Fallback::UnlessStrict);
            assert!(verdict(kind, None).loud);
        }
    }

    #[test]
    fn unknown_models_fall_back_loudly() {
        is(ModelNotFound, None, Retry::Never, Fallback::Yes);
        assert!(verdict(ModelNotFound, None).loud);
    }

    #[test]
    fn a_models_limits_are_not_the_callers_fault() {
        is(Unsupported, None, Retry::Never, Fallback::Yes);
        is(InvalidRequest, Some("history"), Retry::Never, Fallback::Yes);
    }

    #[test]
    fn an_invalid_request_is_invalid_everywhere() {
        is(InvalidRequest, None, Retry::Never, Fallback::No);
    }

    #[test]
    fn nonsense_gets_one_quick_retry() {
        is(MalformedResponse, None, Retry::Quick, Fallback::Yes);
        is(TruncatedStream, None, Retry::Quick, Fallback::Yes);
    }

    #[test]
    fn local_refusals_surface() {
        for kind in [InputTooLong, QuotaExceeded, NoCandidate, Config] {
            is(kind, None, Retry::Never, Fallback::No);
        }
    }
}
