//! A chat in the terminal that survives a cut: the stand-in goes on where the primary broke off.

use std::io::{Write, stdin, stdout};

use futures_util::StreamExt;
use locum::{Event, Message, Router};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let router = Router::from_default()?;
    let mut chat = vec![Message::system("You help with invoices.")];
    for line in stdin().lines() {
        let line = line?;
        println!("> {line}");
        chat.push(Message::user(line));
        let mut events = router.stream("support_chat", chat.clone());
        while let Some(event) = events.next().await {
            match event? {
                Event::Text(text) => print!("{text}"),
                Event::Restart { model, reason, .. } => println!("\n[{reason}; {model} begins anew]"),
                Event::End(reply) => {
                    println!("\n\n{}", reply.trail());
                    chat.push(reply.message());
                }
                _ => {}
            }
            stdout().flush()?;
        }
    }
    Ok(())
}
