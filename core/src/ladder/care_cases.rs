//! Single runs where what was learned of candidates decides.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use super::bench::{Bench, know};
use super::cases::{answered, failed, ms, plan, start};
use super::health::{Ended, Health, Identity, Ticket};
use super::*;
use crate::error::ErrorKind::{Auth, RateLimited, ServerError};
use crate::types::{Concurrency, Failure, FinishReason, FirstToken, HedgeAfter, Outcome, Upstream};

/// Health in which a candidate has taken so long, twenty times, to its first content and to its answer.
fn learned(plan: &mut Plan, candidate: usize, first: u64, total: u64) -> Health {
    let mut health = Health::default();
    know(plan, &mut health);
    let (vitals, breaker) = (plan.candidates[candidate].vitals, plan.breaker);
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..20 {
        let ticket = health.take(vitals, false, Duration::ZERO, &mut Vec::new());
        health.spoke(&ticket, ms(first), Duration::ZERO, &mut Vec::new());
        let ended = Ended::Answered { took: Some(ms(total)), spent: None };
        health.finish(&ticket, &ended, Duration::ZERO, &breaker, &mut rng, &mut Vec::new());
    }
    health
}

pub(super) fn begun(plan: Plan, health: Health) -> Bench {
    let mut bench = Bench::with(plan, health, 7);
    assert_eq!(bench.step(Event::Begin, ms(0)), [start(0, 0)]);
    bench
}

/// Within the error of percentiles, and of what is left of a whole.
fn about(found: Option<Duration>, expected: u64) {
    let found = found.unwrap().as_secs_f64() * 1e3;
    assert!((found - expected as f64).abs() <= expected as f64 * 0.02, "{found} is not about {expected}");
}

#[test]
fn the_race_leaves_the_stand_in_the_time_it_usually_takes() {
    for (usual, race_at) in [(20, 5_000), (6_000, 4_000), (9_000, 2_500)] {
        let mut plan = plan(2);
        let health = learned(&mut plan, 1, 10, usual);
        about(begun(plan, health).wake_at(), race_at);
    }
}

#[test]
fn a_percentile_hedges_by_the_candidates_own_times() {
    let mut plan = Plan { hedge_after: Some(HedgeAfter::Percentile(95)), ..plan(2) };
    let health = learned(&mut plan, 0, 10, 800);
    let mut bench = begun(plan.clone(), health);
    about(bench.wake_at(), 800);
    assert_eq!(bench.step(Event::Woken, ms(810)), [start(1, 1)]);
    // Who is not known yet is raced late.
    assert_eq!(begun(plan, Health::default()).wake_at(), Some(ms(5_000)));
}

#[test]
fn the_first_content_of_a_stream_may_take_three_times_what_it_usually_does() {
    for (usual, limit) in [(100, 2_000), (1_000, 3_000)] {
        let mut plan = Plan { upstream: Upstream::Stream, live: true, ..plan(1) };
        plan.candidates[0].first_token = Some(FirstToken::Auto);
        let health = learned(&mut plan, 0, usual, 50);
        about(begun(plan.clone(), health).wake_at(), limit);
        assert_eq!(begun(plan, Health::default()).wake_at(), Some(ms(10_000)), "too little is known");
    }
}

#[test]
fn whole_answers_that_come_as_streams_are_hedged_while_they_come() {
    let mut plan = Plan { upstream: Upstream::Stream, hedge_after: Some(HedgeAfter::After(ms(700))), ..plan(2) };
    let health = learned(&mut plan, 0, 10, 50);
    let mut bench = begun(plan, health);
    let content = Event::Content { attempt: 0, speech: Speech::Shown, resumable: true, bytes: 4 };
    assert!(bench.step(content, ms(100)).is_empty());
    assert_eq!(bench.step(Event::Woken, ms(700)), [start(1, 1)]);
}

#[test]
fn who_has_no_limit_left_is_asked_last_under_its_own_number() {
    let mut plan = plan(3);
    let mut health = learned(&mut plan, 0, 10, 50);
    let (vitals, breaker) = (plan.candidates[0].vitals, plan.breaker);
    let ticket = health.take(vitals, false, ms(0), &mut Vec::new());
    let ended = Ended::Answered { took: None, spent: Some(ms(60_000)) };
    health.finish(&ticket, &ended, ms(0), &breaker, &mut fastrand::Rng::with_seed(1), &mut Vec::new());
    let mut bench = Bench::with(Plan { retries: 0, ..plan }, health, 7);
    assert_eq!(bench.step(Event::Begin, ms(0)), [start(0, 1)]);
    assert_eq!(bench.step(failed(0, ServerError), ms(10)), [start(1, 2)]);
    assert_eq!(bench.step(failed(1, ServerError), ms(20)), [start(2, 0)]);
    assert!(matches!(bench.step(failed(2, ServerError), ms(30))[..], [Action::Fail { candidate: Some(0), .. }]));
}

