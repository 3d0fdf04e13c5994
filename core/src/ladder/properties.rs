//! What holds for every run, whatever the providers do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::bench::Bench;
use super::cases::defaults;
use super::health::Vitals;
use super::*;
use crate::error::ErrorKind;
use crate::types::{
    Amend, Attempt, Failure, FallbackOn, Finish, FinishReason, Flaw, OnBreak, Outcome, Strict, Upstream,
};

/// How one attempt behaves: after so long, with this result. An answer may have a flaw, which may be fatal.
#[derive(Debug, Clone)]
enum Behaviour {
    Silent,
    Answer(u64, FinishReason, Option<bool>),
    Fail(u64, Failure),
}

#[derive(Debug)]
struct Run {
    actions: Vec<(Duration, Action)>,
    attempts: Vec<Attempt>,
    end: Duration,
}

/// Plays a whole call on a virtual clock: attempt `n` behaves as `world[n % len]`.
fn play(plan: &Plan, world: &[Behaviour], cancel_at: Option<Duration>, seed: u64) -> Run {
    let mut ladder = Bench::new(plan.clone(), seed);
    let mut pending: Vec<(Duration, usize, Behaviour)> = Vec::new();
    let mut actions = Vec::new();
    let mut now = Duration::ZERO;
    let mut event = Event::Begin;
    for _ in 0..10_000 {
        for action in ladder.step(event, now) {
            match &action {
                Action::Start { attempt, .. } => match &world[attempt % world.len()] {
                    Behaviour::Silent => {}
                    Behaviour::Answer(ms, ..) | Behaviour::Fail(ms, _) => {
                        let due = now + Duration::from_millis(*ms);
                        pending.push((due, *attempt, world[attempt % world.len()].clone()));
                    }
                },
                Action::Cancel { attempt } => pending.retain(|(_, number, _)| number != attempt),
                _ => {}
            }
            actions.push((now, action));
        }
        if ladder.done() {
            return Run { actions, attempts: ladder.attempts().to_vec(), end: now };
        }
        let arrival = pending.iter().map(|(due, number, _)| (*due, *number)).min();
        let times = [arrival.map(|(due, _)| due), ladder.wake_at(), cancel_at.filter(|at| *at > now)];
        now = times.into_iter().flatten().min().expect("a call that is not over waits for something");
        event = if cancel_at == Some(now) {
            Event::Cancelled
        } else if arrival.is_some_and(|(due, _)| due == now) {
            let index = pending.iter().position(|(due, number, _)| arrival == Some((*due, *number))).unwrap();
            match pending.swap_remove(index) {
                (_, attempt, Behaviour::Fail(_, failure)) => Event::Failed { attempt, failure },
                (_, attempt, Behaviour::Answer(_, finish, flaw)) => Event::Answered {
                    attempt,
                    answer: Answer {
                        finish: Finish { unified: finish, raw: None },
                        flaw: flaw.map(|fatal| Flaw { subkind: "json", message: "is no JSON".to_owned(), fatal }),
                        usage: None,
                        cost: None,
                        request_id: None,
                        spent: None,
                    },
                },
                _ => unreachable!(),
            }
        } else {
            Event::Woken
        };
    }
    panic!("the call never ended");
}

