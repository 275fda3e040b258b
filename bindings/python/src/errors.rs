//! Errors become the exceptions that `hotspare._errors` defines.

use hotspare::Error;
use hotspare_bridge::{ErrorRecord, error_record};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::convert::word;
use crate::reply::Partial;
use crate::trail::Attempt;

/// The exception for `error`.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    exception(py, error_record(error)).map_or_else(|failed| failed, PyErr::from_value)
}

/// The exception for `error`, not raised.
pub(crate) fn instance<'py>(py: Python<'py>, error: &Error) -> Bound<'py, PyAny> {
    raise(py, error).into_value(py).into_bound(py).into_any()
}

fn exception(py: Python<'_>, record: ErrorRecord) -> PyResult<Bound<'_, PyAny>> {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = MAKE.import(py, "hotspare._errors", "make")?;
    let fields = PyDict::new(py);
    fields.set_item(intern!(py, "code"), record.code)?;
    fields.set_item(intern!(py, "class_"), record.class)?;
    fields.set_item(intern!(py, "status"), record.status)?;
    fields.set_item(intern!(py, "retry_after"), record.retry_after)?;
    fields.set_item(intern!(py, "target"), record.target)?;
    fields.set_item(intern!(py, "phase"), record.phase.as_ref().map(word))?;
    fields.set_item(intern!(py, "maybe_sent"), record.maybe_sent)?;
    fields.set_item(intern!(py, "vendor_code"), record.vendor_code)?;
    fields.set_item(intern!(py, "request_id"), record.request_id)?;
    fields.set_item(intern!(py, "cost_min_usd"), record.cost_min_usd)?;
    fields.set_item(intern!(py, "cost_max_usd"), record.cost_max_usd)?;
    let trail = record.trail.into_iter().map(Attempt::new).collect::<Vec<_>>();
    fields.set_item(intern!(py, "trail"), trail)?;
    if let Some(partial) = record.partial {
        fields.set_item(intern!(py, "partial"), Partial::new(partial))?;
    }
    if let Some(last) = record.last {
        fields.set_item(intern!(py, "last"), exception(py, *last)?)?;
    }
    make.call((record.exception, record.message), Some(&fields))
}
