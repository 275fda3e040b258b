//! Pure codecs: request → bytes, reply bytes → [`Completion`], stream bytes → [`Delta`](crate::types::Delta)s, error bytes → [`Failure`].
//!
//! A dialect never opens a socket, reads a clock or keeps a key. What it cannot say it refuses by name
//! ([`Failure::unsupported`]); what it must change without changing the meaning it lists in [`Encoded::adapted`].

mod answer;
pub mod anthropic_messages;
pub(crate) mod asked;
pub mod bedrock_converse;
mod capabilities;
pub(crate) mod codes;
pub mod cohere_chat;
pub(crate) mod common;
mod embed;
pub(crate) mod envelope;
mod event_stream;
pub(crate) mod evidence;
pub(crate) mod fit;
pub(crate) mod foreign;
pub mod gemini;
mod lines;
pub mod ollama_chat;
pub mod openai_chat;
pub mod openai_responses;
pub(crate) mod options;
pub mod rate_limits;
pub(crate) mod retry_after;
mod schema;
mod sse;
mod stream;
mod strict;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod vendor;

pub(crate) use answer::put_event;
pub use answer::{EventWriter, Heard, Ingress, Opening, Problem, ingress};
pub use embed::{EmbedInput, Embedder, PartLimits, embedder, length, parts};
pub use event_stream::EventStreamParser;
pub use sse::{SseEvent, SseParser};
pub use stream::{EventDecoder, Framing, StreamDecoder};

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use self::fit::Fit;
use crate::catalog::{Model, Quirks};
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
    /// How the provider's way of speaking the format differs.
    pub quirks: &'a Quirks,
    /// Whether what the format has no equal for is left out, and named, rather than refused.
    pub lossy: bool,
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

/// A client's request, read from a format.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The request, without a route.
    pub request: ChatRequest,
    /// The model it names.
    pub model: Option<String>,
    /// Whether it asks for a stream.
    pub stream: bool,
}

/// One wire format, both ways.
pub trait Dialect: Send + Sync + 'static {
    /// Which one.
    fn id(&self) -> DialectId;

    /// How the events of its streams are told apart.
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    /// Reads a client's request: the other direction of [`Self::encode`]. `path` is the URL's, without a query. What only
    /// this format has a word for is kept under `provider_options`, by the format's name, so that a target of the same
    /// format gets it back.
    ///
    /// # Errors
    /// `invalid_request`, naming the place.
    fn decode_request(&self, path: &str, body: &[u8]) -> Result<Asked, Failure>;

    /// Writes a request that was fitted to the model already: call [`encode`], which does both.
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
    fn events(&self, quirks: &Quirks) -> Box<dyn EventDecoder>;

    /// The class of a reply that is not a success. Evidence in this order: code in the body, message, status.
    /// `now` turns a moment the vendor names ("try again at …") into a wait.
    fn classify(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
        quirks: &Quirks,
    ) -> Failure;

    /// Headers that every request takes, besides the key's.
    fn headers(&self) -> &'static [(&'static str, HeaderValue)] {
        &[]
    }

    /// The header that carries a key, and what stands before the key in it.
    fn auth(&self) -> (&'static str, &'static str);
}

/// Fits the request to the model by what the catalog knows of it, and to the format; writes it.
///
/// # Errors
/// [`Unsupported`](crate::types::FailureClass::Unsupported), naming the field, when it asks for what the model cannot do, or for what the
/// format has no equal for.
pub fn encode(dialect: &dyn Dialect, call: &Call<'_>) -> Result<Encoded, Failure> {
    let mut fit = Fit::new(call.lossy);
    let request = foreign::own(call.request, (dialect.id(), call.provider), &mut fit)?;
    let model = call.facts.map(Model::capabilities).unwrap_or_default();
    let request = capabilities::fit_model(request, &model, &mut fit)?;
    let mut encoded = dialect.encode(&Call {
        request: &request,
        ..*call
    })?;
    encoded.adapted.splice(..0, fit.adapted);
    Ok(encoded)
}

/// The codec of a dialect.
#[must_use]
pub fn dialect(id: DialectId) -> &'static dyn Dialect {
    match id {
        DialectId::OpenaiChat => &openai_chat::OPENAI_CHAT,
        DialectId::AnthropicMessages => &anthropic_messages::ANTHROPIC_MESSAGES,
        DialectId::Gemini => &gemini::GEMINI,
        DialectId::OpenaiResponses => &openai_responses::OPENAI_RESPONSES,
        DialectId::BedrockConverse => &bedrock_converse::BEDROCK_CONVERSE,
        DialectId::CohereChat => &cohere_chat::COHERE_CHAT,
        DialectId::OllamaChat => &ollama_chat::OLLAMA_CHAT,
    }
}