pub(super) fn failure() -> impl Strategy<Value = Failure> {
    let kinds = prop::sample::select(ErrorKind::ALL.to_vec()).prop_filter("reported by attempts", |kind| {
        use ErrorKind::*;
        !matches!(kind, Cancelled | DeadlineExceeded | NoCandidate | InvalidOutput)
    });
    let subkind =
        prop::sample::select(vec![None, Some("connect"), Some("read"), Some("cold"), Some("tpm"), Some("output_cap")]);
    let amend = prop::option::weighted(
        0.2,
        prop::sample::select(vec![Amend::Drop("temperature".into()), Amend::ClampOutput(100), Amend::StripReasoning]),
    );
    let overflow = prop::option::of((prop::option::of(1..10_000_u64), prop::option::of(1..10_000_u64)));
    (kinds, subkind, prop::option::of(0..120_000_u64), prop::option::of(any::<bool>()), amend, overflow).prop_map(
        |(kind, subkind, retry_after, should_retry, amend, overflow)| Failure {
            subkind,
            retry_after: retry_after.map(Duration::from_millis),
            should_retry,
            amend,
            overflow,
            ..Failure::new(kind, "said the provider")
        },
    )
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    let finish = prop::sample::select(vec![
        FinishReason::Stop,
        FinishReason::Length,
        FinishReason::Refusal,
        FinishReason::ContentFilter,
    ]);
    prop_oneof![
        1 => Just(Behaviour::Silent),
        2 => (0..200_000_u64, finish, prop::option::weighted(0.5, any::<bool>()))
            .prop_map(|(ms, finish, flaw)| Behaviour::Answer(ms, finish, flaw)),
        1 => (0..3_000_u64, any::<bool>())
            .prop_map(|(ms, fatal)| Behaviour::Answer(ms, FinishReason::Stop, Some(fatal))),
        5 => (0..5_000_u64, failure()).prop_map(|(ms, failure)| Behaviour::Fail(ms, failure)),
    ]
}

pub(super) fn plan() -> impl Strategy<Value = Plan> {
    let candidate = (
        prop::option::weighted(0.15, Just("no credentials".to_owned())),
        prop::option::of(1..700_000_u64),
        any::<bool>(),
        prop::option::of(1..10_000_u64),
        0..3_u8,
    );
    let causes = vec![FallbackOn::ContentFilter, FallbackOn::Refusal, FallbackOn::InvalidOutput, FallbackOn::Length];
    (
        prop::collection::vec(candidate, 1..5),
        prop::option::of(1..30_000_u64),
        0..4_u32,
        0..5_000_u64,
        prop::sample::subsequence(causes, 0..4),
        prop::sample::subsequence(vec![Strict::Auth, Strict::Permission], 0..2),
        any::<bool>(),
        0..2_u32,
    )
        .prop_map(|(candidates, deadline, retries, wait, causes, strict, drop_unsupported, reask)| Plan {
            candidates: candidates
                .into_iter()
                .enumerate()
                .map(|(i, (skip, timeout, reasons, context_window, provider))| Candidate {
                    name: format!("p{provider}/m{i}").into(),
                    provider: format!("p{provider}").into(),
                    skip,
                    timeout: timeout.map(Duration::from_millis),
                    reasons,
                    first_token: None,
                    idle: Duration::from_secs(15),
                    context_window,
                    max_request_bytes: None,
                    index: i,
                    place: i,
                    key: None,
                    vitals: Vitals::default(),
                    price: None,
                    size: Size::default(),
                    acts: false,
                })
                .collect(),
            deadline: deadline.map(Duration::from_millis),
            tightened: false,
            origin: Duration::ZERO,
            hedge: true,
            hedge_after: None,
            breaker: defaults(),
            retries,
            reask,
            max_retry_wait: Duration::from_millis(wait),
            fallback_on: causes.into_iter().collect::<BTreeSet<_>>(),
            strict: strict.into_iter().collect(),
            drop_unsupported,
            upstream: Upstream::Unary,
            live: false,
            on_break: OnBreak::Error,
            restarts: false,
        })
}

