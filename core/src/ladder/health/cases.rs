//! Single rules of health, one by one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use super::super::cases::{defaults, ms};
use super::*;
use crate::error::ErrorKind::{Auth, Connection, MalformedResponse, ModelNotFound, Overloaded, ProviderQuota};
use crate::error::ErrorKind::{RateLimited, ServerError};
use crate::types::{BreakerState, Concurrency};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn who(model: &str, key: u64) -> Identity {
    Identity { provider: "http://one".into(), model: model.into(), key, keys: 7, limit: None }
}

/// Candidates `a` and `b` with key 1, and `a` with key 2.
struct Ward {
    health: Health,
    rng: fastrand::Rng,
    a: Vitals,
    b: Vitals,
    other_key: Vitals,
}

impl Ward {
    fn new() -> Self {
        let mut health = Health::default();
        let (a, b, other_key) = (health.join(who("a", 1)), health.join(who("b", 1)), health.join(who("a", 2)));
        Self { health, rng: fastrand::Rng::with_seed(7), a, b, other_key }
    }

    fn begin(&mut self, vitals: Vitals, at: Duration) -> Ticket {
        self.health.take(vitals, false, at, &mut Vec::new())
    }

    fn end(&mut self, ticket: &Ticket, ended: &Ended<'_>, at: Duration) -> Vec<Change> {
        let mut out = Vec::new();
        self.health.finish(ticket, ended, at, &defaults(), &mut self.rng, &mut out);
        out
    }

    /// One attempt that fails at once.
    fn fail(&mut self, vitals: Vitals, failure: &Failure, at: Duration) -> Vec<Change> {
        let ticket = self.begin(vitals, at);
        self.end(&ticket, &Ended::Failed(failure), at)
    }

    fn answer(&mut self, vitals: Vitals, at: Duration) -> Vec<Change> {
        let ticket = self.begin(vitals, at);
        self.end(&ticket, &Ended::Answered { took: Some(ms(100)), spent: None }, at)
    }

    fn standing(&self, vitals: Vitals, at: Duration) -> Standing {
        self.health.standing(vitals, at, |_| false)
    }

    fn ready(&self, vitals: Vitals, at: Duration) -> bool {
        self.standing(vitals, at) == Standing::Ready
    }

    /// How long a candidate is shut at a moment; nothing where it is not.
    fn shut(&self, vitals: Vitals, at: Duration) -> Duration {
        self.standing(vitals, at).until().map_or(Duration::ZERO, |until| until - at)
    }
}

fn failure(kind: ErrorKind, subkind: Option<&'static str>, retry_after: Option<Duration>) -> Failure {
    Failure { subkind, retry_after, status: Some(500), ..Failure::new(kind, "said the provider") }
}

#[test]
fn a_longer_cooldown_is_never_shortened() {
    let mut ward = Ward::new();
    let late = ward.begin(ward.a, s(0));
    assert_eq!(
        ward.fail(ward.a, &failure(RateLimited, None, Some(s(120))), s(1)),
        [Change::Cooled { scope: Scope::Candidate, time: s(120), kind: RateLimited }]
    );
    let shorter = failure(RateLimited, None, Some(s(1)));
    assert!(ward.end(&late, &Ended::Failed(&shorter), s(2)).is_empty());
    assert!(ward.fail(ward.a, &shorter, s(3)).is_empty());
    assert_eq!(ward.shut(ward.a, s(3)), s(118));
    assert!(ward.answer(ward.a, s(4)).is_empty(), "luck before the server's time shows nothing");
    assert_eq!(ward.shut(ward.a, s(4)), s(117));
    assert!(ward.ready(ward.a, s(121)));
}

