//! An agent with two tools, whose model fails between two turns: the stand-in goes on with the conversation.

use locum::types::{Tool, ToolCall};
use locum::{Message, Router};
use serde_json::{Value, json};

fn tools() -> Vec<Tool> {
    let tool = |name: &str, description: &str, parameters: Value| Tool {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        parameters: Some(parameters),
        strict: None,
    };
    let number = json!({"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]});
    let amounts = json!({"type": "object", "required": ["amounts"],
        "properties": {"amounts": {"type": "array", "items": {"type": "number"}}}});
    vec![
        tool("find_invoice", "The open amount of an invoice, in EUR", number),
        tool("add", "The sum of amounts", amounts),
    ]
}

fn run(call: &ToolCall) -> Value {
    let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
    if call.name == "find_invoice" {
        let number = arguments.get("number").and_then(Value::as_i64);
        return json!({"open": if number == Some(1041) { 120 } else { 80 }});
    }
    let amounts = arguments.get("amounts").and_then(Value::as_array).into_iter().flatten();
    json!({"sum": amounts.filter_map(Value::as_i64).sum::<i64>()})
}

#[tokio::main]
async fn main() -> Result<(), locum::Error> {
    let router = Router::from_default()?;
    let mut chat = vec![Message::user("How much do I owe for invoices 1041 and 1042?")];
    loop {
        let reply = router.complete("support_chat", chat.clone()).tools(tools()).await?;
        print!("{}", reply.trail());
        chat.push(reply.message());
        if reply.tool_calls().is_empty() {
            println!("{} — {}", reply.text(), reply.model);
            return Ok(());
        }
        for call in reply.tool_calls() {
            let result = run(call);
            println!("  {} calls {}({}) = {result}", reply.model, call.name, call.arguments);
            chat.push(Message::tool(&call.id, result.to_string()));
        }
    }
}