fn starts(run: &Run) -> Vec<(Duration, usize, usize, &[Amend])> {
    run.actions
        .iter()
        .filter_map(|(at, action)| match action {
            Action::Start { attempt, candidate, amends, .. } => Some((*at, *attempt, *candidate, amends.as_slice())),
            _ => None,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_run_keeps_the_rules(
        plan in plan(),
        world in prop::collection::vec(behaviour(), 1..8),
        cancel in prop::option::weighted(0.2, 0..20_000_u64),
        seed in any::<u64>(),
    ) {
        let cancel = cancel.map(Duration::from_millis);
        let run = play(&plan, &world, cancel, seed);

        // It always ends, once, with one of the two endings, and in time.
        let endings = run.actions.iter().filter(|(_, action)| matches!(action, Action::Deliver { .. } | Action::Fail { .. })).count();
        prop_assert_eq!(endings, 1, "delivers or fails exactly once");
        if let Some(deadline) = plan.deadline {
            prop_assert!(run.end <= deadline, "slept past the deadline");
        }

        // No candidate is asked more often than its retries and changes allow, and skipped ones never.
        let starts = starts(&run);
        for (index, candidate) in plan.candidates.iter().enumerate() {
            let tries = starts.iter().filter(|(_, _, asked, _)| *asked == index).count();
            let changes = starts.iter().filter(|(_, _, asked, _)| *asked == index).map(|(_, _, _, amends)| amends.len()).max();
            prop_assert!(tries <= 1 + (plan.retries + plan.reask) as usize + changes.unwrap_or(0));
            prop_assert!(candidate.skip.is_none() || tries == 0);
        }

        // Only who gave an answer that was not accepted is told so, and what a task accepts of no one reaches nobody.
        for (_, action) in &run.actions {
            if let Action::Start { candidate, reask: Some(rejected), .. } = action {
                prop_assert!(plan.reask > 0);
                prop_assert_eq!(starts[*rejected].2, *candidate);
                prop_assert!(matches!(world[rejected % world.len()], Behaviour::Answer(..)));
            }
            if let Action::Deliver { attempt } = action {
                let behaviour = &world[attempt % world.len()];
                prop_assert!(!matches!(behaviour, Behaviour::Answer(_, _, Some(true))), "{:?}", behaviour);
            }
        }

        // Every attempt that began has ended: landed, or cancelled by the machine.
        let landed = |attempt: usize| match run.attempts.iter().filter(|line| line.outcome != Outcome::Skipped).nth(attempt) {
            Some(line) => line.reason.is_some() || line.outcome == Outcome::Ok,
            None => false,
        };
        for (_, attempt, _, _) in &starts {
            prop_assert!(landed(*attempt), "attempt {} explains nothing", attempt);
        }
        // Losers are cancelled, not forgotten.
        for (attempt, line) in run.attempts.iter().filter(|line| line.outcome != Outcome::Skipped).enumerate() {
            let lost = matches!(line.outcome, Outcome::HedgedOut | Outcome::Cancelled) || line.kind == Some(ErrorKind::DeadlineExceeded);
            let dropped = run.actions.iter().any(|(_, action)| *action == Action::Cancel { attempt });
            prop_assert!(!lost || dropped, "attempt {} was left running", attempt);
        }
        // The trail tells of every candidate that was begun or passed over.
        let lines = run.attempts.iter().filter(|line| line.outcome != Outcome::Skipped).count();
        prop_assert_eq!(lines, starts.len());
        for line in run.attempts.iter().filter(|line| line.outcome == Outcome::Failed) {
            prop_assert!(line.kind.is_some() && line.next.is_some(), "a failure without a decision: {:?}", line);
        }
        let delivered = run.actions.iter().any(|(_, action)| matches!(action, Action::Deliver { .. }));
        prop_assert_eq!(run.attempts.iter().filter(|line| line.outcome == Outcome::Ok).count(), usize::from(delivered));

        // Nothing is begun after a cancel or after a failure that surfaces.
        if let Some((at, _)) = run.actions.iter().find(|(_, action)| matches!(action, Action::Fail { failure, .. } if failure.kind == ErrorKind::Cancelled)) {
            prop_assert!(starts.iter().all(|(begun, ..)| begun <= at));
        }
        let made = || run.attempts.iter().filter(|line| line.outcome != Outcome::Skipped);
        let surfaced = |line: &Attempt| {
            let again = line.next.is_some_and(|next| next.as_str() == "retry");
            line.kind == Some(ErrorKind::InvalidRequest) && line.subkind.is_none() && !again
        };
        if let Some((attempt, line)) = made().enumerate().find(|(_, line)| surfaced(line)) {
            // Only who is nearer to the primary may still be asked, where that was waited for.
            let (at, wrong) = (line.started + line.latency, starts[attempt].2);
            let after = |begun: &Duration, asked: usize| *begun > at && asked >= wrong;
            prop_assert!(!starts.iter().any(|(begun, _, asked, _)| after(begun, *asked)), "fell back after an invalid request");
        }

        // The same seed gives the same run.
        let again = play(&plan, &world, cancel, seed);
        prop_assert_eq!(run.actions, again.actions);
        prop_assert_eq!(run.attempts, again.attempts);
    }
}