#[test]
fn what_a_failure_speaks_against() {
    let shuts = |kind, subkind, retry_after| {
        let mut ward = Ward::new();
        ward.fail(ward.a, &failure(kind, subkind, retry_after), s(0));
        [ward.a, ward.b, ward.other_key].map(|vitals| ward.shut(vitals, s(0)).as_secs_f64())
    };
    let about = |found: [f64; 3], expected: [f64; 3]| {
        for (found, expected) in found.into_iter().zip(expected) {
            assert!(found <= expected && found >= expected * 0.8, "{found:?} is not about {expected:?}");
        }
    };
    about(shuts(RateLimited, None, None), [5.0, 0.0, 0.0]);
    about(shuts(RateLimited, Some("ramp"), Some(s(1))), [15.0, 0.0, 0.0]);
    about(shuts(RateLimited, Some("budget"), Some(s(9))), [9.0, 9.0, 0.0]);
    about(shuts(ProviderQuota, None, None), [600.0, 600.0, 0.0]);
    about(shuts(ProviderQuota, Some("daily"), Some(Duration::ZERO)), [3600.0, 0.0, 0.0]);
    about(shuts(ProviderQuota, Some("service"), None), [300.0, 0.0, 0.0]);
    about(shuts(Overloaded, None, None), [5.0, 0.0, 5.0]);
    about(shuts(Overloaded, Some("cold"), None), [5.0, 0.0, 0.0]);
    about(shuts(Auth, None, None), [300.0, 300.0, 0.0]);
    about(shuts(ErrorKind::Permission, None, None), [300.0, 0.0, 0.0]);
    about(shuts(ModelNotFound, None, None), [600.0, 0.0, 0.0]);
    for kind in [
        ServerError,
        Connection,
        ErrorKind::Timeout,
        MalformedResponse,
        ErrorKind::InvalidRequest,
        ErrorKind::ContextOverflow,
        ErrorKind::Unsupported,
        ErrorKind::ContentFiltered,
    ] {
        assert_eq!(shuts(kind, None, None), [0.0; 3], "{kind}");
    }
    assert_eq!(shuts(RateLimited, None, Some(s(1_000_000))), [3600.0, 0.0, 0.0], "no server is believed for days");
}

#[test]
fn waits_grow_with_failures_that_follow_each_other() {
    let mut ward = Ward::new();
    let limited = failure(RateLimited, None, None);
    let mut at = s(0);
    for expected in [5.0, 10.0, 20.0, 40.0, 60.0, 60.0] {
        // Two that run side by side are one.
        let (first, second) = (ward.begin(ward.a, at), ward.begin(ward.a, at));
        ward.end(&first, &Ended::Failed(&limited), at);
        ward.end(&second, &Ended::Failed(&limited), at);
        let shut = ward.shut(ward.a, at).as_secs_f64();
        assert!(shut <= expected && shut >= expected * 0.8, "{shut} is not about {expected}");
        at += s(60);
    }
    ward.answer(ward.a, at);
    ward.fail(ward.a, &limited, at);
    assert!(ward.shut(ward.a, at) <= s(5), "a success ends the row");
}

#[test]
fn three_failures_in_a_row_open_the_circuit_and_one_success_closes_it() {
    let mut ward = Ward::new();
    let failed = failure(ServerError, None, None);
    assert!(ward.fail(ward.a, &failed, s(0)).is_empty());
    assert!(ward.fail(ward.a, &failed, s(0)).is_empty());
    ward.answer(ward.a, s(0));
    assert_eq!(ward.health.report(ward.a, s(0)).failures, 0);
    for _ in 0..2 {
        assert!(ward.fail(ward.a, &failed, s(31)).is_empty());
    }
    let opened = ward.fail(ward.a, &failed, s(31));
    assert!(matches!(opened[..], [Change::Opened { scope: Scope::Model, time }] if time > s(4) && time <= s(5)));
    assert!(!ward.ready(ward.a, s(35)) && !ward.ready(ward.other_key, s(35)) && ward.ready(ward.b, s(35)));

    // Half open: one tries, the others do not.
    assert!(ward.ready(ward.a, s(36)));
    assert_eq!(ward.health.report(ward.a, s(36)).breaker, BreakerState::HalfOpen);
    let probe = ward.begin(ward.a, s(36));
    assert!(matches!(ward.standing(ward.a, s(36)), Standing::Shut { why: Why::Probed, .. }));
    let reopened = ward.end(&probe, &Ended::Failed(&failed), s(37));
    assert!(matches!(reopened[..], [Change::Opened { time, .. }] if time > s(8) && time <= s(10)));

    // A probe that shows nothing leaves its place to the next.
    let gone = ward.begin(ward.a, s(47));
    assert!(ward.end(&gone, &Ended::Gone { took: None }, s(48)).is_empty());
    assert!(ward.ready(ward.a, s(48)));
    assert_eq!(ward.answer(ward.a, s(48)), [Change::Closed { scope: Scope::Model }]);
    assert_eq!(ward.health.report(ward.a, s(48)).breaker, BreakerState::Closed);
}

#[test]
fn it_stays_open_no_longer_than_its_limit() {
    let mut ward = Ward::new();
    let failed = failure(ServerError, None, None);
    for _ in 0..3 {
        ward.fail(ward.a, &failed, s(0));
    }
    let mut at = s(0);
    for _ in 0..8 {
        at += ward.shut(ward.a, at);
        ward.fail(ward.a, &failed, at);
        assert!(ward.shut(ward.a, at) <= s(20));
    }
    assert!(ward.shut(ward.a, at) >= s(16));
}

