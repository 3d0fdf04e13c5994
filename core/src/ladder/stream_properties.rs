//! What holds for every run of streams, whatever the providers do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use proptest::prelude::*;

use super::bench::Bench;
use super::properties::{failure, plan};
use super::*;
use crate::error::ErrorKind;
use crate::types::{Attempt, Failure, Finish, FinishReason, FirstToken, OnBreak, Outcome, Upstream, Usage};

/// What a stream does next.
#[derive(Debug, Clone)]
enum Piece {
    Say(Speech, bool),
    Spend,
    Whole,
}

/// How it ends.
#[derive(Debug, Clone)]
enum End {
    Silence,
    Answer(FinishReason),
    Fail(Failure),
}

/// One attempt's stream: pieces and the end, each after so many milliseconds.
#[derive(Debug, Clone)]
struct Script {
    pieces: Vec<(u64, Piece)>,
    end: (u64, End),
}

/// An attempt under way: the next piece and when it comes.
struct Flight {
    attempt: usize,
    next: usize,
    at: Option<Duration>,
    heard: Option<Duration>,
    whole: bool,
}

#[derive(Debug, PartialEq)]
struct Run {
    actions: Vec<(Duration, Action)>,
    attempts: Vec<Attempt>,
    end: Duration,
    /// Who failed how, while it flew.
    failed: Vec<(usize, ErrorKind)>,
    /// When some attempt first said part of the answer.
    spoken: Option<Duration>,
}

fn script(world: &[Script], attempt: usize) -> &Script {
    &world[attempt % world.len()]
}

/// When what comes next of this script comes, counted from `now`.
fn due(world: &[Script], attempt: usize, next: usize, now: Duration) -> Option<Duration> {
    let script = script(world, attempt);
    match (script.pieces.get(next), &script.end) {
        (Some((gap, _)), _) => Some(now + Duration::from_millis(*gap)),
        (None, (_, End::Silence)) => None,
        (None, (gap, _)) => Some(now + Duration::from_millis(*gap)),
    }
}

fn play(plan: &Plan, world: &[Script], cancel_at: Option<Duration>, seed: u64) -> Result<Run, TestCaseError> {
    let mut ladder = Bench::new(plan.clone(), seed);
    let mut flights: Vec<Flight> = Vec::new();
    let mut run =
        Run { actions: Vec::new(), attempts: Vec::new(), end: Duration::ZERO, failed: Vec::new(), spoken: None };
    let mut now = Duration::ZERO;
    let mut event = Event::Begin;
    for _ in 0..3_000 {
        for action in ladder.step(event, now) {
            match &action {
                Action::Start { attempt, .. } => flights.push(Flight {
                    attempt: *attempt,
                    next: 0,
                    at: due(world, *attempt, 0, now),
                    heard: None,
                    whole: false,
                }),
                Action::Cancel { attempt } => flights.retain(|flight| flight.attempt != *attempt),
                Action::Close { attempt } => {
                    let flight = flights.iter_mut().find(|flight| flight.attempt == *attempt).unwrap();
                    prop_assert!(flight.whole, "closed before it was whole");
                    flight.next = usize::MAX;
                    flight.at = Some(now);
                }
                _ => {}
            }
            run.actions.push((now, action));
        }
        if ladder.done() {
            run.attempts = ladder.attempts().to_vec();
            run.end = now;
            return Ok(run);
        }
        for flight in &flights {
            let idle = if flight.whole { Duration::from_secs(1) } else { plan.candidates[0].idle };
            let quiet = flight.heard.map_or(Duration::ZERO, |heard| now - heard);
            prop_assert!(quiet <= idle, "attempt {} was left silent for {quiet:?}", flight.attempt);
        }
        let arrival = flights.iter().filter_map(|flight| Some((flight.at?, flight.attempt))).min();
        let times = [arrival.map(|(at, _)| at), ladder.wake_at(), cancel_at.filter(|at| *at > now)];
        now = times.into_iter().flatten().min().expect("a call that is not over waits for something");
        event = match arrival {
            _ if cancel_at == Some(now) => Event::Cancelled,
            Some((at, attempt)) if at == now => {
                let index = flights.iter().position(|flight| flight.attempt == attempt).unwrap();
                let flight = &mut flights[index];
                let said = script(world, attempt).pieces.get(flight.next).map(|(_, piece)| piece.clone());
                flight.next = flight.next.saturating_add(1);
                flight.at = due(world, attempt, flight.next, now);
                match said {
                    Some(Piece::Say(speech, resumable)) => {
                        flight.heard = Some(now);
                        if speech > Speech::Thought {
                            run.spoken.get_or_insert(now);
                        }
                        Event::Content { attempt, speech, resumable, bytes: 4 }
                    }
                    Some(Piece::Spend) => Event::Spent { attempt, usage: Usage::default() },
                    Some(Piece::Whole) => {
                        (flight.heard, flight.whole) = (Some(now), true);
                        Event::Whole { attempt }
                    }
                    None => {
                        let whole = flights.swap_remove(index).whole;
                        match &script(world, attempt).end.1 {
                            End::Fail(failure) if !whole => {
                                run.failed.push((attempt, failure.kind));
                                Event::Failed { attempt, failure: failure.clone() }
                            }
                            End::Answer(finish) => answer(attempt, *finish),
                            _ => answer(attempt, FinishReason::Stop),
                        }
                    }
                }
            }
            _ => Event::Woken,
        };
    }
    panic!("the call never ended");
}

