//! Accounts: held, settled, given back, and opened anew.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use super::quota::{Excess, Quotas, Ruling, Spent, Wish};
use crate::types::{Attempt, AttemptRecord, OnExceeded, Outcome, Period, Quota, Usage, Window};

/// 2026-11-24T10:00:00Z.
const NOW: u64 = 1_795_514_400;

fn quota(name: &str) -> Quota {
    Quota {
        name: name.to_owned(),
        customer: None,
        task: None,
        model: None,
        requests: None,
        tokens: None,
        usd: None,
        per: Period::Hour,
        window: Window::Calendar,
        on_exceeded: OnExceeded::Skip,
    }
}

fn call(tokens: u64, usd: f64) -> Spent {
    Spent { requests: 1, tokens, usd }
}

/// The candidates `a/big` and `b/small`, of which the second costs a tenth.
fn two(tokens: u64, usd: f64) -> Vec<(String, Spent)> {
    vec![("a/big".to_owned(), call(tokens, usd)), ("b/small".to_owned(), call(tokens, usd / 10.0))]
}

fn wish<'a>(customer: Option<&'a str>, candidates: &'a [(String, Spent)], now: u64) -> Wish<'a> {
    Wish { task: "chat", customer, candidates, now }
}

fn made(model: &str, usage: Option<u64>, cost: Option<f64>) -> AttemptRecord {
    let usage = usage.map(|input| Usage { input, ..Usage::default() });
    let attempt = Attempt { usage, cost, ..Attempt::new(model, Outcome::Ok, Duration::ZERO) };
    AttemptRecord { provider: "p".to_owned(), depth: 0, usage, usage_is_estimate: false, attempt }
}

fn sentences(ruling: &Ruling) -> Vec<Option<&str>> {
    ruling.exceeded.iter().map(|excess| excess.as_ref().map(|Excess { sentence, .. }| sentence.as_str())).collect()
}

#[test]
fn as_many_calls_as_allowed_and_no_more() {
    let quotas = Arc::new(Quotas::new(vec![Quota { requests: Some(50), ..quota("all") }]));
    let candidates = two(10, 0.0);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (quotas, candidates) = (Arc::clone(&quotas), candidates.clone());
            std::thread::spawn(move || {
                let held = (0..25).filter_map(|_| {
                    let (ruling, held) = quotas.hold(&wish(None, &candidates, NOW));
                    assert_eq!(ruling.refused.is_none(), held.is_some());
                    held
                });
                held.inspect(|_| std::thread::yield_now()).collect::<Vec<_>>()
            })
        })
        .collect();
    let held: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(held.len(), 50);
    let refused = quotas.look(&wish(None, &candidates, NOW)).refused.unwrap();
    assert_eq!(refused.sentence, "quota \"all\": 50 of 50 requests per hour are used; it starts anew in 3600 s");
    assert_eq!(refused.room_in, Duration::from_secs(3600));
    // A call that asked nobody has used nothing; one that did has, whatever came of it.
    let mut held = held.into_iter();
    drop(held.next());
    held.next().unwrap().settle(&[]);
    held.next().unwrap().settle(&[made("a/big", None, None), made("b/small", Some(5), None)]);
    assert!(quotas.hold(&wish(None, &candidates, NOW)).1.is_some_and(|held| {
        held.settle(&[made("a/big", None, None)]);
        true
    }));
    let one = quotas.hold(&wish(None, &candidates, NOW)).1;
    assert!(one.is_some() && quotas.hold(&wish(None, &candidates, NOW)).1.is_none());
    // The next hour begins from nothing, and what is settled of the last one does not count in it.
    let later = wish(None, &candidates, NOW + 3600);
    let (_, next) = quotas.hold(&later);
    held.for_each(|held| held.settle(&[made("a/big", None, None)]));
    assert!(next.is_some() && quotas.look(&later).refused.is_none());
}

