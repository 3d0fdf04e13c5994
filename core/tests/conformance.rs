//! Runs every scenario of `conformance/` through the Rust API; pytest and the Node tests run the same files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use locum::testkit::{Mock, Script};
use locum::{Error, Event, Reply, Router, TextStream};
use serde_json::{Value, json};

/// How long a scenario may take at most; far beyond what any of them takes.
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario() {
    let mut count = 0;
    let mut failures = Vec::new();
    for (file, scenario) in scenarios() {
        count += 1;
        let name = scenario["name"].as_str().unwrap_or("unnamed").to_owned();
        let ended = tokio::time::timeout(LIMIT, run(&scenario)).await;
        if let Err(why) = ended.unwrap_or_else(|_| Err(format!("still running after {} s", LIMIT.as_secs()))) {
            failures.push(format!("{file}: {name}\n    {why}"));
        }
    }
    println!("conformance: {count} scenarios");
    assert!(count >= 40, "only {count} scenarios found");
    assert!(failures.is_empty(), "{} of {count} failed:\n  {}", failures.len(), failures.join("\n  "));
}

fn scenarios() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "json"));
    files.sort();
    let mut all: Vec<(String, Value)> = Vec::new();
    for path in files {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let list: Vec<Value> = serde_json::from_str(&fs::read_to_string(&path).unwrap()).expect(&file);
        for scenario in list {
            let name = &scenario["name"];
            assert!(all.iter().all(|(_, other)| other["name"] != *name), "{name} stands twice");
            all.push((file.clone(), scenario));
        }
    }
    all
}

async fn run(scenario: &Value) -> Result<(), String> {
    let mut upstream = scenario["upstream"].clone();
    let mut config = scenario["config"].clone();
    for (name, _) in config["providers"].as_object().unwrap() {
        if upstream.get(name).is_none() {
            upstream[name] = json!([]);
        }
    }
    let script = Script::from_value(upstream).map_err(|error| error.to_string())?;
    let mock = Mock::start(script).await.map_err(|error| error.to_string())?;
    let mut keys = Vec::new();
    for (name, provider) in config["providers"].as_object_mut().unwrap() {
        let provider = provider.as_object_mut().unwrap();
        provider.entry("base_url").or_insert_with(|| mock.url(name).into());
        let key = format!("sk-conformance-{name}-do-not-print");
        provider.entry("api_key").or_insert_with(|| key.clone().into());
        keys.push(key);
    }
    let mut printed = String::new();
    let router = match (Router::from_value(config), scenario.get("config_error")) {
        (Err(error), Some(expected)) => {
            return matches(&error.to_value(), expected, "config_error");
        }
        (Err(error), None) => return Err(format!("the configuration was refused: {error}")),
        (Ok(_), Some(_)) => return Err("the configuration was accepted".into()),
        (Ok(router), None) => router,
    };
    for (number, call) in scenario["calls"].as_array().unwrap().iter().enumerate() {
        printed += &one_call(&router, call).await.map_err(|why| format!("calls[{number}]: {why}"))?;
    }
    compare_log(&mock, scenario).await?;
    printed += &format!("{:?} {:?} {:?}", router, router.policy(), router.take_notices());
    printed += &Value::from_iter(mock.log().iter().map(locum::testkit::Seen::to_value)).to_string();
    match keys.iter().find(|key| printed.contains(*key)) {
        Some(_) => Err(format!("a key was printed: {printed}")),
        None => Ok(()),
    }
}

