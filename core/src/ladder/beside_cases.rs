//! Single runs beside other calls, which hold places, probe circuits and change how candidates are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use super::bench::{Bench, know};
use super::care_cases::{begun, full};
use super::cases::{answered, defaults, failed, ms, plan, start};
use super::health::{Ended, Health, Identity, Ticket};
use super::*;
use crate::error::ErrorKind::{InvalidRequest, RateLimited, ServerError, Timeout, Unsupported};
use crate::types::{Breaker, Concurrency, Failure, FinishReason, HedgeAfter, Next, Outcome, Price, Upstream};

/// Opens the circuit of a candidate at `at`, for about five seconds.
fn down(health: &mut Health, plan: &Plan, candidate: usize, at: Duration) {
    let (vitals, mut rng) = (plan.candidates[candidate].vitals, fastrand::Rng::with_seed(1));
    let failure = Failure::new(ServerError, "down");
    for _ in 0..3 {
        let ticket = health.take(vitals, false, at, &mut Vec::new());
        health.finish(&ticket, &Ended::Failed(&failure), at, &plan.breaker, &mut rng, &mut Vec::new());
    }
}

/// Gives the place of an attempt of another call back.
fn free(health: &mut Health, plan: &Plan, ticket: &Ticket, at: Duration) {
    let mut rng = fastrand::Rng::with_seed(1);
    health.finish(ticket, &Ended::Gone { took: None }, at, &plan.breaker, &mut rng, &mut Vec::new());
}

fn skipped(bench: &Bench, model: &str) -> usize {
    bench.attempts().iter().filter(|line| line.outcome == Outcome::Skipped && *line.model == *model).count()
}

/// A circuit that stays open for longer than a call takes.
fn long() -> Breaker {
    Breaker { open: ms(60_000), max_open: ms(60_000), ..defaults() }
}

#[test]
fn while_a_place_is_waited_for_nobody_is_forced() {
    let mut plan = Plan { hedge_after: Some(HedgeAfter::After(ms(500))), breaker: long(), ..plan(2) };
    let (mut health, tickets) = full(&mut plan);
    free(&mut health, &plan, &tickets[1], ms(0));
    down(&mut health, &plan, 1, ms(0));
    let mut bench = Bench::with(plan, health, 7);
    assert!(bench.step(Event::Begin, ms(0)).is_empty(), "it waits");
    for at in [500, 5_000] {
        assert!(bench.step(Event::Woken, ms(at)).is_empty(), "its turn will come, and the other is down");
    }
    assert_eq!(skipped(&bench, "p1/m"), 1);
}

#[test]
fn who_is_busy_when_the_race_is_due_is_looked_at_again() {
    // Another call finds out whether it is back, or holds its key's only place.
    for probed in [true, false] {
        let mut plan = plan(2);
        let (mut health, tickets) = full(&mut plan);
        free(&mut health, &plan, &tickets[0], ms(0));
        let mut held = tickets[1].clone();
        if probed {
            free(&mut health, &plan, &held, ms(0));
            down(&mut health, &plan, 1, ms(0));
            held = health.take(plan.candidates[1].vitals, false, ms(5_000), &mut Vec::new());
        }
        plan.origin = ms(5_000);
        let mut bench = begun(plan.clone(), health);
        assert!(bench.step(Event::Woken, ms(5_000)).is_empty());
        assert_eq!(bench.wake_at(), Some(ms(5_250)));
        free(&mut bench.health, &plan, &held, ms(10_100));
        assert_eq!(bench.step(Event::Woken, ms(5_250)), [start(1, 1)]);
    }
}

#[test]
fn who_is_forced_waits_for_a_place_too() {
    let mut plan = plan(1);
    let (mut health, tickets) = full(&mut plan);
    let vitals = plan.candidates[0].vitals;
    let failure = Failure { retry_after: Some(ms(60_000)), ..Failure::new(RateLimited, "slow down") };
    let ticket = health.take(vitals, false, ms(0), &mut Vec::new());
    let mut rng = fastrand::Rng::with_seed(1);
    health.finish(&ticket, &Ended::Failed(&failure), ms(0), &plan.breaker, &mut rng, &mut Vec::new());
    let mut bench = Bench::with(plan.clone(), health, 7);
    assert!(bench.step(Event::Begin, ms(10)).is_empty(), "it waits");
    free(&mut bench.health, &plan, &tickets[0], ms(20));
    assert_eq!(bench.step(Event::Woken, ms(20)), [start(0, 0)]);
    assert_eq!(bench.health.report(vitals, ms(20)).in_flight, 1);
}

