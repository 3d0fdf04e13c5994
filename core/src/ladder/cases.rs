//! Single runs where several rules meet, step by step.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::time::Duration;

use super::bench::Bench;
use super::health::Vitals;
use super::*;
use crate::error::ErrorKind::{self, *};
use crate::types::{Amend, Breaker, Failure, FallbackOn, Finish, FinishReason, Next, OnBreak, Outcome, Upstream};

/// The breaker of the defaults.
pub(super) fn defaults() -> Breaker {
    Breaker { failures: 3, open: ms(5_000), max_open: ms(20_000) }
}

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Candidates `p0/m`, `p1/m`, … with a deadline of ten seconds and one retry.
pub(super) fn plan(candidates: usize) -> Plan {
    let candidate = |i: usize| Candidate {
        name: format!("p{i}/m").into(),
        provider: format!("p{i}").into(),
        skip: None,
        timeout: None,
        reasons: false,
        first_token: None,
        idle: ms(15_000),
        context_window: None,
        max_request_bytes: None,
        index: i,
        place: i,
        key: None,
        vitals: Vitals::default(),
        price: None,
        size: Size::default(),
        acts: false,
    };
    Plan {
        candidates: (0..candidates).map(candidate).collect(),
        deadline: Some(ms(10_000)),
        tightened: false,
        origin: Duration::ZERO,
        hedge: true,
        hedge_after: None,
        breaker: defaults(),
        retries: 1,
        reask: 0,
        max_retry_wait: ms(2_000),
        fallback_on: BTreeSet::new(),
        strict: BTreeSet::new(),
        drop_unsupported: true,
        upstream: Upstream::Unary,
        live: false,
        on_break: OnBreak::Error,
        restarts: false,
    }
}

pub(super) fn begun(plan: Plan) -> Bench {
    let mut ladder = Bench::new(plan, 7);
    assert_eq!(ladder.step(Event::Begin, ms(0)), [start(0, 0)]);
    ladder
}

pub(super) fn start(attempt: usize, candidate: usize) -> Action {
    Action::Start { attempt, candidate, amends: Vec::new(), resume: None, reask: None }
}

pub(super) fn failed(attempt: usize, kind: ErrorKind) -> Event {
    Event::Failed { attempt, failure: Failure::new(kind, "said the provider") }
}

pub(super) fn answered(attempt: usize, finish: FinishReason) -> Event {
    let finish = Finish { unified: finish, raw: None };
    Event::Answered {
        attempt,
        answer: Answer { finish, flaw: None, usage: None, cost: None, request_id: None, spent: None },
    }
}

#[test]
fn a_failure_that_surfaces_ends_those_behind_it_but_not_those_before() {
    let mut ladder = begun(plan(3));
    assert_eq!(ladder.step(Event::Woken, ms(5_000)), [start(1, 1)]);
    assert_eq!(ladder.step(Event::Woken, ms(7_500)), [start(2, 2)]);
    assert_eq!(ladder.step(failed(1, InvalidRequest), ms(8_000)), [Action::Cancel { attempt: 2 }]);
    assert_eq!(ladder.attempts()[1].next, Some(Next::Race));
    assert_eq!(ladder.attempts()[2].outcome, Outcome::Cancelled);
    assert_eq!(ladder.step(answered(0, FinishReason::Stop), ms(9_000)), [Action::Deliver { attempt: 0 }]);
}

#[test]
fn nobody_behind_a_failure_that_surfaces_is_asked_again() {
    let mut ladder = begun(plan(3));
    assert_eq!(ladder.step(Event::Woken, ms(5_000)), [start(1, 1)]);
    assert_eq!(ladder.step(Event::Woken, ms(7_500)), [start(2, 2)]);
    assert!(ladder.step(failed(2, ServerError), ms(7_510)).is_empty(), "it waits to be asked again");
    assert!(ladder.wake_at().unwrap() < ms(8_000));
    assert!(ladder.step(failed(1, InvalidRequest), ms(7_511)).is_empty());
    assert_eq!(ladder.wake_at(), Some(ms(10_000)));
    assert_eq!(ladder.step(answered(0, FinishReason::Stop), ms(9_000)), [Action::Deliver { attempt: 0 }]);
}

