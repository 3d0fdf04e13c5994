//! Runs every scenario of `conformance/` through the Rust API; pytest and the Node tests run the same files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use locum::Router;
use locum::credential::Credential;
use locum::testkit::{Mock, Script};
use serde_json::{Value, json};

#[path = "conformance/calls.rs"]
mod calls;
#[path = "conformance/face.rs"]
mod face;
#[path = "conformance/matching.rs"]
mod matching;

use calls::{Made, made, spoken};
use matching::{known, matches};

/// How long what is noticed a moment later is waited for: a connection that was closed, an event.
const SOON: Duration = Duration::from_secs(1);

/// How long a scenario may take at most; far beyond what any of them takes.
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario() {
    let wanted = std::env::var("LOCUM_SCENARIOS").unwrap_or_default();
    let mut count = 0;
    let mut failures = Vec::new();
    for (file, scenario) in scenarios() {
        let name = scenario["name"].as_str().unwrap_or("unnamed").to_owned();
        if !format!("{file}: {name}").contains(&wanted) {
            continue;
        }
        count += 1;
        let ended = tokio::time::timeout(LIMIT, run(&scenario)).await;
        if let Err(why) = ended.unwrap_or_else(|_| Err(format!("still running after {} s", LIMIT.as_secs()))) {
            failures.push(format!("{file}: {name}\n    {why}"));
        }
    }
    println!("conformance: {count} scenarios");
    assert!(count >= 40 || !wanted.is_empty(), "only {count} scenarios found");
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
            known(&scenario).unwrap_or_else(|why| panic!("{file}: {name}: {why}"));
            assert!(all.iter().all(|(_, other)| other["name"] != *name), "{name} stands twice");
            all.push((file.clone(), scenario));
        }
    }
    all
}

async fn run(scenario: &Value) -> Result<(), String> {
    let mut upstream = scenario["upstream"].clone();
    let folder = Folder::new();
    let mut config = folder.named_in(&scenario["config"]);
    for (name, _) in config["providers"].as_object().unwrap() {
        if upstream.get(name).is_none() {
            upstream[name] = json!([]);
        }
    }
    let script = Script::from_value(upstream).map_err(|error| error.to_string())?;
    let mock = Mock::start(script).await.map_err(|error| error.to_string())?;
    let mut keys = complete(&mut config, &mock);
    let mut builder = Router::builder();
    for (provider, given) in scenario["credentials"].as_object().into_iter().flatten() {
        keys.extend(given.as_array().unwrap().iter().filter_map(token));
        builder = builder.credential(provider, gives(given.as_array().unwrap()));
    }
    let mut printed = String::new();
    let router = match (builder.from_value(config), scenario.get("config_error")) {
        (Err(error), Some(expected)) => {
            return matches(&error.to_value(), expected, "config_error");
        }
        (Err(error), None) => return Err(format!("the configuration was refused: {error}")),
        (Ok(_), Some(_)) => return Err("the configuration was accepted".into()),
        (Ok(router), None) => router,
    };
    let calls = scenario["calls"].as_array().unwrap();
    let happened: Happened = Arc::default();
    if calls.iter().any(|call| call["expect"].get("happened").is_some()) {
        let told = Arc::clone(&happened);
        router.on_event(move |event| told.lock().unwrap().push(event.to_value()));
    }
    let mut answers = Vec::new();
    for (number, call) in calls.iter().enumerate() {
        let call = spoken(call, &answers);
        let done = turn(&router, &mock, &happened, &call).await.map_err(|why| format!("calls[{number}]: {why}"))?;
        printed.extend(done.iter().map(|made| made.printed.as_str()));
        answers.push(done.into_iter().next_back().unwrap_or_default().message);
    }
    soon(|| compare_log(&mock, scenario)).await?;
    printed += &format!("{:?} {:?} {:?} {:?}", router, router.policy(), router.take_notices(), router.health());
    printed += &Value::from_iter(mock.log().iter().map(locum::testkit::Seen::to_value)).to_string();
    printed += &format!("{:?}", happened.lock().unwrap());
    match keys.iter().find(|key| printed.contains(*key)) {
        Some(_) => Err(format!("a key was printed: {printed}")),
        None => Ok(()),
    }
}

/// A callback that gives one after the other, and goes on with the last.
fn gives(all: &[Value]) -> Credential {
    let (all, next) = (all.to_vec(), AtomicUsize::new(0));
    Credential::callback(move || {
        let given = all[next.fetch_add(1, Ordering::SeqCst).min(all.len() - 1)].clone();
        async move { if given["raises"] == json!(true) { Err("failed".to_owned()) } else { Ok(given) } }
    })
}

/// The token in what a callback gives, which nothing may print.
fn token(given: &Value) -> Option<String> {
    given.as_str().or_else(|| given["token"].as_str()).map(str::to_owned)
}

