//! Gemini `models/{model}:batchEmbedContents`. Vertex AI has another method for it, `:predict`, which is not written.

use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::openai::usage;
use super::vectors::Vector;
use super::{EmbedInput, Embedder, note_user, refuse_extra, unreadable, written};
use crate::dialect::Encoded;
use crate::dialect::fit::Fit;
use crate::dialect::gemini::PATH_PART;
use crate::dialect::options::lay_options;
use crate::types::{Embedded, Failure, InputType, JsonMap};

const API: &str = "the Gemini API";

/// Gemini's embeddings.
#[derive(Debug)]
pub(super) struct GeminiEmbeddings;

impl Embedder for GeminiEmbeddings {
    /// The vendor's limit of a batch.
    fn max_texts(&self) -> usize {
        100
    }

    /// Each text is a request of its own in the batch, so `provider_options` are laid over each.
    fn encode(&self, call: &EmbedInput<'_>) -> Result<Encoded, Failure> {
        let request = call.request;
        let mut fit = Fit::new(call.lossy);
        refuse_extra(call, &mut fit, API)?;
        note_user(call, &mut fit, API);
        let id = call.model.strip_prefix("models/").unwrap_or(call.model);
        let name = format!("models/{id}");
        let mut shared = JsonMap::new();
        shared.insert("model".to_owned(), json!(name));
        if let Some(input_type) = request.input_type {
            shared.insert("taskType".to_owned(), json!(task_type(input_type)));
        }
        if let Some(dimensions) = request.dimensions {
            shared.insert("outputDimensionality".to_owned(), json!(dimensions));
        }
        lay_options(
            &request.provider_options,
            call.dialect,
            call.provider,
            &mut shared,
        );
        let requests: Vec<Value> = call
            .input
            .iter()
            .map(|text| {
                let mut one = shared.clone();
                one.insert("content".to_owned(), json!({"parts": [{"text": text}]}));
                Value::Object(one)
            })
            .collect();
        let path = format!(
            "/models/{}:batchEmbedContents",
            utf8_percent_encode(id, PATH_PART)
        );
        written(path, &json!({"requests": requests}), fit)
    }

    fn decode(&self, body: &[u8]) -> Result<Embedded, Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Reply {
            embeddings: Vec<Item>,
            usage_metadata: Option<Counts>,
        }
        #[derive(Deserialize)]
        struct Item {
            values: Vector,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Counts {
            prompt_token_count: Option<u64>,
        }
        let reply: Reply = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
        Ok(Embedded {
            vectors: reply.embeddings.into_iter().map(|item| item.values.0).collect(),
            usage: usage(reply.usage_metadata.and_then(|counts| counts.prompt_token_count)),
            model: None,
        })
    }
}

const fn task_type(input_type: InputType) -> &'static str {
    match input_type {
        InputType::Query => "RETRIEVAL_QUERY",
        InputType::Document => "RETRIEVAL_DOCUMENT",
        InputType::Classification => "CLASSIFICATION",
        InputType::Clustering => "CLUSTERING",
        InputType::Similarity => "SEMANTIC_SIMILARITY",
    }
}
