//! The usual failures of a primary, one after the other, and what becomes of each call.

use std::time::Duration;

use locum::Router;

#[tokio::main]
async fn main() -> Result<(), locum::Error> {
    let router = Router::from_default()?;
    for what in [
        "all is well",
        "the primary is overloaded",
        "the primary is rate limited",
        "the primary's key is dead",
        "the primary is silent",
        "everything fails",
    ] {
        println!("\n▸ {what}");
        // Otherwise a primary that just failed would be passed over for a while.
        router.reset_health(None);
        let call = router.complete("support_chat", "My invoice is wrong.").timeout(Duration::from_millis(1000));
        match call.await {
            Ok(reply) => println!("{}{} — {}", reply.trail(), reply.text(), reply.model),
            Err(error) => println!("{}{error}", error.trail()),
        }
    }
    Ok(())
}