#[test]
fn half_of_five_calls_open_the_circuit_too() {
    let mut ward = Ward::new();
    let failed = failure(ServerError, None, None);
    for at in 0..2 {
        assert!(ward.fail(ward.a, &failed, s(at)).is_empty());
        ward.answer(ward.a, s(at));
    }
    assert_eq!(ward.fail(ward.a, &failed, s(2)).len(), 1, "three of five");

    let mut ward = Ward::new();
    for at in 0..8 {
        assert!(ward.fail(ward.a, &failed, s(at * 20)).is_empty(), "what is older than half a minute does not count");
        ward.answer(ward.a, s(at * 20));
    }
}

#[test]
fn nonsense_counts_half() {
    let mut ward = Ward::new();
    let nonsense = failure(MalformedResponse, None, None);
    let counts = (0..6).map(|at| ward.fail(ward.a, &nonsense, s(at)).len()).collect::<Vec<_>>();
    // Five calls of which half have failed are there one call earlier than six halves in a row.
    assert_eq!(counts, [0, 0, 0, 0, 1, 0]);
}

#[test]
fn who_cannot_be_reached_takes_all_models_of_the_address_along() {
    let mut ward = Ward::new();
    let refused = Failure { status: None, ..failure(Connection, Some("connect"), None) };
    ward.fail(ward.a, &refused, s(0));
    ward.fail(ward.b, &refused, s(0));
    ward.fail(ward.a, &failure(ServerError, None, None), s(0));
    for vitals in [ward.a, ward.b] {
        assert!(ward.fail(vitals, &refused, s(31)).is_empty(), "who answered in between was reached");
    }
    assert!(matches!(ward.fail(ward.b, &refused, s(31))[..], [Change::Opened { scope: Scope::Provider, .. }]));
    assert!(!ward.ready(ward.a, s(32)) && !ward.ready(ward.b, s(32)));
    let probe = ward.begin(ward.b, s(36));
    let answered = ward.end(&probe, &Ended::Failed(&failure(ErrorKind::InvalidRequest, None, None)), s(36));
    assert_eq!(answered, [Change::Closed { scope: Scope::Provider }]);
}

#[test]
fn first_content_closes_the_circuit_and_a_later_break_counts() {
    let mut ward = Ward::new();
    let broken = failure(ErrorKind::TruncatedStream, None, None);
    for _ in 0..3 {
        ward.fail(ward.a, &broken, s(0));
    }
    let mut at = s(5);
    let probe = ward.begin(ward.a, at);
    let mut out = Vec::new();
    ward.health.spoke(&probe, ms(300), at, &mut out);
    assert_eq!(out, [Change::Closed { scope: Scope::Model }]);
    assert!(ward.end(&probe, &Ended::Failed(&broken), at).is_empty());
    for _ in 0..2 {
        at += s(1);
        let ticket = ward.begin(ward.a, at);
        ward.health.spoke(&ticket, ms(300), at, &mut Vec::new());
        out = ward.end(&ticket, &Ended::Failed(&broken), at);
    }
    assert!(matches!(out[..], [Change::Opened { .. }]), "streams that begin well and break are no successes: {out:?}");
}

#[test]
fn what_began_before_shows_nothing_after() {
    let mut ward = Ward::new();
    let early = ward.begin(ward.a, s(0));
    for _ in 0..3 {
        ward.fail(ward.a, &failure(ServerError, None, None), s(1));
    }
    assert!(ward.end(&early, &Ended::Answered { took: None, spent: None }, s(2)).is_empty());
    assert!(!ward.ready(ward.a, s(2)));
    assert_eq!(ward.answer(ward.a, s(2)).len(), 1, "who was tried all the same, and answered, is back");
}

#[test]
fn a_limit_that_is_used_up_puts_last() {
    let mut ward = Ward::new();
    let ticket = ward.begin(ward.a, s(0));
    ward.end(&ticket, &Ended::Answered { took: None, spent: Some(s(30)) }, s(1));
    assert_eq!(ward.standing(ward.a, s(2)), Standing::Low { until: s(31) });
    assert!(ward.ready(ward.a, s(31)) && ward.ready(ward.b, s(2)));
    // A header may say anything.
    let ticket = ward.begin(ward.a, s(40));
    ward.end(&ticket, &Ended::Answered { took: None, spent: Some(Duration::MAX) }, s(41));
    assert!(matches!(ward.standing(ward.a, s(42)), Standing::Low { .. }));
}

