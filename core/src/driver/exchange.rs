//! One attempt: encode, send, then read what comes, whole or as a stream.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, stream};

use super::conceal::Secrets;
use super::pass;
use super::reading::{Framing, Reading};
use crate::credential::{Credential, Grant, sigv4};
use crate::error::ErrorKind;
use crate::provider::{Delta, Provider, Target, limits};
use crate::transport::aws_events;
use crate::transport::sse::Sse;
use crate::transport::{HttpAnswer, HttpResponse, MAX_BODY, Phase, Transport, TransportError};
use crate::types::{Amend, Completion, Failure, Request, Upstream};

/// How to ask one candidate.
pub(crate) trait Seat: Send + Sync {
    /// What it is asked.
    fn request(&self) -> &Arc<Request>;
    /// Its wire format.
    fn codec(&self) -> &'static dyn Provider;
    /// Changes that it is known to need from earlier calls.
    fn known(&self) -> &[Amend];
    /// Where and how it is asked, with these changes.
    fn target<'a>(&'a self, amends: &'a [Amend]) -> Target<'a>;
    /// Where its credential is fetched, if it is.
    fn credential(&self) -> Option<&Credential>;
    /// What signatures of its requests are good for, where they are signed.
    fn scope(&self) -> Option<sigv4::Scope<'_>>;
}

/// What an attempt asks, and of whom.
pub(super) struct Question {
    pub(super) seat: Arc<dyn Seat>,
    pub(super) amends: Vec<Amend>,
    pub(super) request: Arc<Request>,
    pub(super) upstream: Upstream,
    /// The text to continue.
    pub(super) resume: Option<Arc<str>>,
}

/// What goes with an exchange, beside its body.
pub(super) struct About {
    pub(super) secrets: Secrets,
    /// What the writing of the request has to say.
    pub(super) warnings: Vec<String>,
    /// How long the provider's limits leave nothing for further calls.
    pub(super) spent: Option<Duration>,
}

/// What an attempt brought.
pub(super) struct Brought {
    pub(super) completion: Completion,
    /// How long the provider's limits leave nothing for further calls.
    pub(super) spent: Option<Duration>,
}

/// What is new of an attempt.
pub(super) enum Step {
    /// It said more.
    Said,
    /// It is over.
    Over(Result<Box<Brought>, Failure>),
}

/// An attempt under way. Dropping it closes its connection.
pub(super) enum Exchange {
    Asking(BoxFuture<'static, Result<Opened, Failure>>),
    Reading(Box<Reading>),
    Over,
}

/// A response: read whole already, or a stream.
pub(super) enum Opened {
    Whole(Box<Brought>),
    Stream(Box<Reading>),
}

impl Exchange {
    pub(super) fn begin(question: Question, transport: Arc<dyn Transport>) -> Self {
        Self::Asking(open(question, transport).boxed())
    }

    /// The next thing that is new; what was said is appended to `said`.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, said: &mut Vec<Delta>) -> Poll<Step> {
        if let Self::Asking(asking) = self {
            match ready!(asking.poll_unpin(cx)) {
                Ok(Opened::Stream(reading)) => *self = Self::Reading(reading),
                Ok(Opened::Whole(brought)) => return self.over(Ok(brought)),
                Err(failure) => return self.over(Err(failure)),
            }
        }
        match self {
            Self::Reading(reading) => match ready!(reading.poll(cx, said)) {
                Some(Ok(brought)) => self.over(Ok(Box::new(brought))),
                // What it said so far is still asked for.
                Some(Err(failure)) => Poll::Ready(Step::Over(Err(failure))),
                None => Poll::Ready(Step::Said),
            },
            Self::Asking(_) | Self::Over => Poll::Pending,
        }
    }

    fn over(&mut self, result: Result<Box<Brought>, Failure>) -> Poll<Step> {
        *self = Self::Over;
        Poll::Ready(Step::Over(result))
    }

    /// Whether the answer is whole, whatever else may come.
    pub(super) fn whole(&self) -> bool {
        matches!(self, Self::Reading(reading) if reading.whole())
    }

    /// Reads no further: what has come is the answer.
    pub(super) fn close(&mut self) {
        if let Self::Reading(reading) = self {
            reading.close();
        }
    }

    /// Ends the attempt; the text that its stream brought so far.
    pub(super) fn end(&mut self) -> String {
        match mem::replace(self, Self::Over) {
            Self::Reading(reading) => reading.text(),
            Self::Asking(_) | Self::Over => String::new(),
        }
    }
}

/// Asks with the seat's credential, where it has one that is fetched.
async fn open(question: Question, transport: Arc<dyn Transport>) -> Result<Opened, Failure> {
    let seat = question.seat.clone();
    let again = question.amends.contains(&Amend::Refresh);
    let Some(credential) = seat.credential() else {
        return ask(question, transport, None).await;
    };
    let grant = credential.grant(clock()).await?;
    let opened = ask(question, transport, Some(&grant)).await;
    opened.map_err(|failure| pass::refused(failure, credential, &grant, again))
}

/// Seconds since the Unix epoch.
fn clock() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

