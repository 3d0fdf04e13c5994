//! What calls did and cost: told to the program as they end, held to a quota, and kept in a file.

use locum::{ErrorKind, Happening, Router};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let router = Router::from_default()?;
    router.on_event(|event| {
        if matches!(event.what, Happening::BreakerOpened | Happening::Cooled) {
            println!("  ! {event}");
        }
        let Some(record) = &event.record else {
            return;
        };
        let cost = record.cost.map_or_else(|| "unknown".to_owned(), |cost| format!("{cost:.6}"));
        let (customer, model) =
            (record.customer.as_deref().unwrap_or("-"), record.model.as_deref().unwrap_or("nobody"));
        let count = record.attempts.len();
        println!("  {customer}: {} by {model}, {count} attempts, {cost} USD", record.outcome.as_str());
        for made in &record.attempts {
            let kind = made.attempt.kind.map_or("", ErrorKind::as_str);
            let tokens = made.usage.map_or(0, |usage| usage.input + usage.output);
            println!("    {} {} {kind} {tokens} tokens", made.attempt.model, made.attempt.outcome.as_str());
        }
    });
    for customer in ["acme", "free:ida", "free:ida", "free:ida"] {
        match router.complete("support_chat", "My invoice is wrong").customer(customer).await {
            Err(error) if error.kind() == ErrorKind::QuotaExceeded => {
                let message = error.to_string();
                println!("  {customer}: refused: {}", message.split(';').next().unwrap_or_default());
            }
            reply => drop(reply?),
        }
    }
    println!("{}", if router.flush(None) { "written" } else { "not written" });
    Ok(())
}
