use std::sync::Arc;

use hotspare::types;
use pyo3::prelude::*;

use crate::convert::{Reduced, picklable, quoted, to_dict};
use crate::reply::Reply;

/// What a stream gives: a piece of text, reasoning, a refusal or a tool call; another target's turn; or the end.
#[pyclass(frozen, module = "hotspare")]
pub(crate) struct StreamEvent(Body);

enum Body {
    Piece(types::StreamEvent),
    /// Shared with the stream, which keeps the reply.
    Finish(Arc<types::Reply>),
}

picklable!(StreamEvent, |this| &this.wire(), |value: types::StreamEvent| {
    StreamEvent::from(value)
});

impl From<types::StreamEvent> for StreamEvent {
    fn from(event: types::StreamEvent) -> Self {
        Self(match event {
            types::StreamEvent::Finish { reply } => Body::Finish(Arc::from(reply)),
            piece => Body::Piece(piece),
        })
    }
}

impl StreamEvent {
    /// The whole reply, of the last event.
    pub(crate) fn finished(&self) -> Option<&Arc<types::Reply>> {
        match &self.0 {
            Body::Finish(reply) => Some(reply),
            Body::Piece(_) => None,
        }
    }

    fn piece(&self) -> Option<&types::StreamEvent> {
        match &self.0 {
            Body::Piece(piece) => Some(piece),
            Body::Finish(_) => None,
        }
    }

    fn wire(&self) -> types::StreamEvent {
        match &self.0 {
            Body::Piece(piece) => piece.clone(),
            Body::Finish(reply) => types::StreamEvent::Finish {
                reply: Box::new((**reply).clone()),
            },
        }
    }
}

#[pymethods]
impl StreamEvent {
    /// `text`, `reasoning`, `refusal`, `tool_call`, `restart`, `continue` or `finish`.
    #[getter]
    fn r#type(&self) -> &'static str {
        match self.piece() {
            None => "finish",
            Some(types::StreamEvent::Text { .. }) => "text",
            Some(types::StreamEvent::Reasoning { .. }) => "reasoning",
            Some(types::StreamEvent::Refusal { .. }) => "refusal",
            Some(types::StreamEvent::ToolCall(_)) => "tool_call",
            Some(types::StreamEvent::Restart { .. }) => "restart",
            Some(types::StreamEvent::Continue { .. }) => "continue",
            Some(_) => "other",
        }
    }

    /// The next piece of text; "" unless the type is `text`.
    #[getter]
    fn text(&self) -> &str {
        self.piece().map_or("", types::StreamEvent::text)
    }

    /// The next piece of reasoning; "" unless the type is `reasoning`.
    #[getter]
    fn reasoning(&self) -> &str {
        match self.piece() {
            Some(types::StreamEvent::Reasoning { reasoning }) => reasoning,
            _ => "",
        }
    }

    /// The next piece of a refusal; "" unless the type is `refusal`.
    #[getter]
    fn refusal(&self) -> &str {
        match self.piece() {
            Some(types::StreamEvent::Refusal { refusal }) => refusal,
            _ => "",
        }
    }

    /// A piece of a tool call, of an event of that type.
    #[getter]
    fn tool_call(&self) -> Option<ToolCallDelta> {
        match self.piece() {
            Some(types::StreamEvent::ToolCall(delta)) => Some(ToolCallDelta(delta.clone())),
            _ => None,
        }
    }

    /// The whole reply, of the last event.
    #[getter]
    fn reply(&self) -> Option<Reply> {
        self.finished().cloned().map(Reply::new)
    }

    /// The target that takes over, of a `restart` or `continue`; the one that answered, of the last event.
    #[getter]
    fn target(&self) -> Option<&str> {
        match &self.0 {
            Body::Finish(reply) => Some(&reply.target),
            Body::Piece(types::StreamEvent::Restart { target } | types::StreamEvent::Continue { target }) => {
                Some(target)
            }
            Body::Piece(_) => None,
        }
    }

    /// All of it, as a dict.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_dict(py, &self.wire())
    }

    fn __repr__(&self) -> String {
        let shown = match self.piece() {
            Some(types::StreamEvent::ToolCall(delta)) => {
                format!("index={}, arguments={}", delta.index, quoted(&delta.arguments))
            }
            Some(types::StreamEvent::Text { text }) => format!("text={}", quoted(text)),
            Some(types::StreamEvent::Reasoning { reasoning }) => format!("reasoning={}", quoted(reasoning)),
            Some(types::StreamEvent::Refusal { refusal }) => format!("refusal={}", quoted(refusal)),
            _ => format!("target={}", quoted(self.target().unwrap_or_default())),
        };
        format!("StreamEvent(type={:?}, {shown})", self.r#type())
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<Reduced> {
        self.reduced(py)
    }
}

/// A piece of a tool call in a stream.
#[pyclass(frozen, module = "hotspare")]
pub(crate) struct ToolCallDelta(types::ToolCallDelta);

picklable!(ToolCallDelta, |this| &this.0, |value: types::ToolCallDelta| {
    ToolCallDelta(value)
});

#[pymethods]
impl ToolCallDelta {
    /// Which call of the reply, from 0.
    #[getter]
    fn index(&self) -> u32 {
        self.0.index
    }

    /// Its id, in the first piece.
    #[getter]
    fn id(&self) -> Option<&str> {
        self.0.id.as_deref()
    }

    /// Its name, in the first piece.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// The next piece of the arguments' JSON text.
    #[getter]
    fn arguments(&self) -> &str {
        &self.0.arguments
    }

    fn __repr__(&self) -> String {
        format!(
            "ToolCallDelta(index={}, arguments={})",
            self.0.index,
            quoted(&self.0.arguments)
        )
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<Reduced> {
        self.reduced(py)
    }
}