#[test]
fn who_is_passed_over_twice_is_on_the_trail() {
    let mut plan = plan(3);
    let (mut health, tickets) = full(&mut plan);
    let soon = Plan { breaker: Breaker { open: ms(1_000), max_open: ms(1_000), ..defaults() }, ..plan.clone() };
    down(&mut health, &soon, 1, ms(0));
    free(&mut health, &plan, &tickets[2], ms(0));
    down(&mut health, &plan, 2, ms(0));
    let mut bench = Bench::with(plan.clone(), health, 7);
    assert!(bench.step(Event::Begin, ms(10)).is_empty(), "it waits for the first");
    assert_eq!(skipped(&bench, "p1/m"), 1);
    down(&mut bench.health, &Plan { breaker: long(), ..plan.clone() }, 0, ms(20));
    free(&mut bench.health, &plan, &tickets[0], ms(20));
    assert!(bench.step(Event::Woken, ms(20)).is_empty(), "it waits for the second, that recovers soonest");
    assert_eq!(skipped(&bench, "p1/m"), 0);
    // While it waits, the third comes back and the second goes down again.
    let probe = bench.health.take(plan.candidates[1].vitals, false, ms(5_100), &mut Vec::new());
    let (failure, mut rng) = (Failure::new(ServerError, "down"), fastrand::Rng::with_seed(1));
    bench.health.finish(&probe, &Ended::Failed(&failure), ms(5_100), &plan.breaker, &mut rng, &mut Vec::new());
    free(&mut bench.health, &plan, &tickets[1], ms(5_100));
    assert_eq!(bench.step(Event::Woken, ms(5_100)), [start(0, 2)]);
    assert_eq!(skipped(&bench, "p1/m"), 1);
}

#[test]
fn who_recovers_sooner_is_asked_when_its_place_comes() {
    let mut plan = plan(2);
    let (mut health, tickets) = full(&mut plan);
    free(&mut health, &plan, &tickets[1], ms(0));
    down(&mut health, &Plan { breaker: long(), ..plan.clone() }, 1, ms(0));
    let mut bench = Bench::with(plan.clone(), health, 7);
    assert!(bench.step(Event::Begin, ms(10)).is_empty(), "it waits");
    down(&mut bench.health, &plan, 0, ms(20));
    free(&mut bench.health, &plan, &tickets[0], ms(20));
    assert_eq!(bench.step(Event::Woken, ms(20)), [start(0, 0)]);
    assert_eq!((skipped(&bench, "p0/m"), skipped(&bench, "p1/m")), (0, 1));
}

#[test]
fn another_key_takes_over_from_one_that_went_down_while_its_place_was_waited_for() {
    let mut plan = plan(2);
    for (candidate, key) in plan.candidates.iter_mut().zip([1, 2]) {
        (candidate.name, candidate.provider) = ("p0/m".into(), "p0".into());
        (candidate.place, candidate.key) = (0, Some(key));
    }
    let mut health = Health::default();
    know(&mut plan, &mut health);
    health.join(Identity {
        provider: "p0".into(),
        model: "p0/m".into(),
        key: 1,
        keys: 0,
        limit: Some(Concurrency::Fixed(1)),
    });
    let all = [0, 1].map(|key| plan.candidates[key].vitals);
    let fail = |health: &mut Health, vitals, at| {
        let failure = Failure { retry_after: Some(ms(1_000)), ..Failure::new(RateLimited, "slow down") };
        let (ticket, mut rng) = (health.take(vitals, false, at, &mut Vec::new()), fastrand::Rng::with_seed(1));
        health.finish(&ticket, &Ended::Failed(&failure), at, &defaults(), &mut rng, &mut Vec::new());
    };
    let ticket = health.take(all[0], false, ms(0), &mut Vec::new());
    // The other key is shut when the call begins, and no longer when the place comes.
    fail(&mut health, all[1], ms(0));
    let mut bench = Bench::with(plan.clone(), health, 7);
    assert!(bench.step(Event::Begin, ms(0)).is_empty(), "it waits");
    fail(&mut bench.health, all[0], ms(1_900));
    free(&mut bench.health, &plan, &ticket, ms(2_000));
    assert_eq!(bench.step(Event::Woken, ms(2_000)), [start(0, 1)]);
}

#[test]
fn a_cut_blames_only_who_had_its_time() {
    for (delay, blamed) in [(300, 0), (6_000, 1)] {
        let hedge_after = Some(HedgeAfter::After(ms(delay)));
        let mut bench = begun(Plan { hedge: false, hedge_after, ..plan(2) }, Health::default());
        let cut = [Action::Cancel { attempt: 0 }, start(1, 1)];
        assert_eq!(bench.step(Event::Woken, ms(delay)), cut);
        let vitals = bench.ladder.plan.candidates[0].vitals;
        assert_eq!(bench.health.report(vitals, ms(delay)).failures, blamed, "after {delay} ms");
    }
}

