//! How results reach JavaScript: one queue and one wake-up of the event loop for all that is in it. Results are taken,
//! and made into JavaScript's values, on the thread of the environment (the main one, or a worker's) that asked.

use std::collections::HashMap;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use hotspare::Result;
use hotspare_bridge::{SharedClient, Task, guarded, spawn_then};
use napi::bindgen_prelude::{Function, Null, ToNapiValue, Unknown};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status, sys};
use napi_derive::napi;

use crate::client::Client;
use crate::wire;

/// What a call comes to.
pub(crate) enum Value {
    /// JSON.
    Text(String),
    Client(Arc<SharedClient>),
    /// The end of a source.
    End,
}

/// What gives its values one after the other: a stream's events, a client's.
pub(crate) trait Source: Send + Sync {
    /// Everything that is there now, or a wake-up when there is something.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<Value>>;
}

enum Outcome {
    Done(Result<Value>),
    /// There may be something to take, unless nobody holds it any more.
    Look(Weak<dyn Source>),
}

type Bell = ThreadsafeFunction<(), Unknown<'static>, Batch, Status, false, true>;

/// The results that wait for one environment.
#[derive(Default)]
pub(crate) struct Shared {
    waiting: Mutex<Vec<(u64, Outcome)>>,
    /// What the environment waits for, and so what keeps its event loop: the tasks of calls, and nothing where a source
    /// has a task of its own.
    pending: Mutex<HashMap<u64, Option<Task<()>>>>,
    tickets: AtomicU64,
    bell: OnceLock<Bell>,
}

impl Shared {
    fn push(&self, ticket: u64, outcome: Outcome) {
        let first = {
            let mut waiting = lock(&self.waiting);
            waiting.push((ticket, outcome));
            waiting.len() == 1
        };
        if first && let Some(bell) = self.bell.get() {
            // Refused only when the environment is going: nobody waits then.
            bell.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes what is there, on the thread of the environment.
    fn take(self: &Arc<Self>, env: &Env) -> Vec<(u64, Result<Value>)> {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        let settled: Vec<_> = waiting
            .into_iter()
            .filter_map(|(ticket, outcome)| match outcome {
                Outcome::Done(result) => Some((ticket, result)),
                Outcome::Look(source) => self.look(ticket, &source).map(|result| (ticket, result)),
            })
            .collect();
        let mut pending = lock(&self.pending);
        for (ticket, _) in &settled {
            pending.remove(ticket);
        }
        if pending.is_empty() {
            self.keep_alive(env, false);
        }
        settled
    }

    fn look(self: &Arc<Self>, ticket: u64, source: &Weak<dyn Source>) -> Option<Result<Value>> {
        let Some(strong) = source.upgrade() else {
            return Some(Ok(Value::End));
        };
        let waker = self.waker(ticket, source.clone());
        poll_once(&*strong, &waker)
    }

    fn waker(self: &Arc<Self>, ticket: u64, source: Weak<dyn Source>) -> Waker {
        Waker::from(Arc::new(TicketWaker {
            ready: Arc::clone(self),
            ticket,
            source,
        }))
    }

    /// Whether the event loop is kept from ending.
    fn keep_alive(&self, env: &Env, keep: bool) {
        let Some(bell) = self.bell.get() else { return };
        bell.handle.with_read_aborted(|aborted| {
            if !aborted {
                // SAFETY: the function was not finalized, and this is its environment's thread. Both calls may be
                // repeated; they fail for no other reason.
                unsafe {
                    if keep {
                        sys::napi_ref_threadsafe_function(env.raw(), bell.raw());
                    } else {
                        sys::napi_unref_threadsafe_function(env.raw(), bell.raw());
                    }
                }
            }
        });
    }

    fn expect(&self, env: &Env, ticket: u64, task: Option<Task<()>>) {
        let mut pending = lock(&self.pending);
        if pending.is_empty() {
            self.keep_alive(env, true);
        }
        pending.insert(ticket, task);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn poll_once(source: &dyn Source, waker: &Waker) -> Option<Result<Value>> {
    let polled = guarded(|| Ok(source.poll(&mut Context::from_waker(waker))));
    match polled {
        Ok(Poll::Ready(result)) => Some(result),
        Ok(Poll::Pending) => None,
        Err(panicked) => Some(Err(panicked)),
    }
}

struct TicketWaker {
    ready: Arc<Shared>,
    ticket: u64,
    /// Weak, since the source holds its waker.
    source: Weak<dyn Source>,
}

impl Wake for TicketWaker {
    fn wake(self: Arc<Self>) {
        self.ready.push(self.ticket, Outcome::Look(self.source.clone()));
    }
}

/// What is settled at once: an array of ticket, whether it failed, value; ticket, …
pub(crate) struct Batch(Vec<(u64, Result<Value>)>);

impl ToNapiValue for Batch {
    unsafe fn to_napi_value(env: sys::napi_env, batch: Self) -> napi::Result<sys::napi_value> {
        let mut array = ptr::null_mut();
        // SAFETY: `env` is the caller's, on its thread, as of all calls below.
        napi::check_status!(unsafe {
            sys::napi_create_array_with_length(env, 3 * batch.0.len(), &mut array)
        })?;
        let mut index = 0;
        for (ticket, result) in batch.0 {
            // SAFETY: as above.
            let values = unsafe {
                let (failed, value) = match result {
                    Ok(value) => (false, Value::to_napi_value(env, value)?),
                    Err(error) => (true, String::to_napi_value(env, wire::error_text(&error))?),
                };
                [
                    f64::to_napi_value(env, number(ticket))?,
                    bool::to_napi_value(env, failed)?,
                    value,
                ]
            };
            for value in values {
                // SAFETY: as above.
                napi::check_status!(unsafe { sys::napi_set_element(env, array, index, value) })?;
                index += 1;
            }
        }
        Ok(array)
    }
}

impl ToNapiValue for Value {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        // SAFETY: `env` is the caller's, on its thread.
        unsafe {
            match value {
                Self::Text(text) => String::to_napi_value(env, text),
                Self::Client(shared) => Client::to_napi_value(env, Client::new(shared)),
                Self::End => Null::to_napi_value(env, Null),
            }
        }
    }
}

/// The results that wait for one environment. Made once in each.
#[napi]
pub struct Ready(Arc<Shared>);

#[napi]
impl Ready {
    /// A queue that calls `settle` with all that is ready.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        #[napi(ts_arg_type = "(batch: unknown[]) => void")] settle: Function<'_, (), Unknown<'static>>,
    ) -> napi::Result<Self> {
        let shared = Arc::new(Shared::default());
        let weak = Arc::downgrade(&shared);
        let bell = settle
            .build_threadsafe_function::<()>()
            .callee_handled::<false>()
            .weak::<true>()
            .build_callback(move |call| {
                Ok(Batch(
                    weak.upgrade()
                        .map(|shared| shared.take(&call.env))
                        .unwrap_or_default(),
                ))
            })?;
        let _ = shared.bell.set(bell);
        Ok(Self(shared))
    }

    /// Stops what is waited for under a ticket. Nothing comes of it any more.
    #[napi(catch_unwind)]
    pub fn cancel(&self, env: Env, ticket: f64) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is one of ours"
        )]
        let ticket = ticket as u64;
        let mut pending = lock(&self.0.pending);
        let task = pending.remove(&ticket);
        if pending.is_empty() {
            self.0.keep_alive(&env, false);
        }
        drop(pending);
        drop(task);
    }
}

