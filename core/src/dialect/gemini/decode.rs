//! Body → completion. A whole body is one chunk of a stream, and without `alt=sse` a stream is a list of them, so the
//! stream decoder reads all three.

use serde_json::Value;

use super::stream::Events;
use crate::dialect::EventDecoder as _;
use crate::types::{Accumulator, Completion, Failure};

pub(super) fn decode(body: &[u8]) -> Result<Completion, Failure> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Failure::malformed(format!("the reply is not JSON: {error}")))?;
    let mut events = Events::default();
    let mut deltas = Vec::new();
    events.body(&body, &mut deltas)?;
    if !events.complete() {
        return Err(Failure::malformed(
            "the reply has no candidate with a `finishReason`",
        ));
    }
    let mut reply = Accumulator::default();
    for delta in &deltas {
        reply.apply(delta);
    }
    Ok(reply.finish())
}
