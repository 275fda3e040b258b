//! How results reach an asyncio loop: one queue a loop and one wake-up for all that is in it.
//!
//! A pipe that the loop watches costs a fifth of `call_soon_threadsafe` for each result. It holds one byte as long as
//! the queue holds anything, so neither end ever blocks. Where a loop cannot watch a pipe, it is called instead.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use hotspare::Result;
use hotspare::types;
use hotspare_bridge::Task;
use pyo3::PyClass;
use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::embeddings::Embeddings;
use crate::errors::{instance, raise};
use crate::reply::Reply;

/// What a ticket was waiting for.
pub(crate) enum Outcome {
    Reply(Box<Result<types::Reply>>),
    Embeddings(Box<Result<types::EmbedReply>>),
    /// Look again.
    Wake,
}

/// The results that wait for one loop.
pub(crate) struct Shared {
    waiting: Mutex<Vec<(u64, Outcome)>>,
    tickets: AtomicU64,
    bell: Bell,
}

enum Bell {
    Pipe {
        read: PipeReader,
        write: PipeWriter,
    },
    /// `loop.call_soon_threadsafe` with what drains the queue.
    Call(Py<PyAny>),
}

impl Shared {
    pub(crate) fn push(&self, ticket: u64, outcome: Outcome) {
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push((ticket, outcome));
            waiting.len() == 1
        };
        if first {
            self.bell.ring();
        }
    }

    fn take(&self) -> std::io::Result<Vec<(u64, Outcome)>> {
        if let Bell::Pipe { read, .. } = &self.bell {
            let mut reader: &PipeReader = read;
            reader.read_exact(&mut [0])?;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *waiting))
    }
}

impl Bell {
    fn ring(&self) {
        match self {
            Self::Pipe { write, .. } => {
                let mut writer: &PipeWriter = write;
                // The other end lives beside this one, and there is at most one byte: it cannot fail.
                let _ = writer.write_all(&[1]);
            }
            // None when the interpreter is going; an error when the loop is closed: nobody waits in either case.
            Self::Call(call) => {
                let _ = Python::try_attach(|py| call.call0(py).map(drop));
            }
        }
    }
}

/// The results that wait for one loop. `drain` is what the loop calls when it is woken.
#[pyclass(frozen, module = "hotspare._native")]
pub(crate) struct ReadyQueue(Arc<Shared>);

impl ReadyQueue {
    pub(crate) fn ticket(&self) -> u64 {
        self.0.tickets.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn share(&self) -> Arc<Shared> {
        Arc::clone(&self.0)
    }

    /// Polls for the loop: what is there now, or the ticket under which the queue will say when to look again.
    pub(crate) fn poll<T>(
        &self,
        py: Python<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<Result<T>>,
    ) -> PyResult<std::result::Result<T, u64>> {
        let ticket = self.ticket();
        let waker = Waker::from(Arc::new(TicketWaker {
            ready: self.share(),
            ticket,
        }));
        match poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(Ok(value)) => Ok(Ok(value)),
            Poll::Ready(Err(error)) => Err(raise(py, &error)),
            Poll::Pending => Ok(Err(ticket)),
        }
    }
}

struct TicketWaker {
    ready: Arc<Shared>,
    ticket: u64,
}

impl Wake for TicketWaker {
    fn wake(self: Arc<Self>) {
        self.ready.push(self.ticket, Outcome::Wake);
    }
}

#[pymethods]
impl ReadyQueue {
    /// A queue that rings through a pipe, or by calling `call` from another thread.
    #[new]
    #[pyo3(signature = (call=None))]
    fn new(call: Option<Py<PyAny>>) -> PyResult<Self> {
        let bell = match call {
            Some(call) => Bell::Call(call),
            None => {
                let (read, write) = std::io::pipe()?;
                Bell::Pipe { read, write }
            }
        };
        Ok(Self(Arc::new(Shared {
            waiting: Mutex::default(),
            tickets: AtomicU64::new(0),
            bell,
        })))
    }

    /// The end of the pipe that the loop watches.
    fn fileno(&self) -> PyResult<i32> {
        #[cfg(unix)]
        if let Bell::Pipe { read, .. } = &self.0.bell {
            return Ok(std::os::fd::AsRawFd::as_raw_fd(read));
        }
        Err(PyOSError::new_err("this queue has no file"))
    }

    /// Settles the futures in `pending` whose tickets are ready, and takes them out.
    fn drain(&self, py: Python<'_>, pending: &Bound<'_, PyDict>) -> PyResult<()> {
        for (ticket, outcome) in self.0.take()? {
            let Some(future) = pending.get_item(ticket)? else {
                continue;
            };
            pending.del_item(ticket)?;
            if future.call_method0(intern!(py, "done"))?.is_truthy()? {
                continue;
            }
            match outcome {
                Outcome::Wake => future.call_method1(intern!(py, "set_result"), (py.None(),))?,
                Outcome::Reply(result) => settle(py, &future, *result, |reply| Reply::new(Arc::new(reply)))?,
                Outcome::Embeddings(result) => {
                    settle(py, &future, *result, |reply| Embeddings::new(Arc::new(reply)))?
                }
            };
        }
        Ok(())
    }
}

fn settle<'py, T, C>(
    py: Python<'py>,
    future: &Bound<'py, PyAny>,
    result: Result<T>,
    object: impl FnOnce(T) -> C,
) -> PyResult<Bound<'py, PyAny>>
where
    C: PyClass + Into<PyClassInitializer<C>>,
{
    match result {
        Ok(value) => future.call_method1(intern!(py, "set_result"), (Bound::new(py, object(value))?,)),
        Err(error) => future.call_method1(intern!(py, "set_exception"), (instance(py, &error),)),
    }
}

/// A call under way. Cancelling or dropping it closes its connection.
#[pyclass(frozen, module = "hotspare._native")]
pub(crate) struct Call(Task<()>);

impl Call {
    pub(crate) fn new(task: Task<()>) -> Self {
        Self(task)
    }
}

#[pymethods]
impl Call {
    /// Stops the call now.
    fn cancel(&self) {
        self.0.abort();
    }
}
