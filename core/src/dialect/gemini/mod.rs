//! Google Gemini `generateContent`, on the Developer API and, where a base URL points there, Vertex AI.

mod ask;
mod classify;
mod contents;
mod decode;
mod encode;
mod messages;
mod partial_args;
mod stream;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};

pub(crate) use encode::PATH_PART;

use super::{Asked, Call, Dialect, Encoded, EventDecoder};
use crate::catalog::Quirks;
use crate::types::{Completion, DialectId, Failure};

/// The dialect of [`DialectId::Gemini`].
#[derive(Debug, Clone, Copy)]
pub struct Gemini;

/// The one [`Gemini`].
pub static GEMINI: Gemini = Gemini;

impl Dialect for Gemini {
    fn id(&self) -> DialectId {
        DialectId::Gemini
    }

    fn decode_request(&self, path: &str, body: &[u8]) -> Result<Asked, Failure> {
        ask::ask(path, body)
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
        _: &Quirks,
    ) -> Failure {
        classify::classify(status, headers, body, now)
    }

    fn auth(&self) -> (&'static str, &'static str) {
        ("x-goog-api-key", "")
    }
}
