//! One call through the Rust API, as its scenario says: awaited, streamed, cancelled, closed.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use locum::{Error, Event, Reply, Router, TextStream};
use serde_json::{Value, json};

use crate::face::sent;
use crate::matching::matches;

/// A call that went as expected.
#[derive(Default)]
pub(crate) struct Made {
    /// What could be printed on the way.
    pub(crate) printed: String,
    /// The model of the reply, if there was one.
    pub(crate) model: Option<String>,
    /// The reply as a message of the chat.
    pub(crate) message: Value,
}

/// The call with the messages that earlier calls were answered with, where it names them.
pub(crate) fn spoken(call: &Value, answers: &[Value]) -> Value {
    let mut call = call.clone();
    for message in call["messages"].as_array_mut().into_iter().flatten() {
        if let Some(number) = message["answer_of"].as_u64() {
            *message = answers[usize::try_from(number).unwrap()].clone();
        }
    }
    call
}

/// Makes a call once.
pub(crate) async fn made(router: &Router, call: &Value) -> Result<Made, String> {
    if call["explain"] == true {
        return explained(router, call).map(|printed| Made { printed, ..Made::default() });
    }
    if let Some(options) = call.get("usage") {
        return reported(router, options.clone(), &call["expect"])
            .await
            .map(|printed| Made { printed, ..Made::default() });
    }
    let expect = &call["expect"];
    let begin = Instant::now();
    if let Some(wanted) = call.get("http") {
        let (which, actual) = sent(router, wanted).await;
        compare(&actual, which, expect)?;
        timely(begin, expect)?;
        return Ok(Made { printed: actual.to_string(), ..Made::default() });
    }
    let ended = if call.get("stream").is_some() { streamed(router, call).await } else { completed(router, call).await };
    timely(begin, expect)?;
    let Ended { events, result, mut printed } = ended;
    let outcome = match &result {
        None => None,
        Some(Ok(reply)) => Some(("reply", reply.to_value(), format!("{reply:?}"))),
        Some(Err(error)) => Some(("error", error.to_value(), format!("{error:?} {error}"))),
    };
    if let Some((which, actual, debug)) = &outcome {
        compare(actual, which, expect)?;
        printed += &format!("{actual} {debug}");
    } else if let Some(missing) = ["reply", "error", "attempts"].iter().find(|member| expect.get(**member).is_some()) {
        return Err(format!("closed without {missing}"));
    }
    if let Some(expected) = expect.get("events") {
        let events = merged(events);
        matches(&events, expected, "events").map_err(|why| format!("{why}\n    in {events}"))?;
    }
    let reply = result.and_then(Result::ok);
    let message = reply.as_ref().map(|reply| reply.message().to_value()).unwrap_or_default();
    Ok(Made { printed, model: reply.map(|reply| reply.model), message })
}

/// Whether a call that began then took as long as is expected.
fn timely(begin: Instant, expect: &Value) -> Result<(), String> {
    let took = begin.elapsed().as_secs_f64() * 1000.0;
    if expect["within_ms"].as_f64().is_some_and(|limit| took > limit) {
        return Err(format!("took {took} ms, expected within {}", expect["within_ms"]));
    }
    if expect["not_before_ms"].as_f64().is_some_and(|limit| took < limit) {
        return Err(format!("took {took} ms, expected not before {}", expect["not_before_ms"]));
    }
    Ok(())
}

/// Compares a reply, an explanation or an error with what is expected of it.
fn compare(actual: &Value, which: &str, expect: &Value) -> Result<(), String> {
    let within = |why| format!("{why}\n    in {actual}");
    match expect.get(which) {
        Some(expected) => matches(actual, expected, which).map_err(within)?,
        // Then the models of the replies are what counts.
        None if which == "reply" && expect.get("models").is_some() => {}
        None => return Err(format!("ended with an unexpected {which}: {actual:#}")),
    }
    match expect.get("attempts") {
        Some(expected) => matches(&actual["attempts"], expected, "attempts").map_err(within),
        None => Ok(()),
    }
}

fn explained(router: &Router, call: &Value) -> Result<String, String> {
    let task = call["task"].as_str().unwrap();
    match router.explain_value(task, call["messages"].clone(), call["options"].clone()) {
        Ok(explanation) => {
            let actual = explanation.to_value();
            compare(&actual, "explanation", &call["expect"])?;
            Ok(format!("{actual} {explanation:?}"))
        }
        Err(error) => {
            compare(&error.to_value(), "error", &call["expect"])?;
            Ok(format!("{error:?} {error}"))
        }
    }
}

