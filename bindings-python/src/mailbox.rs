//! How results reach an event loop: tokio's threads never touch Python.
//!
//! Every event loop has a **post office**: a queue of news, a bell, and the futures that wait. A call that has finished, or a
//! stream that has more to take, is put into the queue; only if the queue was empty, the bell rings. The loop answers by emptying the whole queue on its own
//! thread, where the Python objects are made. However much arrives together, the loop wakes once.
//!
//! The bell is a pipe watched by `loop.add_reader`. The loop alone owns the [`Mailbox`], through that callback: when it is
//! closed, the mailbox goes with it, and what is still waited for is ended. Loops without `add_reader` (Windows' default
//! one) get a thread that waits for the bell and calls `call_soon_threadsafe`: `locum/_bell.py`.

use std::collections::HashMap;
#[cfg(unix)]
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::mem;
#[cfg(unix)]
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use locum::{Error, Reply};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::{IntoPyObjectExt, PyTraverseError, PyVisit, intern};
use tokio::task::AbortHandle;

use crate::desk::Desk;
use crate::fetch::Answer;
use crate::import::Import;
use crate::runtime::{Local, Process};
use crate::source::{Source, Turn};
use crate::{errors, reply};

/// What a future waits for.
enum Parcel {
    Call(Result<Reply, Error>),
    Fetch(Result<Answer, Error>),
    /// A stream has something to take, or nothing any more.
    More,
    /// The task panicked.
    Broken,
}

/// What has arrived and was not fetched yet. Shared with the tasks, so it holds nothing of Python's.
pub(crate) struct Queue {
    inbox: Mutex<Inbox>,
    /// For a thread that waits, where there is no pipe.
    rung: Condvar,
}

#[derive(Default)]
struct Inbox {
    arrived: Vec<(u64, Parcel)>,
    /// Routers that have events to tell.
    telling: Vec<Weak<Desk>>,
    /// Holds one byte exactly while there is something in the inbox, so neither end ever blocks.
    #[cfg(unix)]
    bell: Option<(PipeReader, PipeWriter)>,
    /// For the thread: there is something new.
    news: bool,
    /// For the thread: nothing will come any more.
    closed: bool,
}

impl Inbox {
    fn is_empty(&self) -> bool {
        self.arrived.is_empty() && self.telling.is_empty()
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, id: u64, parcel: Parcel) {
        let mut inbox = self.lock();
        if inbox.closed {
            return;
        }
        let first = inbox.is_empty();
        inbox.arrived.push((id, parcel));
        if first {
            self.ring(&mut inbox);
        }
    }

    /// A router has events to tell.
    pub(crate) fn events(&self, desk: &Arc<Desk>) {
        let mut inbox = self.lock();
        if inbox.closed {
            return;
        }
        let first = inbox.is_empty();
        if inbox.telling.iter().any(|known| known.as_ptr() == Arc::as_ptr(desk)) {
            return;
        }
        inbox.telling.push(Arc::downgrade(desk));
        if first {
            self.ring(&mut inbox);
        }
    }

    fn ring(&self, inbox: &mut Inbox) {
        inbox.news = true;
        self.rung.notify_one();
        #[cfg(unix)]
        if let Some((_, bell)) = &mut inbox.bell {
            // Both ends are open and there is room, so it does not fail.
            let _ = bell.write_all(&[0]);
        }
    }

    fn close(&self) {
        *self.lock() = Inbox { closed: true, ..Inbox::default() };
        self.rung.notify_all();
    }

    fn take(&self) -> (Vec<Weak<Desk>>, Vec<(u64, Parcel)>) {
        let mut inbox = self.lock();
        #[cfg(unix)]
        if !inbox.is_empty()
            && let Some((bell, _)) = &mut inbox.bell
        {
            let _ = bell.read_exact(&mut [0]);
        }
        (mem::take(&mut inbox.telling), mem::take(&mut inbox.arrived))
    }
}

/// A task's promise to report: a panic in it must not leave the caller waiting for ever.
struct Promise {
    id: u64,
    queue: Arc<Queue>,
}

impl Drop for Promise {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.queue.push(self.id, Parcel::Broken);
        }
    }
}

/// A call, or the reading of a stream, under way.
struct Waiting {
    future: Py<PyAny>,
    task: AbortHandle,
    desk: Arc<Desk>,
    /// The stream.
    source: Option<Arc<Source>>,
}

