//! Waiting for the runtime from a Python thread.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use hotspare::Result;
use hotspare_bridge::is_exiting;
use pyo3::prelude::*;

use crate::errors::raise;

/// How often the main thread looks for Ctrl-C while it waits.
const SIGNAL_TICK: Duration = Duration::from_millis(50);

struct Parked {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Waits for `future` with the GIL released. A signal handler's exception (Ctrl-C) ends the wait, and drops the future.
///
/// Its own park loop and not Tokio's `block_on`, which panics on a thread that runs a Tokio runtime.
pub(crate) fn block_on<T: Send>(
    py: Python<'_>,
    future: impl Future<Output = Result<T>> + Send,
) -> PyResult<T> {
    let outcome = py.detach(|| -> PyResult<Result<T>> {
        let mut future = pin!(future);
        let parked = Arc::new(Parked {
            thread: thread::current(),
            woken: AtomicBool::new(false),
        });
        let waker = Waker::from(Arc::clone(&parked));
        let mut cx = Context::from_waker(&waker);
        let mut gets_signals = true;
        loop {
            if let Poll::Ready(result) = future.as_mut().poll(&mut cx) {
                while result.is_err() && is_exiting() {
                    // Only daemon threads are left by now. As one that asks for the GIL would, it waits for the end,
                    // and does not print an error that the end has made.
                    thread::park();
                }
                return Ok(result);
            }
            while !parked.woken.swap(false, Ordering::Acquire) {
                if gets_signals {
                    thread::park_timeout(SIGNAL_TICK);
                    if !parked.woken.load(Ordering::Acquire) {
                        // None: the interpreter is going, and with it this thread.
                        gets_signals = Python::try_attach(check_signals).transpose()?.unwrap_or(false);
                    }
                } else {
                    thread::park();
                }
            }
        }
    })?;
    outcome.map_err(|error| raise(py, &error))
}

/// Runs signal handlers, if this is the thread that Python runs them on; tells whether it is.
fn check_signals(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import("threading")?;
    let main = threading.call_method0("main_thread")?.getattr("ident")?;
    if !main.eq(threading.call_method0("get_ident")?)? {
        return Ok(false);
    }
    py.check_signals()?;
    Ok(true)
}
