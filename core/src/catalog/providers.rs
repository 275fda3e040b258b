//! Vendors known by name, and how their way of speaking a dialect differs from the dialect's own.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::EmbedQuirks;
use crate::types::{DialectId, FailureClass};

/// A vendor we know: enough to call it by name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Its name in configs and targets.
    pub name: String,
    /// The format it speaks.
    pub dialect: DialectId,
    /// Its base URL, without a trailing slash.
    pub base_url: String,
    /// Environment variables that hold a key, the usual first.
    pub key_env: Vec<String>,
    /// Path and query, after the base URL, of a GET that takes a key, costs nothing and is answered without a model;
    /// None when the vendor has no such request.
    pub free_probe: Option<String>,
    /// Whether it stops working, and billing, when a stream is left. Not said by the vendors; OpenRouter publishes a list.
    #[serde(default)]
    pub stops_on_disconnect: bool,
    /// How its way of speaking the format differs.
    #[serde(default)]
    pub quirks: Quirks,
}

/// How a provider's way of speaking a dialect differs from the dialect's own: data, so that a provider is an entry in a table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// The field that bounds the output. Default: `max_tokens`.
    pub max_tokens: String,
    /// Whether it knows the role `developer`. Default: no, and `system` is sent.
    pub developer_role: bool,
    /// Fields of a request that it refuses, or ignores though they matter.
    pub refuses: Vec<String>,
    /// What a code in an error body means here, where another vendor means something else by it.
    pub codes: BTreeMap<String, FailureClass>,
    /// How its embeddings differ.
    pub embed: EmbedQuirks,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            max_tokens: "max_tokens".to_owned(),
            developer_role: false,
            refuses: Vec::new(),
            codes: BTreeMap::new(),
            embed: EmbedQuirks::default(),
        }
    }
}