async fn one_call(router: &Router, call: &Value) -> Result<String, String> {
    let expect = &call["expect"];
    let begin = Instant::now();
    let ended = if call.get("stream").is_some() { streamed(router, call).await } else { completed(router, call).await };
    let took = begin.elapsed().as_secs_f64() * 1000.0;
    let Ended { events, result, mut printed } = ended;
    let outcome = match &result {
        None => None,
        Some(Ok(reply)) => Some(("reply", reply.to_value(), format!("{reply:?}"))),
        Some(Err(error)) => Some(("error", error.to_value(), format!("{error:?} {error}"))),
    };
    if let Some((which, actual, debug)) = &outcome {
        let within = |why| format!("{why}\n    in {actual}");
        let Some(expected) = expect.get(which) else {
            return Err(format!("ended with an unexpected {which}: {actual:#}"));
        };
        matches(actual, expected, which).map_err(within)?;
        if let Some(expected) = expect.get("attempts") {
            matches(&actual["attempts"], expected, "attempts").map_err(within)?;
        }
        printed += &format!("{actual} {debug}");
    } else if let Some(missing) = ["reply", "error", "attempts"].iter().find(|member| expect.get(**member).is_some()) {
        return Err(format!("closed without {missing}"));
    }
    if let Some(expected) = expect.get("events") {
        let events = merged(events);
        matches(&events, expected, "events").map_err(|why| format!("{why}\n    in {events}"))?;
    }
    if expect["within_ms"].as_f64().is_some_and(|limit| took > limit) {
        return Err(format!("took {took} ms, expected within {}", expect["within_ms"]));
    }
    if expect["not_before_ms"].as_f64().is_some_and(|limit| took < limit) {
        return Err(format!("took {took} ms, expected not before {}", expect["not_before_ms"]));
    }
    Ok(printed)
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

async fn compare_log(mock: &Mock, scenario: &Value) -> Result<(), String> {
    let compare = || {
        let log: Vec<Value> = mock.log().iter().map(locum::testkit::Seen::to_value).collect();
        let of = |name: &str| -> Value { log.iter().filter(|seen| seen["upstream"] == name).cloned().collect() };
        for (name, count) in scenario["seen"].as_object().into_iter().flatten() {
            let seen = of(name);
            matches(&seen.as_array().unwrap().len().into(), count, &format!("seen.{name}"))?;
        }
        for (name, expected) in scenario["requests"].as_object().into_iter().flatten() {
            matches(&of(name), expected, &format!("requests.{name}"))?;
        }
        Ok(())
    };
    // A close is noticed a moment after it was made.
    let begin = Instant::now();
    loop {
        match compare() {
            Ok(()) => return Ok(()),
            Err(why) if begin.elapsed() > Duration::from_secs(1) => return Err(why),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

fn matches(actual: &Value, expected: &Value, path: &str) -> Result<(), String> {
    let differs = || Err(format!("{path}: expected {expected}, found {actual}"));
    match expected {
        Value::Object(tests) if tests.len() == 1 && tests.keys().all(|key| key.starts_with('$')) => {
            let (test, argument) = tests.iter().next().unwrap();
            let holds = match test.as_str() {
                "$contains" => actual.as_str().is_some_and(|text| text.contains(argument.as_str().unwrap())),
                "$any" => !actual.is_null(),
                "$absent" => actual.is_null(),
                "$lte" => actual.as_f64().is_some_and(|number| number <= argument.as_f64().unwrap()),
                "$gte" => actual.as_f64().is_some_and(|number| number >= argument.as_f64().unwrap()),
                unknown => return Err(format!("{path}: unknown test {unknown}")),
            };
            if holds { Ok(()) } else { differs() }
        }
        Value::Object(members) => members
            .iter()
            .try_for_each(|(key, expected)| matches(&actual[key.as_str()], expected, &format!("{path}.{key}"))),
        Value::Array(items) => match actual.as_array() {
            Some(found) if found.len() == items.len() => items
                .iter()
                .zip(found)
                .enumerate()
                .try_for_each(|(i, (expected, actual))| matches(actual, expected, &format!("{path}[{i}]"))),
            _ => differs(),
        },
        Value::Number(number) if actual.is_number() && actual.as_f64() == number.as_f64() => Ok(()),
        _ if actual == expected => Ok(()),
        _ => differs(),
    }
}
