//! A call played without providers, to tell what it would do at worst.

use std::time::Duration;

use super::backoff::ATTEMPT_LIMIT;
use super::care::first_limit;
use super::health::Health;
use super::machine::Ladder;
use super::plan::{Candidate, Plan};
use super::step::{Action, Answer, Event};
use crate::error::ErrorKind;
use crate::types::{Attempt, Failure, Finish, FinishReason, Flaw};

/// What a call would do.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// How long it takes at worst.
    pub worst: Duration,
    /// The trail of the call if everybody is silent.
    pub trail: Vec<Attempt>,
    /// The candidates in the order in which they would be asked.
    pub parts: Vec<Part>,
}

/// What one candidate would do in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its [`Candidate::index`].
    pub index: usize,
    /// When it is asked at the latest, as long as nobody says anything.
    pub starts: Option<Duration>,
    /// How long it works alone then.
    pub alone: Option<Duration>,
    /// How often it is asked at most.
    pub attempts: u32,
    /// The limit of one attempt.
    pub timeout: Option<Duration>,
    /// The limit of a stream's first content.
    pub first_token: Option<Duration>,
}

/// How every attempt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum World {
    /// It says nothing.
    Silent,
    /// It fails when its time is nearly over.
    Late,
    /// It fails at once.
    Refusing,
    /// It answers at once, and what it says is not accepted.
    Useless,
}

/// A generous bound: no call takes so many steps.
const MOST_STEPS: usize = 10_000;

/// Plays a call of `plan` with candidates as well as `health` says, which is not changed.
#[must_use]
pub fn rehearse(plan: &Plan, health: &Health, seed: u64) -> Rehearsal {
    let limit = |candidate: &Candidate| candidate.timeout.or(plan.deadline.is_none().then_some(ATTEMPT_LIMIT));
    let silent = play(plan, health, seed, World::Silent);
    let others = [World::Late, World::Refusing, World::Useless].map(|world| play(plan, health, seed, world));
    let runs = || others.iter().chain([&silent]);
    let asked = |run: &Run, index: usize| run.starts.iter().filter(|(_, of)| *of == index).count();
    let parts = silent.order.iter().filter_map(|index| {
        let candidate = plan.candidates.iter().find(|candidate| candidate.index == *index)?;
        let starts = silent.starts.iter().find(|(_, of)| of == index).map(|(at, _)| *at);
        let next = silent.starts.iter().find(|(at, of)| of != index && starts.is_some_and(|starts| *at > starts));
        Some(Part {
            index: *index,
            starts,
            alone: starts.and_then(|starts| Some(next?.0.saturating_sub(starts))),
            attempts: runs().map(|run| asked(run, *index)).max().and_then(|most| u32::try_from(most).ok())?,
            timeout: limit(candidate),
            first_token: first_limit(candidate, health),
        })
    });
    let worst = runs().map(|run| run.end).max().unwrap_or_default();
    Rehearsal { worst, parts: parts.collect(), trail: silent.trail }
}

struct Run {
    end: Duration,
    starts: Vec<(Duration, usize)>,
    order: Vec<usize>,
    trail: Vec<Attempt>,
}

fn play(plan: &Plan, health: &Health, seed: u64, world: World) -> Run {
    let mut health = health.clone();
    let mut ladder = Ladder::new(plan.clone(), seed);
    let (mut now, mut event) = (Duration::ZERO, Event::Begin);
    let mut starts: Vec<(Duration, usize)> = Vec::new();
    let mut failing: Vec<(Duration, usize)> = Vec::new();
    for _ in 0..MOST_STEPS {
        for action in ladder.step(event, now, &mut health) {
            match action {
                Action::Start { attempt, candidate, .. } => {
                    starts.push((now, candidate));
                    let own = plan.candidates.iter().find(|own| own.index == candidate);
                    let limit = own.and_then(|own| own.timeout).or(plan.deadline).unwrap_or(ATTEMPT_LIMIT);
                    match world {
                        World::Silent => {}
                        World::Late => failing.push((now + limit.saturating_sub(Duration::from_millis(1)), attempt)),
                        World::Refusing | World::Useless => failing.push((now, attempt)),
                    }
                }
                Action::Cancel { attempt } => failing.retain(|(_, failing)| *failing != attempt),
                _ => {}
            }
        }
        if ladder.done() {
            break;
        }
        let next = failing.iter().copied().min();
        let Some(at) = next.map(|(at, _)| at).into_iter().chain(ladder.wake_at()).min() else {
            break;
        };
        now = now.max(at);
        event = match next.filter(|(due, _)| *due <= now) {
            Some((_, attempt)) => {
                failing.retain(|(_, failing)| *failing != attempt);
                match world {
                    World::Useless => Event::Answered { attempt, answer: useless() },
                    _ => {
                        let failure =
                            Failure { status: Some(500), ..Failure::new(ErrorKind::ServerError, "it failed") };
                        Event::Failed { attempt, failure }
                    }
                }
            }
            None => Event::Woken,
        };
    }
    Run { end: now, starts, order: ladder.order(), trail: ladder.attempts().to_vec() }
}

fn useless() -> Answer {
    let flaw = Flaw { subkind: "schema", message: "it is not accepted".to_owned(), fatal: true };
    let finish = Finish { unified: FinishReason::Stop, raw: None };
    Answer { finish, flaw: Some(flaw), usage: None, cost: None, request_id: None, spent: None }
}
