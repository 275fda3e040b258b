//! Replies, and the events they may come as.

use hotspare::types::{
    Accumulator, Completion, Delta, DialectId, FinishReason, ReasoningBlock, Reply, StreamEvent, ToolCallDelta,
    Usage,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// What was said, and how it came.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) events: Vec<StreamEvent>,
    pub(crate) done: Completion,
}

pub(crate) fn reply(completion: Completion) -> Reply {
    Reply {
        target: "p/m".to_owned(),
        completion,
        cost_usd: None,
        cost_min_usd: 0.0,
        cost_max_usd: None,
        spans: Vec::new(),
        elapsed: 0.5,
        created: 1_795_428_000,
        trail: Vec::new(),
    }
}

/// The events a caller gets of a stream, the whole reply at the end.
pub(crate) fn events(deltas: &[Delta]) -> Vec<StreamEvent> {
    let mut fold = Accumulator::default();
    let mut events = Vec::new();
    for delta in deltas {
        fold.apply(delta);
        match delta.clone() {
            // Nothing had reached the caller: what began again reads as if it had not.
            Delta::Reset => events.clear(),
            Delta::Text(text) => events.push(StreamEvent::Text { text }),
            Delta::Reasoning(reasoning) => events.push(StreamEvent::Reasoning { reasoning }),
            Delta::Refusal(refusal) => events.push(StreamEvent::Refusal { refusal }),
            Delta::ToolCall {
                index,
                id,
                name,
                arguments,
                ..
            } => events.push(StreamEvent::ToolCall(ToolCallDelta {
                index,
                id,
                name,
                arguments,
            })),
            Delta::Meta { .. } | Delta::ReasoningBlock(_) | Delta::Usage(_) | Delta::Finish { .. } => {}
        }
    }
    let reply = Box::new(reply(fold.finish()));
    events.push(StreamEvent::Finish { reply });
    events
}

/// The same events in smaller pieces.
pub(crate) fn cut(events: Vec<StreamEvent>, random: &mut fastrand::Rng) -> Vec<StreamEvent> {
    let mut out = Vec::new();
    for event in events {
        match event {
            StreamEvent::Text { text } => {
                out.extend(pieces(&text, random).map(|text| StreamEvent::Text { text }));
            }
            StreamEvent::Reasoning { reasoning } => {
                out.extend(pieces(&reasoning, random).map(|reasoning| StreamEvent::Reasoning { reasoning }));
            }
            StreamEvent::Refusal { refusal } => {
                out.extend(pieces(&refusal, random).map(|refusal| StreamEvent::Refusal { refusal }));
            }
            StreamEvent::ToolCall(call) => {
                let mut first = call.clone();
                first.arguments.clear();
                out.push(StreamEvent::ToolCall(first));
                out.extend(pieces(&call.arguments, random).map(|arguments| {
                    StreamEvent::ToolCall(ToolCallDelta {
                        index: call.index,
                        id: None,
                        name: None,
                        arguments,
                    })
                }));
            }
            other => out.push(other),
        }
    }
    out
}

/// A text in at least one piece.
fn pieces(text: &str, random: &mut fastrand::Rng) -> impl Iterator<Item = String> + use<> {
    let mut out = vec![String::new()];
    for c in text.chars() {
        if random.u8(..) < 40 {
            out.push(String::new());
        }
        out.last_mut().unwrap().push(c);
    }
    out.into_iter()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9 .,\n]{0,24}",
        2 => any::<String>(),
        1 => Just("naïve 🦀 \"quoted\"\r\n\ndata: [DONE]\n\n\u{2028}".to_owned()),
        1 => Just("{\"usage\":null,\"choices\":[]}".to_owned()),
    ]
}

fn arguments() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        text().prop_map(Value::from),
        vec("[a-z]{0,3}", 0..3).prop_map(|list| json!(list)),
        Just(json!({"a": {"b": null}})),
    ];
    vec(("[a-z_]{1,6}", leaf), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>()))
}

