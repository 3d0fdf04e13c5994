//! Plays `real/calls.json` through the Rust API against a real model server. `make test-real` starts one and sets
//! LOCUM_REAL_CONFIG; without it there is nothing to play against.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)]

use locum::Router;
use serde_json::{Value, json};

#[tokio::test]
#[ignore = "needs a model server: make test-real"]
async fn every_call() {
    let config = std::env::var("LOCUM_REAL_CONFIG").expect("LOCUM_REAL_CONFIG names the configuration");
    let router = Router::from_file(config).unwrap();
    let calls: Vec<Value> = serde_json::from_str(include_str!("real/calls.json")).unwrap();
    for call in calls {
        let name = call["name"].as_str().unwrap();
        let messages = match call["messages"]["repeat"].as_str() {
            Some(text) => text.repeat(call["messages"]["times"].as_u64().unwrap() as usize).into(),
            None => call["messages"].clone(),
        };
        let mut options = json!({"max_output_tokens": 24});
        options.as_object_mut().unwrap().extend(call["options"].as_object().cloned().unwrap_or_default());
        let found = match router.complete_value(call["task"].as_str().unwrap(), messages, options).await {
            Ok(reply) => reply.to_value(),
            Err(error) => error.to_value(),
        };
        for (member, wanted) in call["expect"].as_object().unwrap() {
            let value = &found[member];
            let holds = match member.as_str() {
                "parsed" => value[wanted.as_str().unwrap()].is_boolean(),
                "usage" => value["input"].as_u64() > Some(0) && value["output"].as_u64() > Some(0),
                _ => value == wanted,
            };
            assert!(holds, "{name}: {member} is {value} in {found}");
        }
        println!("ok rust: {name}");
    }
}
