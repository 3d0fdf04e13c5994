// Invoices become data: the task's prompt is filled in, and what does not match its schema reaches nobody.
import { complete } from 'locum'

const documents = [
  'Invoice INV-1041. Paper and ink. To be paid: 120,00 EUR.',
  'Faktura INV-1042. Blekk. Å betale: 80 kroner.',
]

for (const document of documents) {
  const reply = await complete('invoice_extraction', null, { variables: { document } })
  process.stdout.write(reply.trail())
  const { number, total, currency } = reply.parsed
  console.log(`${number}: ${total} ${currency} — ${reply.model}\n`)
}
