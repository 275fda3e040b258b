use std::sync::Arc;

use hotspare::types;
use hotspare_bridge::assistant_message;
use pyo3::prelude::*;

use crate::convert::{Reduced, picklable, quoted, to_dict, to_python};
use crate::trail::Attempt;

/// Tokens one reply used, normalized over vendors: the totals include their parts.
#[pyclass(frozen, eq, module = "hotspare")]
#[derive(PartialEq)]
pub(crate) struct Usage(types::Usage);

picklable!(Usage, |this| &this.0, |value: types::Usage| Usage(value));

impl From<types::Usage> for Usage {
    fn from(usage: types::Usage) -> Self {
        Self(usage)
    }
}

#[pymethods]
impl Usage {
    /// Whether the vendor sent counts. When it did not, every count is 0 and the cost is unknown.
    #[getter]
    fn reported(&self) -> bool {
        self.0.reported
    }

    /// All input tokens, cached ones included.
    #[getter]
    fn input_tokens(&self) -> u64 {
        self.0.input_tokens
    }

    /// All output tokens, reasoning included.
    #[getter]
    fn output_tokens(&self) -> u64 {
        self.0.output_tokens
    }

    /// Input plus output tokens.
    #[getter]
    fn total_tokens(&self) -> u64 {
        self.0.total_tokens()
    }

    /// Input tokens read from the vendor's prompt cache.
    #[getter]
    fn cache_read_tokens(&self) -> u64 {
        self.0.cache_read_tokens
    }

    /// Input tokens written to the vendor's prompt cache, at any lifetime.
    #[getter]
    fn cache_write_tokens(&self) -> u64 {
        self.0.cache_write_tokens
    }

    /// The part of `cache_write_tokens` written with a lifetime of an hour.
    #[getter]
    fn cache_write_1h_tokens(&self) -> u64 {
        self.0.cache_write_1h_tokens
    }

    /// Output tokens spent on reasoning.
    #[getter]
    fn reasoning_tokens(&self) -> u64 {
        self.0.reasoning_tokens
    }

    /// All of it, as a dict.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_dict(py, &self.0)
    }

    fn __repr__(&self) -> String {
        if self.0.reported {
            format!(
                "Usage(input_tokens={}, output_tokens={})",
                self.0.input_tokens, self.0.output_tokens
            )
        } else {
            "Usage(reported=False)".to_owned()
        }
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<Reduced> {
        self.reduced(py)
    }
}

/// A call the model made.
#[pyclass(frozen, eq, module = "hotspare")]
#[derive(PartialEq)]
pub(crate) struct ToolCall(types::ToolCall);

picklable!(ToolCall, |this| &this.0, |value: types::ToolCall| ToolCall(value));

#[pymethods]
impl ToolCall {
    /// The vendor's id, or one of ours where the vendor gives none.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// The function's name.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    /// Its arguments, as JSON text.
    #[getter]
    fn arguments(&self) -> &str {
        &self.0.arguments
    }

    /// The call in OpenAI's shape.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_dict(py, &self.0)
    }

    fn __repr__(&self) -> String {
        format!(
            "ToolCall(id={}, name={}, arguments={})",
            quoted(&self.0.id),
            quoted(&self.0.name),
            quoted(&self.0.arguments)
        )
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<Reduced> {
        self.reduced(py)
    }
}

fn tool_calls(completion: &types::Completion) -> Vec<ToolCall> {
    completion.tool_calls.iter().cloned().map(ToolCall).collect()
}

/// What had come of a reply when its stream broke.
#[pyclass(frozen, module = "hotspare")]
pub(crate) struct Partial(types::Completion);

picklable!(Partial, |this| &this.0, |value: types::Completion| Partial(value));

impl Partial {
    pub(crate) fn new(completion: types::Completion) -> Self {
        Self(completion)
    }
}

#[pymethods]
impl Partial {
    /// The text so far.
    #[getter]
    fn text(&self) -> &str {
        &self.0.text
    }

    /// Readable reasoning so far.
    #[getter]
    fn reasoning(&self) -> &str {
        &self.0.reasoning
    }

    /// A refusal's text so far.
    #[getter]
    fn refusal(&self) -> Option<&str> {
        self.0.refusal.as_deref()
    }

    /// The calls so far; the arguments of the last may be cut.
    #[getter]
    fn tool_calls(&self) -> Vec<ToolCall> {
        tool_calls(&self.0)
    }