impl Waiting {
    /// Closes its connections.
    fn end(self) {
        self.task.abort();
        if let Some(source) = self.source {
            source.close();
        }
    }
}

/// The post office of one event loop.
pub(crate) struct Post {
    queue: Arc<Queue>,
    /// Locked only while attached to Python and for no Python call, so it is free whenever Python forks.
    waiting: Mutex<Local<HashMap<u64, Waiting>>>,
    next: AtomicU64,
}

impl Post {
    fn open() -> Arc<Self> {
        Arc::new(Self {
            queue: Arc::new(Queue { inbox: Mutex::default(), rung: Condvar::new() }),
            waiting: Mutex::new(Local::new(HashMap::new())),
            next: AtomicU64::new(0),
        })
    }

    fn waiting(&self) -> MutexGuard<'_, Local<HashMap<u64, Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, id: u64) -> Option<Waiting> {
        self.waiting().get_mut()?.remove(&id)
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        let Some(table) = self.waiting().take() else {
            // In a forked child: a thread of the parent may have been at the queue when it forked, so it is left alone.
            mem::forget(self.queue.clone());
            return;
        };
        table.into_values().for_each(Waiting::end);
        self.queue.close();
    }
}

/// Starts a call; the future belongs to the running loop and will have the result.
pub(crate) fn submit(
    py: Python<'_>,
    desk: Arc<Desk>,
    call: impl Future<Output = Result<Reply, Error>> + Send + 'static,
) -> PyResult<(Py<PyAny>, Ticket)> {
    start(py, desk, None, async move { Parcel::Call(call.await) })
}

/// The same for an HTTP request.
pub(crate) fn submit_fetch(
    py: Python<'_>,
    desk: Arc<Desk>,
    call: impl Future<Output = Result<Answer, Error>> + Send + 'static,
) -> PyResult<(Py<PyAny>, Ticket)> {
    start(py, desk, None, async move { Parcel::Fetch(call.await) })
}

/// Starts to read a stream's next batch; the running loop's future will be done when there is something to take.
pub(crate) fn await_more(py: Python<'_>, source: &Arc<Source>, turn: Turn) -> PyResult<Py<PyAny>> {
    let reading = async move {
        turn.fill().await;
        Parcel::More
    };
    start(py, source.desk.clone(), Some(source.clone()), reading).map(|(future, _)| future)
}

fn start(
    py: Python<'_>,
    desk: Arc<Desk>,
    source: Option<Arc<Source>>,
    work: impl Future<Output = Parcel> + Send + 'static,
) -> PyResult<(Py<PyAny>, Ticket)> {
    static RUNNING_LOOP: Import = Import::new("asyncio", "get_running_loop");
    let event_loop = RUNNING_LOOP.get(py)?.call0()?;
    let process = Process::current()?;
    let post = post_of(process, &event_loop)?;
    desk.called_from(&post.queue);
    let future = event_loop.call_method0(intern!(py, "create_future"))?.unbind();
    let id = post.next.fetch_add(1, Ordering::Relaxed);
    let promise = Promise { id, queue: post.queue.clone() };
    let task = process.handle().spawn(async move {
        let promise = promise;
        let parcel = work.await;
        promise.queue.push(promise.id, parcel);
    });
    // Not too late: the queue is emptied on this very thread.
    if let Some(table) = post.waiting().get_mut() {
        table.insert(id, Waiting { future: future.clone_ref(py), task: task.abort_handle(), desk, source });
    }
    Ok((future, Ticket { post: Arc::downgrade(&post), id }))
}

fn post_of(process: &Process, event_loop: &Bound<'_, PyAny>) -> PyResult<Arc<Post>> {
    let address = event_loop.as_ptr().addr();
    let posts = || process.posts.lock().unwrap_or_else(PoisonError::into_inner);
    // An entry that is alive belongs to this loop, not to an earlier one at its address: the earlier one took its own along.
    if let Some(post) = posts().get(&address).and_then(Weak::upgrade) {
        return Ok(post);
    }
    let post = Post::open();
    watch(event_loop, Mailbox { post: post.clone() })?;
    let mut posts = posts();
    posts.retain(|_, post| post.strong_count() > 0);
    posts.insert(address, Arc::downgrade(&post));
    Ok(post)
}

