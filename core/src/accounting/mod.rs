//! The books: records of calls on their way to where they are kept. A sink never slows or fails a call: records wait in a queue
//! that holds so many, a thread of its own writes them, and those that find no place are counted.

#[cfg(feature = "sqlite")]
pub mod fork;
pub(crate) mod jsonl;
pub(crate) mod ledger;
#[cfg(feature = "otlp")]
pub(crate) mod otlp;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod quota;
pub(crate) mod report;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[cfg(any(feature = "sqlite", feature = "postgres"))]
use serde_json::Value;

use crate::types::CallRecord;

/// The most records that wait. At a kilobyte each that is about 10 MB.
const CAPACITY: usize = 10_000;
/// The first pause after a write that failed, and the longest. It doubles with every failure.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How long records gather after a write, unless somebody waits for them: a disk, or a collector, is then asked 20 times a second
/// instead of once for each call.
const GATHER: Duration = Duration::from_millis(50);
/// How long a flush waits where nothing is said: longer than any healthy disk needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// How long the end of a router, or of a program, waits for what is not written yet.
pub(crate) const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// Where records are kept.
pub(crate) trait Sink: Send {
    /// Writes all of them, so that they are there even if the process dies right after; or none.
    ///
    /// # Errors
    /// Says why nothing could be written.
    fn write(&mut self, records: &[Arc<CallRecord>]) -> Result<(), String>;

    /// How often it has more to write than records; never, where absent.
    fn period(&self) -> Option<Duration> {
        None
    }

    /// Writes what is no record, knowing how many records were lost on the way to it: each period, at a flush and at the end.
    ///
    /// # Errors
    /// Says why nothing could be written. It is not asked again before the next period.
    fn more(&mut self, _lost: u64) -> Result<(), String> {
        Ok(())
    }
}

/// Records as one array of JSON. Databases take no NUL in a text.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn together(records: &[Arc<CallRecord>]) -> String {
    fn clean(value: &mut Value) {
        match value {
            Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
            Value::Array(values) => values.iter_mut().for_each(clean),
            Value::Object(map) => map.values_mut().for_each(clean),
            _ => {}
        }
    }
    let mut records: Value = records.iter().map(|record| record.to_value()).collect();
    clean(&mut records);
    records.to_string()
}

/// Tables of a shape that is not known here.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn newer(theirs: usize, known: usize) -> String {
    format!("its tables are of version {theirs}, made by a newer Locum; this one knows version {known}")
}

/// A path as it is shown.
fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

/// The way to one sink.
pub(crate) struct Books {
    shared: Arc<Shared>,
}

/// Hears of failures: a topic, told once, and a sentence.
type Warn = dyn Fn(&str, &str) + Send + Sync;

struct Shared {
    inbox: Mutex<Inbox>,
    /// There is something to do.
    rung: Condvar,
    /// Somebody waits for it.
    hurried: Condvar,
    /// Something was done.
    done: Condvar,
    warn: Box<Warn>,
}

