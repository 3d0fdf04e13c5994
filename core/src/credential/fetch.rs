//! What the sources share: the surroundings they look into, one HTTP exchange, and how its failures are told.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde_json::Value;

use crate::error::ErrorKind;
use crate::transport::{HeaderMap, HeaderValue, HttpRequest, Method, Phase, Transport, TransportError};
use crate::types::Failure;

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

    /// Sends a request and reads the answer to a success; else the failure names `who` and the status alone, since what
    /// such services say may hold secrets.
    pub(super) async fn ask(&self, who: &str, asked: Asked) -> Result<Bytes, Failure> {
        let unusable = || Failure::new(ErrorKind::Auth, format!("{who}: the request cannot be sent"));
        let mut headers = HeaderMap::new();
        for (name, value) in asked.headers {
            let mut value = HeaderValue::try_from(value).map_err(|_| unusable())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let request =
            HttpRequest { method: asked.method, url: asked.url, headers, body: Bytes::new(), connect_timeout: CONNECT };
        let away = |error: TransportError| {
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
        };
        let mut response = self.transport.send(request).await.map_err(away)?;
        if !(200..300).contains(&response.status) {
            let kind =
                if response.status >= 500 || response.status == 429 { ErrorKind::Connection } else { ErrorKind::Auth };
            return Err(Failure::new(kind, format!("{who} answered with status {}", response.status)));
        }
        let mut body = BytesMut::new();
        while let Some(piece) = response.body.next().await {
            body.extend_from_slice(&piece.map_err(away)?);
            if body.len() > LARGEST {
                return Err(Failure::new(ErrorKind::Auth, format!("{who}: the answer is too large")));
            }
        }
        Ok(body.freeze())
    }

    /// As [`Surroundings::ask`], for an answer in JSON.
    pub(super) async fn ask_json(&self, who: &str, asked: Asked) -> Result<Value, Failure> {
        let body = self.ask(who, asked).await?;
        serde_json::from_slice(&body)
            .map_err(|_| Failure::new(ErrorKind::Auth, format!("{who} answered with something else than JSON")))
    }
}

/// A request to a service that gives out credentials.
pub(super) struct Asked {
    method: Method,
    url: String,
    headers: Vec<(&'static str, String)>,
}

impl Asked {
    pub(super) fn get(url: impl Into<String>) -> Self {
        Self { method: Method::GET, url: url.into(), headers: Vec::new() }
    }

    pub(super) fn put(url: impl Into<String>) -> Self {
        Self { method: Method::PUT, ..Self::get(url) }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
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
