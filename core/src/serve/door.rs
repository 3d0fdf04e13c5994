//! Who may come in.

use axum::http::Uri;
use axum::http::header::{AUTHORIZATION, HeaderMap, ORIGIN};
use subtle::ConstantTimeEq;

use crate::config::{Serve, Token};
use crate::openai::Refusal;

/// The tokens that let clients in.
pub(super) struct Door {
    tokens: Vec<Token>,
    /// Whether it is one of this machine alone.
    loopback: bool,
}

impl Door {
    pub(super) fn new(settings: &Serve, loopback: bool) -> Self {
        Self { tokens: settings.tokens.clone(), loopback }
    }

    /// The customer whose calls the client makes, where its token says so.
    ///
    /// # Errors
    /// What a client without a token is told.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
        if self.tokens.is_empty() {
            return if self.loopback { from_here(headers).map(|()| None) } else { Ok(None) };
        }
        let Some(given) = bearer(headers) else {
            let message = "a token is required, as header Authorization: Bearer TOKEN".to_owned();
            return Err(Refusal::at_the_door(401, "invalid_api_key", message));
        };
        let mut found = None;
        // All of them are looked at in any case, so that the time says nothing.
        for token in &self.tokens {
            if bool::from(token.secret.expose().as_bytes().ct_eq(given)) {
                found = Some(token);
            }
        }
        match found {
            Some(token) => Ok(token.customer.as_deref()),
            None => Err(Refusal::at_the_door(401, "invalid_api_key", "the token is not known here".to_owned())),
        }
    }

    /// Whether a client may see the counts: they tell the names of tasks and models, and how busy they are.
    pub(super) fn admit_to_metrics(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.loopback { Ok(()) } else { self.admit(headers).map(drop) }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii())
}

/// Without tokens, whatever runs on this machine may call; a page from elsewhere in its browser may not.
fn from_here(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(origin) = headers.get(ORIGIN) else {
        return Ok(());
    };
    let uri = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let here = host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if here {
        return Ok(());
    }
    let message = "pages of other origins may call only with a token; name one in [serve] tokens".to_owned();
    Err(Refusal::at_the_door(403, "cross_origin", message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::types::Secret;

    fn door(tokens: &[(&str, Option<&str>)], loopback: bool) -> Door {
        let token = |(secret, customer): &(&str, Option<&str>)| Token {
            secret: Secret::new(*secret),
            customer: customer.map(str::to_owned),
        };
        Door { tokens: tokens.iter().map(token).collect(), loopback }
    }

    fn with(name: axum::http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn a_token_is_taken_whole_and_its_scheme_in_any_case() {
        let door = door(&[("one two", None), ("three", Some("acme"))], false);
        let admitted = |value: &str| door.admit(&with(AUTHORIZATION, value)).map(|c| c.map(str::to_owned)).ok();
        assert_eq!(admitted("Bearer one two"), Some(None));
        assert_eq!(admitted("bearer  three "), Some(Some("acme".to_owned())));
        for wrong in ["Bearer one", "Bearer", "Bearer ", "Basic three", "three", "Bearer threefold", "Bearer thre"] {
            assert_eq!(admitted(wrong), None, "{wrong}");
        }
        assert!(door.admit(&HeaderMap::new()).is_err());
        assert!(door.admit_to_metrics(&HeaderMap::new()).is_err());
    }

    #[test]
    fn without_tokens_pages_of_this_machine_may_call() {
        let door = door(&[], true);
        for origin in ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:80"] {
            assert!(door.admit(&with(ORIGIN, origin)).is_ok(), "{origin}");
        }
        for origin in ["https://example.com", "null", "http://127.0.0.1.example.com", "http://localhost.example.com"] {
            assert!(door.admit(&with(ORIGIN, origin)).is_err(), "{origin}");
        }
        assert!(door.admit(&HeaderMap::new()).is_ok());
    }
}
