//! One completion. Run it with keys in the environment: `cargo run --example 01-quickstart`.

use locum::{Message, Router};

#[tokio::main]
async fn main() -> Result<(), locum::Error> {
    let router = Router::from_default()?;
    let messages = [Message::system("You are a friendly support agent."), Message::user("My invoice is wrong.")];
    let reply = router.complete("support_chat", messages).customer("acme").await?;
    println!("{}", reply.text());
    println!("— {} in {:.0?}, finish {}", reply.model, reply.latency, reply.finish().unified.as_str());
    Ok(())
}
