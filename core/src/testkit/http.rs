//! HTTP/1.1 on a raw socket: requests are read whole, responses are written byte by byte as the script wants them.
//!
//! A library's server would not let a response break in the ways that matter here.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The largest request head taken.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 128;
/// The largest request body taken; Anthropic's own limit.
const MAX_BODY: usize = 32 * 1024 * 1024;
/// The longest line that starts a chunk, or ends the last one.
const MAX_CHUNK_LINE: usize = 1024;
/// How long a rejected client may take to stop sending.
const LAST_WORDS: Duration = Duration::from_millis(500);

pub(super) struct Request {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) keep_alive: bool,
    /// The client reads chunked bodies.
    pub(super) chunked: bool,
    /// The number of the connection that it came by.
    pub(super) connection: u64,
}

impl Request {
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Why there is no request.
pub(super) enum Gone {
    /// The client closed.
    Closed,
    /// What came is not taken; the status says why.
    Refused(u16, &'static str),
}

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// A connection, and what was read of it but not used yet.
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    unread: BytesMut,
    connection: u64,
}

struct Head {
    method: Method,
    target: String,
    headers: HeaderMap,
    keep_alive: bool,
    chunked: bool,
}

enum Length {
    Known(usize),
    Chunked,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, connection: u64) -> Self {
        Self { stream, unread: BytesMut::new(), connection }
    }

    /// The next request, read whole.
    pub(super) async fn request(&mut self) -> Result<Request, Gone> {
        let head = self.head().await?;
        let length = body_length(&head.headers)?;
        let waits = head
            .headers
            .get(header::EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        if waits && self.unread.is_empty() {
            send(&self.stream, b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let body = match length {
            Length::Known(length) => {
                self.fill(length).await?;
                self.unread.split_to(length).freeze()
            }
            Length::Chunked => self.chunks().await?,
        };
        Ok(Request {
            method: head.method,
            target: head.target,
            headers: head.headers,
            body,
            keep_alive: head.keep_alive,
            connection: self.connection,
            chunked: head.chunked,
        })
    }

    async fn head(&mut self) -> Result<Head, Gone> {
        loop {
            if let Some((head, length)) = parse_head(&self.unread)? {
                self.unread.advance(length);
                return Ok(head);
            }
            if self.unread.len() >= MAX_HEAD {
                return Err(Gone::Refused(431, "the request's head is too large"));
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> Result<(), Gone> {
        match self.stream.read_buf(&mut self.unread).await? {
            0 => Err(Gone::Closed),
            _ => Ok(()),
        }
    }

    /// Reads until `length` bytes are there.
    async fn fill(&mut self, length: usize) -> Result<(), Gone> {
        while self.unread.len() < length {
            self.read_more().await?;
        }
        Ok(())
    }

    async fn chunks(&mut self) -> Result<Bytes, Gone> {
        let mut body = BytesMut::new();
        loop {
            let size = self.chunk_size().await?;
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body.freeze());
            }
            if size > MAX_BODY - body.len() {
                return Err(TOO_LARGE);
            }
            self.fill(size + 2).await?;
            body.extend_from_slice(&self.unread.split_to(size));
            if !self.unread.starts_with(b"\r\n") {
                return Err(BAD_CHUNK);
            }
            self.unread.advance(2);
        }
    }

    async fn chunk_size(&mut self) -> Result<usize, Gone> {
        loop {
            match httparse::parse_chunk_size(&self.unread) {
                Ok(httparse::Status::Complete((used, size))) => {
                    self.unread.advance(used);
                    return usize::try_from(size).map_err(|_| TOO_LARGE);
                }
                Ok(httparse::Status::Partial) if self.unread.len() < MAX_CHUNK_LINE => {
                    self.read_more().await?;
                }
                _ => return Err(BAD_CHUNK),
            }
        }
    }

    /// One line of a chunked body's trailer.
    async fn line(&mut self) -> Result<Bytes, Gone> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.unread.split_to(end).freeze();
                self.unread.advance(2);
                return Ok(line);
            }
            if self.unread.len() >= MAX_CHUNK_LINE {
                return Err(BAD_CHUNK);
            }
            self.read_more().await?;
        }
    }

    /// The socket, and a future that is ready when the client has closed it.
    pub(super) fn watched(&mut self) -> (&TcpStream, impl Future<Output = ()>) {
        let Self { stream, unread, .. } = self;
        (&*stream, hung_up(stream, unread))
    }

    /// Closes so that what was sent still arrives: data that nobody reads would turn the end into a reset.
    pub(super) async fn close(mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let drain = async {
            loop {
                self.unread.clear();
                if self.read_more().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS, drain).await;
    }
}

const TOO_LARGE: Gone = Gone::Refused(413, "the request's body is too large");
const BAD_CHUNK: Gone = Gone::Refused(400, "the chunked body is broken");

/// Ready when the client has closed, or half-closed, the connection. What it sends meanwhile is the next request's.
async fn hung_up(stream: &TcpStream, unread: &mut BytesMut) {
    loop {
        if unread.len() >= MAX_HEAD {
            // A client this far ahead is still there; the end is noticed when its next request is read.
            return std::future::pending().await;
        }
        if stream.readable().await.is_err() {
            return;
        }
        match stream.try_read_buf(unread) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// The head at the start of `bytes` and its length, once it is there whole.
fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, Gone> {
    const BROKEN: Gone = Gone::Refused(400, "not an HTTP request");
    let mut space = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut space);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Gone::Refused(431, "the request has too many headers"));
        }
        Err(_) => return Err(BROKEN),
    };
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for field in parsed.headers.iter() {
        let name = HeaderName::try_from(field.name).map_err(|_| BROKEN)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| BROKEN)?;
        headers.append(name, value);
    }
    let connection = headers.get(header::CONNECTION);
    let says = |word: &str| {
        connection
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    let keep_alive = match parsed.version {
        Some(1) => !says("close"),
        _ => says("keep-alive"),
    };
    let method = Method::try_from(parsed.method.unwrap_or_default()).map_err(|_| BROKEN)?;
    let chunked = parsed.version == Some(1);
    let head = Head { method, target: parsed.path.unwrap_or_default().to_owned(), headers, keep_alive, chunked };
    Ok(Some((head, length)))
}

