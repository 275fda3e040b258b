//! OpenAI Responses, `POST {base}/responses`, as OpenAI and those that copied it speak it.
//!
//! We keep nothing at the vendor: every request carries the whole conversation, says `store: false` unless the caller
//! asks otherwise, and has reasoning sent to us encrypted, to be handed back.

mod answer;
mod ask;
mod classify;
mod decode;
mod encode;
mod ids;
mod messages;
mod stream;
#[cfg(test)]
mod tests;
mod tools;

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};

use super::{Asked, Call, Dialect, Encoded, EventDecoder};
use crate::catalog::Quirks;
use crate::types::{Completion, DialectId, Failure};

/// The dialect of [`DialectId::OpenaiResponses`].
#[derive(Debug, Clone, Copy)]
pub struct OpenaiResponses;

/// The one [`OpenaiResponses`].
pub static OPENAI_RESPONSES: OpenaiResponses = OpenaiResponses;

impl Dialect for OpenaiResponses {
    fn id(&self) -> DialectId {
        DialectId::OpenaiResponses
    }

    fn decode_request(&self, _: &str, body: &[u8]) -> Result<Asked, Failure> {
        ask::decode_request(body)
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

    fn auth(&self) -> (&'static str, &'static str) {
        ("authorization", "Bearer ")
    }
}
