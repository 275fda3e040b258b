//! Ollama `POST /api/embed`.

use serde::Deserialize;
use serde_json::json;

use super::openai::usage;
use super::vectors::Vector;
use super::{EmbedInput, Embedder, encoded, note_user, refuse_extra, unreadable};
use crate::dialect::Encoded;
use crate::dialect::fit::Fit;
use crate::types::{Embedded, Failure, JsonMap};

const API: &str = "Ollama's API";

/// Ollama's embeddings.
#[derive(Debug)]
pub(super) struct OllamaEmbed;

impl Embedder for OllamaEmbed {
    /// The server has no limit; this many vectors of digits are far from the longest reply we read.
    fn max_texts(&self) -> usize {
        256
    }

    fn encode(&self, call: &EmbedInput<'_>) -> Result<Encoded, Failure> {
        let request = call.request;
        let mut fit = Fit::new(call.lossy);
        refuse_extra(call, &mut fit, API)?;
        note_user(call, &mut fit, API);
        if request.input_type.is_some() {
            fit.note("input_type: left out; Ollama's API has no place for it");
        }
        let mut body = JsonMap::new();
        body.insert("model".to_owned(), json!(call.model));
        body.insert("input".to_owned(), json!(call.input));
        body.insert("truncate".to_owned(), json!(false));
        if let Some(dimensions) = request.dimensions {
            body.insert("dimensions".to_owned(), json!(dimensions));
        }
        encoded("/api/embed".to_owned(), body, call, fit)
    }

    fn decode(&self, body: &[u8]) -> Result<Embedded, Failure> {
        #[derive(Deserialize)]
        struct Reply {
            embeddings: Vec<Vector>,
            model: Option<String>,
            prompt_eval_count: Option<u64>,
        }
        let reply: Reply = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
        Ok(Embedded {
            vectors: reply.embeddings.into_iter().map(|vector| vector.0).collect(),
            usage: usage(reply.prompt_eval_count),
            model: reply.model,
        })
    }
}
