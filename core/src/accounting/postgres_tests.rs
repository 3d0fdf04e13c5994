//! Records in a real PostgreSQL server, where one is named, and what is said where it is not as it should be.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::ledger_tests::{full, seen};
use super::postgres::{self, Address, Postgres};
use super::tests::record;
use super::*;
use crate::types::Secret;

/// The address of a server to test with, as `.ci/postgres` prints it.
fn server() -> Option<String> {
    let url = std::env::var("LOCUM_POSTGRES").ok();
    assert!(url.is_some() || std::env::var_os("LOCUM_REQUIRE_POSTGRES").is_none(), "LOCUM_POSTGRES is not set");
    if url.is_none() {
        eprintln!("skipped: LOCUM_POSTGRES names no server (.ci/postgres starts one)");
    }
    url
}

/// A schema of its own, so that tests do not see each other's tables.
fn own(url: &str, name: &str) -> String {
    execute(url, &format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}"));
    format!("{url}?options=-c%20search_path%3D{name}")
}

fn execute(url: &str, statements: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(statements).await.unwrap();
    });
}

fn address(url: &str) -> Address {
    Address::new(&Secret::new(url)).unwrap_or_else(|why| panic!("{why}"))
}

fn all(url: &str) -> Vec<Value> {
    let mut all = Vec::new();
    postgres::read(&address(url), [0.0, f64::INFINITY], &mut |text| all.push(serde_json::from_str(text).unwrap()))
        .unwrap();
    all
}

/// Whole numbers are written without a point there.
fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(values) => values.iter().map(floats).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), floats(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn postgres_keeps_what_a_report_needs_and_nothing_twice() {
    let Some(server) = server() else { return };
    let url = own(&server, "locum_whole");
    let mut sink = Postgres::new(address(&url));
    sink.write(&[full(1), record(2)]).unwrap();
    // Another process, whose first try was not told to have worked.
    Postgres::new(address(&url)).write(&[full(1), record(3)]).unwrap();
    sink.write(&[record(4)]).unwrap();
    let written = all(&url);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(async { all(&url).len() }), 4, "on a thread that drives a runtime");
    assert_eq!((written.len(), floats(&written[0])), (4, floats(&seen())));
    assert_eq!(written[1]["attempts"], json!([]));
}

#[test]
fn tables_of_a_newer_version_are_left_alone() {
    let Some(server) = server() else { return };
    let url = own(&server, "locum_newer");
    Postgres::new(address(&url)).write(&[full(1)]).unwrap();
    execute(&url, "UPDATE locum_schema SET version = 7");
    let why = Postgres::new(address(&url)).write(&[full(2)]).unwrap_err();
    assert!(why.ends_with("version 7, made by a newer Locum; this one knows version 1"), "{why}");
}

