//! What a broken stream goes on from.

use crate::catalog::Model;
use crate::types::{ChatRequest, Completion, Message, ResponseFormat, Role, Span, Usage};

/// What had reached the caller of a stream that broke.
#[derive(Debug, Clone)]
pub(super) struct Resume {
    /// All of it, whichever attempts it came from.
    pub(super) partial: Completion,
    /// Which target each part of its text came from.
    pub(super) spans: Vec<Span>,
    /// Tokens of the attempts it came from, as far as their vendors told.
    pub(super) usage: Usage,
    /// Whether the route lets another target go on where it broke off; else the answer begins anew.
    pub(super) continues: bool,
}

impl Resume {
    /// The request that makes a model of these `facts` go on where the text broke off; None where it must begin anew: at models that do
    /// not go on from a last assistant message, and in anything but plain text.
    pub(super) fn request_for(&self, facts: Option<&Model>, request: &ChatRequest) -> Option<ChatRequest> {
        let said = &self.partial;
        let prefills = facts.is_some_and(|facts| facts.prefill == Some(true));
        let plain = said.tool_calls.is_empty()
            && said.refusal.is_none()
            && said.reasoning.is_empty()
            && said.reasoning_blocks.is_empty()
            && matches!(request.response_format, None | Some(ResponseFormat::Text));
        let text = self.text();
        if !self.continues || !prefills || !plain || text.is_empty() {
            return None;
        }
        let mut request = request.clone();
        request.messages.push(Message::new(Role::Assistant, text));
        Some(request)
    }

    /// The text to go on from. Anthropic takes no white space at its end, so the model says that part again.
    fn text(&self) -> &str {
        self.partial.text.trim_end()
    }

    /// The white space that was delivered, and that the next target will begin with.
    pub(super) fn overlap(&self) -> &str {
        self.partial.text.get(self.text().len()..).unwrap_or_default()
    }
}
