//! Invoices become data: the task's prompt is filled in, and what does not match its schema reaches nobody.

use locum::Router;
use serde::Deserialize;

#[derive(Deserialize)]
struct Invoice {
    number: String,
    total: f64,
    currency: String,
}

const DOCUMENTS: [&str; 2] =
    ["Invoice INV-1041. Paper and ink. To be paid: 120,00 EUR.", "Faktura INV-1042. Blekk. Å betale: 80 kroner."];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let router = Router::from_default()?;
    for document in DOCUMENTS {
        let reply = router.complete("invoice_extraction", ()).variable("document", document).await?;
        print!("{}", reply.trail());
        let invoice: Invoice = serde_json::from_value(reply.parsed.clone().unwrap_or_default())?;
        println!("{}: {} {} — {}\n", invoice.number, invoice.total, invoice.currency, reply.model);
    }
    Ok(())
}
