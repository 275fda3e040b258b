//! Cohere `POST /v2/embed`.

use serde::Deserialize;
use serde_json::json;

use super::openai::usage;
use super::vectors::Vector;
use super::{EmbedInput, Embedder, encoded, note_user, refuse_extra, unreadable};
use crate::dialect::Encoded;
use crate::dialect::fit::Fit;
use crate::types::{Embedded, Failure, InputType, JsonMap};

const API: &str = "Cohere's API";

/// Cohere's embeddings.
#[derive(Debug)]
pub(super) struct CohereEmbed;

impl Embedder for CohereEmbed {
    /// The vendor's limit.
    fn max_texts(&self) -> usize {
        96
    }

    fn encode(&self, call: &EmbedInput<'_>) -> Result<Encoded, Failure> {
        let request = call.request;
        let mut fit = Fit::new(call.lossy);
        refuse_extra(call, &mut fit, API)?;
        note_user(call, &mut fit, API);
        let mut body = JsonMap::new();
        body.insert("model".to_owned(), json!(call.model));
        body.insert("texts".to_owned(), json!(call.input));
        body.insert("input_type".to_owned(), json!(input_type(call, &mut fit)?));
        body.insert("embedding_types".to_owned(), json!(["float"]));
        body.insert("truncate".to_owned(), json!("NONE"));
        if let Some(dimensions) = request.dimensions {
            body.insert("output_dimension".to_owned(), json!(dimensions));
        }
        encoded("/embed".to_owned(), body, call, fit)
    }

    fn decode(&self, body: &[u8]) -> Result<Embedded, Failure> {
        #[derive(Deserialize)]
        struct Reply {
            embeddings: ByType,
            meta: Option<Meta>,
        }
        #[derive(Deserialize)]
        struct ByType {
            float: Vec<Vector>,
        }
        #[derive(Deserialize)]
        struct Meta {
            billed_units: Option<Counts>,
        }
        #[derive(Deserialize)]
        struct Counts {
            input_tokens: Option<f64>,
        }
        let reply: Reply = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
        let tokens = reply
            .meta
            .and_then(|meta| meta.billed_units?.input_tokens)
            .filter(|tokens| (0.0..9e15).contains(tokens));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the filter bounds it"
        )]
        let tokens = tokens.map(|tokens| tokens as u64);
        Ok(Embedded {
            vectors: reply
                .embeddings
                .float
                .into_iter()
                .map(|vector| vector.0)
                .collect(),
            usage: usage(tokens),
            model: None,
        })
    }
}

/// The vendor wants one always.
fn input_type(call: &EmbedInput<'_>, fit: &mut Fit) -> Result<&'static str, Failure> {
    Ok(match call.request.input_type {
        Some(InputType::Query) => "search_query",
        Some(InputType::Document) => "search_document",
        Some(InputType::Classification) => "classification",
        Some(InputType::Clustering) => "clustering",
        Some(InputType::Similarity) => {
            fit.lose("input_type", "Cohere's API has no kind for `similarity`")?;
            "search_document"
        }
        None => {
            fit.note("input_type: sent as search_document, since the vendor needs one");
            "search_document"
        }
    })
}
