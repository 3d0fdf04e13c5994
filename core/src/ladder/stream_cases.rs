//! Single runs of streams, step by step.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::cases::{answered, begun, failed, ms, plan, start};
use super::*;
use crate::error::ErrorKind::{self, *};
use crate::types::{Amend, Failure, FinishReason, FirstToken, Next, OnBreak, Outcome, Upstream};

pub(super) fn streaming(candidates: usize, on_break: OnBreak) -> Plan {
    Plan { upstream: Upstream::Stream, live: true, on_break, restarts: true, ..plan(candidates) }
}

pub(super) fn content(attempt: usize, speech: Speech) -> Event {
    Event::Content { attempt, speech, resumable: speech == Speech::Shown, bytes: 4 }
}

pub(super) fn commit(attempt: usize, candidate: usize, join: Join) -> Action {
    Action::Commit { attempt, model: format!("p{candidate}/m").into(), join }
}

fn restart() -> Join {
    Join::Restart { kind: TruncatedStream, reason: "said the provider".into() }
}

pub(super) fn raised(actions: &[Action]) -> (ErrorKind, Option<&'static str>, Option<usize>, bool) {
    match actions {
        [.., Action::Fail { failure, attempt, .. }] => (failure.kind, failure.subkind, *attempt, failure.in_stream),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_content_ends_the_race_and_the_deadline() {
    let mut ladder = begun(streaming(2, OnBreak::Error));
    assert_eq!(ladder.step(Event::Woken, ms(5_000)), [start(1, 1)]);
    let won = ladder.step(content(1, Speech::Shown), ms(6_000));
    assert_eq!(won, [Action::Cancel { attempt: 0 }, commit(1, 1, Join::Start)]);
    assert_eq!(ladder.attempts()[0].outcome, Outcome::HedgedOut);
    assert_eq!(ladder.wake_at(), Some(ms(21_000)), "only the pause is limited now");
    assert_eq!(ladder.attempts()[1].first_token, Some(ms(1_000)));
    assert_eq!(ladder.step(answered(1, FinishReason::Stop), ms(15_000)), [Action::Deliver { attempt: 1 }]);
}

#[test]
fn a_silent_stream_is_raced_after_ten_seconds_without_a_deadline() {
    let mut ladder = begun(Plan { deadline: None, ..streaming(2, OnBreak::Error) });
    assert_eq!(ladder.wake_at(), Some(ms(10_000)));
    assert!(ladder.step(content(0, Speech::Thought), ms(4_000)).is_empty());
    assert_eq!(ladder.wake_at(), Some(ms(19_000)), "the pause; a model that thinks is given a minute");
}

#[test]
fn thoughts_that_nobody_sees_do_not_stop_the_deadline() {
    let mut ladder = begun(streaming(1, OnBreak::Error));
    assert!(ladder.step(content(0, Speech::Thought), ms(4_000)).is_empty());
    let end = ladder.step(Event::Woken, ms(10_000));
    assert_eq!(raised(&end), (DeadlineExceeded, None, Some(0), false));
}

#[test]
fn a_tool_call_that_is_coming_stops_the_deadline() {
    let mut ladder = begun(streaming(2, OnBreak::Error));
    assert_eq!(ladder.step(Event::Woken, ms(5_000)), [start(1, 1)]);
    assert!(ladder.step(content(0, Speech::Held), ms(9_000)).is_empty());
    assert_eq!(ladder.step(Event::Woken, ms(10_000)), [Action::Cancel { attempt: 1 }]);
    let end = ladder.step(answered(0, FinishReason::ToolCalls), ms(12_000));
    assert_eq!(end, [commit(0, 0, Join::Start), Action::Deliver { attempt: 0 }]);
}

#[test]
fn limits_of_silence_have_names_of_their_own() {
    let mut plan = streaming(1, OnBreak::Error);
    plan.candidates[0].first_token = Some(FirstToken::After(ms(700)));
    plan.retries = 0;
    let mut ladder = begun(plan.clone());
    let end = ladder.step(Event::Woken, ms(700));
    assert_eq!(raised(&end), (Timeout, Some("first_event"), Some(0), false));

    let mut ladder = begun(plan);
    ladder.step(content(0, Speech::Shown), ms(500));
    assert_eq!(ladder.wake_at(), Some(ms(15_500)));
    let end = ladder.step(Event::Woken, ms(15_500));
    assert_eq!(end[0], Action::Cancel { attempt: 0 });
    assert_eq!(raised(&end), (Timeout, Some("idle"), Some(0), true));
}

#[test]
fn time_in_which_nobody_read_is_nobodys_silence() {
    let mut ladder = begun(streaming(1, OnBreak::Error));
    ladder.step(content(0, Speech::Shown), ms(500));
    ladder.step(Event::Away(ms(60_000)), ms(60_500));
    assert_eq!(ladder.wake_at(), Some(ms(75_500)));
}

#[test]
fn a_break_is_raised_unless_the_task_says_otherwise() {
    let mut ladder = begun(streaming(2, OnBreak::Error));
    ladder.step(content(0, Speech::Shown), ms(500));
    let end = ladder.step(failed(0, TruncatedStream), ms(900));
    assert_eq!(raised(&end), (TruncatedStream, None, Some(0), true));
    assert_eq!(ladder.attempts()[0].next, Some(Next::Fail));
}

#[test]
fn a_restart_is_told_when_the_next_one_speaks() {
    let mut ladder = begun(streaming(2, OnBreak::Restart));
    ladder.step(content(0, Speech::Shown), ms(500));
    assert_eq!(ladder.step(failed(0, TruncatedStream), ms(900)), [start(1, 1)]);
    assert_eq!(ladder.wake_at(), Some(ms(10_900)), "a deadline of its own");
    assert_eq!(ladder.step(content(1, Speech::Shown), ms(1_200)), [commit(1, 1, restart())]);
    assert_eq!(ladder.step(answered(1, FinishReason::Stop), ms(1_500)), [Action::Deliver { attempt: 1 }]);
}

#[test]
fn a_rescue_that_fails_raises_the_break() {
    for (at, event) in [(1_000, failed(1, Auth)), (1_000, failed(1, InvalidRequest)), (10_900, Event::Woken)] {
        let mut ladder = begun(streaming(2, OnBreak::Restart));
        ladder.step(content(0, Speech::Shown), ms(500));
        ladder.step(failed(0, TruncatedStream), ms(900));
        assert_eq!(raised(&ladder.step(event, ms(at))), (TruncatedStream, None, Some(0), true));
    }
}

#[test]
fn a_text_is_continued_and_a_tool_call_is_not() {
    for (resumable, resume, join) in [(true, Some(0), Join::Resume), (false, None, restart())] {
        let mut ladder = begun(streaming(2, OnBreak::Resume));
        ladder.step(Event::Content { attempt: 0, speech: Speech::Shown, resumable, bytes: 4 }, ms(500));
        let next = ladder.step(failed(0, TruncatedStream), ms(900));
        assert_eq!(next, [Action::Start { attempt: 1, candidate: 1, amends: Vec::new(), resume, reask: None }]);
        assert_eq!(ladder.step(content(1, Speech::Shown), ms(1_200)), [commit(1, 1, join)]);
    }
}

#[test]
fn a_refused_prefill_is_asked_for_in_words() {
    let mut ladder = begun(streaming(2, OnBreak::Resume));
    ladder.step(content(0, Speech::Shown), ms(500));
    ladder.step(failed(0, TruncatedStream), ms(900));
    let refused = Failure { amend: Some(Amend::NoPrefill), ..Failure::new(Unsupported, "no prefill") };
    let next = ladder.step(Event::Failed { attempt: 1, failure: refused }, ms(1_000));
    let amends = vec![Amend::NoPrefill];
    assert_eq!(next, [Action::Start { attempt: 2, candidate: 1, amends, resume: Some(0), reask: None }]);
}

#[test]
fn who_broke_off_is_asked_again_when_nobody_else_is_left() {
    let mut ladder = begun(streaming(1, OnBreak::Restart));
    ladder.step(content(0, Speech::Shown), ms(500));
    assert!(ladder.step(failed(0, TruncatedStream), ms(900)).is_empty());
    let at = ladder.wake_at().unwrap();
    assert_eq!(ladder.step(Event::Woken, at), [start(1, 0)]);
}

#[test]
fn a_loser_of_the_race_may_rescue_but_not_one_that_failed() {
    let mut ladder = begun(streaming(3, OnBreak::Restart));
    assert_eq!(ladder.step(Event::Woken, ms(5_000)), [start(1, 1)]);
    assert_eq!(ladder.step(failed(1, Auth), ms(5_100)), [start(2, 2)]);
    ladder.step(content(0, Speech::Shown), ms(5_200));
    assert_eq!(ladder.step(failed(0, TruncatedStream), ms(5_300)), [start(3, 2)], "1 had failed, 2 had only lost");
}

#[test]
fn a_whole_answer_waits_a_moment_for_its_usage() {
    let mut ladder = begun(streaming(1, OnBreak::Error));
    ladder.step(content(0, Speech::Shown), ms(500));
    ladder.step(Event::Whole { attempt: 0 }, ms(600));
    assert_eq!(ladder.wake_at(), Some(ms(1_600)));
    assert_eq!(ladder.step(Event::Woken, ms(1_600)), [Action::Close { attempt: 0 }]);
    assert_eq!(ladder.step(answered(0, FinishReason::Stop), ms(1_600)), [Action::Deliver { attempt: 0 }]);
}

#[test]
fn an_answer_that_ends_in_an_error_is_one_only_for_who_has_seen_it() {
    let mut ladder = begun(streaming(2, OnBreak::Error));
    assert!(ladder.step(answered(0, FinishReason::Error), ms(500)).is_empty(), "tried again");
    let again = ladder.wake_at().unwrap();
    assert_eq!(ladder.step(Event::Woken, again), [start(1, 0)]);
    ladder.step(content(1, Speech::Shown), ms(900));
    assert_eq!(ladder.step(answered(1, FinishReason::Error), ms(950)), [Action::Deliver { attempt: 1 }]);
}

#[test]
fn a_whole_answer_goes_on_after_a_cut() {
    let whole = Plan { live: false, restarts: false, ..streaming(2, OnBreak::Error) };
    let mut ladder = begun(Plan { retries: 0, ..whole.clone() });
    assert!(ladder.step(content(0, Speech::Shown), ms(500)).is_empty());
    assert_eq!(ladder.step(failed(0, TruncatedStream), ms(900)), [start(1, 1)]);

    let mut ladder = begun(Plan { retries: 0, on_break: OnBreak::Resume, ..whole });
    ladder.step(content(0, Speech::Shown), ms(500));
    let next = ladder.step(failed(0, TruncatedStream), ms(900));
    assert_eq!(next, [Action::Start { attempt: 1, candidate: 1, amends: Vec::new(), resume: Some(0), reask: None }]);
}

#[test]
fn an_answer_that_was_coming_at_the_deadline_and_breaks_off_is_the_end() {
    let mut ladder = begun(streaming(2, OnBreak::Error));
    ladder.step(content(0, Speech::Held), ms(4_000));
    assert!(ladder.step(Event::Woken, ms(10_000)).is_empty(), "it has won");
    assert_eq!(ladder.wake_at(), Some(ms(19_000)), "only its pause is limited now");
    let end = ladder.step(failed(0, TruncatedStream), ms(12_000));
    assert_eq!(raised(&end), (TruncatedStream, None, Some(0), false));
    assert_eq!(ladder.attempts()[0].next, Some(Next::Fail));

    let mut ladder = begun(streaming(2, OnBreak::Error));
    ladder.step(content(0, Speech::Held), ms(4_000));
    ladder.step(Event::Woken, ms(10_000));
    assert_eq!(raised(&ladder.step(Event::Woken, ms(19_000))), (Timeout, Some("idle"), Some(0), true), "it paused");
}

#[test]
fn a_rescue_has_a_deadline_even_where_the_answer_came_after_the_first() {
    let mut ladder = begun(streaming(2, OnBreak::Restart));
    ladder.step(content(0, Speech::Held), ms(4_000));
    ladder.step(Event::Woken, ms(10_000));
    ladder.step(content(0, Speech::Shown), ms(12_000));
    assert_eq!(ladder.step(failed(0, TruncatedStream), ms(13_000)), [start(1, 1)]);
    assert_eq!(ladder.wake_at(), Some(ms(23_000)));
}

#[test]
fn text_that_led_to_a_tool_call_is_not_continued() {
    let mut ladder = begun(streaming(2, OnBreak::Resume));
    ladder.step(Event::Content { attempt: 0, speech: Speech::Shown, resumable: true, bytes: 4 }, ms(500));
    ladder.step(Event::Content { attempt: 0, speech: Speech::Held, resumable: false, bytes: 4 }, ms(600));
    assert_eq!(ladder.step(failed(0, TruncatedStream), ms(900)), [start(1, 1)]);
}

#[test]
fn time_in_which_nobody_read_is_not_the_rescues() {
    let mut plan = streaming(2, OnBreak::Restart);
    plan.candidates[1].first_token = Some(FirstToken::After(ms(700)));
    let mut ladder = begun(plan);
    ladder.step(content(0, Speech::Shown), ms(500));
    ladder.step(failed(0, TruncatedStream), ms(900));
    assert_eq!(ladder.wake_at(), Some(ms(1_600)));
    ladder.step(Event::Away(ms(5_000)), ms(6_000));
    assert_eq!(ladder.wake_at(), Some(ms(6_600)));
}

#[test]
fn a_primary_that_speaks_makes_a_failure_that_surfaced_behind_it_moot() {
    let mut ladder = begun(streaming(3, OnBreak::Restart));
    assert_eq!(ladder.step(Event::Woken, ms(5_000)), [start(1, 1)]);
    assert!(ladder.step(failed(1, InvalidRequest), ms(5_100)).is_empty());
    assert_eq!(ladder.step(content(0, Speech::Shown), ms(5_200)), [commit(0, 0, Join::Start)]);
    assert_eq!(ladder.step(failed(0, TruncatedStream), ms(5_300)), [start(2, 1)], "its break is one like any other");
}

#[test]
fn an_answer_that_is_whole_at_the_deadline_is_taken() {
    for live in [true, false] {
        let mut ladder = begun(Plan { live, ..streaming(1, OnBreak::Error) });
        ladder.step(content(0, Speech::Held), ms(9_500));
        ladder.step(Event::Whole { attempt: 0 }, ms(9_800));
        assert_eq!(ladder.step(Event::Woken, ms(10_000)), [Action::Close { attempt: 0 }]);
        let end = ladder.step(answered(0, FinishReason::Stop), ms(10_000));
        assert_eq!(end.last(), Some(&Action::Deliver { attempt: 0 }));
    }
}