fn answer(attempt: usize, finish: FinishReason) -> Event {
    let finish = Finish { unified: finish, raw: None };
    Event::Answered {
        attempt,
        answer: Answer { finish, flaw: None, usage: None, cost: None, request_id: None, spent: None },
    }
}

fn scripts() -> impl Strategy<Value = Script> {
    let speech = prop::sample::select(vec![Speech::Thought, Speech::Held, Speech::Shown, Speech::Shown]);
    let piece = prop_oneof![
        6 => (speech, any::<bool>()).prop_map(|(speech, resumable)| Piece::Say(speech, resumable)),
        1 => Just(Piece::Spend),
    ];
    let finish = prop::sample::select(vec![FinishReason::Stop, FinishReason::Refusal, FinishReason::Error]);
    let end = prop_oneof![
        1 => Just(End::Silence),
        3 => finish.prop_map(End::Answer),
        4 => failure().prop_map(End::Fail),
    ];
    let gap = || prop_oneof![4 => 0..900_u64, 1 => 0..30_000_u64];
    (prop::collection::vec((gap(), piece), 0..6), any::<bool>(), (gap(), end)).prop_map(|(mut pieces, whole, end)| {
        if whole {
            pieces.push((1, Piece::Whole));
        }
        Script { pieces, end }
    })
}

