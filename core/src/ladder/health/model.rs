//! Many calls side by side over candidates that fail and recover: what holds for every history.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use proptest::prelude::*;

use super::super::bench::know;
use super::super::cases::{ms, plan};
use super::super::{Action, Answer, Event, Ladder, Note, Plan};
use super::*;
use crate::types::{Attempt, BreakerState, Concurrency, Finish, FinishReason, HedgeAfter, Outcome};

/// A candidate's life: how long it takes, and from when until when it is down, and how.
#[derive(Debug, Clone)]
struct Life {
    takes: u64,
    down: Option<(u64, u64, Illness)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Illness {
    /// It fails at once.
    Fails(ErrorKind, Option<&'static str>),
    /// It says nothing.
    Silent,
}

impl Life {
    fn ill(&self, at: Duration) -> Option<Illness> {
        let (from, until, illness) = self.down?;
        (at >= ms(from) && at < ms(until)).then_some(illness)
    }
}

#[derive(Debug, Clone)]
struct World {
    lives: Vec<Life>,
    /// When calls come, and whether their caller cancels after so long.
    calls: Vec<(u64, Option<u64>)>,
    hedge: Option<u64>,
    limit: Option<Concurrency>,
}

/// An attempt that will end: when, and how.
struct Flight {
    at: Duration,
    attempt: usize,
    fails: Option<(ErrorKind, Option<&'static str>)>,
}

struct Call {
    ladder: Ladder,
    begun: Duration,
    cancels: Option<Duration>,
    /// What its attempts will do and when, by the clock of all.
    flights: Vec<Flight>,
    over: Option<Result<(), ErrorKind>>,
}

/// What was seen.
#[derive(Default)]
struct History {
    /// Attempts: when, of whom, by which call.
    starts: Vec<(Duration, usize, usize)>,
    /// Probes under way, by candidate.
    probes: Vec<Vec<(usize, usize)>>,
    most_probes: usize,
    /// The most calls that a key had at a time.
    most_calls: u32,
    ends: Vec<(Duration, Result<(), ErrorKind>, Vec<Attempt>)>,
}

struct Play {
    world: World,
    plan: Plan,
    health: Health,
    calls: Vec<Call>,
    history: History,
}

impl Play {
    fn new(world: &World) -> Self {
        let mut plan =
            Plan { hedge_after: world.hedge.map(|after| HedgeAfter::After(ms(after))), ..plan(world.lives.len()) };
        let mut health = Health::default();
        know(&mut plan, &mut health);
        for candidate in 0..world.lives.len() {
            health.keys.get_mut(candidate).unwrap().slots.set(world.limit);
        }
        let history = History { probes: vec![Vec::new(); world.lives.len()], ..History::default() };
        Self { world: world.clone(), plan, health, calls: Vec::new(), history }
    }

    fn run(mut self) -> (History, Health, Plan) {
        let mut arrivals = self.world.calls.clone();
        arrivals.sort_unstable();
        arrivals.reverse();
        let mut now = Duration::ZERO;
        for _ in 0..200_000 {
            // Who has got a place is woken at once.
            for number in self.health.woken() {
                let waits =
                    |call: &Call| call.over.is_none() && call.ladder.waits().is_some_and(|(_, own)| own == number);
                if let Some(call) = self.calls.iter().position(waits) {
                    self.step(call, Event::Woken, now);
                }
            }
            let arrival = arrivals.last().map(|(at, _)| ms(*at));
            let due = |call: &Call| {
                let flight = call.flights.iter().map(|flight| flight.at).min();
                let woken = call.ladder.wake_at().map(|at| call.begun + at);
                [flight, woken, call.cancels].into_iter().flatten().min()
            };
            let open = self.calls.iter().enumerate().filter(|(_, call)| call.over.is_none());
            let first = open.filter_map(|(number, call)| Some((due(call)?, number))).min();
            match (arrival, first) {
                (None, None) => break,
                (Some(at), first) if first.is_none_or(|(due, _)| at <= due) => {
                    now = at;
                    let (_, cancels) = arrivals.pop().unwrap();
                    self.begin(now, cancels);
                }
                (_, Some((at, number))) => {
                    now = now.max(at);
                    self.advance(number, now);
                }
                _ => unreachable!(),
            }
        }
        assert!(self.calls.iter().all(|call| call.over.is_some()), "a call never ended");
        (self.history, self.health, self.plan)
    }

    fn begin(&mut self, now: Duration, cancels: Option<u64>) {
        let plan = Plan { origin: now, ..self.plan.clone() };
        let ladder = Ladder::new(plan, self.calls.len() as u64);
        let cancels = cancels.map(|after| now + ms(after));
        self.calls.push(Call { ladder, begun: now, cancels, flights: Vec::new(), over: None });
        self.step(self.calls.len() - 1, Event::Begin, now);
    }

    fn advance(&mut self, number: usize, now: Duration) {
        let call = &mut self.calls[number];
        if call.cancels == Some(now) {
            return self.step(number, Event::Cancelled, now);
        }
        let landed = call.flights.iter().position(|flight| flight.at <= now);
        let event = match landed.map(|at| call.flights.swap_remove(at)) {
            None => Event::Woken,
            Some(Flight { attempt, fails: None, .. }) => {
                let finish = Finish { unified: FinishReason::Stop, raw: None };
                let answer = Answer { finish, flaw: None, usage: None, cost: None, request_id: None, spent: None };
                Event::Answered { attempt, answer }
            }
            Some(Flight { attempt, fails: Some((kind, subkind)), .. }) => {
                let failure = Failure { subkind, ..Failure::new(kind, "down") };
                Event::Failed { attempt, failure }
            }
        };
        self.step(number, event, now);
    }

    fn step(&mut self, number: usize, event: Event, now: Duration) {
        let call = &mut self.calls[number];
        let actions = call.ladder.step(event, now - call.begun, &mut self.health);
        for action in actions {
            match action {
                Action::Start { attempt, candidate, .. } => {
                    self.history.starts.push((now, candidate, number));
                    let life = &self.world.lives[candidate];
                    match life.ill(now) {
                        None => call.flights.push(Flight { at: now + ms(life.takes), attempt, fails: None }),
                        Some(Illness::Fails(kind, subkind)) => {
                            call.flights.push(Flight { at: now + ms(5), attempt, fails: Some((kind, subkind)) });
                        }
                        Some(Illness::Silent) => {}
                    }
                }
                Action::Cancel { attempt } => call.flights.retain(|flight| flight.attempt != attempt),
                Action::Deliver { .. } => call.over = Some(Ok(())),
                Action::Fail { failure, .. } => call.over = Some(Err(failure.kind)),
                _ => {}
            }
        }
        self.note(number, now);
        let taken = (0..self.world.lives.len()).map(|key| self.health.keys.get(key).unwrap().slots.taken());
        self.history.most_calls = taken.chain([self.history.most_calls]).max().unwrap();
        let call = &self.calls[number];
        if let Some(result) = call.over {
            self.history.ends.push((now, result, call.ladder.attempts().to_vec()));
            self.history.probes.iter_mut().for_each(|probes| probes.retain(|(of, _)| *of != number));
        }
    }

    /// Whether a call asks somebody although nobody is well: that needs no leave.
    fn forced(&self, number: usize) -> bool {
        let lines = self.calls[number].ladder.attempts();
        let skipped = lines.iter().filter(|line| line.outcome == Outcome::Skipped).count();
        skipped + 1 >= self.plan.candidates.len() && lines.len() == skipped + 1
    }

    /// Follows which attempts are probes of a circuit breaker.
    fn note(&mut self, number: usize, now: Duration) {
        let mut probing = None;
        for note in self.calls[number].ladder.notes() {
            match note {
                Note::Changed { candidate, change: Change::HalfOpen { .. } } => probing = Some(candidate),
                Note::Started { attempt, candidate } if probing == Some(candidate) && !self.forced(number) => {
                    self.history.probes[candidate].push((number, attempt));
                    probing = None;
                    self.history.most_probes = self.history.most_probes.max(self.history.probes[candidate].len());
                }
                Note::Failed { attempt, candidate, .. } | Note::Answered { attempt, candidate, .. } => {
                    self.history.probes[candidate].retain(|probe| *probe != (number, attempt));
                }
                _ => {}
            }
        }
        // An attempt that was cancelled is told by its line alone.
        let flying: Vec<usize> = self.calls[number].flights.iter().map(|flight| flight.attempt).collect();
        let silent = |candidate: usize| self.world.lives[candidate].ill(now) == Some(Illness::Silent);
        for candidate in 0..self.history.probes.len() {
            let lines = self.calls[number].ladder.attempts();
            let cancelled = |attempt: usize| {
                let line = lines.iter().filter(|line| line.outcome != Outcome::Skipped).nth(attempt);
                line.is_some_and(|line| line.reason.is_some())
            };
            let silent = silent(candidate);
            self.history.probes[candidate]
                .retain(|(of, attempt)| *of != number || !cancelled(*attempt) || (flying.contains(attempt) && !silent));
        }
    }
}

fn life() -> impl Strategy<Value = Life> {
    use ErrorKind::{Connection, Overloaded, ServerError, Timeout, TruncatedStream};
    let illness = prop::sample::select(vec![
        Illness::Fails(ServerError, None),
        Illness::Fails(Overloaded, None),
        Illness::Fails(Connection, Some("connect")),
        Illness::Fails(Timeout, None),
        Illness::Fails(TruncatedStream, None),
        Illness::Silent,
    ]);
    let down = prop::option::of((0..40_000_u64, 1..60_000_u64, illness));
    (1..3_000_u64, down)
        .prop_map(|(takes, down)| Life { takes, down: down.map(|(from, long, illness)| (from, from + long, illness)) })
}

fn world() -> impl Strategy<Value = World> {
    let calls = prop::collection::vec((0..150_000_u64, prop::option::weighted(0.1, 1..4_000_u64)), 20..300);
    let limit = prop::sample::select(vec![None, None, Some(Concurrency::Fixed(3)), Some(Concurrency::Auto)]);
    let hedge = prop::option::weighted(0.3, 50..2_000_u64);
    (prop::collection::vec(life(), 1..4), calls, hedge, limit).prop_map(|(lives, calls, hedge, limit)| World {
        lives,
        calls,
        hedge,
        limit,
    })
}

fn tried(attempts: &[Attempt]) -> usize {
    attempts.iter().filter(|line| line.outcome != Outcome::Skipped).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_rules(world in world()) {
        let (history, health, plan) = Play::new(&world).run();

        // Half-open circuits are tried by one call at a time.
        prop_assert!(history.most_probes <= 1, "{} probes at once", history.most_probes);

        // A limit on calls at a time holds for all of them.
        if let Some(Concurrency::Fixed(limit)) = world.limit {
            prop_assert!(history.most_calls <= limit, "{} calls at a time", history.most_calls);
        }

        // No call fails without having asked somebody, unless it waited for a place all its time.
        for (_, result, attempts) in &history.ends {
            let queued = attempts.iter().any(|line| line.reason.as_deref().is_some_and(|reason| reason.contains("for a place")));
            let given_up = *result == Err(ErrorKind::Cancelled);
            prop_assert!(result.is_ok() || tried(attempts) > 0 || queued || given_up, "{attempts:?}");
        }

        // Everything that was taken is given back.
        for candidate in &plan.candidates {
            prop_assert_eq!(health.report(candidate.vitals, ms(0)).in_flight, 0);
        }

        // Retries and hedges stay within the budget of their provider.
        for candidate in 0..world.lives.len() {
            let asked: Vec<_> = history.starts.iter().filter(|(_, of, _)| *of == candidate).collect();
            let calls: std::collections::BTreeSet<usize> = asked.iter().map(|(_, _, call)| *call).collect();
            let free = matches!(world.lives[candidate].down, Some((_, _, Illness::Fails(ErrorKind::Connection, _))));
            let seconds = asked.last().map_or(0, |(at, ..)| at.as_secs()) as usize;
            let extra = asked.len() - calls.len();
            prop_assert!(free || extra <= calls.len() / 5 + seconds + 10, "{extra} retries of {} calls", calls.len());
        }
    }

    /// Hedges beside a primary that is always slow are a fifth of the calls, and one a second.
    #[test]
    fn hedges_keep_within_the_budget(gap in 5..200_u64, number in 50..400_u64) {
        let lives = vec![Life { takes: 3_000, down: None }, Life { takes: 20, down: None }];
        let calls = (0..number).map(|number| (number * gap, None)).collect();
        let (history, ..) = Play::new(&World { lives, calls, hedge: Some(50), limit: None }).run();
        let hedges = history.starts.iter().filter(|(_, of, _)| *of == 1).count() as u64;
        let seconds = number * gap / 1_000;
        prop_assert!(hedges >= 10.min(number), "{hedges} hedges of {number} calls");
        prop_assert!(hedges <= number / 5 + seconds + 10, "{hedges} hedges of {number} calls in {seconds} s");
    }

    #[test]
    fn a_stand_in_that_is_well_answers_every_call(takes in 1..2_000_u64, mut world in world()) {
        world.lives.truncate(2);
        world.limit = None;
        world.lives.push(Life { takes, down: None });
        let (history, ..) = Play::new(&world).run();
        for (_, result, attempts) in &history.ends {
            prop_assert!(matches!(result, Ok(()) | Err(ErrorKind::Cancelled)), "{result:?} {attempts:?}");
        }
    }

    /// Whoever is well again is noticed when the circuit has been open for its longest time, and the probe has answered.
    #[test]
    fn recovery_is_noticed_within_the_open_time(
        from in 0..20_000_u64, long in 1..90_000_u64, takes in 1..1_500_u64, gap in 20..400_u64, silent in any::<bool>(),
    ) {
        let illness = if silent { Illness::Silent } else { Illness::Fails(ErrorKind::ServerError, None) };
        let until = from + long;
        let lives = vec![Life { takes, down: Some((from, until, illness)) }, Life { takes: 20, down: None }];
        let calls = (0..(until + 40_000) / gap).map(|number| (number * gap, None)).collect();
        let (history, health, plan) = Play::new(&World { lives, calls, hedge: None, limit: None }).run();
        let back = until + 20_000 + takes + gap + if silent { 10_000 } else { 0 };
        // From then on every call is the primary's again.
        let later: Vec<_> = history.starts.iter().filter(|(at, ..)| *at > ms(back)).collect();
        prop_assert!(!later.is_empty());
        prop_assert!(later.iter().all(|(_, candidate, _)| *candidate == 0), "{later:?}");
        prop_assert_eq!(health.report(plan.candidates[0].vitals, ms(back + 60_000)).breaker, BreakerState::Closed);
        // And while it was down, it was asked only until its circuit opened, and to see whether it is back.
        let down = history.starts.iter().filter(|(at, of, _)| *of == 0 && *at >= ms(from) && *at < ms(until)).count();
        let probes = 4 + long / 4_000;
        let beside = if silent { 5_000 / gap as usize + takes as usize / gap as usize } else { takes as usize / gap as usize + 2 };
        prop_assert!(down <= probes as usize + 3 + beside * 3, "{down} attempts in {long} ms");
    }
}
