//! What recorded answers cost by the built-in prices, for a judge outside of this project.

use locum::catalog;
use serde_json::{Value, json};

use crate::{CHAT_FILES, OTHER_FILES, Record, present, records};

/// The model that answered, by the answer itself, else by what was asked.
fn model<'a>(body: &'a Value, record: &Record<'a>) -> Option<&'a str> {
    let named = ["/model", "/modelVersion"].into_iter().find_map(|place| body.pointer(place)?.as_str());
    let asked = || record.request?.get("model")?.as_str();
    // `/model/NAME/converse`, `/models/NAME:generateContent`
    let in_path = || {
        let (_, rest) = record.path.split_once("/model/").or_else(|| record.path.split_once("/models/"))?;
        rest.split(['/', ':']).next()
    };
    named.or_else(asked).or_else(in_path)
}

/// With `LOCUM_COSTS` in the environment, the costs are written there, a line of JSON each.
#[test]
fn costs_of_recorded_answers() {
    if !present() {
        return;
    }
    let mut lines = Vec::new();
    for file in CHAT_FILES.iter().chain(&OTHER_FILES) {
        for value in records(file) {
            let record = Record::new(&value);
            if value["kind"] != "chat" || record.status >= 400 || record.of_another_version() {
                continue;
            }
            let Ok(body) = serde_json::from_str::<Value>(record.body) else {
                continue;
            };
            let Ok(completion) = record.decode() else {
                continue;
            };
            let (Some(usage), Some(model)) = (completion.usage, model(&body, &record)) else {
                continue;
            };
            let Some(price) = catalog::find(record.kind, model).and_then(|facts| facts.price) else {
                continue;
            };
            let cost = price.of(&usage);
            assert!(cost.is_finite() && cost >= 0.0, "{file} {}: {cost}", value["id"]);
            let tier = price.tier.filter(|tier| usage.input > tier.above);
            let per = tier
                .map_or([Some(price.input), Some(price.output), price.cached_input, price.cache_write], |tier| {
                    [Some(tier.input), Some(tier.output), tier.cached_input, tier.cache_write]
                });
            lines.push(json!({"id": value["id"], "file": file, "kind": record.kind, "model": model,
                "usage": usage.to_value(), "price": per, "cost": cost, "told": completion.cost}));
        }
    }
    println!("costs: {} answers of models whose price is built in", lines.len());
    assert!(lines.len() > 100, "only {} answers have a price", lines.len());
    if let Some(path) = std::env::var_os("LOCUM_COSTS") {
        let text: Vec<String> = lines.iter().map(Value::to_string).collect();
        std::fs::write(path, text.join("\n")).unwrap();
    }
}
