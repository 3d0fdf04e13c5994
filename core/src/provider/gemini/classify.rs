//! What Google calls its errors (<https://ai.google.dev/gemini-api/docs/troubleshooting>).

use crate::error::ErrorKind::*;
use crate::provider::classify::{Phrase, Rows};

/// Statuses that complain about the request, and errors inside a 200.
const REQUEST: &[u16] = &[200, 400];

pub(in crate::provider) const ROWS: Rows = Rows {
    codes: &[
        ("api_key_invalid", (Auth, None)),
        ("api_key_expired", (Auth, None)),
        ("access_token_expired", (Auth, None)),
        ("access_token_scope_insufficient", (Permission, None)),
        ("billing_disabled", (Permission, None)),
        ("service_disabled", (Permission, None)),
    ],
    money: &["prepayment credits are depleted"],
    phrases: &[
        Phrase::new(REQUEST, &["api key expired"], Auth, None),
        Phrase::new(REQUEST, &["thought_signature"], InvalidRequest, Some("history")),
        Phrase::new(REQUEST, &["thought signature"], InvalidRequest, Some("history")),
        Phrase::new(REQUEST, &["number of function response parts"], InvalidRequest, Some("history")),
        Phrase::new(REQUEST, &["user location is not supported"], Permission, None),
        Phrase::new(REQUEST, &["function calling with a response mime type"], Unsupported, None),
        Phrase::new(REQUEST, &["is not enabled for"], Unsupported, None),
        Phrase::new(REQUEST, &["thinking is not supported"], Unsupported, None),
        Phrase::new(REQUEST, &["thinking level", "not supported"], Unsupported, None),
        Phrase::new(REQUEST, &["thinking budget", "not supported"], Unsupported, None),
        Phrase::new(REQUEST, &["budget 0 is invalid"], Unsupported, None),
        Phrase::new(REQUEST, &["image input modality"], Unsupported, None),
        Phrase::new(&[500], &["input context is too long"], ContextOverflow, None),
    ],
    types: &[
        ("not_found", (ModelNotFound, None)),
        ("unauthenticated", (Auth, None)),
        ("permission_denied", (Permission, None)),
        ("cancelled", (Timeout, None)),
        ("internal", (ServerError, None)),
    ],
};