async fn reported(router: &Router, options: Value, expect: &Value) -> Result<String, String> {
    let router = router.clone();
    match tokio::task::spawn_blocking(move || router.usage_value(options)).await.unwrap() {
        Ok(report) => {
            let actual = report.to_value();
            compare(&actual, "report", expect)?;
            Ok(format!("{actual} {report:?} {report}"))
        }
        Err(error) => {
            compare(&error.to_value(), "error", expect)?;
            Ok(format!("{error:?} {error}"))
        }
    }
}

/// How a call went.
#[derive(Default)]
struct Ended {
    /// What came before its end.
    events: Vec<Value>,
    /// Nothing when the caller closed the stream.
    result: Option<Result<Reply, Error>>,
    /// What could be printed on the way.
    printed: String,
}

/// When the caller of this call cancels it, if it does.
fn cancel(call: &Value) -> Option<tokio::time::Sleep> {
    call["cancel_after_ms"].as_u64().map(|ms| tokio::time::sleep(Duration::from_millis(ms)))
}

async fn completed(router: &Router, call: &Value) -> Ended {
    let task = call["task"].as_str().unwrap();
    let mut pending = router.complete_value(task, call["messages"].clone(), call["options"].clone());
    if let Some(cancelled) = cancel(call) {
        pending = pending.cancel_on(cancelled);
    }
    Ended { result: Some(pending.await), ..Ended::default() }
}

async fn streamed(router: &Router, call: &Value) -> Ended {
    let task = call["task"].as_str().unwrap();
    let mut events = router.stream_value(task, call["messages"].clone(), call["options"].clone());
    if let Some(cancelled) = cancel(call) {
        events = events.cancel_on(cancelled);
    }
    if call["stream"] == "text" {
        return read_text(events.text(), call).await;
    }
    let mut caller = Caller::new(call);
    let mut ended = Ended::default();
    while let Some(event) = events.next().await {
        ended.printed += &format!("{event:?} {events:?}");
        match event {
            Ok(Event::End(reply)) => {
                ended.events.push(json!({"type": "end"}));
                ended.result = Some(Ok(*reply));
            }
            Ok(event) => {
                ended.events.push(event.to_value());
                let content = matches!(event, Event::Text(_) | Event::Reasoning(_) | Event::ToolCallDelta(_));
                if content && caller.closes().await {
                    return ended;
                }
            }
            Err(error) => ended.result = Some(Err(error)),
        }
    }
    ended
}

async fn read_text(mut text: TextStream, call: &Value) -> Ended {
    let mut caller = Caller::new(call);
    let mut ended = Ended::default();
    while let Some(piece) = text.next().await {
        match piece {
            Ok(piece) => {
                ended.events.push(json!({"type": "text", "text": piece}));
                if caller.closes().await {
                    return ended;
                }
            }
            Err(error) => ended.result = Some(Err(error)),
        }
    }
    ended.printed = format!("{text:?}");
    if ended.result.is_none() {
        ended.result = text.reply().cloned().map(Ok);
    }
    ended
}

/// What a stream's caller does as content comes.
struct Caller {
    pause: Option<Duration>,
    close_after: Option<u64>,
    read: u64,
}

impl Caller {
    fn new(call: &Value) -> Self {
        let pause = call["pause_ms"].as_u64().map(Duration::from_millis);
        Self { pause, close_after: call["close_after"].as_u64(), read: 0 }
    }

    /// Takes note of a content event; whether it was the last that the caller wants.
    async fn closes(&mut self) -> bool {
        self.read += 1;
        if let Some(pause) = self.pause.take() {
            tokio::time::sleep(pause).await;
        }
        self.close_after == Some(self.read)
    }
}

/// The events with neighbours of one kind in one.
fn merged(events: Vec<Value>) -> Value {
    let mut list: Vec<Value> = Vec::new();
    for event in events {
        let member = match event["type"].as_str().unwrap() {
            "text" | "reasoning" => "text",
            "tool_call_delta" => "arguments",
            _ => "",
        };
        let same = |last: &&mut Value| last["type"] == event["type"] && last["index"] == event["index"];
        match list.last_mut().filter(|_| !member.is_empty()).filter(same) {
            Some(last) => {
                let joined = format!("{}{}", last[member].as_str().unwrap(), event[member].as_str().unwrap());
                last[member] = joined.into();
            }
            None => list.push(event),
        }
    }
    list.into()
}
