//! Answers that are not accepted, step by step.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::cases::{begun, failed, ms, plan, start};
use super::stream_cases::{commit, content, raised, streaming};
use super::*;
use crate::error::ErrorKind::{DeadlineExceeded, InvalidOutput, InvalidRequest, ServerError};
use crate::types::{FallbackOn, Finish, FinishReason, Flaw, Next, OnBreak, Outcome};

/// An answer that is not what it should be; where that is fatal, the task accepts it from nobody.
fn flawed(attempt: usize, fatal: bool) -> Event {
    let flaw = Flaw { subkind: "schema", message: "the answer does not match".to_owned(), fatal };
    let finish = Finish { unified: FinishReason::Stop, raw: None };
    Event::Answered {
        attempt,
        answer: Answer { finish, flaw: Some(flaw), usage: None, cost: None, request_id: None, spent: None },
    }
}

fn sound(attempt: usize) -> Event {
    super::cases::answered(attempt, FinishReason::Stop)
}

fn anew(attempt: usize, candidate: usize, rejected: usize) -> Action {
    Action::Start { attempt, candidate, amends: Vec::new(), resume: None, reask: Some(rejected) }
}

#[test]
fn what_is_not_accepted_reaches_nobody() {
    let mut ladder = begun(plan(2));
    assert_eq!(ladder.step(flawed(0, true), ms(100)), [start(1, 1)]);
    let (kind, subkind, attempt, _) = raised(&ladder.step(flawed(1, true), ms(200)));
    assert_eq!((kind, subkind, attempt), (InvalidOutput, Some("schema"), Some(0)), "the primary's");
    let kinds: Vec<_> = ladder.attempts().iter().map(|line| (line.outcome, line.kind, line.next)).collect();
    assert_eq!(
        kinds,
        [
            (Outcome::Failed, Some(InvalidOutput), Some(Next::Fallback)),
            (Outcome::Failed, Some(InvalidOutput), Some(Next::Fail))
        ]
    );
}

#[test]
fn a_candidate_is_told_once_and_then_left() {
    let mut ladder = begun(Plan { reask: 1, ..plan(2) });
    assert_eq!(ladder.step(flawed(0, true), ms(100)), [anew(1, 0, 0)]);
    assert_eq!(ladder.attempts()[0].next, Some(Next::Retry));
    assert_eq!(ladder.step(flawed(1, true), ms(200)), [start(2, 1)]);
    assert_eq!(ladder.step(sound(2), ms(300)), [Action::Deliver { attempt: 2 }]);
}

#[test]
fn a_retry_of_a_reask_is_told_again() {
    let mut ladder = begun(Plan { reask: 1, ..plan(1) });
    assert_eq!(ladder.step(flawed(0, true), ms(100)), [anew(1, 0, 0)]);
    assert!(ladder.step(failed(1, ServerError), ms(200)).is_empty());
    let at = ladder.wake_at().unwrap();
    assert_eq!(ladder.step(Event::Woken, at), [anew(2, 0, 0)]);
    assert_eq!(ladder.step(sound(2), ms(900)), [Action::Deliver { attempt: 2 }]);
}

#[test]
fn a_wish_that_was_not_met_is_better_than_nothing() {
    let wishes = |reask| Plan { reask, fallback_on: [FallbackOn::InvalidOutput].into(), ..plan(2) };
    let mut ladder = begun(wishes(1));
    assert_eq!(ladder.step(flawed(0, false), ms(100)), [anew(1, 0, 0)]);
    assert_eq!(ladder.step(flawed(1, false), ms(200)), [start(2, 1)]);
    assert_eq!(ladder.step(failed(2, InvalidRequest), ms(300)), [Action::Deliver { attempt: 0 }]);
    // What is accepted of nobody does not take its place.
    let mut ladder = begun(wishes(0));
    assert_eq!(ladder.step(flawed(0, false), ms(100)), [start(1, 1)]);
    assert_eq!(ladder.step(flawed(1, true), ms(200)), [Action::Deliver { attempt: 0 }]);
    // Where nobody opted in, a wish is only a warning.
    let mut ladder = begun(plan(2));
    assert_eq!(ladder.step(flawed(0, false), ms(100)), [Action::Deliver { attempt: 0 }]);
}

#[test]
fn others_that_run_may_still_bring_what_is_accepted() {
    let mut ladder = begun(Plan { reask: 1, ..plan(2) });
    assert_eq!(ladder.step(Event::Woken, ms(5_000)), [start(1, 1)]);
    assert!(ladder.step(flawed(0, true), ms(5_100)).is_empty(), "the stand-in is at it");
    assert_eq!(ladder.attempts()[0].next, Some(Next::Race));
    assert_eq!(ladder.step(flawed(1, true), ms(5_200)), [anew(2, 1, 1)]);
    assert_eq!(ladder.step(sound(2), ms(5_300)), [Action::Deliver { attempt: 2 }]);
}

#[test]
fn an_answer_that_comes_with_the_deadline_is_not_asked_for_again() {
    let mut ladder = begun(Plan { reask: 1, ..plan(2) });
    let end = ladder.step(flawed(0, true), ms(10_000));
    assert_eq!(raised(&end).0, DeadlineExceeded);
}

#[test]
fn a_stream_that_was_shown_ends_as_a_break_does() {
    let mut ladder = begun(streaming(2, OnBreak::Error));
    ladder.step(content(0, Speech::Shown), ms(500));
    assert_eq!(raised(&ladder.step(flawed(0, true), ms(900))), (InvalidOutput, Some("schema"), Some(0), true));
    // A text that was not accepted is nothing to go on with, so to resume is to restart.
    for on_break in [OnBreak::Restart, OnBreak::Resume] {
        let mut ladder = begun(streaming(2, on_break));
        ladder.step(Event::Content { attempt: 0, speech: Speech::Shown, resumable: true, bytes: 4 }, ms(500));
        assert_eq!(ladder.step(flawed(0, true), ms(900)), [start(1, 1)]);
        let join = Join::Restart { kind: InvalidOutput, reason: "the answer does not match".to_owned() };
        assert_eq!(ladder.step(content(1, Speech::Shown), ms(1_200)), [commit(1, 1, join)]);
    }
    let mut ladder = begun(Plan { reask: 1, ..streaming(2, OnBreak::Restart) });
    ladder.step(content(0, Speech::Shown), ms(500));
    assert_eq!(ladder.step(flawed(0, true), ms(900)), [anew(1, 0, 0)]);
    // What was only wished for stands once it was shown.
    let mut ladder = begun(Plan { fallback_on: [FallbackOn::InvalidOutput].into(), ..streaming(2, OnBreak::Restart) });
    ladder.step(content(0, Speech::Shown), ms(500));
    assert_eq!(ladder.step(flawed(0, false), ms(900)), [Action::Deliver { attempt: 0 }]);
}

#[test]
fn who_answers_what_is_not_accepted_is_well_all_the_same() {
    let mut ladder = begun(Plan { breaker: crate::types::Breaker { failures: 1, ..plan(1).breaker }, ..plan(2) });
    ladder.step(flawed(0, true), ms(100));
    assert!(!ladder.notes().iter().any(|note| matches!(note, Note::Changed { .. })), "no breaker opens");
}