#[test]
fn who_may_only_insert_can() {
    let Some(server) = server() else { return };
    let url = own(&server, "locum_allowed");
    Postgres::new(address(&url)).write(&[full(1)]).unwrap();
    let grants = "DROP OWNED BY locum_writer; GRANT USAGE ON SCHEMA locum_allowed TO locum_writer;
                  GRANT SELECT ON locum_schema TO locum_writer; GRANT INSERT ON locum_calls, locum_attempts TO locum_writer";
    execute(&url, "DO $$ BEGIN CREATE ROLE locum_writer LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    execute(&url, grants);
    let writer = url.replacen("//locum@", "//locum_writer@", 1);
    Postgres::new(address(&writer)).write(&[full(1), full(2)]).unwrap();
    assert_eq!(all(&url).len(), 2);
}

#[test]
fn many_that_begin_at_once_make_the_tables_once() {
    let Some(server) = server() else { return };
    let url = own(&server, "locum_many");
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let url = url.clone();
            std::thread::spawn(move || Postgres::new(address(&url)).write(&[full(number)]))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
    assert_eq!(all(&url).len(), 8);
}

/// A way to the server that can be cut.
struct Line {
    cut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    port: u16,
}

impl Line {
    fn new(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cut, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (is_cut, kept) = (Arc::clone(&cut), Arc::clone(&open));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let server = TcpStream::connect(to).unwrap();
                for (mut from, mut to) in [(&client, &server), (&server, &client)]
                    .map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()))
                {
                    kept.lock().unwrap().push(from.try_clone().unwrap());
                    std::thread::spawn(move || {
                        let mut bytes = [0; 4096];
                        while let Ok(count @ 1..) = from.read(&mut bytes) {
                            if to.write_all(&bytes[..count]).is_err() {
                                break;
                            }
                        }
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { cut, open, port }
    }

    fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn a_database_that_goes_and_comes_again_gets_what_waited() {
    let Some(server) = server() else { return };
    let url = own(&server, "locum_away");
    let config: tokio_postgres::Config = server.parse().unwrap();
    let line = Line::new(SocketAddr::from(([127, 0, 0, 1], config.get_ports()[0])));
    let through = url.replacen(&format!(":{}", config.get_ports()[0]), &format!(":{}", line.port), 1);
    let mut sink = Postgres::new(address(&through));
    sink.write(&[full(1)]).unwrap();
    line.cut(true);
    let why = sink.write(&[full(2)]).unwrap_err();
    assert!(why.starts_with("PostgreSQL: "), "{why}");
    line.cut(false);
    sink.write(&[full(2)]).unwrap();
    // It is gone, and there again: the old connection shows in its use.
    line.cut(false);
    sink.write(&[full(3)]).unwrap();
    assert_eq!(all(&url).len(), 3);
}

#[test]
fn addresses_are_read_without_showing_them() {
    for (url, problem) in [
        ("db.example.com", "is no address such as"),
        ("postgres://", "is no address such as"),
        ("postgres://me:hunter2@db:port/x", "is no address such as"),
        ("postgres://me:hunter2@db/x?sslmode=maybe", "sslmode must be"),
    ] {
        let why = Address::new(&Secret::new(url)).err().unwrap();
        assert!(why.contains(problem) && !why.contains("hunter2"), "{url}: {why}");
    }
    for (url, demanded) in [
        ("postgres://me:hunter2@db.example.com/x", true),
        ("postgres://me:hunter2@localhost/x", false),
        ("postgres://me@127.0.0.1:5433/x?application_name=app", false),
        ("postgres://me@localhost/x?sslmode=verify-full", true),
        ("postgres://me@db.example.com/x?sslmode=disable", false),
    ] {
        assert_eq!(address(url).demands_tls(), demanded, "{url}");
    }
}

#[test]
fn a_certificate_is_checked() {
    let Some(server) = server() else { return };
    let Ok(file) = std::env::var("LOCUM_POSTGRES_CERT") else {
        assert!(std::env::var_os("LOCUM_REQUIRE_POSTGRES").is_none(), "LOCUM_POSTGRES_CERT is not set");
        return;
    };
    let url = format!("{}&sslmode=verify-full", own(&server, "locum_tls"));
    let known = format!("{url}&sslrootcert={}", file.replace('/', "%2F"));
    Postgres::new(address(&known)).write(&[full(1)]).unwrap();
    assert_eq!(all(&known).len(), 1);
    // The system's roots know nothing of it, and another name is not what it is for.
    let why = Postgres::new(address(&url)).write(&[full(2)]).unwrap_err();
    assert!(why.contains("certificate"), "{why}");
    let other = known.replacen("@127.0.0.1", "@other.example", 1) + "&hostaddr=127.0.0.1";
    let why = Postgres::new(address(&other)).write(&[full(2)]).unwrap_err();
    assert!(why.contains("certificate"), "{why}");
    assert_eq!(all(&known).len(), 1);
}

#[test]
fn certificates_that_are_not_there_are_told() {
    let mut sink = Postgres::new(address("postgres://me@localhost:1/x?sslmode=require&sslrootcert=%2Fno%2Fsuch.pem"));
    let why = sink.write(&[record(1)]).unwrap_err();
    assert!(why.starts_with("PostgreSQL: sslrootcert /no/such.pem: "), "{why}");
}
