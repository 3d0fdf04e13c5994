//! What answers and overflows teach of the size of prompts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::bench::Bench;
use super::cases::{begun, ms, plan};
use super::*;
use crate::error::ErrorKind::ContextOverflow;
use crate::types::{Failure, Finish, FinishReason, Flaw, Usage};

/// The first candidate's prompt was estimated at 10,000 tokens of text and 765 of an image.
fn asked(change: impl FnOnce(&mut Plan)) -> Bench {
    let mut plan = plan(2);
    plan.candidates[0].size = Size { tokens: 10_765, text: 10_000, images: 765 };
    change(&mut plan);
    begun(plan)
}

fn answered(attempt: usize, input: u64, flaw: Option<Flaw>) -> Event {
    let usage = Some(Usage { input, output: 5, ..Usage::default() });
    let finish = Finish { unified: FinishReason::Stop, raw: None };
    Event::Answered { attempt, answer: Answer { finish, flaw, usage, cost: None, request_id: None, spent: None } }
}

fn ratio(bench: &Bench) -> f64 {
    bench.health.tokens(bench.ladder.plan.candidates[0].vitals)
}

#[test]
fn an_answer_teaches_how_its_text_was_counted() {
    let mut bench = asked(|_| {});
    bench.step(answered(0, 20_765, None), ms(100));
    assert!((1.9..2.0).contains(&ratio(&bench)), "{}", ratio(&bench));
}

#[test]
fn an_overflow_teaches_it_too() {
    let mut bench = asked(|_| {});
    let failure = Failure { overflow: Some((Some(20_765), None)), ..Failure::new(ContextOverflow, "too long") };
    bench.step(Event::Failed { attempt: 0, failure }, ms(100));
    assert!((1.9..2.0).contains(&ratio(&bench)), "{}", ratio(&bench));
}

#[test]
fn who_searches_by_itself_teaches_nothing() {
    let mut bench = asked(|plan| plan.candidates[0].acts = true);
    bench.step(answered(0, 20_765, None), ms(100));
    assert_eq!(ratio(&bench), 1.0);
}

#[test]
fn an_answer_to_a_longer_question_teaches_nothing() {
    let mut bench = asked(|plan| plan.reask = 1);
    let flaw = Flaw { subkind: "schema", message: "the answer does not match".to_owned(), fatal: true };
    bench.step(answered(0, 10_765, Some(flaw)), ms(100));
    assert_eq!(ratio(&bench), 1.0, "just what was estimated");
    bench.step(answered(1, 25_000, None), ms(200));
    assert_eq!(ratio(&bench), 1.0);
}
