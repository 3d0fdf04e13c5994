"""Invoices become data: the task's prompt is filled in, and what does not match its schema reaches nobody."""

import locum

DOCUMENTS = [
    "Invoice INV-1041. Paper and ink. To be paid: 120,00 EUR.",
    "Faktura INV-1042. Blekk. Å betale: 80 kroner.",
]

for document in DOCUMENTS:
    reply = locum.complete_sync("invoice_extraction", variables={"document": document})
    print(reply.trail(), end="")
    print(f"{reply.parsed['number']}: {reply.parsed['total']} {reply.parsed['currency']} — {reply.model}\n")
