//! What Anthropic calls its errors.

use crate::error::ErrorKind::*;
use crate::provider::classify::{Phrase, Rows};

/// Statuses that complain about the request, and errors inside a 200.
const REQUEST: &[u16] = &[200, 400, 404, 422];

pub(in crate::provider) const ROWS: Rows = Rows {
    codes: &[
        // The monthly cap of a usage tier, sent as a 429 without retry-after.
        ("enforced_spend_limit_reached", (ProviderQuota, None)),
        ("billing_error", (ProviderQuota, None)),
        ("overloaded_error", (Overloaded, None)),
        ("request_too_large", (RequestTooLarge, None)),
        ("timeout_error", (Timeout, None)),
        ("conflict_error", (ServerError, Some("conflict"))),
    ],
    money: &["credit balance is too low", "specified api usage limits"],
    phrases: &[
        Phrase::new(&[200, 400, 401, 403], &["invalid x-api-key"], Auth, None),
        Phrase::new(&[429], &["acceleration"], RateLimited, Some("ramp")),
        Phrase::new(REQUEST, &["output blocked by content filter"], ContentFiltered, Some("output")),
        Phrase::new(REQUEST, &["blocked by content filter"], ContentFiltered, Some("input")),
        Phrase::new(REQUEST, &["invalid", "signature", "thinking"], InvalidRequest, Some("history")),
        Phrase::new(REQUEST, &["thinking", "cannot be modified"], InvalidRequest, Some("history")),
        Phrase::new(REQUEST, &["expected `thinking`"], InvalidRequest, Some("history")),
        Phrase::new(REQUEST, &["first block must be `thinking`"], InvalidRequest, Some("history")),
        Phrase::new(REQUEST, &["unexpected `tool_use_id`"], InvalidRequest, Some("history")),
        Phrase::new(REQUEST, &["`tool_use`", "without `tool_result`"], InvalidRequest, Some("history")),
        Phrase::new(REQUEST, &["may not be enabled when"], Unsupported, None),
        Phrase::new(REQUEST, &["may only be set to"], Unsupported, None),
        Phrase::new(REQUEST, &["cannot both be specified"], Unsupported, None),
        Phrase::new(REQUEST, &["is deprecated for this model"], Unsupported, None),
        Phrase::new(REQUEST, &["schema is too complex"], Unsupported, None),
        Phrase::new(REQUEST, &["too many strict tools"], Unsupported, None),
        Phrase::new(REQUEST, &["too many optional"], Unsupported, None),
        Phrase::new(REQUEST, &["too many", "union"], Unsupported, None),
        Phrase::new(REQUEST, &["circular reference"], Unsupported, None),
    ],
    types: &[("not_found_error", (ModelNotFound, None))],
};
