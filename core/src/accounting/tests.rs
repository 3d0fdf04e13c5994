//! Records that reach their sink, wait for it, and are lost only where that is told.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::Value;

use super::jsonl::Jsonl;
use super::*;
use crate::types::Outcome;

pub(super) fn record(number: usize) -> Arc<CallRecord> {
    Arc::new(CallRecord {
        id: format!("{number:032x}"),
        at: Duration::from_secs(1),
        task: "chat".to_owned(),
        handed_to: None,
        customer: None,
        metadata: std::iter::once(("number".to_owned(), number.to_string())).collect(),
        stream: false,
        outcome: Outcome::Ok,
        kind: None,
        subkind: None,
        model: Some("a/b".to_owned()),
        fallback_used: false,
        latency: Duration::from_millis(5),
        first_token: None,
        cost: None,
        cost_is_estimate: false,
        traceparent: None,
        served_by: None,
        finish: None,
        attempts: Vec::new(),
    })
}

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn warn(&self) -> impl Fn(&str, &str) + Send + Sync + 'static {
        let told = Arc::clone(&self.0);
        move |_, message| told.lock().unwrap().push(message.to_owned())
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A sink that fails, or hangs, as long as it is told to.
#[derive(Clone, Default)]
struct Stubborn {
    broken: Arc<AtomicBool>,
    gate: Arc<(Mutex<bool>, Condvar)>,
    written: Arc<AtomicU64>,
}

impl Stubborn {
    fn hang(&self, hang: bool) {
        *self.gate.0.lock().unwrap() = hang;
        self.gate.1.notify_all();
    }
}

impl Sink for Stubborn {
    fn write(&mut self, records: &[Arc<CallRecord>]) -> Result<(), String> {
        let hung = self.gate.0.lock().unwrap();
        drop(self.gate.1.wait_while(hung, |hung| *hung).unwrap());
        if self.broken.load(Ordering::SeqCst) {
            return Err("the disk is full".to_owned());
        }
        self.written.fetch_add(records.len() as u64, Ordering::SeqCst);
        Ok(())
    }
}

pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("locum-books-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The numbers of the records in a file.
    fn numbers(&self, name: &str) -> Vec<usize> {
        let text = std::fs::read_to_string(self.0.join(name)).unwrap_or_default();
        numbers_in(&text)
    }
}

fn numbers_in(text: &str) -> Vec<usize> {
    let number = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        record["metadata"]["number"].as_str().unwrap().parse().unwrap()
    };
    text.lines().map(number).collect()
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn what_is_flushed_is_there_and_the_end_flushes() {
    let folder = Folder::new("flush");
    let told = Told::default();
    let books = Books::new(Box::new(Jsonl::new(folder.0.join("usage.jsonl"), u64::MAX, 1)), told.warn());
    assert!(books.flush(Duration::ZERO), "nothing has come");
    (0..100).for_each(|number| books.put(&record(number)));
    assert!(books.flush(LONG));
    assert_eq!(folder.numbers("usage.jsonl"), (0..100).collect::<Vec<_>>());
    books.put(&record(100));
    drop(books);
    assert_eq!(folder.numbers("usage.jsonl").len(), 101);
    assert_eq!(told.all(), Vec::<String>::new());
}

