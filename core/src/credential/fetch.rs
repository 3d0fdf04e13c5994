//! What the sources share: the surroundings they look into, one HTTP exchange, and how its failures are told.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{Grant, Pass};
use crate::error::ErrorKind;
use crate::transport::{HeaderMap, HeaderValue, HttpRequest, HttpResponse, Method, Phase, Transport, TransportError};
use crate::types::{Failure, Secret};

/// The largest answer read, and the largest file: 1 MiB. Tokens take a few kilobytes.
const LARGEST: usize = 1024 * 1024;
/// How long connecting may take. Metadata services are next door, and away on machines outside of their cloud.
const CONNECT: Duration = Duration::from_secs(2);

type Lookup = dyn Fn(&str) -> Option<OsString> + Send + Sync;

/// Environment variables and a way to send requests.
#[derive(Clone)]
pub struct Surroundings {
    env: Arc<Lookup>,
    transport: Arc<dyn Transport>,
}

impl Surroundings {
    /// The variables of this process.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self::with_variables(transport, |name| std::env::var_os(name))
    }

    /// Variables that are looked up elsewhere.
    pub fn with_variables(
        transport: Arc<dyn Transport>,
        env: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static,
    ) -> Self {
        Self { env: Arc::new(env), transport }
    }

    /// A variable that is set to something.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let value = (self.env)(name)?.into_string().ok()?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A file below the user's home.
    pub(super) fn home(&self, below: &str) -> Option<PathBuf> {
        let home = self.variable("HOME").or_else(|| self.variable("USERPROFILE"))?;
        Some(Path::new(&home).join(below))
    }

    /// Sends a request and reads the answer to a success; else the failure names `who`, the status and the code of the error
    /// alone, since what else such services say may hold secrets.
    pub(super) async fn ask(&self, who: &str, asked: Asked) -> Result<Bytes, Failure> {
        let unusable = || Failure::new(ErrorKind::Auth, format!("{who}: the request cannot be sent"));
        let mut headers = HeaderMap::new();
        for (name, value) in asked.headers {
            let mut value = HeaderValue::try_from(value).map_err(|_| unusable())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let request =
            HttpRequest { method: asked.method, url: asked.url, headers, body: asked.body, connect_timeout: CONNECT };
        let response = self.transport.send(request).await.map_err(|error| away(who, &error))?;
        let status = response.status;
        if (200..300).contains(&status) {
            return read(who, response).await;
        }
        let kind = if status >= 500 || status == 429 { ErrorKind::Connection } else { ErrorKind::Auth };
        let said = read(who, response).await.ok().and_then(|body| code(&body));
        let said = said.map(|code| format!(" ({code})")).unwrap_or_default();
        Err(Failure::new(kind, format!("{who} answered with status {status}{said}")))
    }

    /// As [`Surroundings::ask`], for an answer in JSON.
    pub(super) async fn ask_json(&self, who: &str, asked: Asked) -> Result<Value, Failure> {
        let body = self.ask(who, asked).await?;
        serde_json::from_slice(&body)
            .map_err(|_| Failure::new(ErrorKind::Auth, format!("{who} answered with something else than JSON")))
    }
}

async fn read(who: &str, mut response: HttpResponse) -> Result<Bytes, Failure> {
    let mut body = BytesMut::new();
    while let Some(piece) = response.body.next().await {
        body.extend_from_slice(&piece.map_err(|error| away(who, &error))?);
        if body.len() > LARGEST {
            return Err(Failure::new(ErrorKind::Auth, format!("{who}: the answer is too large")));
        }
    }
    Ok(body.freeze())
}

fn away(who: &str, error: &TransportError) -> Failure {
    let kind = match error.phase {
        Phase::ConnectTimeout => ErrorKind::Timeout,
        _ => ErrorKind::Connection,
    };
    let failure = Failure::new(kind, format!("{who}: {}", error.message));
    if matches!(error.phase, Phase::Connect | Phase::ConnectTimeout) {
        failure.with_subkind("connect")
    } else {
        failure
    }
}

/// The code of an error as OAuth has it (RFC 6749, 5.2), with the number that Entra adds.
fn code(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let word = text(&body, "error").filter(|word| {
        word.len() <= 60 && word.chars().all(|letter| letter.is_ascii_lowercase() || matches!(letter, '_' | '-'))
    })?;
    let number = body.pointer("/error_codes/0").and_then(Value::as_u64);
    Some(number.map_or_else(|| word.to_owned(), |number| format!("{word}, AADSTS{number}")))
}

/// A request to a service that gives out credentials.
pub(super) struct Asked {
    method: Method,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Asked {
    pub(super) fn get(url: impl Into<String>) -> Self {
        Self { method: Method::GET, url: url.into(), headers: Vec::new(), body: Bytes::new() }
    }

    pub(super) fn put(url: impl Into<String>) -> Self {
        Self { method: Method::PUT, ..Self::get(url) }
    }

    /// A form that is posted, as OAuth's services take it.
    pub(super) fn form(url: impl Into<String>, fields: &[(&str, &str)]) -> Self {
        let body = Bytes::from(query(fields));
        let asked = Self { method: Method::POST, body, ..Self::get(url) };
        asked.with("content-type", "application/x-www-form-urlencoded")
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Fields in the form of a query.
pub(super) fn query(fields: &[(&str, &str)]) -> String {
    let written = |(name, value): &(&str, &str)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
    fields.iter().map(written).collect::<Vec<_>>().join("&")
}

/// The token in an answer of OAuth's form. Its lifetime is told in seconds (`expires_in`), or as its end (`expires_on`); Azure's
/// services write both as text.
pub(super) fn token(who: &str, answer: &Value, now: u64) -> Result<Grant, Failure> {
    let token = text(answer, "access_token").map(Secret::new);
    let token = token.ok_or_else(|| Failure::new(ErrorKind::Auth, format!("{who} gave no token")))?;
    let number = |name| {
        let value = answer.get(name)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    };
    let end = number("expires_in").map(|seconds| now.saturating_add(seconds)).or_else(|| number("expires_on"));
    Ok(Grant { pass: Pass::Bearer(token), expires_at: end })
}

/// Whether a secret may be sent there: over https, or to this machine.
pub(super) fn private(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    uri.scheme_str() == Some("https")
        || bare == "localhost"
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A text member that is not empty.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A small file of text.
pub(super) fn file(what: &str, path: &Path) -> Result<String, Failure> {
    let failed = |why: String| Failure::new(ErrorKind::Auth, format!("{what} {}: {why}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > LARGEST as u64 {
        return Err(failed("is too large".to_owned()));
    }
    std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))
}