#[test]
fn a_primary_that_waits_to_be_asked_again_is_asked_after_a_failure_that_surfaces_behind_it() {
    let mut ladder = begun(Plan { deadline: Some(ms(17_142)), ..plan(2) });
    let later =
        Failure { retry_after: Some(ms(8_572)), should_retry: Some(true), ..Failure::new(InvalidRequest, "no") };
    assert!(ladder.step(Event::Failed { attempt: 0, failure: later }, ms(0)).is_empty());
    assert_eq!(ladder.step(Event::Woken, ms(8_571)), [start(1, 1)]);
    assert!(ladder.step(failed(1, InvalidRequest), ms(8_571)).is_empty());
    assert_eq!(ladder.step(Event::Woken, ms(8_572)), [start(2, 0)]);
    let end = ladder.step(failed(2, ServerError), ms(8_580));
    assert!(matches!(end[..], [Action::Fail { candidate: Some(1), .. }]), "{end:?}");
}

#[test]
fn a_stand_in_that_stumbles_in_the_race_is_tried_again() {
    let mut ladder = begun(plan(2));
    assert_eq!(ladder.step(Event::Woken, ms(5_000)), [start(1, 1)]);
    assert!(ladder.step(failed(1, ServerError), ms(5_100)).is_empty());
    let at = ladder.wake_at().unwrap();
    assert!(at <= ms(5_200), "{at:?}");
    assert_eq!(ladder.step(Event::Woken, at), [start(2, 1)]);
    assert!(ladder.step(failed(2, ServerError), ms(5_300)).is_empty());
    assert_eq!(ladder.attempts()[2].next, Some(Next::Race));
    assert_eq!(ladder.wake_at(), Some(ms(10_000)));
}

#[test]
fn an_answer_that_was_held_stands_at_the_deadline() {
    let mut ladder = begun(Plan { fallback_on: [FallbackOn::Refusal].into(), ..plan(2) });
    assert_eq!(ladder.step(answered(0, FinishReason::Refusal), ms(100)), [start(1, 1)]);
    let end = ladder.step(Event::Woken, ms(10_000));
    assert_eq!(end, [Action::Cancel { attempt: 1 }, Action::Deliver { attempt: 0 }]);
    assert_eq!(ladder.attempts()[0].outcome, Outcome::Ok);
    assert_eq!(ladder.attempts()[1].kind, Some(DeadlineExceeded));
}

#[test]
fn the_last_candidate_waits_only_what_fits_before_the_deadline() {
    for (wait, waits) in [(9_899, true), (9_900, false), (u64::MAX, false)] {
        let mut ladder = begun(plan(1));
        let failure = Failure { retry_after: Some(ms(wait)), ..Failure::new(RateLimited, "slow down") };
        let actions = ladder.step(Event::Failed { attempt: 0, failure }, ms(100));
        assert_eq!((actions.is_empty(), ladder.done()), (waits, !waits), "{wait}");
    }
}

#[test]
fn beside_a_stand_in_a_wait_is_bounded_by_a_quarter_of_the_time_left_too() {
    for (now, waits) in [(6_000, true), (6_001, false)] {
        let mut ladder = begun(plan(2));
        let failure = Failure { retry_after: Some(ms(1_000)), ..Failure::new(RateLimited, "slow down") };
        let actions = ladder.step(Event::Failed { attempt: 0, failure }, ms(now));
        assert_eq!(actions.is_empty(), waits, "{now}");
    }
}

#[test]
fn the_race_begins_at_half_of_the_time_left() {
    let mut ladder = begun(plan(3));
    assert_eq!(ladder.wake_at(), Some(ms(5_000)));
    ladder.step(Event::Woken, ms(5_000));
    assert_eq!(ladder.wake_at(), Some(ms(7_500)));
}

#[test]
fn the_failure_raised_is_that_of_the_candidate_nearest_to_the_primary() {
    let mut ladder = begun(Plan { retries: 0, ..plan(2) });
    ladder.step(Event::Woken, ms(5_000));
    assert!(ladder.step(failed(1, ProviderQuota), ms(5_100)).is_empty());
    let end = ladder.step(failed(0, Auth), ms(5_200));
    assert!(matches!(&end[..], [Action::Fail { failure, candidate: Some(0), .. }] if failure.kind == Auth), "{end:?}");

    let mut ladder = begun(Plan { retries: 0, ..plan(2) });
    ladder.step(failed(0, Auth), ms(100));
    let end = ladder.step(failed(1, ProviderQuota), ms(200));
    assert!(matches!(&end[..], [Action::Fail { failure, candidate: Some(0), .. }] if failure.kind == Auth), "{end:?}");
}