#[test]
fn estimates_are_replaced_by_what_was_used() {
    let quotas = Arc::new(Quotas::new(vec![Quota { tokens: Some(1000), ..quota("tokens") }]));
    let candidates = two(600, 0.0);
    let held = quotas.hold(&wish(None, &candidates, NOW)).1.unwrap();
    let full = quotas.look(&wish(None, &candidates, NOW)).refused.unwrap();
    let sentence = "quota \"tokens\": 600 of 1000 tokens per hour are used, about 600 needed; it starts anew in 3600 s";
    assert_eq!(full.sentence, sentence);
    held.settle(&[made("a/big", Some(100), None), made("b/small", Some(200), None)]);
    assert!(quotas.look(&wish(None, &candidates, NOW)).refused.is_none());
    assert!(quotas.look(&wish(None, &two(701, 0.0), NOW)).refused.is_some());
    assert!(quotas.look(&wish(None, &two(700, 0.0), NOW)).refused.is_none());
}

#[test]
fn a_cheaper_stand_in_may_serve_unless_the_call_is_to_be_refused() {
    let money = |on_exceeded| Quota { usd: Some(1.0), on_exceeded, ..quota("money") };
    let candidates = two(10, 2.0);
    let skipping = Arc::new(Quotas::new(vec![money(OnExceeded::Skip)]));
    let (ruling, held) = skipping.hold(&wish(None, &candidates, NOW));
    let sentence =
        "quota \"money\": 0.0000 of 1.0000 usd per hour are used, about 2.0000 needed; it starts anew in 3600 s";
    assert_eq!(sentences(&ruling), [Some(sentence), None]);
    assert_eq!(ruling.refused, None);
    held.unwrap().settle(&[made("b/small", None, Some(0.9))]);
    assert!(skipping.look(&wish(None, &candidates, NOW)).refused.is_some(), "nobody is left");
    let refusing = Quotas::new(vec![money(OnExceeded::Refuse)]);
    assert!(refusing.look(&wish(None, &candidates, NOW)).refused.is_some());
}

#[test]
fn the_pattern_that_names_a_customer_best_counts() {
    let of = |name: &str, customer: &str, requests| Quota {
        customer: Some(customer.to_owned()),
        requests: Some(requests),
        ..quota(name)
    };
    let all = vec![of("any", "*", 1), of("free", "free:*", 2), of("acme", "free:acme", 3)];
    let quotas = Arc::new(Quotas::new(all));
    let candidates = two(1, 0.0);
    let pass = |customer: Option<&str>| {
        let calls = (0..9).map_while(|_| quotas.hold(&wish(customer, &candidates, NOW)).1);
        calls.map(|held| held.settle(&[made("a/big", None, None)])).count()
    };
    assert_eq!([pass(Some("x")), pass(Some("y")), pass(Some("free:a")), pass(Some("free:acme"))], [1, 1, 2, 3]);
    let (ruling, held) = quotas.hold(&wish(None, &candidates, NOW));
    assert!(ruling.refused.is_none() && held.is_none(), "whose customer is not told has no account");
}

#[test]
fn tasks_and_models_have_their_own() {
    let all = vec![
        Quota { task: Some("other".to_owned()), requests: Some(0), ..quota("other") },
        Quota { model: Some("a/big".to_owned()), requests: Some(1), ..quota("big") },
    ];
    let quotas = Arc::new(Quotas::new(all));
    let candidates = two(1, 0.0);
    let (ruling, held) = quotas.hold(&wish(None, &candidates, NOW));
    assert_eq!(sentences(&ruling), [None, None]);
    // It was held for the big model, and another one answered.
    held.unwrap().settle(&[made("b/small", None, None)]);
    assert_eq!(sentences(&quotas.look(&wish(None, &candidates, NOW))), [None, None]);
    quotas.hold(&wish(None, &candidates, NOW)).1.unwrap().settle(&[made("a/big", None, None)]);
    let ruling = quotas.look(&wish(None, &candidates, NOW));
    assert!(ruling.exceeded[0].is_some() && ruling.exceeded[1].is_none() && ruling.refused.is_none());
}