#[test]
fn the_budget_is_a_fifth_and_one_a_second() {
    let mut ward = Ward::new();
    let spend = |ward: &mut Ward, at| (0..1_000).take_while(|_| ward.health.spend(ward.a, at)).count();
    assert_eq!(spend(&mut ward, s(0)), 10);
    (0..100).for_each(|_| ward.health.earn(ward.a, s(5)));
    assert_eq!(spend(&mut ward, s(5)), 20);
    assert_eq!(spend(&mut ward, s(9)), 0);
    assert_eq!(spend(&mut ward, s(10)), 10, "what was spent ten seconds ago is forgotten");
    assert_eq!(spend(&mut ward, s(60)), 10);
}

#[test]
fn places_are_given_in_turn() {
    let mut ward = Ward::new();
    let full = ward.health.join(Identity { limit: Some(Concurrency::Fixed(1)), ..who("c", 9) });
    let ticket = ward.begin(full, s(0));
    assert_eq!(ward.standing(full, s(0)), Standing::Full { limit: 1 });
    let (first, second) = (ward.health.queue(full), ward.health.queue(full));
    ward.end(&ticket, &Ended::Gone { took: None }, s(1));
    assert_eq!(ward.health.woken(), [first]);
    assert!(ward.health.granted(full, first) && !ward.health.granted(full, second));
    assert!(matches!(ward.standing(full, s(1)), Standing::Full { .. }), "nobody overtakes");
    // Who does not want it any more leaves it to the next.
    ward.health.leave_queue(full, first);
    assert_eq!(ward.health.woken(), [second]);
    ward.health.leave_queue(full, second);
    assert!(ward.ready(full, s(1)));
}

#[test]
fn a_router_without_a_limit_does_not_lift_anothers() {
    let mut ward = Ward::new();
    let limited = Identity { limit: Some(Concurrency::Fixed(2)), ..who("c", 9) };
    let limit = |ward: &Ward, vitals| ward.health.report(vitals, s(0)).max_concurrency;
    let (one, other) = (ward.health.join(limited), ward.health.join(who("c", 9)));
    assert_eq!(limit(&ward, other), Some(2));
    ward.health.leave(one);
    ward.health.leave(other);
    let later = ward.health.join(who("c", 9));
    assert_eq!(limit(&ward, later), None, "when nobody is left, it is gone");
}

#[test]
fn a_limit_that_finds_itself() {
    let mut ward = Ward::new();
    let auto = ward.health.join(Identity { limit: Some(Concurrency::Auto), ..who("c", 9) });
    let limit = |ward: &Ward| ward.health.report(auto, s(0)).max_concurrency.unwrap();
    assert_eq!(limit(&ward), 16);
    // A round of calls adds one, as long as at least half of the places are used.
    for at in 0..3 {
        assert_eq!(limit(&ward), 16);
        let round: Vec<Ticket> = (0..16).map(|_| ward.begin(auto, s(at))).collect();
        for ticket in &round {
            ward.end(ticket, &Ended::Answered { took: None, spent: None }, s(at));
        }
    }
    assert_eq!(limit(&ward), 17);
    let round: Vec<Ticket> = (0..4).map(|_| ward.begin(auto, s(4))).collect();
    for ticket in &round {
        ward.end(ticket, &Ended::Failed(&failure(RateLimited, None, None)), s(5));
    }
    assert_eq!(limit(&ward), 8, "four complaints at once are one");
}

#[test]
fn times_are_within_a_per_cent_and_forget() {
    let mut times = Times::default();
    (1..20).for_each(|number| times.add(ms(number)));
    assert_eq!(times.percentile(95), None, "too few");
    (20..=1_000).for_each(|number| times.add(ms(number)));
    let near = |percent: u8, expected: f64| {
        let found = times.percentile(percent).unwrap().as_secs_f64() * 1e3;
        assert!((found - expected).abs() <= expected * 0.011 + 1.0, "p{percent}: {found}, not about {expected}");
    };
    // The first five hundred are forgotten by now.
    near(50, 750.0);
    near(95, 975.0);
    near(99, 995.0);
    assert_eq!(times.report().unwrap().samples, 500);
}

#[test]
fn what_nobody_uses_is_forgotten_when_there_is_too_much() {
    let mut health = Health::default();
    let kept = health.join(who("kept", 1));
    let mut rng = fastrand::Rng::with_seed(1);
    let ticket = health.take(kept, false, s(0), &mut Vec::new());
    let auth = failure(Auth, None, None);
    health.finish(&ticket, &Ended::Failed(&auth), s(0), &defaults(), &mut rng, &mut Vec::new());
    for number in 0..5_000 {
        let passing = health.join(who(&format!("m{number}"), number));
        health.leave(passing);
    }
    assert!(health.seats.len() <= KEPT + 1, "{}", health.seats.len());
    assert!(matches!(health.standing(kept, s(1), |_| false), Standing::Shut { kind: Auth, .. }));
    assert_eq!(health.join(who("kept", 1)), kept);
}
