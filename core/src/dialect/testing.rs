//! What the dialects' tests share.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::catalog::Quirks;
use crate::catalog::{Model, Reasoning};
use crate::dialect::{Call, Dialect, Encoded, StreamDecoder};
use crate::types::{Accumulator, ChatRequest, Completion, Delta, Failure};

/// A model of which only the given is known.
pub(crate) fn facts(max_output: Option<u32>, sampling: Option<bool>, reasoning: Reasoning) -> Model {
    Model {
        provider: "p".to_owned(),
        id: "m".to_owned(),
        input: Some(1.0),
        output: Some(5.0),
        max_output,
        sampling,
        reasoning,
        ..Model::default()
    }
}

/// What a dialect writes for a model, `provider/model`, at a provider that refuses a field.
pub(crate) fn written(
    dialect: &dyn Dialect,
    (target, refuses): (&str, &str),
    request: &serde_json::Value,
    facts: Option<&Model>,
    lossy: bool,
) -> Result<Encoded, Failure> {
    let request: ChatRequest = serde_json::from_value(request.clone()).unwrap();
    let (provider, model) = target.split_once('/').unwrap();
    dialect.encode(&Call {
        request: &request,
        provider,
        model,
        facts,
        quirks: &Quirks {
            refuses: vec![refuses.to_owned()],
            ..Quirks::default()
        },
        lossy,
        stream: false,
    })
}

/// The first words of what was changed: the places.
pub(crate) fn places(adapted: &[String]) -> Vec<&str> {
    adapted
        .iter()
        .map(|line| line.split(':').next().unwrap())
        .collect()
}

pub(crate) fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
    list.iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

/// Streams events of these data to the end: the deltas, and how it ended.
pub(crate) fn stream(
    dialect: &'static dyn Dialect,
    events: &[serde_json::Value],
) -> (Vec<Delta>, Result<(), Failure>) {
    let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let mut decoder = StreamDecoder::new(dialect, &Quirks::default());
    let mut deltas = Vec::new();
    let ended = decoder
        .push(text.as_bytes(), &mut deltas)
        .and_then(|()| decoder.finish(&mut deltas));
    (deltas, ended)
}

/// An AWS event-stream frame.
pub(crate) fn frame(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
    let mut out = [length(16 + headers.len() + payload.len()), length(headers.len())].concat();
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out
}

pub(crate) fn fold(deltas: &[Delta]) -> Completion {
    let mut reply = Accumulator::default();
    deltas.iter().for_each(|delta| reply.apply(delta));
    reply.finish()
}
