//! OpenAI Chat Completions, `POST {base}/chat/completions`, as OpenAI and the twenty vendors that copied it speak it.

mod answer;
mod ask;
mod classify;
mod decode;
mod encode;
mod fitted;
mod messages;
mod stream;
mod suited;
#[cfg(test)]
mod tests;
mod wire;

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};

use super::{Asked, Call, Dialect, Encoded, EventDecoder};
use crate::catalog::Quirks;
use crate::types::{Completion, DialectId, Failure};

/// The `openai_chat` codec.
#[derive(Debug, Clone, Copy)]
pub struct OpenaiChat;

/// The one [`OpenaiChat`].
pub static OPENAI_CHAT: OpenaiChat = OpenaiChat;

impl Dialect for OpenaiChat {
    fn id(&self) -> DialectId {
        DialectId::OpenaiChat
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
        classify::classify(status, headers, body, now, &quirks.codes)
    }

    fn auth(&self) -> (&'static str, &'static str) {
        ("authorization", "Bearer ")
    }
}