#[derive(Default)]
struct Inbox {
    /// The sink, until the thread has it.
    sink: Option<Box<dyn Sink>>,
    waiting: VecDeque<Arc<CallRecord>>,
    /// How many have come, and how many of these are written or lost.
    put: u64,
    settled: u64,
    /// How many of them were lost, and how many of these were told of.
    lost: u64,
    told: u64,
    /// How many of the lost ones a flush has said no to.
    owned_up: u64,
    closed: bool,
    /// How many wait for what is written.
    flushing: usize,
    /// Whether a thread writes for a sink that has more than records; how often that was asked for, how often it was tried, and
    /// which of these failed last.
    has_more: bool,
    asked: u64,
    answered: u64,
    failed: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// Writes to `sink`.
    pub(crate) fn new(sink: Box<dyn Sink>, warn: impl Fn(&str, &str) + Send + Sync + 'static) -> Self {
        let inbox = Inbox { sink: Some(sink), ..Inbox::default() };
        let shared = Shared {
            inbox: Mutex::new(inbox),
            rung: Condvar::new(),
            done: Condvar::new(),
            hurried: Condvar::new(),
            warn: Box::new(warn),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes a record. The thread that writes begins with the first.
    pub(crate) fn put(&self, record: &Arc<CallRecord>) {
        let mut inbox = self.shared.lock();
        inbox.put += 1;
        if inbox.waiting.len() >= CAPACITY {
            inbox.settled += 1;
            inbox.lost += 1;
            return;
        }
        inbox.waiting.push_back(Arc::clone(record));
        let sink = inbox.sink.take();
        drop(inbox);
        self.shared.rung.notify_one();
        if let Some(sink) = sink {
            self.begin(sink);
        }
    }

    fn begin(&self, sink: Box<dyn Sink>) {
        let shared = Arc::clone(&self.shared);
        // Before the thread is there, so that a flush that comes meanwhile waits for it.
        self.shared.lock().has_more = sink.period().is_some();
        let begun = std::thread::Builder::new().name("locum-books".to_owned()).spawn(move || work(&shared, sink));
        if let Err(error) = begun {
            (self.shared.warn)("books thread", &format!("usage records are not kept: no thread ({error})"));
            let mut inbox = self.shared.lock();
            let count = inbox.waiting.len() as u64;
            inbox.settled += count;
            inbox.lost += count;
            inbox.waiting.clear();
            inbox.has_more = false;
        }
    }

    /// Waits until everything that came before is written, for so long at most; whether it is.
    pub(crate) fn flush(&self, patience: Duration) -> bool {
        self.settle(patience, false)
    }

    /// The same, and nothing comes any more, if `close`.
    fn settle(&self, patience: Duration, close: bool) -> bool {
        let end = Instant::now() + patience;
        let mut inbox = self.shared.lock();
        inbox.closed |= close;
        inbox.asked += u64::from(inbox.has_more);
        inbox.flushing += 1;
        let (target, asked) = (inbox.put, inbox.asked);
        self.shared.rung.notify_all();
        self.shared.hurried.notify_all();
        let missing = |inbox: &mut Inbox| inbox.settled < target || inbox.answered < asked;
        let left = end.saturating_duration_since(Instant::now());
        let waited = self.shared.done.wait_timeout_while(inbox, left, missing);
        let (mut inbox, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        inbox.flushing -= 1;
        if waited.timed_out() {
            return false;
        }
        // What was lost before it was flushed is not written either.
        let whole = inbox.lost == inbox.owned_up;
        inbox.owned_up = inbox.lost;
        whole && (asked == 0 || inbox.failed < asked)
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        self.settle(LAST_PATIENCE, true);
    }
}

/// Writes until the router is gone and nothing is left.
fn work(shared: &Shared, mut sink: Box<dyn Sink>) {
    let mut batch: Vec<Arc<CallRecord>> = Vec::new();
    let mut pause = PAUSE.0;
    let mut due = sink.period().map(|period| Instant::now() + period);
    loop {
        let mut inbox = shared.lock();
        while inbox.waiting.is_empty() && batch.is_empty() && !inbox.closed && inbox.answered == inbox.asked {
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            inbox = match left {
                None => shared.rung.wait(inbox).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => break,
                Some(left) => shared.rung.wait_timeout(inbox, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        batch.extend(inbox.waiting.drain(..));
        let (lost, closed) = (inbox.lost - inbox.told, inbox.closed);
        inbox.told = inbox.lost;
        let (all_lost, asked, answered) = (inbox.lost, inbox.asked, inbox.answered);
        drop(inbox);
        if lost > 0 {
            (shared.warn)(
                "books full",
                &format!("{lost} usage records were dropped: they came faster than they are written"),
            );
        }
        // Who flushes wants what the records before it add up to.
        let flushes = batch.is_empty() && asked > answered;
        if flushes || due.is_some_and(|due| due <= Instant::now()) {
            due = sink.period().map(|period| Instant::now() + period);
            let result = sink.more(all_lost).inspect_err(|why| (shared.warn)(why, why));
            if flushes {
                answer(shared, asked, result.is_ok());
            }
            continue;
        }
        if batch.is_empty() {
            return;
        }
        match sink.write(&batch) {
            Ok(()) => {
                settle(shared, &mut batch, false);
                pause = PAUSE.0;
                let nobody = |inbox: &mut Inbox| !inbox.closed && inbox.flushing == 0;
                drop(shared.hurried.wait_timeout_while(shared.lock(), GATHER, nobody));
            }
            Err(why) => {
                let count = batch.len();
                (shared.warn)(&why, &format!("usage records cannot be written, {count} wait: {why}"));
                // What has come meanwhile finds place as long as there is any.
                let room = CAPACITY.saturating_sub(shared.lock().waiting.len());
                if closed || count > room {
                    (shared.warn)("books lost", &format!("{count} usage records are lost: {why}"));
                    settle(shared, &mut batch, true);
                    continue;
                }
                let inbox = shared.lock();
                if !inbox.closed {
                    drop(shared.rung.wait_timeout_while(inbox, pause, |inbox| !inbox.closed));
                }
                pause = (pause * 2).min(PAUSE.1);
            }
        }
    }
}

fn answer(shared: &Shared, asked: u64, well: bool) {
    let mut inbox = shared.lock();
    inbox.answered = asked;
    if !well {
        inbox.failed = asked;
    }
    drop(inbox);
    shared.done.notify_all();
}

fn settle(shared: &Shared, batch: &mut Vec<Arc<CallRecord>>, lost: bool) {
    let mut inbox = shared.lock();
    inbox.settled += batch.len() as u64;
    if lost {
        inbox.lost += batch.len() as u64;
        inbox.told += batch.len() as u64;
    }
    drop(inbox);
    batch.clear();
    shared.done.notify_all();
}

#[cfg(all(test, feature = "sqlite"))]
mod ledger_tests;
#[cfg(all(test, feature = "sqlite", feature = "postgres"))]
mod postgres_tests;
#[cfg(test)]
mod quota_tests;
#[cfg(test)]
mod tests;
