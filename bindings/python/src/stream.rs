use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use hotspare::Result;
use hotspare::types;
use hotspare_bridge::EventQueue;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::event::StreamEvent;
use crate::ready::ReadyQueue;
use crate::reply::Reply;
use crate::wait::block_on;

/// The events of one stream, taken in lists. Dropping or closing it closes the connection to the vendor.
#[pyclass(frozen, module = "hotspare._native")]
pub(crate) struct Events {
    queue: EventQueue,
    reply: OnceLock<Arc<types::Reply>>,
    /// One thread waits at a time, since there is one wake-up.
    taken: AtomicBool,
}

impl Events {
    pub(crate) fn new(queue: EventQueue) -> Self {
        Self {
            queue,
            reply: OnceLock::new(),
            taken: AtomicBool::new(false),
        }
    }

    fn list<'py>(&self, py: Python<'py>, events: Vec<types::StreamEvent>) -> PyResult<Bound<'py, PyList>> {
        let events = events.into_iter().map(StreamEvent::from).inspect(|event| {
            if let Some(reply) = event.finished() {
                // There is one `finish` a stream.
                let _ = self.reply.set(Arc::clone(reply));
            }
        });
        PyList::new(py, events)
    }

    /// Waits, and closes the stream when the wait fails: the traceback would keep it open.
    fn wait<T: Send>(&self, py: Python<'_>, future: impl Future<Output = Result<T>> + Send) -> PyResult<T> {
        block_on(py, future).inspect_err(|_| self.queue.close())
    }
}

#[pymethods]
impl Events {
    /// Waits until the first content is there. Ctrl-C closes the stream.
    fn wait_open(&self, py: Python<'_>) -> PyResult<()> {
        self.wait(py, poll_fn(|cx| self.queue.poll_open(cx)))
    }

    /// Waits for events; an empty list is the end. Ctrl-C closes the stream.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        if self.taken.swap(true, Ordering::Acquire) {
            return Err(PyRuntimeError::new_err(
                "another thread is waiting for this stream",
            ));
        }
        let events = self.wait(py, self.queue.take(usize::MAX));
        self.taken.store(false, Ordering::Release);
        self.list(py, events?)
    }

    /// None when the first content is there, else a ticket of `ready`.
    fn poll_open(&self, py: Python<'_>, ready: &ReadyQueue) -> PyResult<Option<u64>> {
        Ok(ready.poll(py, |cx| self.queue.poll_open(cx))?.err())
    }

    /// The events that are there, an empty list being the end; or a ticket of `ready`.
    fn poll(&self, py: Python<'_>, ready: &ReadyQueue) -> PyResult<Py<PyAny>> {
        match ready.poll(py, |cx| self.queue.poll_take(cx, usize::MAX))? {
            Ok(events) => self.list(py, events)?.into_py_any(py),
            Err(ticket) => ticket.into_py_any(py),
        }
    }

    /// The target that answers; None before the first content.
    #[getter]
    fn target(&self) -> Option<String> {
        self.queue.target()
    }

    /// The whole reply, once the stream has finished.
    #[getter]
    fn reply(&self) -> Option<Reply> {
        self.reply.get().cloned().map(Reply::new)
    }

    /// Closes the connection to the vendor now.
    fn close(&self) {
        self.queue.close();
    }
}
