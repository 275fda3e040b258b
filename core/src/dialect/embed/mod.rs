//! Embeddings: texts → vectors, in the formats that have them. Beside [`Dialect`](super::Dialect), which classifies their
//! errors too.
//!
//! No text is cut to fit a model's window: where a vendor would do that by default, it is asked to refuse instead.

mod cohere;
mod gemini;
pub mod ingress;
mod ollama;
mod openai;
mod vectors;

use std::ops::Range;

use serde::Serialize;

use super::Encoded;
use super::fit::Fit;
use super::options::lay_options;
use crate::catalog::Quirks;
use crate::config::did_you_mean;
use crate::types::{DialectId, EmbedRequest, Embedded, Failure, FailureClass, JsonMap, Phase};

/// What an [`Embedder`] encodes.
#[derive(Debug, Clone, Copy)]
pub struct EmbedInput<'a> {
    /// The request.
    pub request: &'a EmbedRequest,
    /// The texts of it that go into this exchange.
    pub input: &'a [String],
    /// The provider's name, for `provider_options`.
    pub provider: &'a str,
    /// The dialect it speaks, for `provider_options`.
    pub dialect: DialectId,
    /// The provider's own model id.
    pub model: &'a str,
    /// How the provider's way of speaking the format differs.
    pub quirks: &'a Quirks,
    /// Whether what the format has no equal for is left out, and named, rather than refused.
    pub lossy: bool,
}

/// How much one exchange may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartLimits {
    /// Most texts.
    pub texts: usize,
    /// Most bytes of all texts together. No token is shorter than a byte, so this holds a limit of as many tokens.
    pub bytes: usize,
}

/// The embeddings of one wire format.
pub trait Embedder: Send + Sync + 'static {
    /// Most texts in one exchange, where the provider's quirks do not say.
    fn max_texts(&self) -> usize;

    /// Writes the request.
    ///
    /// # Errors
    /// [`Unsupported`](FailureClass::Unsupported), naming the field, when it asks for what the format has no equal for.
    fn encode(&self, call: &EmbedInput<'_>) -> Result<Encoded, Failure>;

    /// Reads a whole 200 body: vectors in the order of the texts.
    ///
    /// # Errors
    /// `malformed` when it is not this format.
    fn decode(&self, body: &[u8]) -> Result<Embedded, Failure>;

    /// How much one exchange with a provider may hold.
    fn limits(&self, quirks: &Quirks) -> PartLimits {
        let count = |most: u32| usize::try_from(most).unwrap_or(usize::MAX);
        PartLimits {
            texts: quirks.embed.max_texts.map_or(self.max_texts(), count),
            bytes: quirks.embed.max_tokens.map_or(usize::MAX, count),
        }
    }
}

/// The embeddings codec of a dialect; None when the format has no embeddings.
#[must_use]
pub fn embedder(id: DialectId) -> Option<&'static dyn Embedder> {
    match id {
        DialectId::OpenaiChat | DialectId::OpenaiResponses => Some(&openai::OpenaiEmbeddings),
        DialectId::Gemini => Some(&gemini::GeminiEmbeddings),
        DialectId::CohereChat => Some(&cohere::CohereEmbed),
        DialectId::OllamaChat => Some(&ollama::OllamaEmbed),
        DialectId::AnthropicMessages | DialectId::BedrockConverse => None,
    }
}

/// Divides texts into parts that each fit the limits, in order. A text that is too long by itself has a part of its own,
/// and the vendor's word on it.
#[must_use]
pub fn parts(input: &[String], limits: PartLimits) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0_usize);
    for (index, text) in input.iter().enumerate() {
        let more = bytes.saturating_add(text.len());
        if index > start && (index - start >= limits.texts || more > limits.bytes) {
            parts.push(start..index);
            start = index;
            bytes = text.len();
        } else {
            bytes = more;
        }
    }
    if start < input.len() {
        parts.push(start..input.len());
    }
    parts
}

/// The one length of the vectors, which must be as many as the texts.
///
/// # Errors
/// `malformed`.
pub fn length(embedded: &Embedded, texts: usize) -> Result<usize, Failure> {
    let vectors = &embedded.vectors;
    if vectors.len() != texts {
        return Err(Failure::malformed(format!(
            "the reply has {} vectors for {texts} texts",
            vectors.len()
        )));
    }
    let length = vectors.first().map_or(0, Vec::len);
    if length == 0 {
        return Err(Failure::malformed("the reply has a vector without numbers"));
    }
    if let Some(other) = vectors.iter().find(|vector| vector.len() != length) {
        return Err(Failure::malformed(format!(
            "the reply has vectors of {length} and of {} numbers",
            other.len()
        )));
    }
    if !vectors.iter().flatten().all(|number| number.is_finite()) {
        return Err(Failure::malformed(
            "the reply has a vector of what are no numbers",
        ));
    }
    Ok(length)
}

/// Refuses the fields we do not know. `api` is what the format is called.
fn refuse_extra(call: &EmbedInput<'_>, fit: &mut Fit, api: &str) -> Result<(), Failure> {
    for field in call.request.extra.keys().filter(|field| !is_ours(field)) {
        let hint = did_you_mean(field, EmbedRequest::FIELDS)
            .unwrap_or_else(|| "use provider_options to pass a field of the vendor's own".to_owned());
        fit.lose(field, &format!("{api} is not known to take it; {hint}"))?;
    }
    Ok(())
}

/// How vectors travel decides how they are read, so it is not the caller's to set. Either way they come as numbers.
fn is_ours(field: &str) -> bool {
    field == "encoding_format"
}

fn note_user(call: &EmbedInput<'_>, fit: &mut Fit, api: &str) {
    if call.request.user.is_some() {
        fit.note(format!("user: left out; {api} has no place for it"));
    }
}

/// The exchange of a body, with the options of the dialect and of the provider laid over it.
fn encoded(path: String, mut body: JsonMap, call: &EmbedInput<'_>, fit: Fit) -> Result<Encoded, Failure> {
    lay_options(
        &call.request.provider_options,
        call.dialect,
        call.provider,
        &mut body,
    );
    written(path, &body, fit)
}

fn written(path: String, body: &impl Serialize, fit: Fit) -> Result<Encoded, Failure> {
    let body = serde_json::to_vec(body).map_err(|error| {
        let message = format!("the request cannot be written as JSON: {error}");
        Failure::new(FailureClass::InvalidRequest, Phase::Encode, message)
    })?;
    Ok(Encoded {
        path,
        headers: Vec::new(),
        body: body.into(),
        adapted: fit.adapted,
    })
}

/// A body that is not what it should be.
fn unreadable(error: &serde_json::Error) -> Failure {
    Failure::malformed(format!("the reply is not one of embeddings: {error}"))
}

#[cfg(test)]
mod tests;