#[test]
fn another_key_is_asked_only_where_it_may_help() {
    let keyed = || {
        let mut plan = Plan { retries: 0, ..plan(3) };
        for (index, key) in [(0, 1), (1, 2)] {
            plan.candidates[index].name = "p0/m".into();
            plan.candidates[index].provider = "p0".into();
            (plan.candidates[index].place, plan.candidates[index].key) = (0, Some(key));
        }
        plan
    };
    for kind in [Auth, RateLimited] {
        assert_eq!(begun(keyed(), Health::default()).step(failed(0, kind), ms(10)), [start(1, 1)], "{kind}");
    }
    assert_eq!(begun(keyed(), Health::default()).step(failed(0, ServerError), ms(10)), [start(1, 2)]);
    // A slow key is raced by the stand-in, since the model is slow and not its key.
    assert_eq!(begun(keyed(), Health::default()).step(Event::Woken, ms(5_000)), [start(1, 2)]);
}

#[test]
fn a_call_that_ends_gives_back_what_it_holds() {
    let mut plan = plan(2);
    let health = learned(&mut plan, 0, 10, 50);
    let (first, second) = (plan.candidates[0].vitals, plan.candidates[1].vitals);
    let mut bench = begun(plan, health);
    assert_eq!(bench.step(Event::Woken, ms(5_000)), [start(1, 1)]);
    assert_eq!(bench.health.report(first, ms(0)).in_flight, 1);
    bench.step(answered(1, FinishReason::Stop), ms(5_100));
    assert_eq!(bench.ladder.attempts()[0].outcome, Outcome::HedgedOut);
    for vitals in [first, second] {
        assert_eq!(bench.health.report(vitals, ms(0)).in_flight, 0);
    }
    assert_eq!(bench.health.report(first, ms(0)).failures, 1, "it was late, and not by the caller's hurry");
}

/// Candidates with one place each, of which each is taken by another call.
pub(super) fn full(plan: &mut Plan) -> (Health, Vec<Ticket>) {
    let mut health = Health::default();
    know(plan, &mut health);
    for candidate in &plan.candidates {
        let (provider, model) = (candidate.provider.to_string(), candidate.name.to_string());
        health.join(Identity { provider, model, key: 0, keys: 0, limit: Some(Concurrency::Fixed(1)) });
    }
    let all: Vec<_> = plan.candidates.iter().map(|candidate| candidate.vitals).collect();
    let tickets = all.into_iter().map(|vitals| health.take(vitals, false, ms(0), &mut Vec::new())).collect();
    (health, tickets)
}

#[test]
fn who_went_down_while_its_place_was_waited_for_is_passed_over() {
    for (candidates, expected) in [(2, 1), (1, 0)] {
        let mut plan = plan(candidates);
        let breaker = plan.breaker;
        let (health, tickets) = full(&mut plan);
        let (own, first) = (plan.candidates[0].vitals, tickets[0].clone());
        let mut bench = Bench::with(plan, health, 7);
        assert!(bench.step(Event::Begin, ms(0)).is_empty(), "it waits");
        let mut rng = fastrand::Rng::with_seed(1);
        let mut end = |health: &mut Health, ticket: &Ticket, ended: &Ended<'_>| {
            health.finish(ticket, ended, ms(10), &breaker, &mut rng, &mut Vec::new());
        };
        let down = Failure::new(ServerError, "down");
        for _ in 0..2 {
            let ticket = bench.health.take(own, false, ms(5), &mut Vec::new());
            end(&mut bench.health, &ticket, &Ended::Failed(&down));
        }
        // The last failure opens the circuit and gives the place to who waits.
        end(&mut bench.health, &first, &Ended::Failed(&down));
        if let Some(second) = tickets.get(1) {
            end(&mut bench.health, second, &Ended::Gone { took: None });
        }
        let asked = bench.step(Event::Woken, ms(20));
        assert_eq!(asked, [start(0, expected)], "of {candidates}: alone, it is asked all the same");
        let skipped = bench.attempts().iter().filter(|line| line.outcome == Outcome::Skipped).count();
        assert_eq!(skipped, candidates - 1);
    }
}
