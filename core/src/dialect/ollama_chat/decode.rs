//! Body → completion. A whole body is the one line of a stream, so the stream decoder reads both.

use serde_json::Value;

use super::stream::Events;
use crate::dialect::EventDecoder as _;
use crate::types::{Accumulator, Completion, Failure};

pub(super) fn decode(body: &[u8]) -> Result<Completion, Failure> {
    let mut events = Events::default();
    let mut deltas = Vec::new();
    // Several documents are a stream, which is what the server sends unless told otherwise.
    for line in serde_json::Deserializer::from_slice(body).into_iter::<Value>() {
        let line = line.map_err(|error| Failure::malformed(format!("the reply is not JSON: {error}")))?;
        events.line(&line, &mut deltas)?;
    }
    if !events.complete() {
        return Err(Failure::malformed("the reply has no `done: true`"));
    }
    let mut reply = Accumulator::default();
    for delta in &deltas {
        reply.apply(delta);
    }
    Ok(reply.finish())
}
