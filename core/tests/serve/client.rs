//! Clients: bytes on a socket, and HTTP/2 without TLS.

use std::net::SocketAddr;

use axum::body::{Body, to_bytes};
use http::{Request, Response};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::SOON;

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Got {
    pub(crate) status: u16,
    /// By lower-case name.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// OpenAI's code of an error.
    pub(crate) fn code(&self) -> String {
        let error = self.json();
        assert!(error["error"]["message"].is_string() && error["error"]["type"].is_string(), "{error}");
        error["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// The head of a request, with `headers` as lines, and its body.
pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: locum\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    timeout(SOON, TcpStream::connect(address)).await.expect("a connection").unwrap()
}

/// Everything that comes until the server closes the connection.
pub(crate) async fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    timeout(SOON, socket.read_to_end(&mut all)).await.expect("an end").unwrap_or_default();
    all
}

/// Reads until `text` has come, and returns all that came.
pub(crate) async fn until(socket: &mut TcpStream, text: &str) -> String {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(text) {
        let read = timeout(SOON, socket.read_buf(&mut all)).await.expect("more").unwrap();
        assert!(read > 0, "ended before {text:?}: {}", String::from_utf8_lossy(&all));
    }
    String::from_utf8(all).unwrap()
}

/// One exchange on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Got {
    let mut socket = connect(address).await;
    let headers = format!("connection: close\r\n{headers}");
    socket.write_all(request(method, path, &headers, body).as_bytes()).await.unwrap();
    parse(&rest(&mut socket).await)
}

pub(crate) async fn post(address: SocketAddr, headers: &str, body: &Value) -> Got {
    ask(address, "POST", "/v1/chat/completions", headers, &body.to_string()).await
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Got {
    ask(address, "GET", path, "", "").await
}

/// A response; a chunked body is put together.
pub(crate) fn parse(bytes: &[u8]) -> Got {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let field = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers: Vec<_> = lines.filter_map(field).collect();
    let mut got = Got { status, headers, text: body.to_owned() };
    if got.header("transfer-encoding") == "chunked" {
        got.text = dechunk(body);
    }
    got
}

fn dechunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.push_str(&rest[..size]);
        body = &rest[size + 2..];
    }
    panic!("no last chunk: {whole:?}");
}

/// A connection of HTTP/2 with prior knowledge.
pub(crate) async fn h2(address: SocketAddr) -> SendRequest<Body> {
    let io = TokioIo::new(connect(address).await);
    let (client, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(crate) fn h2_request(body: &Value) -> Request<Body> {
    Request::post("http://locum/v1/chat/completions").body(Body::from(body.to_string())).unwrap()
}

pub(crate) async fn read<B>(response: Response<B>) -> Got
where
    B: hyper::body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let (parts, body) = response.into_parts();
    let field =
        |(name, value): (&http::HeaderName, &http::HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
    let headers = parts.headers.iter().map(field).collect();
    let text = timeout(SOON, to_bytes(Body::new(body), usize::MAX)).await.expect("an end").unwrap();
    Got { status: parts.status.as_u16(), headers, text: String::from_utf8(text.to_vec()).unwrap() }
}
