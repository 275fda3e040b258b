use hotspare::types;
use pyo3::prelude::*;

use crate::convert::{Reduced, picklable, quoted, to_dict, word};
use crate::reply::Usage;

/// One HTTP exchange with one target and one key, or one that was found impossible before sending.
#[pyclass(frozen, module = "hotspare")]
pub(crate) struct Attempt(types::Attempt);

picklable!(Attempt, |this| &this.0, |value: types::Attempt| Attempt(value));

impl Attempt {
    pub(crate) fn new(attempt: types::Attempt) -> Self {
        Self(attempt)
    }
}

#[pymethods]
impl Attempt {
    /// `provider/model`.
    #[getter]
    fn target(&self) -> &str {
        &self.0.target
    }

    /// A fingerprint of the key, never the key.
    #[getter]
    fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// `ok`, `cancelled`, or the failure class's code.
    #[getter]
    fn code(&self) -> &'static str {
        self.0.code()
    }

    /// HTTP status, when there was a response.
    #[getter]
    fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// When it began, in seconds since the request began.
    #[getter]
    fn started(&self) -> f64 {
        self.0.started
    }

    /// When the first content came, in seconds since the request began.
    #[getter]
    fn first_content(&self) -> Option<f64> {
        self.0.first_content
    }

    /// When it ended, in seconds since the request began.
    #[getter]
    fn ended(&self) -> f64 {
        self.0.ended
    }

    /// What was decided then: `finish`, `same_target`, `next_key` or `next_target`.
    #[getter]
    fn next(&self) -> String {
        word(&self.0.next)
    }

    /// Why, in a few words.
    #[getter]
    fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Seconds waited before whatever came next.
    #[getter]
    fn wait(&self) -> f64 {
        self.0.wait
    }

    /// The failure, for a person.
    #[getter]
    fn message(&self) -> Option<&str> {
        self.0.failure().map(|failure| failure.message.as_str())
    }

    /// How far it had come when it failed.
    #[getter]
    fn phase(&self) -> Option<String> {
        self.0.failure().map(|failure| word(&failure.phase))
    }

    /// Whether the vendor may have got the request that failed: `no`, `maybe` or `yes`.
    #[getter]
    fn sent(&self) -> Option<String> {
        self.0.failure().map(|failure| word(&failure.sent))
    }

    /// Seconds the vendor asked to wait.
    #[getter]
    fn retry_after(&self) -> Option<f64> {
        Some(self.0.failure()?.retry_after?.as_secs_f64())
    }

    /// The vendor's own code or type of the failure.
    #[getter]
    fn vendor_code(&self) -> Option<&str> {
        self.0.failure()?.code.as_deref()
    }

    /// The vendor's request id.
    #[getter]
    fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Tokens, as far as the vendor told.
    #[getter]
    fn usage(&self) -> Usage {
        Usage::from(self.0.usage)
    }

    /// US dollars; None when price or tokens are unknown, 0 when it was never sent.
    #[getter]
    fn cost_usd(&self) -> Option<f64> {
        self.0.cost_usd
    }

    /// What is known of its bill: `unsent`, `unknown`, `rejected`, `partial` or `complete`.
    #[getter]
    fn billing(&self) -> String {
        word(&self.0.billing)
    }

    /// US dollars it has cost at least.
    #[getter]
    fn cost_min_usd(&self) -> f64 {
        self.0.cost_min_usd
    }

    /// US dollars it has cost at most; None when the catalog has no price of the model.
    #[getter]
    fn cost_max_usd(&self) -> Option<f64> {
        self.0.cost_max_usd
    }

    /// How the request was changed to fit the target, one line a change.
    #[getter]
    fn adapted(&self) -> Vec<String> {
        self.0.adapted.clone()
    }

    /// All of it, as a dict.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_dict(py, &self.0)
    }

    fn __repr__(&self) -> String {
        let mut text = format!(
            "Attempt(target={}, code={:?}",
            quoted(&self.0.target),
            self.0.code()
        );
        if let Some(status) = self.0.status {
            text.push_str(&format!(", status={status}"));
        }
        text.push_str(&format!(", next={:?})", self.next()));
        text
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<Reduced> {
        self.reduced(py)
    }
}
