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
        let task = call["task"].as_str().unwrap();
        for how in ["whole", "streamed"] {
            let result = match how {
                "whole" => router.complete_value(task, messages.clone(), options.clone()).await,
                _ => router.stream_value(task, messages.clone(), options.clone()).collect().await,
            };
            let found = result.map_or_else(|error| error.to_value(), |reply| reply.to_value());
            // Where a stream of this server says something else, as when it can only break off.
            let own = call.get("expect_streamed").filter(|_| how == "streamed");
            for (member, wanted) in own.unwrap_or(&call["expect"]).as_object().unwrap() {
                let value = &found[member];
                let holds = match member.as_str() {
                    "parsed" => value[wanted.as_str().unwrap()].is_boolean(),
                    // This server's streams do not tell.
                    "usage" if value.is_null() => how == "streamed",
                    "usage" => value["input"].as_u64() > Some(0) && value["output"].as_u64() > Some(0),
                    _ => value == wanted,
                };
                assert!(holds, "{name}, {how}: {member} is {value} in {found}");
            }
            println!("ok rust: {name}, {how}");
        }
    }
}
