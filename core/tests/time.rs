//! The router's times to the millisecond: a transport without sockets, on a paused clock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use locum::transport::{HeaderMap, HeaderName, HttpRequest, HttpResponse, MAX_BODY, Phase, Transport, TransportError};
use locum::{ErrorKind, Event, OnBreak, Outcome, Router};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// What one exchange does.
#[derive(Clone)]
enum Deed {
    Silence,
    /// After so many milliseconds, this status and these pieces of a body; an empty piece breaks the body off.
    Respond(u64, u16, Vec<&'static str>),
    Endless,
    /// 429 with this `retry-after`, in seconds.
    Limit(u64),
    Refuse(Phase),
    /// A stream: pieces, each after so many milliseconds; then silence. An empty piece breaks it off.
    Stream(Vec<(u64, &'static str)>),
}

/// Plays its deeds one after the other, whoever asks.
struct Stage {
    deeds: Mutex<VecDeque<Deed>>,
}

impl Transport for Stage {
    fn send(&self, _: HttpRequest) -> BoxFuture<'static, Result<HttpResponse, TransportError>> {
        let deed = self.deeds.lock().unwrap().pop_front().expect("an exchange that was not planned");
        async move {
            let (status, pieces) = match deed {
                Deed::Silence => return std::future::pending().await,
                Deed::Stream(pieces) => {
                    let pieces = stream::iter(pieces).then(|(ms, piece)| async move {
                        sleep(Duration::from_millis(ms)).await;
                        match piece {
                            "" => Err(TransportError { phase: Phase::Read, message: "broke off".into() }),
                            piece => Ok(Bytes::from_static(piece.as_bytes())),
                        }
                    });
                    let body = pieces.chain(stream::pending()).boxed();
                    return Ok(HttpResponse { status: 200, headers: HeaderMap::new(), body });
                }
                Deed::Limit(seconds) => {
                    let headers = [(HeaderName::from_static("retry-after"), seconds.into())].into_iter().collect();
                    return Ok(HttpResponse { status: 429, headers, body: stream::empty().boxed() });
                }
                Deed::Refuse(phase) => {
                    return Err(TransportError { phase, message: "refused".into() });
                }
                Deed::Endless => (200, vec!["0123456789abcdef"; MAX_BODY / 16 + 1]),
                Deed::Respond(ms, status, pieces) => {
                    sleep(Duration::from_millis(ms)).await;
                    (status, pieces)
                }
            };
            let pieces = pieces.into_iter().map(|piece| match piece {
                "" => Err(TransportError { phase: Phase::Read, message: "broke off".into() }),
                piece => Ok(Bytes::from_static(piece.as_bytes())),
            });
            Ok(HttpResponse { status, headers: HeaderMap::new(), body: stream::iter(pieces).boxed() })
        }
        .boxed()
    }
}

const ANSWER: &str = r#"{"id":"x","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}"#;

fn answer(ms: u64) -> Deed {
    Deed::Respond(ms, 200, vec![ANSWER])
}

fn router(task: &Value, deeds: impl Into<VecDeque<Deed>>) -> Router {
    let mut config = json!({
        "state": "router",
        "providers": {"openai": {"api_key": "k"}, "groq": {"api_key": "k"}},
        "tasks": {"t": {"primary": "openai/a", "fallback": ["groq/b"]}},
    });
    config["tasks"]["t"].as_object_mut().unwrap().extend(task.as_object().unwrap().clone());
    let stage = Arc::new(Stage { deeds: Mutex::new(deeds.into()) });
    Router::builder().transport(stage).from_value(config).unwrap()
}

async fn timed<T>(future: impl Future<Output = T>) -> (T, u128) {
    let begin = Instant::now();
    let result = future.await;
    (result, begin.elapsed().as_millis())
}

#[tokio::test(start_paused = true)]
async fn a_silent_primary_leaves_half_of_the_time_to_the_stand_in() {
    let router = router(&json!({"max_latency_ms": 1500}), [Deed::Silence, answer(100)]);
    let (reply, took) = timed(async { router.complete("t", "Hi").await }).await;
    assert_eq!((reply.unwrap().model.as_str(), took), ("groq/b", 850));
}

#[tokio::test(start_paused = true)]
async fn a_slow_primary_still_wins() {
    let router = router(&json!({"max_latency_ms": 1500}), [answer(900), answer(800)]);
    let (reply, took) = timed(async { router.complete("t", "Hi").await }).await;
    let reply = reply.unwrap();
    assert_eq!((reply.model.as_str(), took), ("openai/a", 900));
    assert_eq!(reply.attempts[1].outcome, Outcome::HedgedOut);
    assert_eq!(reply.attempts[1].latency, Duration::from_millis(150));
}

#[tokio::test(start_paused = true)]
async fn all_silent_ends_at_the_deadline() {
    let router = router(&json!({"max_latency_ms": 1500}), [Deed::Silence, Deed::Silence]);
    let (error, took) = timed(async { router.complete("t", "Hi").await }).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), took), (ErrorKind::DeadlineExceeded, 1500));
    assert!(error.message().contains("openai/a was waited for 1500 ms; groq/b was waited for 750 ms"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_the_race_begins_after_a_minute() {
    let router = router(&json!({}), [Deed::Silence, answer(0)]);
    let (reply, took) = timed(async { router.complete("t", "Hi").await }).await;
    assert_eq!((reply.unwrap().model.as_str(), took), ("groq/b", 60_000));
}

#[tokio::test(start_paused = true)]
async fn a_model_that_reasons_gets_three_minutes() {
    let router = router(&json!({"reasoning_effort": "high"}), [Deed::Silence, answer(0)]);
    let (_, took) = timed(async { router.complete("t", "Hi").await }).await;
    assert_eq!(took, 180_000);
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_an_attempt_ends_after_ten_minutes() {
    let router = router(&json!({"fallback": [], "retries": 0}), [Deed::Silence]);
    let (error, took) = timed(async { router.complete("t", "Hi").await }).await;
    assert_eq!((error.unwrap_err().subkind(), took), (Some("attempt"), 600_000));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_waited_between_a_failure_and_the_stand_in() {
    let router = router(&json!({"retries": 0}), [Deed::Respond(0, 503, vec!["{}"]), answer(0)]);
    let (reply, took) = timed(async { router.complete("t", "Hi").await }).await;
    assert_eq!((reply.unwrap().model.as_str(), took), ("groq/b", 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_beyond_the_limit_is_not_read_further() {
    let router = router(&json!({"retries": 0}), [Deed::Endless, answer(0)]);
    let reply = router.complete("t", "Hi").await.unwrap();
    assert_eq!(reply.attempts[0].kind, Some(ErrorKind::MalformedResponse));
    assert!(reply.attempts[0].reason.as_deref().unwrap().contains("33554432 bytes"));
}

#[tokio::test(start_paused = true)]
async fn an_error_status_counts_even_if_its_body_breaks_off() {
    let router = router(&json!({"retries": 0}), [Deed::Respond(0, 529, vec!["{\"error\":", ""]), answer(0)]);
    let reply = router.complete("t", "Hi").await.unwrap();
    assert_eq!(reply.attempts[0].kind, Some(ErrorKind::Overloaded));
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_is_tried_again_at_once() {
    let deeds = [Deed::Refuse(Phase::ConnectTimeout), answer(0)];
    let (reply, took) = timed(async { router(&json!({}), deeds).complete("t", "Hi").await }).await;
    let reply = reply.unwrap();
    assert_eq!((reply.model.as_str(), took), ("openai/a", 0));
    assert_eq!((reply.attempts[0].kind, reply.attempts[0].subkind), (Some(ErrorKind::Timeout), Some("connect")));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_cut_counts_as_broken() {
    let router = router(&json!({"retries": 0}), [Deed::Respond(0, 200, vec!["{\"id\"", ""]), answer(0)]);
    let reply = router.complete("t", "Hi").await.unwrap();
    assert_eq!((reply.attempts[0].kind, reply.attempts[0].status), (Some(ErrorKind::Connection), Some(200)));
}

const ROLE: &str =
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const WORD: &str = "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word \"}}]}\n\n";
const FINISH: &str = "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const COMMENT: &str = ": keep-alive\n\n";

/// A stream of a word, then its end.
fn spoken(ms: u64) -> Deed {
    Deed::Stream(vec![(ms, ROLE), (0, WORD), (0, FINISH), (0, DONE)])
}

#[tokio::test(start_paused = true)]
async fn comments_do_not_keep_a_silent_stream_alive() {
    let comments = || Deed::Stream(vec![(500, COMMENT); 1_000]);
    let made = router(&json!({}), [comments(), spoken(0)]);
    let (reply, took) = timed(made.stream("t", "Hi").collect()).await;
    assert_eq!((reply.unwrap().model.as_str(), took), ("groq/b", 10_000), "raced");

    let made = router(&json!({"first_token_ms": 700}), [comments(), spoken(0)]);
    let (reply, took) = timed(made.stream("t", "Hi").collect()).await;
    let reply = reply.unwrap();
    assert_eq!((reply.model.as_str(), took), ("groq/b", 700), "given up");
    assert_eq!(reply.attempts[0].subkind, Some("first_event"));
}

#[tokio::test(start_paused = true)]
async fn the_role_alone_is_no_content() {
    let silent = Deed::Stream(vec![(10, ROLE)]);
    let made = router(&json!({"max_latency_ms": 1_000}), [silent, spoken(100)]);
    let (reply, took) = timed(made.stream("t", "Hi").collect()).await;
    let reply = reply.unwrap();
    assert_eq!((reply.model.as_str(), took), ("groq/b", 600));
    assert_eq!(reply.first_token, Some(Duration::from_millis(600)));
    assert_eq!(reply.attempts[1].first_token, Some(Duration::from_millis(100)));
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_within_the_idle_limit_whatever_the_deadline() {
    let mut pieces = vec![(100, WORD); 20];
    pieces.extend(vec![(500, COMMENT); 1_000]);
    let made = router(&json!({"max_latency_ms": 1_000}), [Deed::Stream(pieces)]);
    let (error, took) = timed(made.stream("t", "Hi").collect()).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.subkind(), took), (ErrorKind::Timeout, Some("idle"), 2_000 + 15_000));
    assert_eq!(error.partial().map(|(text, _)| text.len()), Some(100));
    assert!(error.in_stream());
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_read_is_not_told_of_a_pause() {
    let made = router(&json!({"idle_ms": 1_000}), [Deed::Stream(vec![(0, WORD), (900, FINISH), (0, DONE)])]);
    let mut events = made.stream("t", "Hi");
    while !matches!(events.next().await.unwrap().unwrap(), Event::Text(_)) {}
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(events.collect().await.unwrap().text(), "word ");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_whole_waits_a_second_for_what_may_follow() {
    let made = router(&json!({}), [Deed::Stream(vec![(0, WORD), (0, FINISH)])]);
    let (reply, took) = timed(made.stream("t", "Hi").collect()).await;
    assert_eq!((reply.unwrap().text().to_owned(), took), ("word ".to_owned(), 1_000));
}

#[tokio::test(start_paused = true)]
async fn a_rescue_has_as_much_time_as_the_first_content_had() {
    let broken = Deed::Stream(vec![(400, WORD), (3_000, "event: error\ndata: {\"error\":{\"message\":\"x\"}}\n\n")]);
    let made = router(&json!({"max_latency_ms": 1_000}), [broken, spoken(950)]);
    let (reply, took) = timed(made.stream("t", "Hi").on_break(OnBreak::Restart).collect()).await;
    assert_eq!((reply.unwrap().model.as_str(), took), ("groq/b", 400 + 3_000 + 950));
}

#[tokio::test(start_paused = true)]
async fn whole_answers_from_streams_know_silence_too() {
    let stalled = || Deed::Stream(vec![(0, WORD), (0, WORD)]);
    let made = router(&json!({"upstream": "stream", "retries": 0}), [stalled(), spoken(200)]);
    let (reply, took) = timed(async { made.complete("t", "Hi").await }).await;
    let reply = reply.unwrap();
    assert_eq!((reply.model.as_str(), reply.text(), took), ("groq/b", "word ", 15_000 + 200));
}

const REFUSAL: &str = "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"refusal\":\"I cannot\"}}]}\n\n";
const BROKEN: &str = "event: error\ndata: {\"error\":{\"message\":\"x\"}}\n\n";

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_held_back_is_not_continued() {
    let task = json!({"fallback_on": ["refusal"], "on_break": "resume", "retries": 0, "upstream": "stream"});
    let broken = || Deed::Stream(vec![(0, REFUSAL), (0, BROKEN)]);

    let made = router(&task, [broken(), spoken(0)]);
    let reply = made.complete("t", "Hi").await.unwrap();
    assert_eq!((reply.text(), reply.warnings.len()), ("word ", 0), "whole");

    let made = router(&task, [broken(), spoken(0)]);
    let reply = made.stream("t", "Hi").collect().await.unwrap();
    assert_eq!((reply.text(), reply.warnings.len()), ("word ", 0), "as a stream");
}

const ERRED: &str = "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"error\"}]}\n\n";

#[tokio::test(start_paused = true)]
async fn an_answer_that_ends_in_an_error_keeps_its_words() {
    let task = json!({"on_break": "resume", "retries": 0, "upstream": "stream"});
    let erred = || Deed::Stream(vec![(0, WORD), (0, ERRED), (0, DONE)]);

    let reply = router(&task, [erred(), spoken(0)]).complete("t", "Hi").await.unwrap();
    assert_eq!(reply.text(), "word word ", "continued");

    let error = router(&task, [erred(), erred()]).complete("t", "Hi").await.unwrap_err();
    assert_eq!(error.partial().map(|(text, _)| text), Some("word "), "told");
}

#[tokio::test(start_paused = true)]
async fn white_space_is_no_text_to_go_on_with() {
    const BLANK: &str = "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\n\"}}]}\n\n";
    const ERROR: &str = "event: error\ndata: {\"error\":{\"message\":\"x\"}}\n\n";
    let made = router(&json!({}), [Deed::Stream(vec![(0, BLANK), (10, ERROR)]), spoken(0)]);
    let mut events = made.stream("t", "Hi").on_break(OnBreak::Resume);
    let mut restarts = 0;
    while let Some(event) = events.next().await {
        restarts += usize::from(matches!(event.unwrap(), Event::Restart { .. }));
    }
    assert_eq!(restarts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_flood_does_not_stop_the_clock() {
    // Thoughts that nobody sees, without an end and without a pause.
    const THOUGHT: &str =
        "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n";
    let mut pieces = vec![(1, THOUGHT)];
    pieces.extend(vec![(0, THOUGHT); MAX_BODY / THOUGHT.len() + 1]);
    let made = router(&json!({"max_latency_ms": 1, "fallback": []}), [Deed::Stream(pieces)]);
    let mut text = made.stream("t", "Hi").text();
    let error = text.next().await.unwrap().unwrap_err();
    // And not that the body grew too large.
    assert_eq!(error.attempts()[0].kind, Some(ErrorKind::DeadlineExceeded));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_after_the_whole_answer_is_a_warning() {
    let made = router(&json!({}), [Deed::Stream(vec![(0, WORD), (0, FINISH), (0, "")])]);
    let reply = made.stream("t", "Hi").collect().await.unwrap();
    assert_eq!((reply.text(), reply.attempts.len()), ("word ", 1));
    assert_eq!(reply.warnings, ["the stream broke after the answer was whole (broke off)"]);

    let made = router(&json!({"retries": 0}), [Deed::Stream(vec![(0, WORD), (0, "")])]);
    let error = made.stream("t", "Hi").collect().await.unwrap_err();
    assert_eq!((error.kind(), error.subkind(), error.in_stream()), (ErrorKind::Connection, Some("read"), true));
}

#[tokio::test(start_paused = true)]
async fn the_tokens_that_are_known_go_with_the_partial_text() {
    const COUNTED: &str = "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word\"}}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1,\"total_tokens\":8}}\n\n";
    let made = router(&json!({}), [Deed::Stream(vec![(0, COUNTED)])]);
    let error = made.stream("t", "Hi").collect().await.unwrap_err();
    assert_eq!((error.kind(), error.subkind()), (ErrorKind::Timeout, Some("idle")));
    let (text, usage) = error.partial().unwrap();
    assert_eq!((text, usage.map(|usage| (usage.input, usage.output))), ("word", Some((7, 1))));
}

/// Who answered a call, or who was asked.
async fn served(router: &Router) -> String {
    router.complete("t", "Hi").await.unwrap().model
}

#[tokio::test(start_paused = true)]
async fn a_rate_limited_primary_is_passed_over_as_long_as_the_server_says() {
    let stand_ins = (0..120).map(|_| answer(0));
    let deeds: VecDeque<Deed> = [Deed::Limit(120)].into_iter().chain(stand_ins).chain([answer(0)]).collect();
    let made = router(&json!({}), deeds);
    let begin = Instant::now();
    for _ in 0..120 {
        let reply = made.complete("t", "Hi").await.unwrap();
        assert_eq!(reply.model, "groq/b");
        if begin.elapsed() > Duration::ZERO {
            let left = Duration::from_secs(120) - begin.elapsed();
            assert_eq!((reply.attempts[0].outcome, reply.attempts[0].retry_after), (Outcome::Skipped, Some(left)));
        }
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!((served(&made).await.as_str(), begin.elapsed().as_secs()), ("openai/a", 120));
}

#[tokio::test(start_paused = true)]
async fn a_shorter_wait_does_not_shorten_a_longer_one() {
    // Alone, it is asked all the same.
    let deeds = [Deed::Limit(120), Deed::Limit(1), answer(0), answer(0)];
    let made = router(&json!({"fallback": [], "retries": 0}), deeds);
    for _ in 0..2 {
        assert_eq!(made.complete("t", "Hi").await.unwrap_err().kind(), ErrorKind::RateLimited);
        sleep(Duration::from_secs(1)).await;
    }
    let left = |router: &Router| router.health()[0].cooldown.map(|cooldown| cooldown.left.as_secs());
    assert_eq!(left(&made), Some(118));
    served(&made).await;
    assert_eq!(left(&made), Some(118), "nor does an answer before its end");
    sleep(Duration::from_secs(118)).await;
    assert_eq!(left(&made), None);
}

#[tokio::test(start_paused = true)]
async fn a_dead_primary_is_asked_three_times_and_then_seldom() {
    let failed = || Deed::Respond(0, 500, vec!["{}"]);
    let mut deeds: VecDeque<Deed> = (0..3).flat_map(|_| [failed(), answer(0)]).collect();
    deeds.extend((0..9).map(|_| answer(0)));
    let made = router(&json!({"retries": 0}), deeds);
    for _ in 0..12 {
        assert_eq!(served(&made).await, "groq/b");
    }
    assert_eq!(made.health().iter().find(|candidate| candidate.model == "openai/a").unwrap().breaker.as_str(), "open");

    // A minute of calls, ten a second: it is asked after about 5, 10, 20, 20 seconds, each a fifth less at most.
    let begin = Instant::now();
    let minute: VecDeque<Deed> = std::iter::repeat_with(failed).take(700).collect();
    let made = router(&json!({"retries": 0, "fallback": ["groq/b"]}), minute);
    let mut asked = Vec::new();
    while begin.elapsed() < Duration::from_secs(60) {
        let error = made.complete("t", "Hi").await.unwrap_err();
        if error.attempts()[0].outcome == Outcome::Failed && error.attempts()[0].model == "openai/a" {
            asked.push(begin.elapsed().as_secs_f64());
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!((6..=9).contains(&asked.len()), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_leaves_its_place_and_its_probe() {
    let mut deeds: VecDeque<Deed> = (0..3).map(|_| Deed::Respond(0, 500, vec!["{}"])).collect();
    deeds.extend([Deed::Silence, answer(0)]);
    let made = router(&json!({"retries": 0, "fallback": []}), deeds);
    for _ in 0..3 {
        made.complete("t", "Hi").await.unwrap_err();
    }
    sleep(Duration::from_secs(5)).await;
    let probe = tokio::time::timeout(Duration::from_secs(1), async { made.complete("t", "Hi").await }).await;
    assert!(probe.is_err());
    assert_eq!((made.health()[0].in_flight, made.health()[0].breaker.as_str()), (0, "half_open"));
    assert!(made.health()[0].available);
    served(&made).await;
    assert_eq!(made.health()[0].breaker.as_str(), "closed");
}

#[tokio::test(start_paused = true)]
async fn health_is_the_process_own_unless_the_configuration_says_otherwise() {
    let config = |state: &str| {
        json!({
            "state": state,
            "providers": {"openai": {"api_key": "k", "base_url": "https://shared.example/v1"}},
            "tasks": {"t": {"primary": "openai/a", "retries": 0}},
        })
    };
    let made = |state, deeds: Vec<Deed>| {
        let stage = Stage { deeds: Mutex::new(deeds.into()) };
        Router::builder().transport(Arc::new(stage)).from_value(config(state)).unwrap()
    };
    let (one, other, own) = (made("process", vec![Deed::Limit(60)]), made("process", vec![]), made("router", vec![]));
    one.complete("t", "Hi").await.unwrap_err();
    assert_eq!([&one, &other, &own].map(|router| router.health()[0].available), [false, false, true]);
    other.reset_health(Some("openai/a"));
    assert!(one.health()[0].available);
}
