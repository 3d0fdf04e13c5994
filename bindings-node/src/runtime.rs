//! The threads that calls run on.
//!
//! One runtime serves every JavaScript thread of the process. It starts with the first call, so that loading the package
//! starts no thread, and it is never dropped: its threads hold no JavaScript value and end with the process.

use std::sync::{Mutex, OnceLock, PoisonError};

use napi::{Error, Result, Status};
use tokio::runtime::{Builder, Runtime};

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Two, so that decoding one large answer does not hold up all others; more brought nothing when measured.
const THREADS: usize = 2;

/// The runtime, started if need be.
///
/// # Errors
/// What the operating system says when it gives no thread.
pub(crate) fn runtime() -> Result<&'static Runtime> {
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let _one = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("locum")
        .enable_all()
        .build()
        .map_err(|error| Error::new(Status::GenericFailure, format!("no thread for locum: {error}")))?;
    Ok(RUNTIME.get_or_init(|| runtime))
}