fn body_length(headers: &HeaderMap) -> Result<Length, Gone> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    if let Some(coding) = headers.get(header::TRANSFER_ENCODING) {
        let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        // Both at once is how requests are smuggled; other codings nobody sends.
        return match (chunked, lengths.next()) {
            (true, None) => Ok(Length::Chunked),
            (true, Some(_)) => Err(Gone::Refused(400, "two lengths for one body")),
            (false, _) => Err(Gone::Refused(501, "a transfer coding other than chunked")),
        };
    }
    let Some(first) = lengths.next() else {
        return Ok(Length::Known(0));
    };
    if lengths.any(|other| other != first) {
        return Err(Gone::Refused(400, "two lengths for one body"));
    }
    let digits = first.to_str().unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Gone::Refused(400, "the content-length is no number"));
    }
    match digits.parse() {
        Ok(length) if length <= MAX_BODY => Ok(Length::Known(length)),
        _ => Err(TOO_LARGE),
    }
}

pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Response {
    /// Without headers.
    pub(super) fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: HeaderMap::new(), body: body.into() }
    }

    /// With JSON.
    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, body.to_string()).with_type("application/json")
    }

    pub(super) fn with_type(mut self, content_type: &'static str) -> Self {
        let value = HeaderValue::from_static(content_type);
        self.headers.insert(header::CONTENT_TYPE, value);
        self
    }

    /// The head, and the body that may follow it: none after HEAD, 204 and 304.
    pub(super) fn encode(&self, method: &Method, keep_alive: bool) -> (Vec<u8>, Bytes) {
        let bodiless = bodiless(self.status);
        let length = self.body.len().to_string();
        let head = self.head((!bodiless).then_some(("content-length", &length)), keep_alive);
        let body = if bodiless || method == Method::HEAD { Bytes::new() } else { self.body.clone() };
        (head, body)
    }

    /// The head, with a line that tells where the body ends.
    pub(super) fn head(&self, framing: Option<(&str, &str)>, keep_alive: bool) -> Vec<u8> {
        let reason =
            StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Scripted");
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        };
        for (name, value) in &self.headers {
            line(name.as_str(), value.as_bytes());
        }
        if let Some((name, value)) = framing {
            line(name, value.as_bytes());
        }
        if !keep_alive && !self.headers.contains_key(header::CONNECTION) {
            line("connection", b"close");
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

/// Whether a response of this status has no body.
pub(super) fn bodiless(status: u16) -> bool {
    matches!(status, 204 | 304)
}

/// Writes all of `bytes` through a shared reference, so that somebody else can read meanwhile.
pub(super) async fn send(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
