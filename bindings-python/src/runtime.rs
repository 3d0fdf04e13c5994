//! What belongs to one process and must not outlive a fork: the tokio runtime, and whatever holds on to it.
//!
//! A forked child gets the memory of its parent, but none of its threads: its copy of the runtime is dead, and its locks may
//! be held by threads that are not there. So the child forgets the copy without touching it, and makes its own at first use.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, Weak};

use pyo3::PyResult;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::mailbox::Post;

/// The current process's, or null before its first use.
static PROCESS: AtomicPtr<Process> = AtomicPtr::new(ptr::null_mut());
/// Counts the forks between the first process and this one.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Everything that is made once for each process.
pub(crate) struct Process {
    runtime: Runtime,
    /// The post offices of the event loops, by the address of the loop.
    pub(crate) posts: Mutex<HashMap<usize, Weak<Post>>>,
}

impl Process {
    fn new() -> io::Result<Self> {
        // One thread does the work of many calls, the second keeps a TLS handshake or a large body from holding them up.
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("locum").enable_all().build()?;
        Ok(Self { runtime, posts: Mutex::default() })
    }

    /// Of this process; made when it is first asked for.
    pub(crate) fn current() -> PyResult<&'static Self> {
        let mut current = PROCESS.load(Ordering::Acquire);
        if current.is_null() {
            current = Self::publish(Self::new()?)?;
        }
        // SAFETY: a non-null pointer comes from `Box::into_raw` in `publish`, and what has been published is never freed.
        Ok(unsafe { &*current })
    }

    fn publish(made: Self) -> io::Result<*mut Self> {
        watch_forks()?;
        let made = Box::into_raw(Box::new(made));
        match PROCESS.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(made),
            Err(first) => {
                // SAFETY: `made` comes from `Box::into_raw` above, and nobody else has seen it.
                drop(unsafe { Box::from_raw(made) });
                Ok(first)
            }
        }
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.runtime.handle()
    }
}

#[cfg(unix)]
fn watch_forks() -> io::Result<()> {
    use std::sync::OnceLock;

    extern "C" fn before() {
        locum::fork::before();
    }

    extern "C" fn in_parent() {
        locum::fork::after();
    }

    /// Runs in the child between `fork` and its return, where little more than atomic stores is allowed.
    extern "C" fn in_child() {
        locum::fork::after_in_child();
        PROCESS.store(ptr::null_mut(), Ordering::Release);
        GENERATION.fetch_add(1, Ordering::AcqRel);
    }

    static REGISTERED: OnceLock<libc::c_int> = OnceLock::new();
    // SAFETY: all three do not unwind and stay loaded, since extension modules never are unloaded. `in_child` is async-signal-safe;
    // the others run in a process that is whole.
    match REGISTERED.get_or_init(|| unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) }) {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(*code)),
    }
}

#[cfg(not(unix))]
fn watch_forks() -> io::Result<()> {
    Ok(())
}

/// A value of the process that made it. In a forked child it is out of reach, and never dropped.
pub(crate) struct Local<T> {
    generation: u64,
    value: Option<T>,
}

impl<T> Local<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { generation: GENERATION.load(Ordering::Acquire), value: Some(value) }
    }

    /// Nothing yet.
    pub(crate) fn none() -> Self {
        Self { generation: GENERATION.load(Ordering::Acquire), value: None }
    }

    fn is_here(&self) -> bool {
        self.generation == GENERATION.load(Ordering::Acquire)
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.is_here())
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        if self.is_here() { self.value.as_mut() } else { None }
    }

    pub(crate) fn take(&mut self) -> Option<T> {
        if self.is_here() { self.value.take() } else { None }
    }
}

impl<T> Drop for Local<T> {
    fn drop(&mut self) {
        if !self.is_here() {
            mem::forget(self.value.take());
        }
    }
}
