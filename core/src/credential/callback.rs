//! What a program's own callback gives.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{AwsKeys, Credential, Grant, Pass, Source};
use crate::error::ErrorKind;
use crate::types::{Failure, Secret, time};

/// How long what has no end of its own is kept, in seconds. Libraries that give out tokens renew them minutes before their end.
const UNDATED: u64 = 60;
/// The members of an object that a callback gives, as they are written in Rust and Python, and in JavaScript.
const MEMBERS: [[&str; 2]; 5] = [
    ["token", "token"],
    ["access_key_id", "accessKeyId"],
    ["secret_access_key", "secretAccessKey"],
    ["session_token", "sessionToken"],
    ["expires_at", "expiresAt"],
];

impl Credential {
    /// What `ask` gives: a token, or an object with a `token` or with AWS keys (`access_key_id`, `secret_access_key`,
    /// `session_token`), and `expires_at`, in seconds since the Unix epoch or as RFC 3339 has it. Without that it is asked for
    /// again after a minute. An error says what happened in words that everybody may read.
    ///
    /// ```
    /// use locum::credential::Credential;
    ///
    /// Credential::callback(|| async { Ok(serde_json::json!({"token": "eyJ…", "expires_at": 1_893_456_000})) });
    /// ```
    pub fn callback<Answer>(ask: impl Fn() -> Answer + Send + Sync + 'static) -> Self
    where
        Answer: Future<Output = Result<Value, String>> + Send + 'static,
    {
        Self::new(Callback(ask))
    }
}

struct Callback<F>(F);

impl<F, Answer> Source for Callback<F>
where
    F: Fn() -> Answer + Send + Sync,
    Answer: Future<Output = Result<Value, String>> + Send + 'static,
{
    fn fetch(&self, now: u64) -> BoxFuture<'static, Result<Grant, Failure>> {
        let asked = (self.0)();
        async move {
            // Most of them ask a service: it may be away, and back in a moment.
            let away = |why| Failure::new(ErrorKind::Connection, format!("the credential callback {why}"));
            let given = asked.await.map_err(away)?;
            let wrong = |what| Failure::new(ErrorKind::Auth, format!("the credential callback gave {what}"));
            grant(&given, now).map_err(wrong)
        }
        .boxed()
    }
}

/// The grant in what a callback gave; else what that is, without showing any of it.
fn grant(given: &Value, now: u64) -> Result<Grant, &'static str> {
    let undated = Some(now.saturating_add(UNDATED));
    let members = match given {
        Value::String(token) => return Ok(Grant { pass: Pass::Bearer(secret(token)?), expires_at: undated }),
        Value::Object(members) => members,
        _ => return Err("neither a string nor an object"),
    };
    if !members.keys().all(|name| MEMBERS.iter().flatten().any(|known| name == known)) {
        return Err(
            "an object with other members than token, access_key_id, secret_access_key, session_token, expires_at",
        );
    }
    let member = |place: usize| {
        let names = MEMBERS.get(place).into_iter().flatten();
        names.filter_map(|name| members.get(*name)).find(|value| !value.is_null())
    };
    let text = |place| match member(place) {
        None => Ok(None),
        Some(Value::String(text)) => secret(text).map(Some),
        Some(_) => Err("a member that is no string"),
    };
    let pass = match (text(0)?, text(1)?, text(2)?) {
        (Some(token), None, None) => Pass::Bearer(token),
        (None, Some(id), Some(secret_access_key)) => {
            Pass::Aws(AwsKeys { access_key_id: id.expose().to_owned(), secret_access_key, session_token: text(3)? })
        }
        _ => return Err("neither a token nor a pair of AWS keys"),
    };
    let expires_at = match member(4) {
        None => undated,
        Some(Value::String(text)) => Some(time::seconds(text).ok_or("an expires_at that is no time by RFC 3339")?),
        // Half a second more or less is nothing to the margin.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(number) => {
            let seconds = number.as_f64().filter(|seconds| (0.0..1e11).contains(seconds));
            Some(seconds.ok_or("an expires_at that is no time in seconds")? as u64)
        }
    };
    Ok(Grant { pass, expires_at })
}

/// What can stand in a header.
fn secret(text: &str) -> Result<Secret, &'static str> {
    match text.chars().all(|letter| letter.is_ascii_graphic()) {
        true if !text.is_empty() => Ok(Secret::new(text)),
        true => Err("an empty text"),
        false => Err("a text with characters that no header can carry"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_and_keys_with_and_without_an_end() {
        let token = |expires_at| Ok(Grant { pass: Pass::Bearer(Secret::new("t")), expires_at: Some(expires_at) });
        assert_eq!(grant(&json!("t"), 100), token(160));
        assert_eq!(grant(&json!({"token": "t", "expires_at": null}), 100), token(160));
        assert_eq!(grant(&json!({"token": "t", "expires_at": 500.7}), 100), token(500));
        assert_eq!(grant(&json!({"token": "t", "expiresAt": "1970-01-01T01:00:00.000Z"}), 100), token(3600));
        let keys = json!({"accessKeyId": "A", "secret_access_key": "s", "sessionToken": "x", "expires_at": 7});
        let Pass::Aws(keys) = grant(&keys, 0).unwrap().pass else { unreachable!("keys") };
        assert_eq!((keys.access_key_id.as_str(), keys.secret_access_key.expose()), ("A", "s"));
        assert_eq!(keys.session_token, Some(Secret::new("x")));
    }

    #[test]
    fn what_is_no_credential_is_named_and_not_shown() {
        let wrong = [
            (json!(null), "neither a string nor an object"),
            (json!(["sk-1"]), "neither a string nor an object"),
            (json!(""), "an empty text"),
            (json!("sk-1\n"), "no header can carry"),
            (json!({"key": "sk-1"}), "other members than token"),
            (json!({"token": 1}), "a member that is no string"),
            (json!({}), "neither a token nor a pair of AWS keys"),
            (json!({"access_key_id": "sk-1"}), "neither a token nor a pair of AWS keys"),
            (json!({"token": "sk-1", "access_key_id": "a", "secret_access_key": "b"}), "neither a token nor"),
            (json!({"token": "sk-1", "expires_at": "tomorrow"}), "no time by RFC 3339"),
            (json!({"token": "sk-1", "expires_at": -5}), "no time in seconds"),
            (json!({"token": "sk-1", "expires_at": 1_893_456_000_000_u64}), "no time in seconds"),
        ];
        for (given, expected) in wrong {
            let said = grant(&given, 0).unwrap_err();
            assert!(said.contains(expected) && !said.contains("sk-1"), "{given}: {said}");
        }
    }
}
