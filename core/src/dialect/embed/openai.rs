//! `POST {base}/embeddings`, as OpenAI and those that copied it speak it.

use serde::Deserialize;
use serde_json::json;

use super::vectors::Vector;
use super::{EmbedInput, Embedder, encoded, is_ours, unreadable};
use crate::dialect::Encoded;
use crate::dialect::fit::Fit;
use crate::types::{Embedded, Failure, JsonMap, Usage};

/// The embeddings of the OpenAI family.
#[derive(Debug)]
pub(super) struct OpenaiEmbeddings;

impl Embedder for OpenaiEmbeddings {
    /// OpenAI itself takes 2048, which is a quirk of its own: a reply of so many vectors in digits is longer than we read.
    fn max_texts(&self) -> usize {
        256
    }

    fn encode(&self, call: &EmbedInput<'_>) -> Result<Encoded, Failure> {
        let (request, quirks) = (call.request, &call.quirks.embed);
        let mut fit = Fit::new(call.lossy);
        let mut body = JsonMap::new();
        body.insert("model".to_owned(), json!(call.model));
        body.insert("input".to_owned(), json!(call.input));
        if quirks.base64 {
            body.insert("encoding_format".to_owned(), json!("base64"));
        }
        if let Some(dimensions) = request.dimensions {
            body.insert(quirks.dimensions.clone(), json!(dimensions));
        }
        if request.input_type.is_some() {
            fit.note("input_type: left out; OpenAI's format has no place for it");
        }
        match &request.user {
            Some(_) if call.quirks.refuses.iter().any(|field| field == "user") => {
                fit.note("user: left out; the vendor refuses it");
            }
            Some(user) => drop(body.insert("user".to_owned(), json!(user))),
            None => {}
        }
        for (field, value) in request.extra.iter().filter(|(field, _)| !is_ours(field)) {
            body.insert(field.clone(), value.clone());
        }
        encoded("/embeddings".to_owned(), body, call, fit)
    }

    fn decode(&self, body: &[u8]) -> Result<Embedded, Failure> {
        #[derive(Deserialize)]
        struct Reply {
            data: Vec<Item>,
            model: Option<String>,
            usage: Option<Counts>,
        }
        #[derive(Deserialize)]
        struct Item {
            embedding: Vector,
            index: Option<usize>,
        }
        #[derive(Deserialize)]
        struct Counts {
            prompt_tokens: Option<u64>,
            total_tokens: Option<u64>,
        }
        let reply: Reply = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
        let mut data = reply.data;
        if data.iter().any(|item| item.index.is_some()) {
            data.sort_by_key(|item| item.index);
            if !data
                .iter()
                .enumerate()
                .all(|(place, item)| item.index == Some(place))
            {
                return Err(Failure::malformed("the vectors' `index` does not count from 0"));
            }
        }
        let tokens = reply
            .usage
            .and_then(|usage| usage.prompt_tokens.or(usage.total_tokens));
        Ok(Embedded {
            vectors: data.into_iter().map(|item| item.embedding.0).collect(),
            usage: usage(tokens),
            model: reply.model,
        })
    }
}

/// Input is all there is to count.
pub(super) fn usage(tokens: Option<u64>) -> Usage {
    Usage {
        reported: tokens.is_some(),
        input_tokens: tokens.unwrap_or_default(),
        ..Usage::default()
    }
}
