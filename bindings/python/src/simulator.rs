use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hotspare::Error;
use hotspare_bridge::{ForkGuard, spawn};
use hotspare_simulator::Script;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::convert::to_python;
use crate::wait::block_on;

type Running = ForkGuard<hotspare_simulator::Simulator>;

/// Fake providers on ports of 127.0.0.1.
#[pyclass(frozen, module = "hotspare._native")]
pub(crate) struct Simulator {
    urls: BTreeMap<String, String>,
    ca_pem: Option<String>,
    /// None only while it is being closed.
    running: Mutex<Option<Running>>,
}

impl Simulator {
    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Simulator {
    /// Starts every provider of a script, given as JSON text.
    #[new]
    fn new(py: Python<'_>, script: String) -> PyResult<Self> {
        let simulator = block_on(
            py,
            spawn(async move {
                let script = Script::from_json(&script).map_err(|error| Error::config(error.to_string()))?;
                hotspare_simulator::Simulator::start(script)
                    .await
                    .map_err(|error| Error::config(format!("a port of the simulator: {error}")))
            }),
        )?;
        Ok(Self {
            urls: simulator
                .urls()
                .map(|(name, url)| (name.to_owned(), url.to_owned()))
                .collect(),
            ca_pem: simulator.ca_pem().map(str::to_owned),
            running: Mutex::new(Some(ForkGuard::new(simulator))),
        })
    }

    /// Every provider's base URL.
    fn urls(&self) -> BTreeMap<String, String> {
        self.urls.clone()
    }

    /// The certificate to trust, in PEM; None when no provider has `tls`.
    fn ca_pem(&self) -> Option<String> {
        self.ca_pem.clone()
    }

    /// What every request met: by provider, then in order of arrival.
    fn journal<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let entries = match &*self.running() {
            Some(running) => running
                .get()
                .map_err(|error| crate::errors::raise(py, &error))?
                .journal(),
            None => Vec::new(),
        };
        let entries =
            serde_json::to_value(entries).map_err(|error| PyValueError::new_err(error.to_string()))?;
        to_python(py, &entries)
    }

    /// Closes every port and connection. The journal can still be read.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let Some(mut running) = self.running().take() else {
            return Ok(());
        };
        let closed = block_on(
            py,
            spawn(async move {
                running.get_mut()?.shutdown().await;
                Ok(running)
            }),
        )?;
        *self.running() = Some(closed);
        Ok(())
    }
}
