//! The one Tokio runtime of the process, whatever languages live in it.

use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use hotspare::{Error, Result};
use tokio::runtime::{Builder, Handle, Runtime};

/// A pointer and not a `OnceLock`: the child of a fork must forget the runtime without a lock and without a drop.
/// What it points to is never freed, so a thread that still holds it can never be left with nothing.
static SLOT: AtomicPtr<Slot> = AtomicPtr::new(std::ptr::null_mut());

struct Slot {
    handle: Handle,
    /// None once it was shut down.
    runtime: Mutex<Option<Runtime>>,
}

/// The runtime, started by the first call in this process.
pub(crate) fn handle() -> Result<&'static Handle> {
    if let Some(slot) = current() {
        return Ok(&slot.handle);
    }
    forget_in_children();
    let runtime = start()?;
    let fresh = Box::into_raw(Box::new(Slot {
        handle: runtime.handle().clone(),
        runtime: Mutex::new(Some(runtime)),
    }));
    match SLOT.compare_exchange(std::ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: it came from a box just now, and nothing in `SLOT` is ever freed.
        Ok(_) => Ok(unsafe { &(*fresh).handle }),
        Err(winner) => {
            // SAFETY: nobody else has seen `fresh`; `winner` is in `SLOT`, so it is never freed.
            let (lost, slot) = unsafe { (Box::from_raw(fresh), &*winner) };
            if let Some(runtime) = lost.runtime.into_inner().unwrap_or_else(PoisonError::into_inner) {
                runtime.shutdown_background();
            }
            Ok(&slot.handle)
        }
    }
}

/// Stops the runtime: every task is dropped, so every open connection closes. Waits for the worker threads, at most
/// `timeout`. Later calls end as cancelled. Hosts call it once, when the process is about to go.
pub fn shutdown(timeout: Duration) {
    let _ = EXIT.set(thread::current().id());
    let Some(slot) = current() else { return };
    let runtime = slot.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(runtime) = runtime {
        runtime.shutdown_timeout(timeout);
    }
}

/// The thread that shuts the runtime down.
static EXIT: OnceLock<ThreadId> = OnceLock::new();

/// Whether another thread has begun to shut the process down. What fails from then on fails because of that, and says
/// nothing about the call.
pub fn is_exiting() -> bool {
    EXIT.get().is_some_and(|exit| *exit != thread::current().id())
}

fn current() -> Option<&'static Slot> {
    // SAFETY: null, or a box that is never freed.
    unsafe { SLOT.load(Ordering::Acquire).as_ref() }
}

fn start() -> Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .worker_threads(cores.min(2))
        .thread_name("hotspare")
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| Error::internal(format!("the runtime did not start: {error}")))
}

#[cfg(unix)]
fn forget_in_children() {
    extern "C" fn child() {
        crate::fork::forked();
        SLOT.store(std::ptr::null_mut(), Ordering::Release);
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler only stores atomics, which is async-signal-safe. A failure (out of memory) leaves a
        // child that cannot call, which is what it would be without us.
        unsafe { libc::pthread_atfork(None, None, Some(child)) };
    });
}

#[cfg(not(unix))]
fn forget_in_children() {}
