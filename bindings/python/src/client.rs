use std::path::PathBuf;
use std::sync::Arc;

use hotspare::types::ChatRequest;
use hotspare_bridge::{SharedClient, Source, Task, guarded, spawn, spawn_then};
use pyo3::prelude::*;

use crate::errors::raise;
use crate::ready::{Call, Outcome, ReadyQueue};
use crate::reply::Reply;
use crate::stream::Events;
use crate::wait::block_on;

/// What `hotspare.Client` and `hotspare.AsyncClient` call. Requests are JSON texts.
#[pyclass(frozen, module = "hotspare._native")]
pub(crate) struct Client(Arc<SharedClient>);

impl Client {
    fn build(py: Python<'_>, source: Source) -> PyResult<Self> {
        block_on(py, spawn(SharedClient::build(source))).map(Self)
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
        let reply = block_on(py, spawn(Arc::clone(&self.0).send(request)))?;
        Ok(Reply::new(Arc::new(reply)))
    }

    /// Begins a call whose reply comes through `ready`, under the ticket returned.
    fn start_chat(&self, py: Python<'_>, request: &str, ready: &ReadyQueue) -> PyResult<(u64, Call)> {
        let request = parse(py, request)?;
        let ticket = ready.ticket();
        let task: Task<()> = spawn_then(Arc::clone(&self.0).send(request), {
            let ready = ready.share();
            move |result| ready.push(ticket, Outcome::Reply(Box::new(result)))
        });
        Ok((ticket, Call::new(task)))
    }

    /// Begins a stream.
    fn open(&self, py: Python<'_>, request: &str) -> PyResult<Events> {
        Ok(Events::new(Arc::clone(&self.0).open(parse(py, request)?)))
    }

    fn __repr__(&self) -> String {
        "hotspare._native.Client".to_owned()
    }
}

fn parse(py: Python<'_>, request: &str) -> PyResult<ChatRequest> {
    guarded(|| ChatRequest::from_json(request.as_bytes())).map_err(|error| raise(py, &error))
}
