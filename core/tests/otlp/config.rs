//! The section `[accounting.otlp]`: what it takes, and what it says of what it does not.

use locum::Policy;
use serde_json::{Value, json};

fn policy(otlp: &Value) -> Result<Policy, locum::Error> {
    Policy::from_value(json!({"tasks": {"t": {"primary": "ollama/x"}}, "accounting": {"otlp": otlp}}))
}

#[test]
fn what_is_wrong_is_named() {
    for (otlp, expected) in [
        (
            json!({"endpoint": "localhost:4318"}),
            "accounting.otlp.endpoint: must be an address such as http://localhost:4318",
        ),
        (
            json!({"endpoint": "http://u:p@h:1"}),
            "accounting.otlp.endpoint: must not hold a user or password; use headers",
        ),
        (
            json!({"endpoint": "http://h:1/v1/traces"}),
            "accounting.otlp.endpoint: must be the address of the collector, without /v1/traces or /v1/metrics, which are appended",
        ),
        (
            json!({"endpoint": "http://h:1/x", "protocol": "grpc"}),
            "accounting.otlp.endpoint: must not have a path where grpc is spoken",
        ),
        (json!({"headers": {"content-type": "x"}}), "accounting.otlp.headers.content-type: is set by Locum itself"),
        (
            json!({"headers": {"x-key": "env:LOCUM_TEST_UNSET"}}),
            "accounting.otlp.headers.x-key: environment variable LOCUM_TEST_UNSET is not set",
        ),
        (json!({"service_name": " "}), "accounting.otlp.service_name: must not be empty"),
        (
            json!({"traces": false, "metrics": false}),
            "accounting.otlp: sends nothing: traces and metrics are both false",
        ),
        (json!({"timeout_ms": 0}), "accounting.otlp.timeout_ms: must be between 1 and 86400000"),
    ] {
        assert_eq!(policy(&otlp).expect_err("a problem").problems(), [expected]);
    }
    assert!(policy(&json!({"protocol": "http/json"})).is_err());
}

#[test]
fn what_is_left_out_has_its_default() {
    let otlp = policy(&json!({})).unwrap().accounting.otlp.unwrap();
    assert_eq!(otlp.endpoint, "http://localhost:4318");
    assert_eq!(otlp.resource["service.name"], "locum");
    assert!(otlp.traces && otlp.metrics && otlp.headers.is_empty());
    let grpc = policy(&json!({"protocol": "grpc"})).unwrap().accounting.otlp.unwrap();
    assert_eq!(grpc.endpoint, "http://localhost:4317");
}