fn block() -> impl Strategy<Value = ReasoningBlock> {
    let mark = || proptest::option::of("[A-Za-z0-9+/=]{1,40}");
    (0..DialectId::ALL.len(), mark(), text(), "[A-Za-z0-9+/=]{1,40}", any::<bool>()).prop_map(
        |(dialect, id, text, mark, hidden)| ReasoningBlock {
            dialect: DialectId::ALL[dialect],
            id,
            text: if hidden { String::new() } else { text },
            signature: (!hidden).then(|| mark.clone()),
            redacted: hidden.then_some(mark),
        },
    )
}

fn usage() -> impl Strategy<Value = Usage> {
    (any::<bool>(), 0..1000u64, 0..1000u64, 0..1000u64, 0..1000u64).prop_map(
        |(reported, read, write, reasoning, more)| {
            if !reported {
                return Usage::default();
            }
            Usage {
                reported,
                input_tokens: read + write + more,
                output_tokens: reasoning + more + 1,
                cache_read_tokens: read,
                cache_write_tokens: write,
                cache_write_1h_tokens: 0,
                reasoning_tokens: reasoning,
            }
        },
    )
}

/// Text, reasoning, calls and a refusal, whose pieces come in any order.
pub(crate) fn said() -> impl Strategy<Value = Said> {
    let reasons = prop::sample::select(vec![
        FinishReason::Stop,
        FinishReason::StopSequence,
        FinishReason::Length,
        FinishReason::ContextExceeded,
        FinishReason::ContentFilter,
        FinishReason::Pause,
    ]);
    let calls = vec(("[a-zA-Z_]{1,12}", arguments(), proptest::option::of("[A-Za-z0-9+/]{1,20}")), 0..3);
    let refusal = proptest::option::weighted(0.2, "[a-zA-Z ,.]{1,20}");
    (
        (text(), text(), refusal, calls),
        (vec(block(), 0..3), usage(), reasons),
        any::<u64>(),
    )
        .prop_map(|((text, reasoning, refusal, calls), (blocks, usage, reason), seed)| {
            let mut random = fastrand::Rng::with_seed(seed);
            let reason = match (&refusal, calls.is_empty()) {
                (_, false) => FinishReason::ToolCalls,
                (Some(_), true) => FinishReason::Refusal,
                (None, true) => reason,
            };
            let mut streams: Vec<Vec<Delta>> = vec![
                pieces(&text, &mut random).map(Delta::Text).collect(),
                pieces(&reasoning, &mut random).map(Delta::Reasoning).collect(),
                refusal
                    .iter()
                    .flat_map(|refusal| pieces(refusal, &mut random))
                    .map(Delta::Refusal)
                    .collect(),
            ];
            for (index, (name, arguments, signature)) in (0u32..).zip(calls) {
                let bare = arguments.as_object().is_some_and(Map::is_empty) && random.bool();
                let text = if bare { String::new() } else { arguments.to_string() };
                let piece = |arguments| Delta::ToolCall {
                    index,
                    id: None,
                    name: None,
                    arguments,
                    signature: None,
                };
                let first = Delta::ToolCall {
                    index,
                    id: Some(format!("call_{index}")),
                    name: Some(name),
                    arguments: String::new(),
                    signature,
                };
                streams.push(std::iter::once(first).chain(pieces(&text, &mut random).map(piece)).collect());
            }
            let mut deltas = shuffled(streams, &mut random);
            deltas.extend(blocks.into_iter().map(Delta::ReasoningBlock));
            deltas.push(Delta::Usage(usage));
            deltas.push(Delta::Finish { reason, raw: None });
            let events = events(&deltas);
            let Some(StreamEvent::Finish { reply }) = events.last() else {
                panic!("a stream ends with the whole reply")
            };
            let done = reply.completion.clone();
            Said { events, done }
        })
}

/// The streams as one: each in its order, and the calls begun one after the other.
fn shuffled(mut streams: Vec<Vec<Delta>>, random: &mut fastrand::Rng) -> Vec<Delta> {
    let mut out = Vec::new();
    let begun = |stream: &[Delta]| !matches!(stream.first(), Some(Delta::ToolCall { name: Some(_), .. }));
    while streams.iter().any(|stream| !stream.is_empty()) {
        let at = random.usize(..streams.len());
        let next_call = streams.iter().position(|stream| !begun(stream));
        if streams[at].is_empty() || (!begun(&streams[at]) && next_call != Some(at)) {
            continue;
        }
        out.push(streams[at].remove(0));
    }
    out
}
