//! AWS Bedrock Converse, `POST {base}/model/{model}/converse` and `…/converse-stream`, where the base URL is
//! `https://bedrock-runtime.{region}.amazonaws.com`.
//!
//! What of a client's request has no word of ours is kept as it came, in an object whose `type` is `bedrock_converse`
//! ([`PartBody::Other`](crate::types::PartBody::Other), [`Tool::Other`](crate::types::Tool::Other)), so that it can be
//! told from what other formats leave there.

mod ask;
mod classify;
mod decode;
mod encode;
mod family;
mod media;
mod messages;
mod stream;
#[cfg(test)]
mod tests;
mod tools;

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::{Asked, Call, Dialect, Encoded, EventDecoder, Framing};
use crate::catalog::Quirks;
use crate::types::{Completion, DialectId, Failure, JsonMap};

/// The dialect of [`DialectId::BedrockConverse`].
#[derive(Debug, Clone, Copy)]
pub struct BedrockConverse;

/// The one [`BedrockConverse`].
pub static BEDROCK_CONVERSE: BedrockConverse = BedrockConverse;

impl Dialect for BedrockConverse {
    fn id(&self) -> DialectId {
        DialectId::BedrockConverse
    }

    fn framing(&self) -> Framing {
        Framing::EventStream
    }

    fn decode_request(&self, path: &str, body: &[u8]) -> Result<Asked, Failure> {
        ask::decode_request(path, body)
    }

    fn encode(&self, call: &Call<'_>) -> Result<Encoded, Failure> {
        encode::encode(call)
    }

    fn decode(&self, body: &[u8]) -> Result<Completion, Failure> {
        decode::decode(body)
    }

    fn events(&self, quirks: &Quirks) -> Box<dyn EventDecoder> {
        Box::new(stream::Events::new(quirks))
    }

    fn classify(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
        quirks: &Quirks,
    ) -> Failure {
        classify::classify(status, headers, body, now, quirks)
    }

    /// Bedrock's API keys. Who has an access key instead signs: [`crate::secrets::sign`].
    fn auth(&self) -> (&'static str, &'static str) {
        ("authorization", "Bearer ")
    }
}

/// What a block or tool of Converse that has no word of ours is kept as.
fn keep(block: &JsonMap) -> JsonMap {
    let mut kept = JsonMap::with_capacity(block.len().saturating_add(1));
    kept.insert(
        "type".to_owned(),
        Value::from(DialectId::BedrockConverse.as_str()),
    );
    for (key, value) in block {
        // Bedrock sends a `type` in blocks beside what they are; it means nothing there.
        if key != "type" {
            kept.insert(key.clone(), value.clone());
        }
    }
    kept
}

/// The other direction of [`keep`]; None for what another format left.
fn kept(map: &JsonMap) -> Option<JsonMap> {
    let ours = map.get("type").and_then(Value::as_str) == Some(DialectId::BedrockConverse.as_str());
    ours.then(|| {
        let mut block = map.clone();
        block.shift_remove("type");
        block
    })
}
