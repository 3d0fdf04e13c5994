//! Tool calls in streams, with what servers leave out of them.

use locum::provider::Delta;
use locum::types::Completion;
use serde_json::{Value, json};

use crate::Format;
use crate::streams::{answer, block, chat, piece, start, stopping};

fn calls(completion: &Completion) -> Vec<[&str; 3]> {
    completion.tool_calls.iter().map(|call| [call.id.as_str(), &call.name, &call.arguments]).collect()
}

#[test]
fn tool_calls_are_put_together() {
    let piece_of = |index: u64, id: Option<&str>, name: Option<&str>, arguments: &str| json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}]});
    let (fed, completion) = chat(
        &[
            piece_of(0, Some("a"), Some("look"), ""),
            piece_of(0, None, None, "{\"at\""),
            piece_of(0, None, None, ":1}"),
            piece_of(1, Some("b"), Some("go"), ""),
        ],
        "tool_calls",
    );
    assert_eq!(calls(&completion), [["a", "look", "{\"at\":1}"], ["b", "go", "{}"]]);
    let indices: Vec<_> = fed
        .deltas
        .iter()
        .filter_map(|delta| match delta {
            Delta::ToolCall(call) => {
                Some((call.index, call.id.as_deref(), call.name.as_deref(), call.arguments.as_str()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        indices,
        [
            (0, Some("a"), Some("look"), ""),
            (0, None, None, "{\"at\""),
            (0, None, None, ":1}"),
            (1, Some("b"), Some("go"), "")
        ]
    );

    let (fed, completion) = answer(
        Format::Messages,
        &[
            start(),
            block(0, json!({"type": "text", "text": ""})),
            piece(0, json!({"type": "text_delta", "text": "So: "})),
            block(1, json!({"type": "tool_use", "id": "a", "name": "look", "input": {}})),
            piece(1, json!({"type": "input_json_delta", "partial_json": ""})),
            piece(1, json!({"type": "input_json_delta", "partial_json": "{\"at\": "})),
            piece(1, json!({"type": "input_json_delta", "partial_json": "1}"})),
            block(2, json!({"type": "tool_use", "id": "b", "name": "go", "input": {}})),
            stopping("tool_use"),
            json!({"type": "message_stop"}),
        ],
    );
    assert_eq!(calls(&completion), [["a", "look", "{\"at\":1}"], ["b", "go", "{}"]]);
    assert_eq!(fed.deltas.iter().filter(|delta| matches!(delta, Delta::ToolCall(_))).count(), 4);
    assert_eq!(completion.finish.unified.as_str(), "tool_calls");
}

#[test]
fn tool_calls_of_odd_servers() {
    let call = |call: Value| json!({"tool_calls": [call]});
    let function = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});
    // No index: the id tells, or that the call is whole.
    let (_, got) = chat(
        &[
            json!({"tool_calls": [{"id": "a", "function": function("go", json!("{}"))}, {"id": "b", "function": function("go", json!("{\"x\":1}"))}]}),
        ],
        "stop",
    );
    assert_eq!(calls(&got), [["a", "go", "{}"], ["b", "go", "{\"x\":1}"]]);
    let (_, got) = chat(
        &[call(json!({"function": function("go", json!("{\"x\":"))})), call(json!({"function": {"arguments": "1}"}}))],
        "stop",
    );
    assert_eq!(calls(&got), [["call_c-1_0", "go", "{\"x\":1}"]]);
    let whole = || call(json!({"function": function("go", json!({"x": 1}))}));
    let (_, got) = chat(&[whole(), whole()], "stop");
    assert_eq!(calls(&got), [["call_c-1_0", "go", "{\"x\":1}"], ["call_c-1_1", "go", "{\"x\":1}"]]);
    // No index, and the name with every piece.
    let (fed, got) = chat(
        &[
            call(json!({"function": function("go", json!("{\"x\":"))})),
            call(json!({"function": function("go", json!("1}"))})),
        ],
        "stop",
    );
    assert_eq!(calls(&got), [["call_c-1_0", "go", "{\"x\":1}"]]);
    assert_eq!(fed.deltas.len(), 2);
    // Name and id with every piece; a new id with every piece; one index for all calls.
    let (_, got) = chat(
        &[
            call(json!({"index": 0, "id": "a", "function": function("go", json!("{"))})),
            call(json!({"index": 0, "id": "a", "function": function("go", json!("}"))})),
        ],
        "stop",
    );
    assert_eq!(calls(&got), [["a", "go", "{}"]]);
    let (_, got) = chat(
        &[
            call(json!({"index": 0, "id": "a", "function": function("go", json!("{"))})),
            call(json!({"index": 0, "id": "b", "function": {"arguments": "}"}})),
        ],
        "stop",
    );
    assert_eq!(calls(&got), [["a", "go", "{}"]]);
    let (_, got) = chat(
        &[
            call(json!({"index": 0, "id": "a", "function": function("go", json!("{}"))})),
            call(json!({"index": 0, "id": "b", "function": function("go", json!("{}"))})),
        ],
        "stop",
    );
    assert_eq!(calls(&got), [["a", "go", "{}"], ["b", "go", "{}"]]);
    // The form of old, and a tool that takes free text.
    let (_, got) = chat(
        &[json!({"function_call": function("go", json!("{\"x\""))}), json!({"function_call": {"arguments": ":1}"}})],
        "function_call",
    );
    assert_eq!(calls(&got), [["call_c-1", "go", "{\"x\":1}"]]);
    let (_, got) = chat(
        &[
            call(json!({"index": 0, "id": "a", "custom": {"name": "run", "input": "ls "}})),
            call(json!({"index": 0, "custom": {"input": "-l"}})),
        ],
        "tool_calls",
    );
    assert_eq!(calls(&got), [["a", "run", "\"ls -l\""]]);
}

/// A new id and the name with every piece, with and without an index: what is half written tells.
#[test]
fn pieces_under_ever_new_ids() {
    for index in [json!(0), json!("0"), Value::Null] {
        let piece = |id: &str, arguments: &str| json!({"tool_calls": [{"index": index, "id": id, "function": {"name": "go", "arguments": arguments}}]});
        let (_, got) = chat(
            &[
                piece("a", ""),
                piece("b", "{\"x\":"),
                piece("c", "\"\\\"}"),
                piece("d", "{\"}"),
                piece("e", "{\"x\":[1"),
                piece("f", "]}"),
                piece("g", ""),
                piece("h", ""),
            ],
            "tool_calls",
        );
        let want =
            [["a", "go", "{\"x\":\"\\\"}{\"}"], ["e", "go", "{\"x\":[1]}"], ["g", "go", "{}"], ["h", "go", "{}"]];
        assert_eq!(calls(&got), want, "{index}");
    }
}

#[test]
fn an_index_may_be_a_string() {
    let piece = |index: &str, name: Option<&str>, arguments: &str| json!({"tool_calls": [{"index": index, "function": {"name": name, "arguments": arguments}}]});
    let pieces = [
        piece("0", Some("go"), ""),
        piece("1", Some("look"), ""),
        piece("0", None, "{\"x\":1}"),
        piece("1", None, "[]"),
    ];
    let (_, got) = chat(&pieces, "tool_calls");
    assert_eq!(calls(&got), [["call_c-1_0", "go", "{\"x\":1}"], ["call_c-1_1", "look", "[]"]]);
}

#[test]
fn half_written_calls_behind_a_length_are_left_out() {
    let call = json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "go", "arguments": "{\"wh"}}]});
    let (_, got) = chat(&[call], "length");
    assert_eq!((got.tool_calls.len(), got.warnings.len(), got.finish.unified.as_str()), (0, 1, "length"));
    let (_, got) = answer(
        Format::Messages,
        &[
            start(),
            block(0, json!({"type": "tool_use", "id": "a", "name": "go", "input": {}})),
            piece(0, json!({"type": "input_json_delta", "partial_json": "{\"wh"})),
            stopping("max_tokens"),
            json!({"type": "message_stop"}),
        ],
    );
    assert_eq!((got.tool_calls.len(), got.warnings.len(), got.finish.unified.as_str()), (0, 1, "length"));
}
