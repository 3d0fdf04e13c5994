//! An HTTP client that hides nothing: a socket and a few words.

use std::io;
use std::time::Duration;

use locum::testkit::{Mock, Script};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const LONG: Duration = Duration::from_secs(10);

pub async fn mock(script: Value) -> Mock {
    Mock::start(Script::from_value(script).unwrap()).await.unwrap()
}

pub fn complaint(script: Value) -> String {
    Script::from_value(script).unwrap_err().to_string()
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            (key == name).then_some(value)
        })
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub struct Client(pub TcpStream);

impl Client {
    pub async fn new(mock: &Mock) -> Self {
        Self(TcpStream::connect(mock.address()).await.unwrap())
    }

    pub async fn send(&mut self, method: &str, path: &str, headers: &str, body: &str) {
        let length = body.len();
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: mock\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    pub async fn head(&mut self) -> io::Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await?);
        }
        Ok(String::from_utf8(head).unwrap())
    }

    pub async fn answer(&mut self) -> Answer {
        let head = self.head().await.unwrap();
        let mut answer = Answer { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |n| n.parse().unwrap());
        answer.body.resize(length, 0);
        self.0.read_exact(&mut answer.body).await.unwrap();
        answer
    }

    pub async fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await.map(|_| rest)
    }

    pub async fn chat(&mut self, name: &str) -> Answer {
        self.ask(name).await;
        self.answer().await
    }

    pub async fn ask(&mut self, name: &str) {
        self.send("POST", &format!("/{name}/v1/chat/completions"), "", CHAT).await;
    }

    pub async fn message(&mut self, name: &str) -> Answer {
        self.send("POST", &format!("/{name}/v1/messages"), VERSION, MESSAGE).await;
        self.answer().await
    }
}

/// The pieces of text that came, in either format.
pub fn texts(streamed: &Streamed) -> Vec<String> {
    let events = streamed.json();
    let text = |event: &Value| {
        let place = ["/choices/0/delta/content", "/delta/text"].into_iter().find_map(|place| event.pointer(place));
        place.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    events.iter().filter_map(text).collect()
}

/// A stream as it came: each chunk of its body, and whether the body came to its end.
pub struct Streamed {
    pub head: String,
    pub chunks: Vec<Vec<u8>>,
    pub end: io::Result<bool>,
}

impl Streamed {
    pub fn bytes(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    /// Names and data of the events, whose lines end with `\n`.
    pub fn events(&self) -> Vec<(String, String)> {
        let text = self.text();
        assert!(text.is_empty() || text.ends_with("\n\n"), "an event is not whole: {text:?}");
        let field = |event: &str, name: &str| {
            let value = event.lines().find_map(|line| line.strip_prefix(name));
            value.unwrap_or_default().to_owned()
        };
        let events = text.split_terminator("\n\n");
        events.map(|event| (field(event, "event: "), field(event, "data: "))).collect()
    }

    /// The data of those events that are JSON.
    pub fn json(&self) -> Vec<Value> {
        self.events().iter().filter_map(|(_, data)| serde_json::from_str(data).ok()).collect()
    }
}

impl Client {
    /// Asks for a stream, in OpenAI's format or in Anthropic's, with further members of the body.
    pub async fn ask_stream(&mut self, name: &str, anthropic: bool, more: Value) {
        let (path, headers, body) =
            if anthropic { ("messages", VERSION, MESSAGE) } else { ("chat/completions", "", CHAT) };
        let mut body: Value = serde_json::from_str(body).unwrap();
        body["stream"] = true.into();
        for (key, value) in more.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        self.send("POST", &format!("/{name}/v1/{path}"), headers, &body.to_string()).await;
    }

    pub async fn stream(&mut self, name: &str, anthropic: bool) -> Streamed {
        self.ask_stream(name, anthropic, Value::Null).await;
        self.streamed().await
    }

    /// Reads a chunked body to whatever end it has.
    pub async fn streamed(&mut self) -> Streamed {
        let head = self.head().await.unwrap();
        assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
        let mut chunks = Vec::new();
        let end = loop {
            match self.chunk().await {
                Ok(chunk) if chunk.is_empty() => break Ok(true),
                Ok(chunk) => chunks.push(chunk),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break Ok(false),
                Err(error) => break Err(error),
            }
        };
        Streamed { head, chunks, end }
    }

    /// The next chunk of a chunked body; the last is empty.
    pub async fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let mut size = String::new();
        while !size.ends_with("\r\n") {
            size.push(self.0.read_u8().await?.into());
        }
        let mut chunk = vec![0; usize::from_str_radix(size.trim_end(), 16).unwrap() + 2];
        self.0.read_exact(&mut chunk).await?;
        assert!(chunk.ends_with(b"\r\n"));
        chunk.truncate(chunk.len() - 2);
        Ok(chunk)
    }
}

pub const CHAT: &str = r#"{"model":"gpt-x","messages":[{"role":"user","content":"How are you?"}]}"#;
pub const MESSAGE: &str =
    r#"{"model":"claude-x","max_tokens":9,"messages":[{"role":"user","content":"How are you?"}]}"#;
pub const VERSION: &str = "anthropic-version: 2023-06-01\r\n";

pub async fn get_log(mock: &Mock) -> Value {
    let mut client = Client::new(mock).await;
    client.send("GET", "/_log", "", "").await;
    client.answer().await.json()
}