    /// The model that answered, in the vendor's word.
    #[getter]
    fn model(&self) -> Option<&str> {
        self.0.model.as_deref()
    }

    /// The vendor's id.
    #[getter]
    fn id(&self) -> Option<&str> {
        self.0.id.as_deref()
    }

    /// Tokens, as far as the vendor told.
    #[getter]
    fn usage(&self) -> Usage {
        Usage(self.0.usage)
    }

    /// All of it, as a dict.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_dict(py, &self.0)
    }

    fn __repr__(&self) -> String {
        format!("Partial(text={})", quoted(&self.0.text))
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<Reduced> {
        self.reduced(py)
    }
}

/// A part of a reply's text.
#[pyclass(frozen, eq, module = "hotspare")]
#[derive(PartialEq)]
pub(crate) struct Span(types::Span);

picklable!(Span, |this| &this.0, |value: types::Span| Span(value));

#[pymethods]
impl Span {
    /// The target it came from, `provider/model`.
    #[getter]
    fn target(&self) -> &str {
        &self.0.target
    }

    /// Where it begins, in characters.
    #[getter]
    fn start(&self) -> usize {
        self.0.start
    }

    /// Where it ends, in characters.
    #[getter]
    fn end(&self) -> usize {
        self.0.end
    }

    /// All of it, as a dict.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_dict(py, &self.0)
    }

    fn __repr__(&self) -> String {
        format!(
            "Span(target={}, start={}, end={})",
            quoted(&self.0.target),
            self.0.start,
            self.0.end
        )
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<Reduced> {
        self.reduced(py)
    }
}

/// A whole answer.
#[pyclass(frozen, module = "hotspare")]
pub(crate) struct Reply(Arc<types::Reply>);

picklable!(Reply, |this| &*this.0, |value: types::Reply| Reply::new(
    Arc::new(value)
));

impl Reply {
    pub(crate) fn new(reply: Arc<types::Reply>) -> Self {
        Self(reply)
    }
}

#[pymethods]
impl Reply {
    /// What it said.
    #[getter]
    fn text(&self) -> &str {
        self.0.text()
    }

    /// Readable reasoning.
    #[getter]
    fn reasoning(&self) -> &str {
        &self.0.completion.reasoning
    }

    /// A refusal's text.
    #[getter]
    fn refusal(&self) -> Option<&str> {
        self.0.completion.refusal.as_deref()
    }

    /// The calls it made, in order.
    #[getter]
    fn tool_calls(&self) -> Vec<ToolCall> {
        tool_calls(&self.0.completion)
    }

    /// Why the model stopped, normalized: `stop`, `length`, `tool_calls`, …
    #[getter]
    fn finish_reason(&self) -> Option<&'static str> {
        self.0.completion.finish_reason.map(types::FinishReason::as_str)
    }

    /// The vendor's word for it.
    #[getter]
    fn finish_raw(&self) -> Option<&str> {
        self.0.completion.finish_raw.as_deref()
    }

    /// The target that answered, `provider/model`.
    #[getter]
    fn target(&self) -> &str {
        &self.0.target
    }

    /// The model that answered, in the vendor's word.
    #[getter]
    fn model(&self) -> Option<&str> {
        self.0.completion.model.as_deref()
    }

    /// The vendor's id.
    #[getter]
    fn id(&self) -> Option<&str> {
        self.0.completion.id.as_deref()
    }

    /// Tokens.
    #[getter]
    fn usage(&self) -> Usage {
        Usage(self.0.completion.usage)
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

    /// Which target each part of the text came from, when it came from several.
    #[getter]
    fn spans(&self) -> Vec<Span> {
        self.0.spans.iter().cloned().map(Span).collect()
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

    /// Every attempt, the last one being the answer.
    #[getter]
    fn trail(&self) -> Vec<Attempt> {
        self.0.trail.iter().cloned().map(Attempt::new).collect()
    }

    /// The assistant message to append to the history, in OpenAI's shape.
    #[getter]
    fn message<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &assistant_message(&self.0.completion))
    }

    /// The reply as an OpenAI `chat.completion` object.
    fn to_openai<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.0.to_openai())
    }

    /// All of it, as a dict.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_dict(py, &*self.0)
    }

    fn __repr__(&self) -> String {
        format!(
            "Reply(target={}, finish_reason={:?}, text={})",
            quoted(&self.0.target),
            self.finish_reason().unwrap_or_default(),
            quoted(self.0.text())
        )
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<Reduced> {
        self.reduced(py)
    }
}
