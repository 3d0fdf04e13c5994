//! The `locum` command as a user runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use support::{KEY, Mock, file, locum};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = locum(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert!(!format!("{stdout}{stderr}").contains(KEY), "a key was printed");
    (status.code(), stdout, stderr)
}

fn config(name: &str, base_url: &str) -> String {
    file(
        &format!("{name}.toml"),
        &format!(
            "[providers.a]\nkind = \"openai\"\nbase_url = \"{base_url}\"\napi_key = \"env:LOCUM_CLI_KEY\"\n\
             [tasks.t]\nprimary = \"a/m\"\nretries = 0\n"
        ),
    )
}

#[test]
fn check_lists_the_tasks() {
    let path = config("check", "http://127.0.0.1:1/v1");
    assert_eq!(run(&["check", "--config", &path]), (Some(0), "t: a/m\n1 tasks, 0 warnings\n".into(), String::new()));
}

#[test]
fn check_shows_how_the_work_is_shared() {
    let path = file(
        "shares.toml",
        "[tasks.t]\nprimary = [{ model = \"ollama/a\", weight = 9 }, { model = \"vllm/b\", weight = 1 }]\n\
         fallback = [\"vllm/c\", \"ollama/d\"]\n",
    );
    let (code, stdout, _) = run(&["check", &path]);
    let expected = "t: ollama/a (9) | vllm/b (1) → vllm/c → ollama/d\n1 tasks, 0 warnings\n";
    assert_eq!((code, stdout.as_str()), (Some(0), expected));
}

#[test]
fn check_takes_the_file_as_it_comes() {
    let path = config("plain", "http://127.0.0.1:1/v1");
    assert_eq!(run(&["check", &path]).0, Some(0));
    assert_eq!(run(&["check", &path, "--config", &path]).0, Some(2));
}

#[test]
fn explain_tells_what_a_call_would_do() {
    let path = file(
        "explain.toml",
        "[models.big]\nuse = \"vllm/big\"\nprice = { input = 2, output = 10 }\nmax_output_tokens = 1000\n\
         [tasks.t]\nprimary = \"big\"\nfallback = [\"xai/x\", \"ollama/small\"]\nmax_latency_ms = 8000\n",
    );
    let explain = |more: &[&str]| {
        let Output { status, stdout, stderr } =
            locum(&[&["explain", "t", "-c", &path], more].concat()).env_remove("XAI_API_KEY").output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    };
    let (code, table, _) = explain(&[]);
    let words = |line: usize| table.lines().nth(line).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(code, Some(0));
    assert_eq!(words(1)[..8], ["vllm/big", "2", "times", "at", "most", "0", "4000", "0.020024"]);
    assert_eq!(words(2)[..4], ["xai/x", "skipped", "0.000000", "no"]);
    assert_eq!(words(3)[..6], ["ollama/small", "2", "times", "at", "most", "4000"]);
    assert!(table.ends_with("at worst: 8000 ms, unknown\n"), "{table}");

    let (code, text, _) = explain(&["--json", "--timeout-ms", "500"]);
    let explanation: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, explanation["deadline_ms"].as_f64()), (Some(0), Some(500.0)));
    assert_eq!(explanation["candidates"][1]["kept"], false);

    let (code, nothing, problem) = run(&["explain", "u", "-c", &path]);
    assert_eq!((code, nothing.as_str()), (Some(1), ""));
    assert!(problem.contains("unknown task \"u\""), "{problem}");
}

