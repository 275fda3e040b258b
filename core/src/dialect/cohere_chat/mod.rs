//! Cohere Chat v2, `POST {base}/chat`, where the base URL ends in `/v2`.

mod ask;
mod classify;
mod decode;
mod encode;
mod messages;
mod stream;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};

use super::{Asked, Call, Dialect, Encoded, EventDecoder};
use crate::catalog::Quirks;
use crate::types::{Completion, DialectId, Failure};

/// The dialect of [`DialectId::CohereChat`].
#[derive(Debug, Clone, Copy)]
pub struct CohereChat;

/// The one [`CohereChat`].
pub static COHERE_CHAT: CohereChat = CohereChat;

/// The `id` of a reasoning block that is the model's plan before tool calls. The vendor has a field of its own for it
/// (`tool_plan`), to which it goes back.
const TOOL_PLAN: &str = "tool_plan";

impl Dialect for CohereChat {
    fn id(&self) -> DialectId {
        DialectId::CohereChat
    }

    fn decode_request(&self, _: &str, body: &[u8]) -> Result<Asked, Failure> {
        ask::ask(body)
    }

    fn encode(&self, call: &Call<'_>) -> Result<Encoded, Failure> {
        encode::encode(call)
    }

    fn decode(&self, body: &[u8]) -> Result<Completion, Failure> {
        decode::decode(body)
    }

    fn events(&self, _: &Quirks) -> Box<dyn EventDecoder> {
        Box::<stream::Events>::default()
    }

    fn classify(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
        quirks: &Quirks,
    ) -> Failure {
        classify::classify(status, headers, body, now, &quirks.codes)
    }

    fn auth(&self) -> (&'static str, &'static str) {
        ("authorization", "Bearer ")
    }
}