/// A folder of a scenario's own, which ends with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        Self(std::env::temp_dir().join(format!("locum-conformance-{}-{number}", std::process::id())))
    }

    /// The configuration, with the folder's name where `{folder}` stands in a text. It is there where it is named.
    fn named_in(&self, config: &Value) -> Value {
        let text = config.to_string();
        if !text.contains("{folder}") {
            return config.clone();
        }
        fs::create_dir_all(&self.0).unwrap();
        let name = json!(self.0.to_str().unwrap()).to_string();
        serde_json::from_str(&text.replace("{folder}", name.trim_matches('"'))).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What the router has told so far.
type Happened = Arc<Mutex<Vec<Value>>>;

/// Gives the configuration what a scenario need not say; all keys that are in it then.
fn complete(config: &mut Value, mock: &Mock) -> Vec<String> {
    // What others do must not matter here, nor the other way round.
    config.as_object_mut().unwrap().entry("state").or_insert("router".into());
    let mut keys = Vec::new();
    for (name, provider) in config["providers"].as_object_mut().unwrap() {
        let provider = provider.as_object_mut().unwrap();
        let keyed = provider.get("auth").is_none();
        provider.entry("base_url").or_insert_with(|| mock.url(name).into());
        match provider.get("api_keys").and_then(Value::as_array) {
            Some(several) => keys.extend(several.iter().filter_map(Value::as_str).map(str::to_owned)),
            None if !keyed => {}
            None => {
                let key = format!("sk-conformance-{name}-do-not-print");
                provider.entry("api_key").or_insert_with(|| key.clone().into());
                keys.push(key);
            }
        }
    }
    keys
}

/// One entry of `calls`: the call is made as often as it says, and what is to be seen afterwards is looked at.
async fn turn(router: &Router, mock: &Mock, happened: &Happened, call: &Value) -> Result<Vec<Made>, String> {
    tokio::time::sleep(Duration::from_millis(call["wait_ms"].as_u64().unwrap_or_default())).await;
    match &call["reset_health"] {
        Value::Bool(true) => router.reset_health(None),
        Value::String(model) => router.reset_health(Some(model)),
        _ => {}
    }
    let told = happened.lock().unwrap().len();
    let copies = match call["at_once"].as_u64() {
        Some(copies) => try_join_all((0..copies).map(|_| spawned(router, call))).await?,
        None => {
            let mut copies = Vec::new();
            for _ in 0..call["times"].as_u64().unwrap_or(1) {
                copies.push(made(router, call).await?);
            }
            copies
        }
    };
    let expect = &call["expect"];
    if let Some(expected) = expect.get("health") {
        let health: Value = router.health().iter().map(locum::CandidateHealth::to_value).collect();
        matches(&health, expected, "health").map_err(|why| format!("{why}\n    in {health:#}"))?;
    }
    if let Some(expected) = expect.get("models") {
        let mut counts = json!({});
        for model in copies.iter().filter_map(|made| made.model.as_deref()) {
            counts[model] = (counts[model].as_u64().unwrap_or_default() + 1).into();
        }
        if counts != *expected {
            return Err(format!("models: expected {expected}, found {counts}"));
        }
    }
    if let Some(expected) = expect["happened"].as_array() {
        soon(|| in_order(happened.lock().unwrap().get(told..).unwrap_or_default(), expected)).await?;
    }
    soon(|| counts(mock, expect)).await?;
    Ok(copies)
}

/// The call as one of several that run at the same time.
async fn spawned(router: &Router, call: &Value) -> Result<Made, String> {
    let (router, call) = (router.clone(), call.clone());
    tokio::spawn(async move { made(&router, &call).await }).await.map_err(|error| error.to_string())?
}

/// Whether the expected events are among those told, in this order.
fn in_order(told: &[Value], expected: &[Value]) -> Result<(), String> {
    let mut rest = told.iter();
    for (i, event) in expected.iter().enumerate() {
        if !rest.any(|told| matches(told, event, "").is_ok()) {
            let told: Vec<String> = told.iter().map(|told| format!("{}, {}", told["type"], told["message"])).collect();
            return Err(format!("happened[{i}]: no {event} after those before it in\n    {}", told.join("\n    ")));
        }
    }
    Ok(())
}

/// The requests of an upstream.
fn requests(mock: &Mock, name: &str) -> Vec<Value> {
    let log = mock.log();
    log.iter().filter(|seen| seen.upstream == name).map(locum::testkit::Seen::to_value).collect()
}

/// Compares `seen`.
fn counts(mock: &Mock, expect: &Value) -> Result<(), String> {
    let expected = expect["seen"].as_object().into_iter().flatten();
    expected
        .into_iter()
        .try_for_each(|(name, count)| matches(&requests(mock, name).len().into(), count, &format!("seen.{name}")))
}

fn compare_log(mock: &Mock, scenario: &Value) -> Result<(), String> {
    counts(mock, scenario)?;
    for (name, expected) in scenario["requests"].as_object().into_iter().flatten() {
        matches(&requests(mock, name).into(), expected, &format!("requests.{name}"))?;
    }
    Ok(())
}

/// Waits for what is noticed a moment after it happened.
async fn soon(compare: impl Fn() -> Result<(), String>) -> Result<(), String> {
    let begin = Instant::now();
    loop {
        match compare() {
            Ok(()) => return Ok(()),
            Err(why) if begin.elapsed() > SOON => return Err(why),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}
