//! What AWS calls its errors (<https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html>).

use crate::error::ErrorKind::*;
use crate::provider::classify::{Phrase, Rows};

/// Statuses that complain about the request, and exceptions inside a stream.
const REQUEST: &[u16] = &[200, 400];

pub(in crate::provider) const ROWS: Rows = Rows {
    codes: &[
        ("modelnotreadyexception", (Overloaded, Some("cold"))),
        ("servicequotaexceededexception", (ProviderQuota, Some("service"))),
        ("serviceunavailableexception", (Overloaded, None)),
        ("internalserverexception", (ServerError, None)),
        ("modelstreamerrorexception", (ServerError, None)),
        ("modelerrorexception", (ServerError, None)),
        ("modeltimeoutexception", (Timeout, None)),
        ("accessdeniedexception", (Permission, None)),
        ("mpagreementbeingcreatedexception", (Permission, None)),
        ("resourcenotfoundexception", (ModelNotFound, None)),
        ("unrecognizedclientexception", (Auth, None)),
        ("expiredtokenexception", (Auth, None)),
        ("requestexpired", (Auth, None)),
        ("requestexpiredexception", (Auth, None)),
        ("invalidsignatureexception", (Auth, None)),
        ("incompletesignatureexception", (Auth, None)),
        ("missingauthenticationtokenexception", (Auth, None)),
    ],
    money: &[],
    phrases: &[
        Phrase::new(REQUEST, &["model identifier is invalid"], ModelNotFound, None),
        Phrase::new(REQUEST, &["on-demand throughput isn"], ModelNotFound, None),
        Phrase::new(REQUEST, &["end of its life"], ModelNotFound, None),
        Phrase::new(REQUEST, &["extraneous key"], Unsupported, None),
        Phrase::new(REQUEST, &["doesn't support"], Unsupported, None),
        Phrase::new(REQUEST, &["doesn’t support"], Unsupported, None),
        Phrase::new(REQUEST, &["does not support"], Unsupported, None),
        Phrase::new(REQUEST, &["signature", "thinking"], InvalidRequest, Some("history")),
    ],
    types: &[("throttlingexception", (RateLimited, None)), ("validationexception", (InvalidRequest, None))],
};
