//! The simulator.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hotspare::Error;
use hotspare_bridge::spawn;
use hotspare_simulator::Script;
use napi_derive::napi;

use crate::errors::thrown;
use crate::wait::block_on;
use crate::wire;

/// Fake providers on ports of 127.0.0.1.
#[napi]
pub struct Simulator {
    urls: HashMap<String, String>,
    ca_pem: Option<String>,
    /// None only while it is being closed.
    running: Mutex<Option<hotspare_simulator::Simulator>>,
}

impl Simulator {
    fn running(&self) -> MutexGuard<'_, Option<hotspare_simulator::Simulator>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[napi]
impl Simulator {
    /// Starts every provider of a script, given as JSON text.
    #[napi(constructor, catch_unwind)]
    pub fn new(script: String) -> napi::Result<Self> {
        let simulator = block_on(spawn(async move {
            let script = Script::from_json(&script).map_err(|error| Error::config(error.to_string()))?;
            hotspare_simulator::Simulator::start(script)
                .await
                .map_err(|error| Error::config(format!("a port of the simulator: {error}")))
        }))
        .map_err(thrown)?;
        Ok(Self {
            urls: simulator
                .urls()
                .map(|(name, url)| (name.to_owned(), url.to_owned()))
                .collect(),
            ca_pem: simulator.ca_pem().map(str::to_owned),
            running: Mutex::new(Some(simulator)),
        })
    }

    /// Every provider's base URL.
    #[napi(getter, catch_unwind)]
    pub fn urls(&self) -> HashMap<String, String> {
        self.urls.clone()
    }

    /// The certificate to trust, in PEM; none when no provider has `tls`.
    #[napi(getter, catch_unwind)]
    pub fn ca_pem(&self) -> Option<String> {
        self.ca_pem.clone()
    }

    /// What every request met, as a JSON array: by provider, then in order of arrival.
    #[napi(catch_unwind)]
    pub fn journal(&self) -> napi::Result<String> {
        let entries = self
            .running()
            .as_ref()
            .map(hotspare_simulator::Simulator::journal)
            .unwrap_or_default();
        wire::text(&entries).map_err(thrown)
    }

    /// Closes every port and connection. The journal can still be read.
    #[napi(catch_unwind)]
    pub fn close(&self) -> napi::Result<()> {
        let Some(mut running) = self.running().take() else {
            return Ok(());
        };
        let closed = block_on(spawn(async move {
            running.shutdown().await;
            Ok(running)
        }))
        .map_err(thrown)?;
        *self.running() = Some(closed);
        Ok(())
    }
}
