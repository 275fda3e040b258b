//! Pure codecs: request → bytes, reply bytes → [`Completion`], stream bytes → [`Delta`](crate::types::Delta)s, error bytes → [`Failure`].
//!
//! A dialect never opens a socket, reads a clock or keeps a key. What it cannot say it refuses by name
//! ([`Failure::unsupported`]); what it must change without changing the meaning it lists in [`Encoded::adapted`].

pub mod anthropic_messages;
pub(crate) mod common;
pub(crate) mod foreign;
pub mod gemini;
pub mod openai_chat;
pub(crate) mod options;
pub mod rate_limits;
pub(crate) mod retry_after;
mod sse;
mod stream;
#[cfg(test)]
pub(crate) mod testing;

pub use sse::{SseEvent, SseParser};
pub use stream::{EventDecoder, StreamDecoder};

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::catalog::Model;
use crate::types::{ChatRequest, Completion, DialectId, Failure};

/// What a dialect encodes.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The request.
    pub request: &'a ChatRequest,
    /// The provider's name, for `provider_options`.
    pub provider: &'a str,
    /// The provider's own model id.
    pub model: &'a str,
    /// What the catalog knows of the model.
    pub facts: Option<&'a Model>,
    /// Whether to ask for a stream.
    pub stream: bool,
}

/// A request as it goes over the wire, without its key.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// Path and query under the provider's base URL, beginning with `/`. Path parts are percent-encoded.
    pub path: String,
    /// Headers besides `content-type` and the key's.
    pub headers: Vec<(&'static str, HeaderValue)>,
    /// The JSON body.
    pub body: Bytes,
    /// How the request was changed to fit, one line a change.
    pub adapted: Vec<String>,
}

/// One wire format, both ways.
pub trait Dialect: Send + Sync + 'static {
    /// Which one.
    fn id(&self) -> DialectId;

    /// Writes the request.
    ///
    /// # Errors
    /// [`Unsupported`](crate::types::FailureClass::Unsupported), naming the field, when it asks for what the format has no equal for.
    fn encode(&self, call: &Call<'_>) -> Result<Encoded, Failure>;

    /// Reads a whole 200 body.
    ///
    /// # Errors
    /// The class of an error inside it; `malformed` when it is not this format, or says nothing and gives no reason.
    fn decode(&self, body: &[u8]) -> Result<Completion, Failure>;

    /// A decoder for the events of one stream. Wrap it in a [`StreamDecoder`].
    fn events(&self) -> Box<dyn EventDecoder>;

    /// The class of a reply that is not a success. Evidence in this order: code in the body, message, status.
    /// `now` turns a moment the vendor names ("try again at …") into a wait.
    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Failure;

    /// Headers that every request takes, besides the key's.
    fn headers(&self) -> &'static [(&'static str, HeaderValue)] {
        &[]
    }

    /// The header that carries a key, and what stands before the key in it.
    fn auth(&self) -> (&'static str, &'static str);
}

/// The codec of a dialect.
#[must_use]
pub fn dialect(id: DialectId) -> &'static dyn Dialect {
    match id {
        DialectId::OpenaiChat => &openai_chat::OPENAI_CHAT,
        DialectId::AnthropicMessages => &anthropic_messages::ANTHROPIC_MESSAGES,
        DialectId::Gemini => &gemini::GEMINI,
    }
}