impl Ready {
    /// Starts a call whose result comes under the ticket returned.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        env: &Env,
        call: impl Future<Output = Result<T>> + Send + 'static,
        value: impl FnOnce(T) -> Result<Value> + Send + 'static,
    ) -> f64 {
        let ticket = self.0.ticket();
        let shared = Arc::clone(&self.0);
        // What it becomes is made here, and not on JavaScript's thread.
        let task = spawn_then(async move { call.await.and_then(value) }, move |result| {
            shared.push(ticket, Outcome::Done(result));
        });
        self.0.expect(env, ticket, Some(task));
        number(ticket)
    }

    /// What `source` has now; or the ticket under which it comes. `held` says whether the wait keeps the event loop.
    pub(crate) fn next<S: Source + 'static>(&self, env: &Env, source: &Arc<S>, held: bool) -> Next {
        let ticket = self.0.ticket();
        let weak: Weak<dyn Source> = Arc::<S>::downgrade(source);
        match poll_once(&**source, &self.0.waker(ticket, weak)) {
            Some(result) => Next::Now(result),
            None => {
                if held {
                    self.0.expect(env, ticket, None);
                }
                Next::Later(number(ticket))
            }
        }
    }
}

/// What a source has, or will have.
pub(crate) enum Next {
    Now(Result<Value>),
    Later(f64),
}

impl Drop for Ready {
    fn drop(&mut self) {
        // The environment is gone, and nobody waits for its calls.
        let pending = std::mem::take(&mut *lock(&self.0.pending));
        drop(pending);
    }
}

#[expect(clippy::cast_precision_loss, reason = "there will not be 2^53 calls")]
fn number(ticket: u64) -> f64 {
    ticket as f64
}
