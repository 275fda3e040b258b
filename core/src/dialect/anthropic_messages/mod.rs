//! Anthropic Messages, `POST {base}/messages`, where the base URL ends in `/v1`.

mod answer;
mod ask;
mod classify;
mod decode;
mod encode;
mod messages;
mod stream;
#[cfg(test)]
mod tests;
mod turns;

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, StatusCode};

use super::{Asked, Call, Dialect, Encoded, EventDecoder};
use crate::catalog::Quirks;
use crate::types::{Completion, DialectId, Failure};

/// The dialect of [`DialectId::AnthropicMessages`].
#[derive(Debug, Clone, Copy)]
pub struct AnthropicMessages;

/// The one [`AnthropicMessages`].
pub static ANTHROPIC_MESSAGES: AnthropicMessages = AnthropicMessages;

impl Dialect for AnthropicMessages {
    fn id(&self) -> DialectId {
        DialectId::AnthropicMessages
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

    fn headers(&self) -> &'static [(&'static str, HeaderValue)] {
        &encode::HEADERS
    }

    fn auth(&self) -> (&'static str, &'static str) {
        ("x-api-key", "")
    }
}