#[test]
fn several_write_into_one_file_and_make_room() {
    let folder = Folder::new("room");
    let path = folder.0.join("usage.jsonl");
    let line = record(0).to_value().to_string().len() as u64 + 1;
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let mut lines = Jsonl::new(path.clone(), 10 * line + 20, 50);
            std::thread::spawn(move || {
                for number in 0..50 {
                    lines.write(&[record(100 + 50 * thread + number)]).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let files = (1..=50).map(|number| format!("usage.jsonl.{number}")).chain(["usage.jsonl".to_owned()]);
    let all: Vec<Vec<usize>> = files.map(|name| folder.numbers(&name)).collect();
    assert!(all.iter().all(|numbers| numbers.len() <= 10));
    let mut numbers = all.concat();
    numbers.sort_unstable();
    assert_eq!(numbers, (100..300).collect::<Vec<_>>());
}

#[test]
fn who_reads_misses_nothing_while_others_make_room() {
    let folder = Folder::new("read");
    let path = folder.0.join("usage.jsonl");
    let lines = || Jsonl::new(path.clone(), 2_000, 500);
    assert!(lines().open().unwrap().is_empty(), "nothing is kept yet");
    let (written, mut writer) = (Arc::new(AtomicU64::new(0)), lines());
    let counted = Arc::clone(&written);
    let thread = std::thread::spawn(move || {
        for number in 0..300 {
            writer.write(&[record(number)]).unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    loop {
        let ended = thread.is_finished();
        let before = written.load(Ordering::SeqCst) as usize;
        let mut numbers = Vec::new();
        for (_, file) in lines().open().unwrap() {
            numbers.extend(numbers_in(&std::io::read_to_string(file).unwrap()));
        }
        assert!(numbers.len() >= before, "{} of {before}", numbers.len());
        assert_eq!(numbers, (0..numbers.len()).collect::<Vec<_>>());
        if ended {
            break;
        }
    }
    thread.join().unwrap();
}

#[test]
fn only_so_many_older_files_are_kept() {
    let folder = Folder::new("keep");
    let mut lines = Jsonl::new(folder.0.join("usage.jsonl"), 1, 2);
    (0..5).for_each(|number| lines.write(&[record(number)]).unwrap());
    let files = ["usage.jsonl", "usage.jsonl.1", "usage.jsonl.2", "usage.jsonl.3"];
    assert_eq!(files.map(|name| folder.numbers(name)), [vec![4], vec![3], vec![2], vec![]]);
    let mut none = Jsonl::new(folder.0.join("usage.jsonl"), 1, 0);
    none.write(&[record(5)]).unwrap();
    assert_eq!(files.map(|name| folder.numbers(name)), [vec![5], vec![3], vec![2], vec![]]);
}

#[test]
fn a_sink_that_fails_is_told_once_and_tried_again() {
    let (sink, told) = (Stubborn::default(), Told::default());
    sink.broken.store(true, Ordering::SeqCst);
    let books = Books::new(Box::new(sink.clone()), told.warn());
    books.put(&record(0));
    assert!(!books.flush(Duration::from_millis(50)));
    books.put(&record(1));
    sink.broken.store(false, Ordering::SeqCst);
    assert!(books.flush(LONG));
    assert_eq!(sink.written.load(Ordering::SeqCst), 2);
    assert_eq!(told.all()[0], "usage records cannot be written, 1 wait: the disk is full");
}

#[test]
fn what_cannot_be_written_in_the_end_is_told_as_lost() {
    let (sink, told) = (Stubborn::default(), Told::default());
    sink.broken.store(true, Ordering::SeqCst);
    let books = Books::new(Box::new(sink), told.warn());
    (0..3).for_each(|number| books.put(&record(number)));
    drop(books);
    assert_eq!(told.all().last().unwrap(), "3 usage records are lost: the disk is full");
}

/// A sink that has more than records, which it was told of.
#[derive(Clone, Default)]
struct Sums {
    broken: Arc<AtomicBool>,
    seen: Arc<AtomicU64>,
    told: Arc<Mutex<Vec<u64>>>,
}

impl Sink for Sums {
    fn write(&mut self, records: &[Arc<CallRecord>]) -> Result<(), String> {
        self.seen.fetch_add(records.len() as u64, Ordering::SeqCst);
        Ok(())
    }

    fn period(&self) -> Option<Duration> {
        Some(LONG * 1000)
    }

    fn more(&mut self, lost: u64) -> Result<(), String> {
        if self.broken.load(Ordering::SeqCst) {
            return Err("nobody there".to_owned());
        }
        self.told.lock().unwrap().push(self.seen.load(Ordering::SeqCst) + lost);
        Ok(())
    }
}

#[test]
fn a_flush_and_the_end_have_more_written_than_records() {
    let (sink, told) = (Sums::default(), Told::default());
    let books = Books::new(Box::new(sink.clone()), told.warn());
    assert!(books.flush(LONG));
    assert!(sink.told.lock().unwrap().is_empty(), "there was nothing yet");
    (0..3).for_each(|number| books.put(&record(number)));
    assert!(books.flush(LONG));
    sink.broken.store(true, Ordering::SeqCst);
    assert!(!books.flush(LONG));
    sink.broken.store(false, Ordering::SeqCst);
    assert!(books.flush(LONG));
    books.put(&record(3));
    drop(books);
    assert_eq!(*sink.told.lock().unwrap(), [3, 3, 4]);
    assert_eq!(told.all(), ["nobody there"]);
}

#[test]
fn a_sink_that_hangs_holds_nobody_up_and_takes_no_more_than_its_place() {
    let (sink, told) = (Stubborn::default(), Told::default());
    sink.hang(true);
    let books = Books::new(Box::new(sink.clone()), told.warn());
    let one = record(0);
    (0..CAPACITY * 3).for_each(|_| books.put(&one));
    assert!(books.shared.lock().waiting.len() <= CAPACITY);
    sink.hang(false);
    // Once it is said that some are not there.
    assert!(!books.flush(LONG) && books.flush(LONG));
    let written = sink.written.load(Ordering::SeqCst);
    drop(books);
    let lost: u64 = told.all().iter().filter_map(|said| said.split(' ').next()?.parse::<u64>().ok()).sum();
    assert_eq!(written + lost, 3 * CAPACITY as u64, "{:?}", told.all());
}