#[test]
fn of_several_unwanted_answers_the_first_stands() {
    let mut ladder = begun(Plan { fallback_on: [FallbackOn::Refusal, FallbackOn::Length].into(), ..plan(3) });
    assert_eq!(ladder.step(answered(0, FinishReason::Refusal), ms(100)), [start(1, 1)]);
    assert_eq!(ladder.step(answered(1, FinishReason::Length), ms(200)), [start(2, 2)]);
    assert_eq!(ladder.step(answered(2, FinishReason::Refusal), ms(300)), [Action::Deliver { attempt: 0 }]);
    let next: Vec<_> = ladder.attempts().iter().map(|line| line.next).collect();
    assert_eq!(next, [Some(Next::Fallback), Some(Next::Fallback), Some(Next::Fail)]);
}

#[test]
fn after_a_failure_that_surfaces_the_primarys_answer_is_taken_as_it_is() {
    let mut ladder = begun(Plan { fallback_on: [FallbackOn::Refusal].into(), ..plan(3) });
    ladder.step(Event::Woken, ms(5_000));
    assert!(ladder.step(failed(1, InvalidRequest), ms(6_000)).is_empty());
    assert_eq!(ladder.step(answered(0, FinishReason::Refusal), ms(6_500)), [Action::Deliver { attempt: 0 }]);
    assert_eq!(ladder.attempts()[0].outcome, Outcome::Ok);
}

#[test]
fn after_a_failure_that_surfaces_an_unwanted_answer_still_yields_to_the_primary() {
    let mut ladder = begun(Plan { fallback_on: [FallbackOn::Refusal].into(), ..plan(4) });
    ladder.step(Event::Woken, ms(5_000));
    ladder.step(Event::Woken, ms(7_500));
    assert!(ladder.step(failed(2, InvalidRequest), ms(8_000)).is_empty());
    assert!(ladder.step(answered(1, FinishReason::Refusal), ms(8_100)).is_empty());
    assert_eq!(ladder.step(answered(0, FinishReason::Stop), ms(8_200)), [Action::Deliver { attempt: 0 }]);
}

#[test]
fn an_unwanted_answer_at_the_deadline_begins_nothing() {
    let mut ladder = begun(Plan { fallback_on: [FallbackOn::Refusal].into(), ..plan(2) });
    assert_eq!(ladder.step(answered(0, FinishReason::Refusal), ms(10_000)), [Action::Deliver { attempt: 0 }]);
}

#[test]
fn a_request_is_changed_three_times_at_most() {
    let mut ladder = begun(Plan { retries: 0, ..plan(1) });
    for (attempt, parameter) in ["temperature", "top_p", "stop", "seed"].into_iter().enumerate() {
        let amend = Some(Amend::Drop(parameter.to_owned()));
        let failure = Failure { amend, ..Failure::new(Unsupported, "not that") };
        let actions = ladder.step(Event::Failed { attempt, failure }, ms(100));
        let again = matches!(&actions[..], [Action::Start { amends, .. }] if amends.len() == attempt + 1);
        assert_eq!(again, attempt < 3, "{actions:?}");
    }
    assert!(ladder.done());
}

#[test]
fn an_overflow_passes_over_windows_known_to_be_too_small() {
    // Numbers of the failure (prompt, window), the primary's window, the stand-in's, and whether that one is asked.
    for (numbers, primary, stand_in, asked) in [
        (None, Some(100), Some(100), false),
        (None, Some(100), Some(101), true),
        (None, None, Some(1), true),
        (Some((None, Some(100))), None, Some(100), false),
        (Some((Some(500), Some(100))), None, Some(499), false),
        (Some((Some(500), Some(100))), None, Some(500), true),
        (Some((Some(500), Some(100))), None, None, true),
    ] {
        let mut plan = plan(2);
        plan.candidates[0].context_window = primary;
        plan.candidates[1].context_window = stand_in;
        let failure = Failure { overflow: numbers, ..Failure::new(ContextOverflow, "too long") };
        let actions = begun(plan).step(Event::Failed { attempt: 0, failure }, ms(100));
        assert_eq!(actions == [start(1, 1)], asked, "{numbers:?} {primary:?} {stand_in:?}");
    }
}

#[test]
fn a_model_that_warms_up_is_waited_for_only_as_the_last() {
    for (candidates, waits) in [(1, true), (2, false)] {
        let mut ladder = begun(plan(candidates));
        let failure =
            Failure { retry_after: Some(ms(500)), ..Failure::new(Overloaded, "loading").with_subkind("cold") };
        let actions = ladder.step(Event::Failed { attempt: 0, failure }, ms(100));
        assert_eq!(actions.is_empty(), waits);
    }
}