async fn ask(question: Question, transport: Arc<dyn Transport>, grant: Option<&Grant>) -> Result<Opened, Failure> {
    let Question { seat, amends, request, upstream, resume } = question;
    let amends = [seat.known(), &amends].concat();
    let mut target = seat.target(&amends);
    target.stream = upstream == Upstream::Stream;
    target.resume = resume.as_deref();
    let codec = seat.codec();
    target.token = grant.and_then(pass::token);
    let (mut http, warnings) = codec.encode(&target, &request)?;
    let now = clock();
    if let Some(grant) = grant {
        pass::sign(&mut http, grant, seat.scope(), now)?;
    }
    let mut response = transport.send(http).await.map_err(broken)?;
    let secrets = Secrets::of(&target);
    let mut start = Bytes::new();
    if matches!(response.status, 200..300) {
        match begin(&mut response.body).await.map_err(|error| failed(response.status, error))? {
            Some(bytes) => start = bytes,
            None => response.body = stream::empty().boxed(),
        }
    }
    let spent = limits::spent(&response.headers, now);
    let mut about = About { secrets, warnings, spent };
    if let Some(framing) = framing(&response, &start) {
        let head = HttpAnswer { status: response.status, headers: response.headers, body: Bytes::new() };
        let decoder = codec.decoder(&target, &request, head, now);
        let reading = Reading::new(response.status, framing, &start, response.body, decoder, about);
        return Ok(Opened::Stream(Box::new(reading)));
    }
    let mut answer = read(response, start).await?;
    let decoded = match codec.decode(&target, &request, &answer, now) {
        Err(_) if about.secrets.conceal(&mut answer) => codec.decode(&target, &request, &answer, now),
        decoded => decoded,
    };
    Ok(Opened::Whole(Box::new(brought(decoded?, &mut about))))
}

/// An answer with what the request's writing and its format have to say of it.
pub(super) fn brought(mut completion: Completion, about: &mut About) -> Brought {
    completion.warnings.splice(0..0, mem::take(&mut about.warnings));
    Brought { completion, spent: about.spent }
}

type Body = BoxStream<'static, Result<Bytes, TransportError>>;

/// The body's first bytes, from the first that is not white space on; none if there is nothing else. Servers with a long
/// queue send empty lines meanwhile.
async fn begin(body: &mut Body) -> Result<Option<Bytes>, TransportError> {
    let mut skipped = 0;
    while let Some(piece) = body.next().await {
        let piece = piece?;
        if let Some(first) = piece.iter().position(|byte| !byte.is_ascii_whitespace()) {
            return Ok(Some(piece.slice(first..)));
        }
        skipped += piece.len();
        if skipped > MAX_BODY {
            return Err(too_large());
        }
    }
    Ok(None)
}

/// How a stream is taken apart; none for a body that is none. An AWS event stream begins with a length, so its media type
/// must tell.
fn framing(response: &HttpResponse, start: &[u8]) -> Option<Framing> {
    let media_type = response.headers.get("content-type").and_then(|media_type| media_type.to_str().ok());
    if !start.is_empty() && media_type.is_some_and(|media_type| media_type.trim().starts_with(aws_events::MEDIA_TYPE)) {
        return Some(Framing::Aws(aws_events::AwsEvents::default()));
    }
    begins_stream(start).then(|| Framing::Sse(Sse::default()))
}

/// What another body is, is told by how it begins and not by what was asked for: servers ignore `stream`, send errors whole, and
/// proxies send pages. A stream of events begins with a comment, a byte order mark or a field, of which the network may
/// have brought no more than a letter.
fn begins_stream(start: &[u8]) -> bool {
    let begins = |field: &[u8]| start.iter().zip(field).all(|(a, b)| a == b);
    !start.is_empty() && [&b":"[..], b"\xef\xbb\xbf", b"data", b"event", b"id", b"retry"].into_iter().any(begins)
}

/// Reads the body up to the limit. An error status counts even if its body breaks off or is too large: the status is the news.
async fn read(response: HttpResponse, start: Bytes) -> Result<HttpAnswer, Failure> {
    let HttpResponse { status, headers, mut body } = response;
    let mut whole = BytesMut::from(&start[..]);
    while let Some(piece) = body.next().await {
        match piece {
            Ok(piece) if whole.len() + piece.len() > MAX_BODY => {
                if status >= 400 {
                    break;
                }
                return Err(failed(status, too_large()));
            }
            Ok(piece) => whole.extend_from_slice(&piece),
            Err(_) if status >= 400 => break,
            Err(error) => return Err(failed(status, error)),
        }
    }
    Ok(HttpAnswer { status, headers, body: Bytes::from(whole) })
}

pub(super) fn too_large() -> TransportError {
    TransportError { phase: Phase::TooLarge, message: format!("the response exceeds the limit of {MAX_BODY} bytes") }
}

fn failed(status: u16, error: TransportError) -> Failure {
    Failure { status: Some(status), ..broken(error) }
}

pub(super) fn broken(error: TransportError) -> Failure {
    let (kind, subkind) = match error.phase {
        Phase::Connect => (ErrorKind::Connection, Some("connect")),
        Phase::ConnectTimeout => (ErrorKind::Timeout, Some("connect")),
        Phase::Read | Phase::Cut => (ErrorKind::Connection, Some("read")),
        Phase::TooLarge => (ErrorKind::MalformedResponse, None),
    };
    Failure { subkind, ..Failure::new(kind, error.message) }
}
