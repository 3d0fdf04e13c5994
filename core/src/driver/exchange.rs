//! One attempt: encode, send, read, decode.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use memchr::memmem;
use serde_json::Value;

use crate::error::ErrorKind;
use crate::provider::{Provider, Target};
use crate::transport::{HeaderValue, HttpAnswer, HttpResponse, MAX_BODY, Phase, Transport, TransportError};
use crate::types::parse::kind_of;
use crate::types::{Amend, Completion, Failure, Request, ResponseFormat};

/// How to ask one candidate.
pub(crate) trait Seat: Send + Sync {
    /// Its wire format.
    fn codec(&self) -> &'static dyn Provider;
    /// Changes that it is known to need from earlier calls.
    fn known(&self) -> &[Amend];
    /// Where and how it is asked, with these changes.
    fn target<'a>(&'a self, amends: &'a [Amend]) -> Target<'a>;
}

pub(super) async fn exchange(
    seat: Arc<dyn Seat>,
    amends: Vec<Amend>,
    request: Arc<Request>,
    transport: Arc<dyn Transport>,
) -> Result<Brought, Failure> {
    let amends = [seat.known(), &amends].concat();
    let target = seat.target(&amends);
    let codec = seat.codec();
    let (http, warnings) = codec.encode(&target, &request)?;
    let response = transport.send(http).await.map_err(broken)?;
    let mut answer = read(response).await?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let decoded = match codec.decode(&target, &request, &answer, now) {
        Err(_) if conceal(&mut answer, &target) => codec.decode(&target, &request, &answer, now),
        decoded => decoded,
    };
    let mut completion = decoded?;
    completion.warnings.splice(0..0, warnings);
    let parsed = parse_json(request.response_format.as_ref(), &completion.text, &mut completion.warnings);
    Ok(Brought { completion, parsed })
}

/// What an attempt brought.
pub(super) struct Brought {
    pub(super) completion: Completion,
    /// The answer as JSON, where that was asked for and it is.
    pub(super) parsed: Option<Value>,
}

/// What is shorter is no key but a placeholder for a server that wants none (`ollama`, `EMPTY`): it stands in errors by
/// chance, and taking it out would spoil their codes.
const SHORTEST_KEY: usize = 8;

/// Providers quote the key they refuse; most mask it, none promises to. Takes every secret out of a failed answer, and
/// tells whether there was one. What a model said stays as it came.
fn conceal(answer: &mut HttpAnswer, target: &Target<'_>) -> bool {
    let mut found = false;
    for secret in target.api_key.into_iter().chain(target.headers.values()) {
        // As a provider would quote it: without the scheme before it (`Bearer …`).
        let text = secret.expose();
        let key = text.rsplit(' ').next().unwrap_or(text).as_bytes();
        if key.len() < SHORTEST_KEY {
            continue;
        }
        for value in answer.headers.values_mut().filter(|value| memmem::find(value.as_bytes(), key).is_some()) {
            *value = HeaderValue::from_static("[secret]");
            found = true;
        }
        if memmem::find(&answer.body, key).is_some() {
            answer.body = without(&answer.body, key);
            found = true;
        }
    }
    found
}

fn without(body: &[u8], key: &[u8]) -> Bytes {
    let mut clean = Vec::with_capacity(body.len());
    let mut rest = 0;
    for at in memmem::find_iter(body, key) {
        clean.extend_from_slice(body.get(rest..at).unwrap_or_default());
        clean.extend_from_slice(b"[secret]");
        rest = at + key.len();
    }
    clean.extend_from_slice(body.get(rest..).unwrap_or_default());
    clean.into()
}

/// Reads the body up to the limit. An error status counts even if its body breaks off or is too large: the status is the news.
async fn read(response: HttpResponse) -> Result<HttpAnswer, Failure> {
    let HttpResponse { status, headers, mut body } = response;
    let mut whole = BytesMut::new();
    while let Some(piece) = body.next().await {
        match piece {
            Ok(piece) if whole.len() + piece.len() > MAX_BODY => {
                if status >= 400 {
                    break;
                }
                return Err(broken(TransportError {
                    phase: Phase::TooLarge,
                    message: format!("the response exceeds the limit of {MAX_BODY} bytes"),
                }));
            }
            Ok(piece) => whole.extend_from_slice(&piece),
            Err(_) if status >= 400 => break,
            Err(error) => {
                return Err(Failure { status: Some(status), ..broken(error) });
            }
        }
    }
    Ok(HttpAnswer { status, headers, body: Bytes::from(whole) })
}

fn broken(error: TransportError) -> Failure {
    let (kind, subkind) = match error.phase {
        Phase::Connect => (ErrorKind::Connection, Some("connect")),
        Phase::ConnectTimeout => (ErrorKind::Timeout, Some("connect")),
        Phase::Read | Phase::Cut => (ErrorKind::Connection, Some("read")),
        Phase::TooLarge => (ErrorKind::MalformedResponse, None),
    };
    Failure { subkind, ..Failure::new(kind, error.message) }
}

fn parse_json(format: Option<&ResponseFormat>, text: &str, warnings: &mut Vec<String>) -> Option<Value> {
    if !matches!(format, Some(ResponseFormat::JsonObject | ResponseFormat::JsonSchema { .. })) || text.is_empty() {
        return None;
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value) if value.is_object() || matches!(format, Some(ResponseFormat::JsonSchema { .. })) => Some(value),
        Ok(value) => {
            warnings.push(format!("a JSON object was asked for, the answer is {}", kind_of(&value)));
            None
        }
        Err(error) => {
            warnings.push(format!(
                "JSON was asked for, the answer is none (line {}, column {})",
                error.line(),
                error.column()
            ));
            None
        }
    }
}
