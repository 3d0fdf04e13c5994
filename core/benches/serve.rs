//! Thousands of slow streams through `locum serve`, which runs in a process of its own before `locum mock` in another.
//!
//! 2,000 clients each hold a connection and ask for one stream after the other: 40 words, one each 200 ms. Every stream must
//! come whole, with every word in its place. At the end the server is asked to stop while all streams are open: none may be
//! lost. Told are streams and chunks a second, the time to the first chunk, and the memory and CPU time of the server.
//!
//! `cargo bench -p locum --features cli --bench serve` (about 80 s; `-- quick` for 10 s of load with 500 clients)

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    unreachable_pub
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Mock, file, locum};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const WORDS: usize = 40;
const PACE: Duration = Duration::from_millis(200);
/// Longer than any pause of a stream that goes on.
const LOST: Duration = Duration::from_secs(20);
/// File descriptors: two sockets for each stream, and some room.
const FILES: usize = 6_000;

/// What the clients count.
#[derive(Default)]
struct Tally {
    open: AtomicUsize,
    whole: AtomicUsize,
    chunks: AtomicUsize,
    closing: AtomicBool,
    first: Mutex<Vec<Duration>>,
    errors: Mutex<BTreeMap<String, usize>>,
}

/// One client: a stream after the other on one connection.
async fn client(address: SocketAddr, tally: Arc<Tally>, wait: Duration) {
    tokio::time::sleep(wait).await;
    let body = json!({"model": "t", "stream": true, "messages": [{"role": "user", "content": "Count"}]}).to_string();
    let request =
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: locum\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut socket = None;
    while !tally.closing.load(Ordering::Relaxed) {
        tally.open.fetch_add(1, Ordering::Relaxed);
        let done = stream(address, &mut socket, &request, &tally).await;
        tally.open.fetch_sub(1, Ordering::Relaxed);
        match done {
            Ok(()) => tally.whole.fetch_add(1, Ordering::Relaxed),
            Err(problem) => {
                socket = None;
                *tally.errors.lock().unwrap().entry(problem).or_default() += 1;
                tokio::time::sleep(PACE).await;
                0
            }
        };
    }
}

async fn stream(
    address: SocketAddr,
    socket: &mut Option<TcpStream>,
    request: &str,
    tally: &Tally,
) -> Result<(), String> {
    if socket.is_none() {
        let connected = timeout(LOST, TcpStream::connect(address)).await.map_err(|_| "no connection in time")?;
        *socket = Some(connected.map_err(|error| format!("no connection: {error}"))?);
    }
    let socket = socket.as_mut().ok_or("no connection")?;
    let begin = Instant::now();
    socket.write_all(request.as_bytes()).await.map_err(|error| format!("writing: {error}"))?;
    let mut got = Vec::with_capacity(16 * 1024);
    while !got.ends_with(b"\r\n0\r\n\r\n") {
        let before = got.len();
        let read = timeout(LOST, socket.read_buf(&mut got)).await.map_err(|_| "nothing more came")?;
        match read {
            Ok(0) => return Err(format!("closed after {} bytes", if before == 0 { "0" } else { "some" })),
            Ok(_) if before == 0 => tally.first.lock().unwrap().push(begin.elapsed()),
            Ok(_) => {}
            Err(error) => return Err(format!("reading: {error}")),
        }
        tally.chunks.fetch_add(chunks(&got[before.saturating_sub(5)..]), Ordering::Relaxed);
    }
    check(&got)
}

/// How many events begin in these bytes.
fn chunks(bytes: &[u8]) -> usize {
    bytes.windows(6).filter(|window| window == b"data: ").count()
}

/// Whether a response is a whole stream with every word in its place.
fn check(got: &[u8]) -> Result<(), String> {
    let text = String::from_utf8(got.to_vec()).map_err(|_| "no UTF-8")?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or("no head")?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(head.lines().next().unwrap_or_default().to_owned());
    }
    let data: Vec<&str> = body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let Some((&"[DONE]", chunks)) = data.split_last() else {
        return Err("no [DONE]".to_owned());
    };
    let mut words = String::new();
    for chunk in chunks {
        let chunk: Value = serde_json::from_str(chunk).map_err(|_| "a chunk that is no JSON")?;
        words.push_str(chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
    }
    if words == answer() { Ok(()) } else { Err("wrong text".to_owned()) }
}

fn answer() -> String {
    (0..WORDS).map(|n| format!("w{n} ")).collect()
}

/// `locum serve` under way.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(mock: &Mock) -> Self {
        let config = file(
            "serve-bench.toml",
            &format!(
                "[providers.a]\nkind = \"openai\"\nbase_url = \"{}\"\napi_key = \"env:LOCUM_CLI_KEY\"\n[tasks.t]\nprimary = \"a/m\"\n",
                mock.base_url
            ),
        );
        let mut child =
            locum(&["serve", "--config", &config, "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let url = ready["base_url"].as_str().unwrap().trim_start_matches("http://").trim_end_matches("/v1");
        Self { address: url.parse().unwrap(), child }
    }

    fn status(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().find_map(|word| word.parse().ok()).unwrap_or_default()
    }

    /// User and system time so far.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let after_name = stat.rsplit(") ").next().unwrap().to_owned();
        let ticks: u64 = after_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn most_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    line.split_whitespace().find_map(|word| word.parse().ok()).unwrap_or(usize::MAX)
}

