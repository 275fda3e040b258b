use serde::Deserialize;

/// How a provider's way of making embeddings differs from its dialect's own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbedQuirks {
    /// Whether it makes embeddings at all. Default: yes, so that a server we do not know is asked.
    pub offered: bool,
    /// Whether it sends vectors as base64, which takes a quarter of the room that digits do. Default: no.
    pub base64: bool,
    /// The field that asks for a length of vectors. Default: `dimensions`.
    pub dimensions: String,
    /// Most texts in one request. Default: the dialect's.
    pub max_texts: Option<u32>,
    /// Most tokens in all texts of one request together. Default: no limit.
    pub max_tokens: Option<u32>,
}

impl Default for EmbedQuirks {
    fn default() -> Self {
        Self {
            offered: true,
            base64: false,
            dimensions: "dimensions".to_owned(),
            max_texts: None,
            max_tokens: None,
        }
    }
}