#[test]
fn nobody_runs_beside_one_that_acts() {
    let acting = || {
        let mut plan = Plan { retries: 0, ..plan(3) };
        plan.candidates[2].acts = true;
        begun(plan, Health::default())
    };
    let cancels = [Action::Cancel { attempt: 0 }, Action::Cancel { attempt: 1 }, start(2, 2)];
    let mut bench = acting();
    assert_eq!(bench.step(Event::Woken, ms(5_000)), [start(1, 1)]);
    assert_eq!(bench.step(Event::Woken, ms(7_500)), cancels, "it is raced for");
    let next: Vec<_> = bench.attempts().iter().map(|line| line.next).collect();
    assert_eq!(next, [Some(Next::Fallback), Some(Next::Fallback), None]);

    let mut bench = acting();
    assert_eq!(bench.step(Event::Woken, ms(5_000)), [start(1, 1)]);
    assert_eq!(
        bench.step(failed(1, ServerError), ms(5_100)),
        [cancels[0].clone(), start(2, 2)],
        "it is fallen back to"
    );
    assert_eq!(bench.attempts()[0].next, Some(Next::Fallback));
}

#[test]
fn what_never_left_is_not_charged() {
    for (kind, charged) in [(InvalidRequest, false), (Unsupported, false), (Timeout, true)] {
        let mut plan = Plan { retries: 0, ..plan(1) };
        plan.candidates[0].size.tokens = 1_000;
        plan.candidates[0].price =
            Some(Price { input: 1.0, output: 1.0, cached_input: None, cache_write: None, tier: None });
        let mut bench = begun(plan, Health::default());
        bench.step(failed(0, kind), ms(10));
        assert_eq!(bench.attempts()[0].cost.is_some(), charged, "{kind}");
    }
}

#[test]
fn a_whole_answer_that_loses_was_not_late() {
    let plan = Plan { upstream: Upstream::Stream, ..plan(2) };
    let mut bench = begun(plan, Health::default());
    assert_eq!(bench.step(Event::Woken, ms(5_000)), [start(1, 1)]);
    let content = Event::Content { attempt: 0, speech: Speech::Shown, resumable: true, bytes: 4 };
    bench.step(content, ms(6_000));
    bench.step(Event::Whole { attempt: 0 }, ms(6_000));
    let at = bench.wake_at().unwrap();
    assert_eq!(bench.step(Event::Woken, at), [Action::Close { attempt: 0 }]);
    bench.step(answered(1, FinishReason::Stop), at);
    let vitals = bench.ladder.plan.candidates[0].vitals;
    assert_eq!(bench.health.report(vitals, at).failures, 0);
}

#[test]
fn a_retry_is_not_made_when_the_circuit_opened_meanwhile() {
    for (candidates, expected) in [(2, Some(start(1, 1))), (1, None)] {
        let mut bench = begun(plan(candidates), Health::default());
        assert!(bench.step(failed(0, ServerError), ms(10)).is_empty(), "it waits");
        let plan = bench.ladder.plan.clone();
        down(&mut bench.health, &plan, 0, ms(11));
        let at = bench.wake_at().unwrap();
        let actions = bench.step(Event::Woken, at);
        match expected {
            Some(start) => assert_eq!(actions, [start]),
            None => assert!(matches!(actions[..], [Action::Fail { .. }]), "{actions:?}"),
        }
        assert_eq!(skipped(&bench, "p0/m"), 1);
    }
}

#[test]
fn time_in_which_nobody_read_makes_nobody_late() {
    let hedge_after = Some(HedgeAfter::After(ms(500)));
    let plan = Plan { upstream: Upstream::Stream, live: true, hedge_after, ..plan(2) };
    let mut bench = begun(plan, Health::default());
    bench.step(Event::Away(ms(4_000)), ms(4_000));
    assert_eq!(bench.step(Event::Woken, ms(4_500)), [start(1, 1)]);
    bench.step(Event::Content { attempt: 1, speech: Speech::Shown, resumable: true, bytes: 4 }, ms(6_000));
    let vitals = bench.ladder.plan.candidates[0].vitals;
    assert_eq!(bench.attempts()[0].outcome, Outcome::HedgedOut);
    assert_eq!(bench.health.report(vitals, ms(6_000)).failures, 0);
}

#[test]
fn a_limit_goes_with_the_last_router_that_set_it() {
    let mut health = Health::default();
    let who = |limit| Identity { provider: "p".into(), model: "m".into(), key: 1, keys: 0, limit };
    let old = health.join(who(Some(Concurrency::Fixed(1))));
    let new = health.join(who(None));
    assert_eq!(health.report(new, ms(0)).max_concurrency, Some(1), "the old one still counts on it");
    health.take(new, false, ms(0), &mut Vec::new());
    let number = health.queue(new);
    health.leave(old);
    assert_eq!(health.report(new, ms(0)).max_concurrency, None);
    assert!(health.granted(new, number), "who waited need not any longer");
    assert_eq!(health.woken(), [number]);
}
