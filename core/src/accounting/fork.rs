//! Letting a process fork without tearing what is open.
//!
//! Only for programs that fork on their own: register the three with `pthread_atfork`. The Python package does.
//!
//! A child inherits the locks of the libraries that its parent's other threads were inside, and nobody to release them. So
//! whoever is about to fork waits until nobody is, and nobody begins before it has.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Threads that are inside.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// Threads that are about to fork.
static FORKING: AtomicUsize = AtomicUsize::new(0);
const PAUSE: Duration = Duration::from_millis(1);
/// How long a fork waits: longer than a healthy disk needs for a batch, and then the risk is smaller than a program that hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// Being inside, until it is dropped.
pub(crate) struct Hold;

/// Goes inside, when nobody is about to fork.
pub(crate) fn hold() -> Hold {
    loop {
        INSIDE.fetch_add(1, SeqCst);
        if FORKING.load(SeqCst) == 0 {
            return Hold;
        }
        INSIDE.fetch_sub(1, SeqCst);
        sleep(PAUSE);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // In a child nobody is inside any more, and what was dropped there late must not count.
        let _ = INSIDE.fetch_update(SeqCst, SeqCst, |inside| inside.checked_sub(1));
    }
}

/// Before a fork: waits until records that are being written are, for two seconds at most.
pub fn before() {
    FORKING.fetch_add(1, SeqCst);
    let end = Instant::now() + PATIENCE;
    while INSIDE.load(SeqCst) > 0 && Instant::now() < end {
        sleep(PAUSE);
    }
}

/// In the parent, when it has forked.
pub fn after() {
    FORKING.fetch_sub(1, SeqCst);
}

/// In the child: the threads that were inside, or about to fork, are not there.
pub fn after_in_child() {
    INSIDE.store(0, SeqCst);
    FORKING.store(0, SeqCst);
}
