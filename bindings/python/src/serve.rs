//! Requests in a vendor's format, as the package's transports for httpx hand them over.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use hotspare::{HttpAsk, Result};
use hotspare_bridge::{ChunkQueue, ServedHead};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::ready::ReadyQueue;
use crate::wait::block_on;

/// A header's name and value.
pub(crate) type Header<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// Status, headers, and the body where it is no stream.
type Head<'py> = (u16, Bound<'py, PyList>, Option<Bound<'py, PyBytes>>);

/// A request in a vendor's format under way, and its reply. Dropping or closing it closes the connection to the vendor.
#[pyclass(frozen, module = "hotspare._native")]
pub(crate) struct Served(ChunkQueue);

impl Served {
    pub(crate) fn new(queue: ChunkQueue) -> Self {
        Self(queue)
    }

    /// Waits, and closes the stream when the wait fails: the traceback would keep it open.
    fn wait<T: Send>(&self, py: Python<'_>, future: impl Future<Output = Result<T>> + Send) -> PyResult<T> {
        block_on(py, future).inspect_err(|_| self.0.close())
    }

    fn head<'py>(&self, py: Python<'py>) -> PyResult<Head<'py>> {
        let Some(ServedHead {
            status,
            headers,
            whole,
        }) = self.0.head()
        else {
            return Err(PyRuntimeError::new_err("the call was closed"));
        };
        let headers = headers.iter().map(|(name, value)| {
            (
                PyBytes::new(py, name.as_bytes()),
                PyBytes::new(py, value.as_bytes()),
            )
        });
        let headers = PyList::new(py, headers.collect::<Vec<_>>())?;
        Ok((status, headers, whole.map(|body| PyBytes::new(py, &body))))
    }
}

#[pymethods]
impl Served {
    /// Waits for the head. Ctrl-C ends the call.
    fn wait_head<'py>(&self, py: Python<'py>) -> PyResult<Head<'py>> {
        self.wait(py, poll_fn(|cx| self.0.poll_open(cx)))?;
        self.head(py)
    }

    /// Waits for bytes of a stream, all that are there; none are the end. Ctrl-C closes the stream.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let chunks = self.wait(py, self.0.take(usize::MAX))?;
        Ok(joined(py, &chunks))
    }

    /// The head, or a ticket of `ready`.
    fn poll_head(&self, py: Python<'_>, ready: &ReadyQueue) -> PyResult<Py<PyAny>> {
        match ready.poll(py, |cx| self.0.poll_open(cx))? {
            Ok(()) => self.head(py)?.into_py_any(py),
            Err(ticket) => ticket.into_py_any(py),
        }
    }

    /// The bytes that are there, none being the end; or a ticket of `ready`.
    fn poll(&self, py: Python<'_>, ready: &ReadyQueue) -> PyResult<Py<PyAny>> {
        match ready.poll(py, |cx| self.0.poll_take(cx, usize::MAX))? {
            Ok(chunks) => joined(py, &chunks).into_py_any(py),
            Err(ticket) => ticket.into_py_any(py),
        }
    }

    /// Closes the connection to the vendor now.
    fn close(&self) {
        self.0.close();
    }
}

fn joined<'py>(py: Python<'py>, chunks: &[Bytes]) -> Bound<'py, PyBytes> {
    match chunks {
        [one] => PyBytes::new(py, one),
        many => PyBytes::new(py, &many.concat()),
    }
}

/// A request as the core takes it. `timeout` is in seconds.
pub(crate) fn ask(
    method: &str,
    path: String,
    headers: &[Header<'_>],
    body: &[u8],
    timeout: Option<f64>,
) -> PyResult<HttpAsk> {
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| PyValueError::new_err(format!("not an HTTP method: {method:?}")))?;
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            // There is an error for more headers than anybody sends.
            let _ = kept.try_append(name, value);
        }
    }
    Ok(HttpAsk {
        method,
        path,
        headers: kept,
        body: Bytes::copy_from_slice(body),
        // None for what is too long to mean anything.
        patience: timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok()),
    })
}