/// Runs this program again with as many files as the system allows, where it has too few.
fn with_enough_files() {
    if most_files() >= FILES || std::env::var_os("LOCUM_BENCH_RAISED").is_some() {
        println!("open files allowed: {}", most_files());
        return;
    }
    let own = std::env::current_exe().unwrap();
    let raise = "ulimit -S -n $(ulimit -H -n) && exec \"$0\" \"$@\"";
    let mut again = Command::new("sh");
    again.args(["-c", raise]).arg(own).args(std::env::args().skip(1)).env("LOCUM_BENCH_RAISED", "1");
    let status = again.status().unwrap();
    std::process::exit(status.code().unwrap_or(1));
}

fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort();
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).map_or(0.0, Duration::as_secs_f64) * 1e3
}

fn main() {
    with_enough_files();
    let quick = std::env::args().any(|argument| argument == "quick");
    let (clients, lasts) = if quick { (500, 10) } else { (2_000, 60) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let pace = u64::try_from(PACE.as_millis()).unwrap();
    let script = json!({"a": [{"answer": answer(), "stream": {"chunk_delay_ms": pace}}]});
    let mock = Mock::start_with("serve-bench", &script, &["--quiet"]);
    let mut server = Server::start(&mock);
    let lost = runtime.block_on(load(&mut server, clients, Duration::from_secs(lasts)));
    assert_eq!(lost, 0, "streams were lost");
}

/// Puts the load on, stops the server below it, and tells what happened. How many streams failed.
async fn load(server: &mut Server, clients: usize, lasts: Duration) -> usize {
    let tally = Arc::<Tally>::default();
    println!("at rest: {} kB resident", server.status("VmRSS"));
    let begin = Instant::now();
    // Spread over the length of one stream, so that they do not end at one moment.
    let spread = PACE * u32::try_from(WORDS).unwrap() / u32::try_from(clients).unwrap();
    let running: Vec<_> = (0..u32::try_from(clients).unwrap())
        .map(|n| tokio::spawn(client(server.address, Arc::clone(&tally), spread * n)))
        .collect();
    println!(
        "\n| s | streams open | whole streams | chunks/s | resident kB | threads |\n|---:|---:|---:|---:|---:|---:|"
    );
    let mut before = (Instant::now(), 0);
    while begin.elapsed() < lasts {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let chunks = tally.chunks.load(Ordering::Relaxed);
        println!(
            "| {} | {} | {} | {:.0} | {} | {} |",
            begin.elapsed().as_secs(),
            tally.open.load(Ordering::Relaxed),
            tally.whole.load(Ordering::Relaxed),
            (chunks - before.1) as f64 / before.0.elapsed().as_secs_f64(),
            server.status("VmRSS"),
            server.status("Threads"),
        );
        before = (Instant::now(), chunks);
    }
    let (took, cpu) = (begin.elapsed(), server.cpu());
    let (whole, chunks) = (tally.whole.load(Ordering::Relaxed), tally.chunks.load(Ordering::Relaxed));
    // No client begins another stream; then the server is asked to stop.
    tally.closing.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (open, asked) = (tally.open.load(Ordering::Relaxed), Instant::now());
    assert!(Command::new("kill").args(["-s", "TERM", &server.child.id().to_string()]).status().unwrap().success());
    for client in running {
        client.await.unwrap();
    }
    let ended = loop {
        if let Some(status) = server.child.try_wait().unwrap() {
            break status;
        }
        assert!(asked.elapsed() < Duration::from_secs(40), "the server does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let seconds = took.as_secs_f64();
    let mut first = std::mem::take(&mut *tally.first.lock().unwrap());
    println!("\n{clients} clients for {seconds:.0} s: {whole} whole streams, {:.0} a second", whole as f64 / seconds);
    println!("{chunks} chunks, {:.0} a second", chunks as f64 / seconds);
    println!(
        "first chunk after {:.0} ms (p50), {:.0} ms (p99)",
        percentile(&mut first, 50),
        percentile(&mut first, 99)
    );
    println!(
        "CPU time of the server: {:.1} s, {:.0} µs a chunk",
        cpu.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / chunks as f64
    );
    println!("asked to stop with {open} streams open: ended after {:.1} s, {ended}", asked.elapsed().as_secs_f64());
    let errors = tally.errors.lock().unwrap();
    println!("whole at the end: {}; failed: {errors:?}", tally.whole.load(Ordering::Relaxed));
    assert!(ended.success() && open > clients * 9 / 10, "{ended}, {open} streams open");
    errors.values().sum()
}
