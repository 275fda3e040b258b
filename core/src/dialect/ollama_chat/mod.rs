//! Ollama's own chat, `POST {base}/api/chat`.
//!
//! A prompt that is longer than the server's `num_ctx` (a few thousand tokens unless set otherwise) is **cut without a
//! word**: the oldest messages go. Nothing in the reply tells. To be told instead, pass the server's own fields:
//! `provider_options = {ollama_chat: {truncate: false, options: {num_ctx: 32768}}}`.
//!
//! Replies of `/api/generate` are read too, since they differ only in where the text stands; requests always go to
//! `/api/chat`.

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

use super::{Asked, Call, Dialect, Encoded, EventDecoder, Framing};
use crate::catalog::Quirks;
use crate::types::{Completion, DialectId, Failure};

/// The dialect of [`DialectId::OllamaChat`].
#[derive(Debug, Clone, Copy)]
pub struct OllamaChat;

/// The one [`OllamaChat`].
pub static OLLAMA_CHAT: OllamaChat = OllamaChat;

impl Dialect for OllamaChat {
    fn id(&self) -> DialectId {
        DialectId::OllamaChat
    }

    fn framing(&self) -> Framing {
        Framing::Lines
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

    /// For the vendor's cloud; a server of one's own wants no key.
    fn auth(&self) -> (&'static str, &'static str) {
        ("authorization", "Bearer ")
    }
}
