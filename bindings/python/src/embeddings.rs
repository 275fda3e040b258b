use std::sync::Arc;

use hotspare::types;
use pyo3::prelude::*;

use crate::convert::{Reduced, picklable, quoted, to_dict, to_python};
use crate::reply::Usage;
use crate::trail::Attempt;

/// Vectors of texts.
#[pyclass(frozen, module = "hotspare")]
pub(crate) struct Embeddings(Arc<types::EmbedReply>);

picklable!(Embeddings, |this| &*this.0, |value: types::EmbedReply| {
    Embeddings::new(Arc::new(value))
});

impl Embeddings {
    pub(crate) fn new(reply: Arc<types::EmbedReply>) -> Self {
        Self(reply)
    }
}

#[pymethods]
impl Embeddings {
    /// One vector a text, in the order of the texts, all of one length. A new list each time.
    #[getter]
    fn embeddings(&self) -> Vec<Vec<f32>> {
        self.0.embeddings.clone()
    }

    /// Numbers in each vector.
    #[getter]
    fn dimensions(&self) -> usize {
        self.0.dimensions()
    }

    /// The target that answered, `provider/model`; where parts were answered by several, the last of them.
    #[getter]
    fn target(&self) -> &str {
        &self.0.target
    }

    /// The model that answered, in the vendor's word.
    #[getter]
    fn model(&self) -> Option<&str> {
        self.0.model.as_deref()
    }

    /// Tokens of all parts.
    #[getter]
    fn usage(&self) -> Usage {
        Usage::from(self.0.usage)
    }

    /// US dollars of the whole request; None when any part is unknown.
    #[getter]
    fn cost_usd(&self) -> Option<f64> {
        self.0.cost_usd
    }

    /// US dollars of the whole request at least.
    #[getter]
    fn cost_min_usd(&self) -> f64 {
        self.0.cost_min_usd
    }

    /// US dollars of the whole request at most; None when a price is unknown.
    #[getter]
    fn cost_max_usd(&self) -> Option<f64> {
        self.0.cost_max_usd
    }

    /// Seconds from the call to the reply.
    #[getter]
    fn elapsed(&self) -> f64 {
        self.0.elapsed
    }

    /// When it was answered, Unix seconds.
    #[getter]
    fn created(&self) -> u64 {
        self.0.created
    }

    /// Every attempt, the last one being the last part's answer.
    #[getter]
    fn trail(&self) -> Vec<Attempt> {
        self.0.trail.iter().cloned().map(Attempt::new).collect()
    }

    /// The reply as OpenAI's list of embeddings.
    fn to_openai<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.0.to_openai())
    }

    /// All of it, as a dict.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_dict(py, &*self.0)
    }

    fn __len__(&self) -> usize {
        self.0.embeddings.len()
    }

    fn __repr__(&self) -> String {
        format!(
            "Embeddings(target={}, vectors={}, dimensions={})",
            quoted(&self.0.target),
            self.0.embeddings.len(),
            self.0.dimensions()
        )
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<Reduced> {
        self.reduced(py)
    }
}
