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

pub const CHAT: &str = r#"{"model":"gpt-x","messages":[{"role":"user","content":"How are you?"}]}"#;
pub const MESSAGE: &str =
    r#"{"model":"claude-x","max_tokens":9,"messages":[{"role":"user","content":"How are you?"}]}"#;
pub const VERSION: &str = "anthropic-version: 2023-06-01\r\n";

pub async fn get_log(mock: &Mock) -> Value {
    let mut client = Client::new(mock).await;
    client.send("GET", "/_log", "", "").await;
    client.answer().await.json()
}