#[test]
fn a_reader_that_leaves_is_no_panic() {
    let path = file("pipe.mock.json", r#"{"a": []}"#);
    let mut child = locum(&["mock", &path]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let address =
        first["base_url"].as_str().unwrap().trim_start_matches("http://").split('/').next().unwrap().to_owned();
    drop(lines);
    // The request is news, which nobody reads any more.
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    socket.write_all(b"GET /a/v1/models HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn check_names_every_problem_with_its_line() {
    let path = file("bad.toml", "[tasks.t]\nprimary = \"nobody/m\"\nretires = 1\n");
    let (code, _, stderr) = run(&["check", "--config", &path]);
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("bad.toml:2: tasks.t.primary") && stderr.contains("bad.toml:3: tasks.t.retires"),
        "{stderr}"
    );
    assert!(stderr.contains("did you mean \"retries\"?"), "{stderr}");
}

#[test]
fn check_can_be_strict_about_warnings() {
    let path = file("lint.toml", "[providers.a]\nkind = \"ollama\"\n[tasks.t]\nprimary = \"vllm/m\"\n");
    let (code, stdout, _) = run(&["check", "--config", &path]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("warning: "), "{stdout}");
    assert_eq!(run(&["check", "--strict", "--config", &path]).0, Some(1));
}

#[test]
fn a_wrong_command_line_is_told_from_a_failure() {
    assert_eq!(run(&["chek"]).0, Some(2));
    assert_eq!(run(&[]).0, Some(2));
    let (code, stdout, _) = run(&["--version"]);
    assert_eq!((code, stdout.trim()), (Some(0), concat!("locum ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn ask_prints_the_answer_and_the_trail_apart() {
    let mut mock = Mock::start("ask", &json!({"a": [{"answer": "Hello"}]}));
    let path = config("ask", &mock.base_url);
    let (code, stdout, stderr) = run(&["ask", "t", "Hi", "--config", &path]);
    assert_eq!((code, stdout.as_str()), (Some(0), "Hello\n"));
    assert!(stderr.starts_with("model  outcome") && stderr.contains("a/m    ok"), "{stderr}");
    let seen = mock.seen();
    assert_eq!((&seen["upstream"], &seen["headers"]["authorization"]), (&json!("a"), &json!("[secret]")));
    assert_eq!(seen["body"]["messages"][0]["content"], "Hi");
}

#[test]
fn ask_reads_the_message_from_standard_input() {
    let mut mock = Mock::start("stdin", &json!({"a": [{"answer": "Hello"}]}));
    let path = config("stdin", &mock.base_url);
    let mut child = locum(&["ask", "t", "-", "--config", &path])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all("From a pipe".as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(mock.seen()["body"]["messages"][0]["content"], "From a pipe");
}

#[test]
fn ask_as_json_gives_the_whole_error() {
    let mock = Mock::start("json", &json!({"a": [{"error": "server_is_overloaded"}]}));
    let path = config("json", &mock.base_url);
    let (code, stdout, _) = run(&["ask", "t", "Hi", "--json", "--config", &path]);
    let error: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &error["kind"], &error["attempts"][0]["status"]), (Some(1), &json!("overloaded"), &json!(503)));
}

#[test]
fn mock_names_a_mistake_in_its_script() {
    let path = file("wrong.mock.json", r#"{"a": [{"anwser": "x"}]}"#);
    let (code, _, stderr) = run(&["mock", &path]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("did you mean \"answer\"?"), "{stderr}");
}

#[test]
fn ask_streams_the_answer_as_it_comes() {
    let mock = Mock::start("stream", &json!({"a": [{"answer": "Hello again"}]}));
    let path = config("stream", &mock.base_url);
    let (code, stdout, stderr) = run(&["ask", "t", "Hi", "--stream", "--config", &path]);
    assert_eq!((code, stdout.as_str()), (Some(0), "Hello again\n"));
    assert!(stderr.starts_with("model  outcome") && stderr.contains("a/m    ok"), "{stderr}");

    let (_, stdout, _) = run(&["ask", "t", "Hi", "--stream", "--json", "--config", &path]);
    let events: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["start", "text", "text", "usage", "end"]);
    assert_eq!(events[4]["reply"]["text"], "Hello again");
}

#[test]
fn ask_tells_of_a_stream_that_broke_off() {
    let script = json!({"a": [{"answer": "one two three", "stream": {"cut_after": 2}}]});
    let mock = Mock::start("cut", &script);
    let path = config("cut", &mock.base_url);
    let (code, stdout, stderr) = run(&["ask", "t", "Hi", "--stream", "--config", &path]);
    assert_eq!((code, stdout.trim_end()), (Some(1), "one two"));
    assert!(stderr.contains("truncated_stream"), "{stderr}");

    let (code, stdout, _) = run(&["ask", "t", "Hi", "--stream", "--json", "--config", &path]);
    let last: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!((code, &last["type"]), (Some(1), &json!("error")));
    assert_eq!(last["error"]["partial"]["text"], "one two ");
}

#[test]
fn report_puts_together_what_calls_did_and_cost() {
    let steps = json!({"a": [
        {"answer": {"text": "Hello", "usage": {"input": 300, "output": 50}}},
        {"status": 503},
        {"answer": {"text": "Hello", "usage": {"input": 100, "output": 10}}},
    ]});
    let mock = Mock::start("report", &steps);
    let records = file("report.jsonl", "");
    let database = format!("{records}.db");
    let _ = std::fs::remove_file(&database);
    let path = file(
        "report.toml",
        &format!(
            "[providers.a]\nkind = \"openai\"\nbase_url = \"{}\"\napi_key = \"env:LOCUM_CLI_KEY\"\n\
             [models.big]\nuse = \"a/big\"\nprice = {{ input = 1000, output = 2000 }}\n[accounting.jsonl]\npath = {records:?}\n\
             [accounting.sqlite]\npath = {database:?}\n[tasks.t]\nprimary = \"big\"\nfallback = [\"a/other\"]\nretries = 0\n",
            mock.base_url
        ),
    );
    for _ in 0..2 {
        assert_eq!(run(&["ask", "t", "Hi", "--config", &path]).0, Some(0));
    }
    let json = |more: &[&str]| {
        let (code, stdout, stderr) = run(&[&["report", "-c", &path, "--format", "json"], more].concat());
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        serde_json::from_str::<Value>(&stdout).unwrap()
    };
    let tasks = json(&[]);
    let row = &tasks["rows"][0];
    assert_eq!((&tasks["counted"], &row["name"], &row["count"]), (&json!("calls"), &json!("t"), &json!(2)));
    assert_eq!((&row["success_rate"], &row["fallback_rate"]), (&json!(1.0), &json!(0.5)));
    assert_eq!((&row["input_tokens"], &row["output_tokens"], &row["cost_usd"]), (&json!(400), &json!(60), &json!(0.4)));
    assert_eq!(row["unpriced_attempts"], 1, "nobody knows the price of the other model");
    assert!(row["latency_ms_p95"].as_f64().unwrap() >= row["latency_ms_p50"].as_f64().unwrap());
    let models = json(&["--by", "model"]);
    let counts: Vec<_> = models["rows"].as_array().unwrap().iter().map(|row| (&row["name"], &row["count"])).collect();
    assert_eq!(counts, [(&json!("a/big"), &json!(2)), (&json!("a/other"), &json!(1))]);
    assert_eq!((&models["rows"][1]["cost_usd"], &models["total"]["count"]), (&json!(null), &json!(3)));
    let days = json(&["--by", "day"]);
    let today = days["rows"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!(json(&["--by", "day", "--since", &today, "--until", &today])["total"]["count"], 2);
    assert_eq!(json(&["--until", "2020-01-01"])["total"]["count"], 0);
    // The lines and the tables say the same.
    let of = |file: &str| run(&["report", file, "--format", "json"]);
    assert_eq!(of(&records), of(&database));
    assert_eq!(of(&database).1, format!("{tasks:#}\n"));
    let (_, table, _) = run(&["report", &records, "--by", "model"]);
    assert!(table.starts_with("model    attempts  ok %   stand-in %"), "{table}");
    assert!(table.lines().nth(2).unwrap().contains("unknown"), "{table}");
    let (_, euros, _) = run(&["report", &database, "--by", "model", "--currency", "EUR=0.5"]);
    assert!(
        euros.lines().next().unwrap().contains("EUR") && euros.lines().nth(1).unwrap().contains("0.2000"),
        "{euros}"
    );
    assert_eq!(run(&["report", &database, "--currency", "0.5"]).0, Some(2));
    let (_, csv, _) = run(&["report", &records, "--by", "customer", "--format", "csv"]);
    assert!(csv.starts_with("customer,calls,ok,success_rate,") && csv.contains("\n(none),2,2,1.0,1,0.5,400,"), "{csv}");
}

#[test]
fn report_tells_what_is_no_record_and_goes_on() {
    let records = file("broken.jsonl", "{}\n\nnonsense\n");
    let (code, table, problem) = run(&["report", &records]);
    assert_eq!(code, Some(1));
    assert!(problem.contains("broken.jsonl:1: is no record (2 such lines were left out)"), "{problem}");
    assert!(table.lines().rev().nth(1).unwrap().starts_with("total"), "{table}");
    assert!(table.lines().last().unwrap().starts_with("built-in prices of 20"), "{table}");
    let (code, _, problem) = run(&["report", "nowhere.jsonl"]);
    assert!(code == Some(1) && problem.starts_with("locum: nowhere.jsonl: "), "{problem}");
    let plain = config("no-records", "http://127.0.0.1:1/v1");
    let (code, _, problem) = run(&["report", "-c", &plain]);
    assert!(code == Some(1) && problem.contains("keeps no records"), "{problem}");
    assert_eq!(run(&["report", "--since", "yesterday", &records]).0, Some(2));
}

/// A record as it stands in the file, of a call that a stand-in without a known price answered.
fn line(at_ms: u64, customer: &str, cost: &Value) -> String {
    let made = |model: &str, depth: u64, outcome: &str, usage: Value, cost: &Value| {
        json!({"model": model, "provider": "a", "depth": depth, "outcome": outcome, "latency_ms": 900.0, "first_token_ms": null,
            "usage": usage, "usage_is_estimate": false, "cost": cost, "cost_is_estimate": false})
    };
    let tokens = json!({"input": 1_500_000, "cached_input": 500_000, "cache_write": 0, "output": 70, "reasoning": 0});
    let attempts = [made("a/big", 0, "failed", json!(null), &json!(null)), made("a/other", 1, "ok", tokens, cost)];
    json!({"at_ms": at_ms, "task": "t", "customer": customer, "outcome": "ok", "fallback_used": true, "latency_ms": 1234.0,
        "first_token_ms": 55.0, "attempts": attempts})
    .to_string()
        + "\n"
}

#[test]
fn the_page_carries_all_it_needs_and_does_no_harm() {
    let evil = "</script><img src=x onerror=alert(1)>";
    // The third day of three has a price, the second no call.
    let lines = [line(0, evil, &json!(null)), line(2 * 86_400_000, "{{ 7 * 7 }}", &json!(0.25))].concat();
    let (records, target) = (file("page.jsonl", &lines), file("page.html", ""));
    let (code, stdout, stderr) = run(&["report", &records, "--format", "html", "--output", &target]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", ""));
    let page = std::fs::read_to_string(&target).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    // Nothing is loaded: by what is written there, and by what the page lets its browser do.
    for loading in ["src=\"", "href=", "@import", "url(", "<link", "<iframe", "fetch(", "XMLHttpRequest", "import("] {
        assert!(!page.contains(loading), "{loading}");
    }
    assert!(page.contains("default-src 'none'; script-src 'sha256-"));
    assert!(!page.contains("unsafe-inline"));
    // A name is text, wherever it stands.
    assert!(!page.contains("<img") && page.contains("&lt;&#x2f;script&gt;&lt;img src=x onerror=alert(1)&gt;"));
    assert!(page.contains("{{ 7 * 7 }}"));
    assert_eq!((page.matches("<script").count(), page.matches("</script").count()), (3, 3));
    // What it says.
    let drawn = page.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    let drawn: Value = serde_json::from_str(drawn).unwrap();
    assert_eq!(drawn["days"], json!([0, 86_400, 172_800]));
    assert_eq!((&drawn["calls"], &drawn["cost"]), (&json!([1, 0, 1]), &json!([null, 0.0, 0.25])));
    assert_eq!(
        (&drawn["stand_ins"], &drawn["fresh"]),
        (&json!([100.0, null, 100.0]), &json!([1_000_000, 0, 1_000_000]))
    );
    for said in
        ["<dd>3.00 M</dd>", "<dd>$0.2500</dd>", "class=\"unknown\">unknown</td>", "<time>1970-01-03</time>", "100.0 %"]
    {
        assert!(page.contains(said), "{said}");
    }
    for table in ["task", "model", "provider", "customer", "day"] {
        assert!(page.contains(&format!("<h2 id=\"by-{table}\">")), "{table}");
    }
    let (_, none, _) = run(&["report", &records, "--format", "html", "--since", "2026-01-01"]);
    assert!(none.contains("<p>No calls in this time.</p>") && !none.contains("unknown</td>"));
    let (_, free, _) = run(&["report", &records, "--format", "html", "--until", "1970-01-01"]);
    assert!(free.contains("<dt>Cost</dt><dd>unknown</dd>"));
    let (code, _, problem) = run(&["report", &records, "--output", "/nowhere/at/all"]);
    assert!(code == Some(1) && problem.starts_with("locum: /nowhere/at/all: "), "{problem}");
}

#[test]
fn the_page_carries_the_charts_of_their_authors_unchanged() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/report/uplot");
    let script = std::fs::read_to_string(folder.join("uPlot.iife.min.js")).unwrap();
    assert!(script.starts_with("/*! https://github.com/leeoniya/uPlot (v1.6.32) */"));
    let (_, page, _) = run(&["report", &file("none.jsonl", ""), "--format", "html"]);
    assert!(page.contains(&script));
    let notice = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../NOTICE")).unwrap();
    assert!(notice.contains("uPlot 1.6.32"));
}
