use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hotspare::types::{ChatRequest, EmbedRequest};
use hotspare::{Error, Result};
use hotspare_bridge::{SharedClient, Source, Task, generation, guarded, spawn, spawn_then};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::convert::to_dict;
use crate::embeddings::Embeddings;
use crate::errors::raise;
use crate::feed::EventFeed;
use crate::ready::{Call, Outcome, ReadyQueue};
use crate::reply::Reply;
use crate::serve::{Header, Served, ask};
use crate::stream::Events;
use crate::wait::block_on;

/// What `hotspare.Client` and `hotspare.AsyncClient` call. Requests are JSON texts.
#[pyclass(frozen, module = "hotspare._native")]
pub(crate) struct Client {
    shared: Arc<SharedClient>,
    /// What takes this client's events to its callbacks, once there is one.
    delivery: PyOnceLock<Py<PyAny>>,
    /// One more than the generation in which the delivery was started; 0 before.
    delivering: AtomicU64,
}

impl Client {
    fn build(py: Python<'_>, source: Source) -> PyResult<Self> {
        Ok(Self {
            shared: block_on(py, spawn(SharedClient::build(source)))?,
            delivery: PyOnceLock::new(),
            delivering: AtomicU64::new(0),
        })
    }

    /// The client, with its events being delivered: the child of a fork has no thread that does it until it calls.
    fn shared(&self, py: Python<'_>) -> PyResult<Arc<SharedClient>> {
        if let Some(delivery) = self.delivery.get(py) {
            let here = generation() + 1;
            if self.delivering.swap(here, Ordering::AcqRel) != here {
                self.deliver(py, delivery)
                    .inspect_err(|_| self.delivering.store(0, Ordering::Release))?;
            }
        }
        Ok(Arc::clone(&self.shared))
    }

    fn deliver(&self, py: Python<'_>, delivery: &Py<PyAny>) -> PyResult<()> {
        let feed = py
            .detach(|| guarded(|| self.shared.listen()))
            .map_err(|error| raise(py, &error))?;
        delivery.call_method1(py, intern!(py, "start"), (EventFeed::new(feed),))?;
        Ok(())
    }

    /// Asks the client for what it knows or decides. Others may hold its lock for a moment, and a key may be read from a
    /// file: not with the GIL.
    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        question: impl FnOnce(&hotspare::Client) -> Result<T> + Send,
    ) -> PyResult<T> {
        let shared = self.shared(py)?;
        py.detach(|| guarded(|| question(shared.get()?)))
            .map_err(|error| raise(py, &error))
    }
}

#[pymethods]
impl Client {
    /// A client of a `.toml` or `.json` file.
    #[staticmethod]
    fn from_file(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        Self::build(py, Source::File(path))
    }

    /// A client of a config as JSON text.
    #[staticmethod]
    fn from_json(py: Python<'_>, text: String) -> PyResult<Self> {
        Self::build(py, Source::Json(text))
    }

    /// A client of nothing but targets.
    #[staticmethod]
    fn from_targets(py: Python<'_>, targets: Vec<String>) -> PyResult<Self> {
        Self::build(py, Source::Targets(targets))
    }

    /// A whole reply, waited for.
    fn chat(&self, py: Python<'_>, request: &str) -> PyResult<Reply> {
        let request = parse(py, request)?;
        let reply = block_on(py, spawn(self.shared(py)?.send(request)))?;
        Ok(Reply::new(Arc::new(reply)))
    }

    /// Begins a call whose reply comes through `ready`, under the ticket returned.
    fn start_chat(&self, py: Python<'_>, request: &str, ready: &ReadyQueue) -> PyResult<(u64, Call)> {
        let request = parse(py, request)?;
        let ticket = ready.ticket();
        let task: Task<()> = spawn_then(self.shared(py)?.send(request), {
            let ready = ready.share();
            move |result| ready.push(ticket, Outcome::Reply(Box::new(result)))
        });
        Ok((ticket, Call::new(task)))
    }

    /// Vectors of texts, waited for.
    fn embed(&self, py: Python<'_>, request: &str) -> PyResult<Embeddings> {
        let request = parse_embed(py, request)?;
        let reply = block_on(py, spawn(self.shared(py)?.embed(request)))?;
        Ok(Embeddings::new(Arc::new(reply)))
    }

    /// Begins a call whose vectors come through `ready`, under the ticket returned.
    fn start_embed(&self, py: Python<'_>, request: &str, ready: &ReadyQueue) -> PyResult<(u64, Call)> {
        let request = parse_embed(py, request)?;
        let ticket = ready.ticket();
        let task: Task<()> = spawn_then(self.shared(py)?.embed(request), {
            let ready = ready.share();
            move |result| ready.push(ticket, Outcome::Embeddings(Box::new(result)))
        });
        Ok((ticket, Call::new(task)))
    }

    /// Begins a stream.
    fn open(&self, py: Python<'_>, request: &str) -> PyResult<Events> {
        Ok(Events::new(self.shared(py)?.open(parse(py, request)?)))
    }

    /// Begins to answer a request in a vendor's format. `timeout` is in seconds.
    fn serve(
        &self,
        py: Python<'_>,
        method: &str,
        path: String,
        headers: Vec<Header<'_>>,
        body: &[u8],
        timeout: Option<f64>,
    ) -> PyResult<Served> {
        let ask = ask(method, path, &headers, body, timeout)?;
        Ok(Served::new(self.shared(py)?.serve(ask)))
    }

    /// What is known now, as a dict.
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_dict(py, &self.ask(py, |client| Ok(client.status()))?)
    }

    /// What would be done with a request, as a dict.
    fn explain<'py>(&self, py: Python<'py>, request: &str) -> PyResult<Bound<'py, PyAny>> {
        let request = parse(py, request)?;
        to_dict(py, &self.ask(py, |client| client.explain(request))?)
    }

    /// Takes targets out of use.
    fn hold(&self, py: Python<'_>, name: &str) -> PyResult<usize> {
        self.ask(py, |client| client.hold(name))
    }

    /// Gives targets back to their breakers.
    fn release(&self, py: Python<'_>, name: &str) -> PyResult<usize> {
        self.ask(py, |client| client.release(name))
    }

    /// Keeps targets in use whatever they do.
    fn force_closed(&self, py: Python<'_>, name: &str) -> PyResult<usize> {
        self.ask(py, |client| client.force_closed(name))
    }

    /// Puts facts on models over those that are there.
    fn update_catalog(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        self.ask(py, |client| {
            client
                .update_catalog(text)
                .map_err(|bad| Error::config(bad.to_string()))
        })
    }

    /// What takes this client's events to its callbacks: made by `make` the first time, and started with a feed in every
    /// process that uses the client.
    fn delivery(&self, py: Python<'_>, make: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let delivery = self
            .delivery
            .get_or_try_init(py, || make.call0().map(Bound::unbind))?
            .clone_ref(py);
        self.shared(py)?;
        Ok(delivery)
    }

    fn __repr__(&self) -> String {
        "hotspare._native.Client".to_owned()
    }
}

fn parse(py: Python<'_>, request: &str) -> PyResult<ChatRequest> {
    guarded(|| ChatRequest::from_json(request.as_bytes())).map_err(|error| raise(py, &error))
}

fn parse_embed(py: Python<'_>, request: &str) -> PyResult<EmbedRequest> {
    guarded(|| EmbedRequest::from_json(request.as_bytes())).map_err(|error| raise(py, &error))
}