#[test]
fn a_time_that_rolls_forgets_bit_by_bit() {
    let rolling = Quota { tokens: Some(1000), per: Period::Minute, window: Window::Rolling, ..quota("rolling") };
    let quotas = Arc::new(Quotas::new(vec![rolling]));
    let use_up = |tokens: u64, now| {
        let candidates = two(tokens, 0.0);
        let held = quotas.hold(&wish(None, &candidates, now)).1;
        held.map(|held| held.settle(&[made("a/big", Some(tokens), None)])).is_some()
    };
    assert!(use_up(400, NOW) && use_up(400, NOW + 30));
    // The second minute of the calendar has begun, and nothing is forgotten yet.
    let refused = quotas.look(&wish(None, &two(300, 0.0), NOW + 60)).refused.unwrap();
    let sentence = "quota \"rolling\": 800 of 1000 tokens per minute are used, about 300 needed; there is room in 1 s";
    assert_eq!((refused.sentence.as_str(), refused.room_in), (sentence, Duration::from_secs(1)));
    assert!(use_up(200, NOW + 60) && !use_up(1, NOW + 60));
    assert!(use_up(400, NOW + 61) && !use_up(1, NOW + 61));
    // What needs more room waits for the part that makes it; what never has any, for all of them.
    let room = |tokens, now| quotas.look(&wish(None, &two(tokens, 0.0), now)).refused.unwrap().room_in.as_secs();
    assert_eq!([room(400, NOW + 61), room(500, NOW + 61), room(5000, NOW + 61)], [30, 60, 61]);
    assert!(use_up(1000, NOW + 200));
}

#[test]
fn a_clock_that_is_set_back_loses_nothing() {
    let quotas = Arc::new(Quotas::new(vec![Quota { requests: Some(2), ..quota("all") }]));
    let candidates = two(1, 0.0);
    let pass = |now| quotas.hold(&wish(None, &candidates, now)).1.map(|held| held.settle(&[made("a/big", None, None)]));
    assert!(pass(NOW).is_some());
    assert!(pass(NOW - 7200).is_some() && pass(NOW - 7200).is_none());
}

proptest::proptest! {
    /// Whatever calls are under way at once and whatever they use in the end: what is used passes the limit by no more than those
    /// calls use beyond what was held for them.
    #[test]
    fn what_is_used_passes_the_limit_by_no_more_than_was_under_way(
        calls in proptest::collection::vec((0_u64..300, 0_u64..600, 0_usize..8), 1..80),
        rolling: bool,
    ) {
        const LIMIT: u64 = 1000;
        let window = if rolling { Window::Rolling } else { Window::Calendar };
        let quotas = Arc::new(Quotas::new(vec![Quota { tokens: Some(LIMIT), window, ..quota("tokens") }]));
        let mut under_way: Vec<(super::quota::Held, u64, u64)> = Vec::new();
        let (mut used, mut beyond) = (0, 0);
        for (estimate, needs, ends) in calls {
            if let Some(held) = quotas.hold(&wish(None, &two(estimate, 0.0), NOW)).1 {
                // It was let in, so there was room for its estimate beside all that is held and used.
                let holding: u64 = under_way.iter().map(|(_, estimate, _)| *estimate).sum();
                proptest::prop_assert!(used + holding + estimate <= LIMIT);
                under_way.push((held, estimate, needs));
            }
            for (held, estimate, needs) in under_way.drain(..ends.min(under_way.len())) {
                held.settle(&[made("a/big", Some(needs), None)]);
                used += needs;
                beyond += needs.saturating_sub(estimate);
            }
            proptest::prop_assert!(used <= LIMIT + beyond, "{used} used, {beyond} beyond what was held");
        }
        for (held, estimate, needs) in under_way {
            held.settle(&[made("a/big", Some(needs), None)]);
            used += needs;
            beyond += needs.saturating_sub(estimate);
        }
        proptest::prop_assert!(used <= LIMIT + beyond);
    }
}
