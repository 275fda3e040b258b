use hotspare_bridge::ForkGuard;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::convert::to_dict;

/// The events of one client in one process, for the thread that gives them to callbacks.
#[pyclass(frozen, module = "hotspare._native")]
pub(crate) struct EventFeed(ForkGuard<hotspare_bridge::EventFeed>);

impl EventFeed {
    pub(crate) fn new(feed: hotspare_bridge::EventFeed) -> Self {
        Self(ForkGuard::new(feed))
    }
}

#[pymethods]
impl EventFeed {
    /// Waits for events: how many before them were dropped, and each as a dict. None is the end.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<(u64, Bound<'py, PyList>)>> {
        // After a fork the feed is the parent's.
        let Ok(feed) = self.0.get() else { return Ok(None) };
        let Some(batch) = py.detach(|| feed.take()) else {
            return Ok(None);
        };
        let events = PyList::empty(py);
        for event in &batch.events {
            events.append(to_dict(py, event)?)?;
        }
        Ok(Some((batch.dropped, events)))
    }

    /// Ends the feed: what waits can still be taken.
    fn close(&self) {
        if let Ok(feed) = self.0.get() {
            feed.close();
        }
    }
}
