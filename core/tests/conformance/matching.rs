//! Whether something actual is as a scenario expects it.

use serde_json::Value;

const SCENARIO: &[&str] =
    &["name", "covers", "config", "credentials", "upstream", "calls", "config_error", "seen", "requests"];
const CALL: &[&str] = &[
    "task",
    "messages",
    "options",
    "expect",
    "stream",
    "cancel_after_ms",
    "close_after",
    "pause_ms",
    "wait_ms",
    "times",
    "at_once",
    "explain",
    "usage",
    "reset_health",
    "http",
];
const HTTP: &[&str] = &["method", "path", "headers", "body"];
const EXPECT: &[&str] = &[
    "reply",
    "error",
    "response",
    "events",
    "attempts",
    "within_ms",
    "not_before_ms",
    "explanation",
    "report",
    "health",
    "happened",
    "seen",
    "models",
];

/// Whether the scenario says nothing that no runner understands: a misspelt expectation would expect nothing.
pub(crate) fn known(scenario: &Value) -> Result<(), String> {
    let check = |value: &Value, members: &[&str]| match value.as_object() {
        Some(map) => map
            .keys()
            .find(|member| !members.contains(&member.as_str()))
            .map_or(Ok(()), |member| Err(format!("unknown member {member:?}"))),
        None => Err(format!("no object: {value}")),
    };
    check(scenario, SCENARIO)?;
    for call in scenario["calls"].as_array().into_iter().flatten() {
        check(call, CALL)?;
        call.get("http").map_or(Ok(()), |http| check(http, HTTP))?;
        check(&call["expect"], EXPECT)?;
    }
    Ok(())
}

pub(crate) fn matches(actual: &Value, expected: &Value, path: &str) -> Result<(), String> {
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
