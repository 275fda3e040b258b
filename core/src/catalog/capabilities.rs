//! What a model takes, as far as it is known.

use super::{Model, Reasoning};
use crate::types::ReasoningEffort;

/// What a model takes. None, and an empty list, mean that it is not known, and nothing is changed for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities<'a> {
    /// Images.
    pub vision: Option<bool>,
    /// Documents (PDF).
    pub documents: Option<bool>,
    /// Audio.
    pub audio: Option<bool>,
    /// Functions it may call.
    pub tools: Option<bool>,
    /// Several calls at once.
    pub parallel_tools: Option<bool>,
    /// Answers of a JSON schema.
    pub json_schema: Option<bool>,
    /// `temperature`, `top_p` and `top_k`.
    pub sampling: Option<bool>,
    /// Whether it reasons, and how effort is said to it.
    pub reasoning: Reasoning,
    /// The levels of effort it takes.
    pub efforts: &'a [ReasoningEffort],
    /// Most tokens of one answer.
    pub max_output: Option<u32>,
}

impl Model {
    /// What it takes.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities<'_> {
        Capabilities {
            vision: self.vision,
            documents: self.documents,
            audio: self.audio,
            tools: self.tools,
            parallel_tools: self.parallel_tools,
            json_schema: self.json_schema,
            sampling: self.sampling,
            reasoning: self.reasoning,
            efforts: &self.efforts,
            max_output: self.max_output,
        }
    }
}