/// Gives the mailbox to the loop.
fn watch(event_loop: &Bound<'_, PyAny>, mailbox: Mailbox) -> PyResult<()> {
    let py = event_loop.py();
    let queue = mailbox.post.queue.clone();
    let mailbox = Bound::new(py, mailbox)?;
    #[cfg(unix)]
    {
        let (reader, writer) = io::pipe()?;
        let drain = mailbox.getattr(intern!(py, "drain"))?;
        match event_loop.call_method1(intern!(py, "add_reader"), (reader.as_raw_fd(), drain)) {
            Ok(_) => {
                queue.lock().bell = Some((reader, writer));
                return Ok(());
            }
            Err(error) if error.is_instance_of::<pyo3::exceptions::PyNotImplementedError>(py) => {}
            Err(error) => return Err(error),
        }
    }
    let watch = py.import("locum._bell")?.getattr("watch")?;
    watch.call1((event_loop, mailbox, Bell { queue })).map(drop)
}

/// A loop's end of its post office.
#[pyclass(frozen, weakref, module = "locum._core")]
pub(crate) struct Mailbox {
    post: Arc<Post>,
}

#[pymethods]
impl Mailbox {
    /// Hands everything that has arrived to its future. The loop calls it when the bell has rung, and reports what it raises.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        let mut all = Ok(());
        // The trouble of one is not the others'.
        let mut keep = |one: PyResult<()>| {
            if let Err(earlier) = mem::replace(&mut all, one) {
                earlier.write_unraisable(py, None);
            }
        };
        let (telling, arrived) = self.post.queue.take();
        telling.iter().filter_map(Weak::upgrade).for_each(|desk| keep(desk.tell(py)));
        for (id, parcel) in arrived {
            if let Some(waiting) = self.post.remove(id) {
                keep(hand_over(py, &waiting, parcel));
            }
        }
        all
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // No lock of another thread is waited for: without the table the collector merely frees less.
        let Ok(table) = self.post.waiting.try_lock() else {
            return Ok(());
        };
        for waiting in table.get().into_iter().flat_map(HashMap::values) {
            visit.call(&waiting.future)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let abandoned = self.post.waiting().get_mut().map(mem::take);
        abandoned.into_iter().flat_map(HashMap::into_values).for_each(Waiting::end);
    }
}

fn hand_over(py: Python<'_>, waiting: &Waiting, parcel: Parcel) -> PyResult<()> {
    let future = waiting.future.bind(py);
    // Cancelled, but its coroutine had no turn yet to say so.
    if future.call_method0(intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    match contents(py, &waiting.desk, parcel) {
        Ok(result) => future.call_method1(intern!(py, "set_result"), (result,))?,
        Err(error) => future.call_method1(intern!(py, "set_exception"), (error,))?,
    };
    waiting.desk.tell(py)
}

fn contents<'py>(py: Python<'py>, desk: &Arc<Desk>, parcel: Parcel) -> PyResult<Bound<'py, PyAny>> {
    match parcel {
        Parcel::Call(Ok(reply)) => reply::Reply::new(reply).into_bound_py_any(py),
        Parcel::Fetch(Ok(answer)) => answer.into_python(py, desk),
        Parcel::Call(Err(error)) | Parcel::Fetch(Err(error)) => Err(errors::exception(py, &error)),
        Parcel::More => Ok(py.None().into_bound(py)),
        Parcel::Broken => Err(PyRuntimeError::new_err("locum: this broke off by a bug in Locum; stderr says where")),
    }
}

/// The right to cancel a call.
#[pyclass(frozen, module = "locum._core")]
pub(crate) struct Ticket {
    post: Weak<Post>,
    id: u64,
}

#[pymethods]
impl Ticket {
    /// Aborts the call and closes its connection; nothing, if it is over.
    fn cancel(&self) {
        if let Some(waiting) = self.post.upgrade().and_then(|post| post.remove(self.id)) {
            waiting.end();
        }
    }
}

/// What the thread of a loop without `add_reader` waits for.
#[pyclass(frozen, module = "locum._core")]
pub(crate) struct Bell {
    queue: Arc<Queue>,
}

#[pymethods]
impl Bell {
    /// Blocks until something has finished: true. False when the loop is gone.
    fn wait(&self, py: Python<'_>) -> bool {
        py.detach(|| {
            let quiet = |inbox: &mut Inbox| !inbox.news && !inbox.closed;
            let inbox = self.queue.rung.wait_while(self.queue.lock(), quiet);
            let mut inbox = inbox.unwrap_or_else(PoisonError::into_inner);
            inbox.news = false;
            !inbox.closed
        })
    }
}
