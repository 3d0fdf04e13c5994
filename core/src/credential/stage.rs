//! What the tests of the chains stand on: variables, files in a folder of their own, and services on loopback.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::Surroundings;
use crate::transport::Http;

/// These variables alone, and the real network.
pub(super) fn around(variables: &[(&str, &str)]) -> Surroundings {
    let mut all: BTreeMap<String, OsString> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    // No test may find the keys of the machine it runs on.
    all.entry("HOME".to_owned()).or_insert_with(|| "/nowhere".into());
    Surroundings::with_variables(Arc::new(Http::new()), move |name| all.get(name).cloned())
}

/// A folder of its own, gone in the end.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("locum-credentials-{}-{name}", std::process::id()));
        std::fs::create_dir_all(path.join(".aws")).unwrap();
        Self(path)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A service that answers each request with the next of `answers` (status, body); its address, and the requests it saw.
pub(super) async fn service(answers: Vec<(u16, String)>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&seen);
    tokio::spawn(async move {
        for (status, body) in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.unwrap());
            }
            let head = String::from_utf8_lossy(&request).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body_sent = vec![0; length.map_or(0, |length| length.parse().unwrap())];
            socket.read_exact(&mut body_sent).await.unwrap();
            request.extend(body_sent);
            requests.lock().unwrap().push(String::from_utf8(request).unwrap());
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
            socket.write_all(answer.as_bytes()).await.unwrap();
            socket.shutdown().await.unwrap();
        }
    });
    (address, seen)
}