fn streaming() -> impl Strategy<Value = Plan> {
    let on_break = prop::sample::select(vec![OnBreak::Error, OnBreak::Restart, OnBreak::Resume]);
    (plan(), any::<bool>(), on_break, any::<bool>(), prop::option::of(1..9_000_u64), 500..5_000_u64).prop_map(
        |(mut plan, live, on_break, restarts, first_token, idle)| {
            for candidate in &mut plan.candidates {
                candidate.first_token = first_token.map(Duration::from_millis).map(FirstToken::After);
                candidate.idle = Duration::from_millis(idle);
            }
            Plan { upstream: Upstream::Stream, live, on_break, restarts: live && restarts, ..plan }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_stream_keeps_the_rules(
        plan in streaming(),
        world in prop::collection::vec(scripts(), 1..6),
        cancel in prop::option::weighted(0.2, 0..20_000_u64),
        seed in any::<u64>(),
    ) {
        let cancel = cancel.map(Duration::from_millis);
        let run = play(&plan, &world, cancel, seed)?;
        let actions = || run.actions.iter().map(|(_, action)| action);
        let endings = actions().filter(|action| matches!(action, Action::Deliver { .. } | Action::Fail { .. })).count();
        prop_assert_eq!(endings, 1, "delivers or fails exactly once");

        // One clean start; what follows it is declared.
        let commits: Vec<_> = actions().filter_map(|action| match action {
            Action::Commit { attempt, join, .. } => Some((*attempt, join)),
            _ => None,
        }).collect();
        for (i, (_, join)) in commits.iter().enumerate() {
            prop_assert_eq!(i == 0, **join == Join::Start);
            prop_assert!(plan.restarts || !matches!(join, Join::Restart { .. }), "restarted whom nobody can tell");
            prop_assert!(plan.on_break == OnBreak::Resume || **join != Join::Resume, "resumed unasked");
        }
        prop_assert!(plan.live || commits.is_empty());
        prop_assert!(plan.on_break != OnBreak::Error || commits.len() <= 1);

        // While one speaks, nobody else is begun; and an answer is delivered only by who spoke last.
        let mut speaker = None;
        for action in actions() {
            match action {
                Action::Commit { attempt, .. } => speaker = Some(*attempt),
                Action::Start { attempt, resume, .. } => {
                    if let Some(speaker) = speaker {
                        prop_assert!(plan.on_break != OnBreak::Error, "attempt {} began although {} had spoken", attempt, speaker);
                        prop_assert!(run.attempts.iter().filter(|line| line.outcome != Outcome::Skipped).nth(speaker).unwrap().kind.is_some());
                    }
                    prop_assert!(resume.is_none() || plan.on_break == OnBreak::Resume);
                }
                Action::Deliver { attempt } if plan.live => prop_assert_eq!(speaker, Some(*attempt)),
                // Whoever has half an answer hears why it broke off, and nothing that came later.
                Action::Fail { failure, attempt, .. } if plan.live && speaker.is_some() => {
                    prop_assert_eq!(*attempt, speaker);
                    prop_assert!(failure.in_stream || failure.kind == ErrorKind::Cancelled);
                    let own = run.failed.iter().find(|(failed, _)| Some(*failed) == speaker).map(|(_, kind)| *kind);
                    let kinds = [own, Some(ErrorKind::Timeout), Some(ErrorKind::Cancelled)];
                    prop_assert!(kinds.contains(&Some(failure.kind)), "{:?}", failure);
                }
                _ => {}
            }
        }

        // Without a word the deadline holds; for whole answers it always does.
        if let Some(deadline) = plan.deadline {
            let spoken = plan.live && run.spoken.is_some_and(|at| at <= deadline);
            prop_assert!(spoken || run.end <= deadline, "ended at {:?}", run.end);
        }

        // Every attempt that began has ended: landed, or cancelled by the machine.
        for (attempt, line) in run.attempts.iter().filter(|line| line.outcome != Outcome::Skipped).enumerate() {
            let lost = matches!(line.outcome, Outcome::HedgedOut | Outcome::Cancelled) || line.kind == Some(ErrorKind::Timeout);
            let dropped = actions().any(|action| *action == Action::Cancel { attempt });
            let reported = run.failed.iter().any(|(failed, _)| *failed == attempt);
            prop_assert!(!lost || dropped || reported, "attempt {} was left running", attempt);
            prop_assert!(line.outcome != Outcome::Failed || line.next.is_some(), "a failure without a decision: {:?}", line);
        }
        let delivered = actions().any(|action| matches!(action, Action::Deliver { .. }));
        prop_assert_eq!(run.attempts.iter().filter(|line| line.outcome == Outcome::Ok).count(), usize::from(delivered));

        let again = play(&plan, &world, cancel, seed)?;
        prop_assert_eq!(run, again);
    }
}
