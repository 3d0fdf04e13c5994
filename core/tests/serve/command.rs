//! `locum serve` as a process.

use std::io::{BufRead, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::client::{connect, post, request, rest, until};
use super::support::{KEY, Mock, file, locum};
use super::{SOON, body};

struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    ready: Value,
}

impl Server {
    fn start(config: &str) -> Self {
        let mut command = locum(&["serve", "--config", config, "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        Self { child, stdout, ready: serde_json::from_str(&line).unwrap() }
    }

    fn address(&self) -> std::net::SocketAddr {
        let url = self.ready["base_url"].as_str().unwrap();
        url.strip_prefix("http://").unwrap().strip_suffix("/v1").unwrap().parse().unwrap()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Its exit code and what it told on standard error, within a bounded time.
    async fn end(mut self) -> (Option<i32>, String) {
        let ended = async {
            loop {
                match self.child.try_wait().unwrap() {
                    Some(status) => break status.code(),
                    None => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
                }
            }
        };
        let code = tokio::time::timeout(SOON, ended).await.expect("it ends");
        let (mut told, mut more) = (String::new(), String::new());
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        self.stdout.read_to_string(&mut more).unwrap();
        assert_eq!(more, "");
        assert!(!told.contains(KEY), "a token was printed");
        (code, told)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One task, a spare one, a token, and a remark.
fn config(name: &str, base_url: &str, serve: &str) -> String {
    file(
        &format!("{name}.toml"),
        &format!(
            "[providers.a]\nkind = \"openai\"\nbase_url = \"{base_url}\"\napi_key = \"env:LOCUM_CLI_KEY\"\n\
             [models.spare]\nuse = \"a/spare\"\n[tasks.t]\nprimary = \"a/m\"\nretries = 0\n[tasks.u]\nprimary = \"a/m\"\n\
             [serve]\n{serve}\n"
        ),
    )
}

#[tokio::test]
async fn it_says_where_it_is_and_ends_in_order_when_asked() {
    for signal in ["TERM", "INT"] {
        let steps = json!([{"answer": "one two three", "stream": {"stall_after": 1, "stall_ms": 500}}]);
        let mock = Mock::start(&format!("serve-{signal}"), &json!({"a": steps}));
        let records = file(&format!("serve-{signal}.jsonl"), "");
        let serve = format!("tokens = [\"env:LOCUM_CLI_KEY\"]\n[accounting.jsonl]\npath = {records:?}");
        let server = Server::start(&config(&format!("serve-{signal}"), &mock.base_url, &serve));
        assert_eq!((&server.ready["ready"], &server.ready["tasks"]), (&json!(true), &json!(["t", "u"])));
        assert_eq!(post(server.address(), "", &body(false)).await.status, 401);
        let mut stream = connect(server.address()).await;
        let headers = format!("authorization: Bearer {KEY}\r\n");
        let call = request("POST", "/v1/chat/completions", &headers, &body(true).to_string());
        stream.write_all(call.as_bytes()).await.unwrap();
        until(&mut stream, "one ").await;
        server.signal(signal);
        assert!(String::from_utf8(rest(&mut stream).await).unwrap().contains("[DONE]"));
        let (code, told) = server.end().await;
        assert_eq!(code, Some(0), "{told}");
        let record: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&records).unwrap()).unwrap();
        assert_eq!((&record["outcome"], &record["stream"]), (&json!("ok"), &json!(true)));
        assert!(told.contains("warning: ") && told.contains("models.spare: no task uses this alias"), "{told}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mock = Mock::start("serve-twice", &json!({"a": [{"answer": "one two", "stream": {"stall_after": 1}}]}));
    let server = Server::start(&config("serve-twice", &mock.base_url, ""));
    let mut stream = connect(server.address()).await;
    let call = request("POST", "/v1/chat/completions", "", &body(true).to_string());
    stream.write_all(call.as_bytes()).await.unwrap();
    until(&mut stream, "one ").await;
    server.signal("INT");
    while super::client::get(server.address(), "/readyz").await.status != 503 {}
    server.signal("INT");
    assert_eq!(server.end().await.0, Some(1));
}

#[test]
fn it_does_not_start_where_it_should_not() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let plain = config("serve-plain", "http://127.0.0.1:1/v1", "");
    let missing = config("serve-missing", "http://127.0.0.1:1/v1", "tokens = [\"env:LOCUM_TEST_UNSET\"]");
    for (config, listen, problem) in [
        (&plain, "0.0.0.0:0", "[serve] tokens"),
        (&plain, "[::]:0", "[serve] tokens"),
        (&missing, "127.0.0.1:0", "environment variable LOCUM_TEST_UNSET is not set"),
        (&plain, taken.as_str(), taken.as_str()),
    ] {
        let Output { status, stdout, stderr } =
            locum(&["serve", "--config", config, "--listen", listen]).output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        if listen.starts_with("[::]") && stderr.contains("os error") {
            continue; // A machine without IPv6.
        }
        assert_eq!((status.code(), stdout.as_slice()), (Some(1), &b""[..]), "{stderr}");
        assert!(stderr.contains(problem), "{stderr}");
    }
}
