//! Not written yet.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};

use super::{Asked, Call, Dialect, Encoded, EventDecoder, Framing, SseEvent};
use crate::catalog::Quirks;
use crate::types::{Completion, Delta, DialectId, Failure};

/// The dialect of [`DialectId::OpenaiResponses`].
#[derive(Debug, Clone, Copy)]
pub struct OpenaiResponses;

/// The one [`OpenaiResponses`].
pub static OPENAI_RESPONSES: OpenaiResponses = OpenaiResponses;

struct Events;

impl EventDecoder for Events {
    fn event(&mut self, _: &SseEvent, _: &mut Vec<Delta>) -> Result<(), Failure> {
        Err(Failure::malformed("not written yet"))
    }

    fn complete(&self) -> bool {
        false
    }
}

impl Dialect for OpenaiResponses {
    fn id(&self) -> DialectId {
        DialectId::OpenaiResponses
    }

    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn decode_request(&self, _: &str, _: &[u8]) -> Result<Asked, Failure> {
        Err(Failure::unsupported("dialect", "not written yet"))
    }

    fn encode(&self, _: &Call<'_>) -> Result<Encoded, Failure> {
        Err(Failure::unsupported("dialect", "not written yet"))
    }

    fn decode(&self, _: &[u8]) -> Result<Completion, Failure> {
        Err(Failure::malformed("not written yet"))
    }

    fn events(&self, _: &Quirks) -> Box<dyn EventDecoder> {
        Box::new(Events)
    }

    fn classify(&self, _: StatusCode, _: &HeaderMap, _: &[u8], _: SystemTime, _: &Quirks) -> Failure {
        Failure::malformed("not written yet")
    }

    fn auth(&self) -> (&'static str, &'static str) {
        ("authorization", "Bearer ")
    }
}
