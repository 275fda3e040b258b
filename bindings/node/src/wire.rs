//! What crosses to JavaScript, as JSON text: the core's records with the names and the flat shape that the package's
//! types have. Destructured field by field, so that a new field of the core cannot be forgotten here.

use hotspare::types::{self, Billing, FinishReason, Next, Outcome, Phase, ReasoningBlock, Sent};
use hotspare::{Error, Result};
use hotspare_bridge::{ErrorRecord, error_record};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `value` as JSON text. What we send is made of strings and numbers, so it cannot fail; if it does, it is a bug.
pub(crate) fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::internal(format!("a record did not serialize: {error}")))
}

/// `value` as JSON text, its names in camelCase.
pub(crate) fn camel_text(value: &impl Serialize) -> Result<String> {
    let value = serde_json::to_value(value)
        .map_err(|error| Error::internal(format!("a record did not serialize: {error}")))?;
    text(&camel(value))
}

/// An error as JSON text: the fields of a `HotspareError`.
pub(crate) fn error_text(error: &Error) -> String {
    text(&Failed::from(error_record(error))).unwrap_or_else(|bug| bug.message().to_owned())
}

/// The same value with its names in camelCase.
pub(crate) fn camel(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(name, value)| (camel_name(&name), camel(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(camel).collect(),
        other => other,
    }
}

fn camel_name(name: &str) -> String {
    let mut parts = name.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    reported: bool,
    input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_deserializing)]
    total_tokens: u64,
    cache_read_tokens: u64,
    cache_write_tokens: u64,
    cache_write_1h_tokens: u64,
    reasoning_tokens: u64,
}

impl From<types::Usage> for Usage {
    fn from(usage: types::Usage) -> Self {
        let total_tokens = usage.total_tokens();
        let types::Usage {
            reported,
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            cache_write_1h_tokens,
            reasoning_tokens,
        } = usage;
        Self {
            reported,
            input_tokens,
            output_tokens,
            total_tokens,
            cache_read_tokens,
            cache_write_tokens,
            cache_write_1h_tokens,
            reasoning_tokens,
        }
    }
}

impl From<Usage> for types::Usage {
    fn from(usage: Usage) -> Self {
        Self {
            reported: usage.reported,
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cache_read_tokens: usage.cache_read_tokens,
            cache_write_tokens: usage.cache_write_tokens,
            cache_write_1h_tokens: usage.cache_write_1h_tokens,
            reasoning_tokens: usage.reasoning_tokens,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct ToolCall {
    id: String,
    name: String,
    arguments: String,
    signature: Option<String>,
}

impl From<types::ToolCall> for ToolCall {
    fn from(call: types::ToolCall) -> Self {
        let types::ToolCall {
            id,
            name,
            arguments,
            signature,
        } = call;
        Self {
            id,
            name,
            arguments,
            signature,
        }
    }
}

impl From<ToolCall> for types::ToolCall {
    fn from(call: ToolCall) -> Self {
        Self {
            id: call.id,
            name: call.name,
            arguments: call.arguments,
            signature: call.signature,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Completion {
    id: Option<String>,
    model: Option<String>,
    text: String,
    reasoning: String,
    reasoning_blocks: Vec<ReasoningBlock>,
    refusal: Option<String>,
    tool_calls: Vec<ToolCall>,
    finish_reason: Option<FinishReason>,
    finish_raw: Option<String>,
    usage: Usage,
}

impl From<types::Completion> for Completion {
    fn from(completion: types::Completion) -> Self {
        let types::Completion {
            id,
            model,
            text,
            reasoning,
            reasoning_blocks,
            refusal,
            tool_calls,
            finish_reason,
            finish_raw,
            usage,
        } = completion;
        Self {
            id,
            model,
            text,
            reasoning,
            reasoning_blocks,
            refusal,
            tool_calls: tool_calls.into_iter().map(ToolCall::from).collect(),
            finish_reason,
            finish_raw,
            usage: usage.into(),
        }
    }
}

impl From<Completion> for types::Completion {
    fn from(completion: Completion) -> Self {
        Self {
            id: completion.id,
            model: completion.model,
            text: completion.text,
            reasoning: completion.reasoning,
            reasoning_blocks: completion.reasoning_blocks,
            refusal: completion.refusal,
            tool_calls: completion
                .tool_calls
                .into_iter()
                .map(types::ToolCall::from)
                .collect(),
            finish_reason: completion.finish_reason,
            finish_raw: completion.finish_raw,
            usage: completion.usage.into(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attempt {
    target: String,
    key: Option<String>,
    code: &'static str,
    status: Option<u16>,
    started: f64,
    first_content: Option<f64>,
    ended: f64,
    next: Next,
    reason: String,
    wait: f64,
    message: Option<String>,
    phase: Option<Phase>,
    sent: Option<Sent>,
    retry_after: Option<f64>,
    vendor_code: Option<String>,
    request_id: Option<String>,
    usage: Usage,
    billing: Billing,
    cost_usd: Option<f64>,
    cost_min_usd: f64,
    cost_max_usd: Option<f64>,
    adapted: Vec<String>,
}

impl From<types::Attempt> for Attempt {
    fn from(attempt: types::Attempt) -> Self {
        let code = attempt.code();
        let types::Attempt {
            target,
            key,
            started,
            first_content,
            ended,
            outcome,
            next,
            reason,
            wait,
            status,
            request_id,
            usage,
            billing,
            cost_usd,
            cost_min_usd,
            cost_max_usd,
            adapted,
        } = attempt;
        let failure = match outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Answered | Outcome::Cancelled => None,
        };
        Self {
            target,
            key,
            code,
            status,
            started,
            first_content,
            ended,
            next,
            reason,
            wait,
            phase: failure.as_ref().map(|failure| failure.phase),
            sent: failure.as_ref().map(|failure| failure.sent),
            retry_after: failure
                .as_ref()
                .and_then(|failure| failure.retry_after)
                .map(|wait| wait.as_secs_f64()),
            vendor_code: failure.as_ref().and_then(|failure| failure.code.clone()),
            message: failure.map(|failure| failure.message),
            request_id,
            usage: usage.into(),
            billing,
            cost_usd,
            cost_min_usd,
            cost_max_usd,
            adapted,
        }
    }
}

fn attempts(trail: types::Trail) -> Vec<Attempt> {
    trail.into_iter().map(Attempt::from).collect()
}

/// A whole answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reply {
    target: String,
    #[serde(flatten)]
    completion: Completion,
    cost_usd: Option<f64>,
    cost_min_usd: f64,
    cost_max_usd: Option<f64>,
    spans: Vec<types::Span>,
    elapsed: f64,
    created: u64,
    trail: Vec<Attempt>,
}

impl From<types::Reply> for Reply {
    fn from(reply: types::Reply) -> Self {
        let types::Reply {
            target,
            completion,
            cost_usd,
            cost_min_usd,
            cost_max_usd,
            spans,
            elapsed,
            created,
            trail,
        } = reply;
        Self {
            target,
            completion: completion.into(),
            cost_usd,
            cost_min_usd,
            cost_max_usd,
            spans,
            elapsed,
            created,
            trail: attempts(trail),
        }
    }
}

/// What of a reply comes back to be written as OpenAI would.
#[derive(Deserialize)]
struct Returned {
    #[serde(flatten)]
    completion: Completion,
    created: u64,
}

/// A reply that JavaScript gives back.
pub(crate) fn returned_reply(json: &str) -> Result<types::Reply> {
    let reply: Returned = read(json)?;
    Ok(types::Reply {
        target: String::new(),
        completion: reply.completion.into(),
        cost_usd: None,
        cost_min_usd: 0.0,
        cost_max_usd: None,
        spans: Vec::new(),
        elapsed: 0.0,
        created: reply.created,
        trail: Vec::new(),
    })
}

fn read<'de, T: Deserialize<'de>>(json: &'de str) -> Result<T> {
    serde_json::from_str(json)
        .map_err(|error| Error::internal(format!("a record came back changed: {error}")))
}

/// Vectors of texts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Embeddings {
    target: String,
    embeddings: Vec<Vec<f32>>,
    dimensions: usize,
    model: Option<String>,
    usage: Usage,
    cost_usd: Option<f64>,
    cost_min_usd: f64,
    cost_max_usd: Option<f64>,
    elapsed: f64,
    created: u64,
    trail: Vec<Attempt>,
}

impl From<types::EmbedReply> for Embeddings {
    fn from(reply: types::EmbedReply) -> Self {
        let dimensions = reply.dimensions();
        let types::EmbedReply {
            target,
            embeddings,
            usage,
            model,
            cost_usd,
            cost_min_usd,
            cost_max_usd,
            elapsed,
            created,
            trail,
        } = reply;
        Self {
            target,
            embeddings,
            dimensions,
            model,
            usage: usage.into(),
            cost_usd,
            cost_min_usd,
            cost_max_usd,
            elapsed,
            created,
            trail: attempts(trail),
        }
    }
}

/// What of vectors comes back to be written as OpenAI would.
#[derive(Deserialize)]
struct ReturnedEmbeddings {
    embeddings: Vec<Vec<f32>>,
    model: Option<String>,
    usage: Usage,
}

/// Vectors that JavaScript gives back.
pub(crate) fn returned_embeddings(json: &str) -> Result<types::EmbedReply> {
    let reply: ReturnedEmbeddings = read(json)?;
    Ok(types::EmbedReply {
        target: String::new(),
        embeddings: reply.embeddings,
        usage: reply.usage.into(),
        model: reply.model,
        cost_usd: None,
        cost_min_usd: 0.0,
        cost_max_usd: None,
        elapsed: 0.0,
        created: 0,
        trail: Vec::new(),
    })
}

#[derive(Serialize)]
pub(crate) struct ToolCallDelta {
    index: u32,
    id: Option<String>,
    name: Option<String>,
    arguments: String,
}

/// What a stream gives. Every one has `text`, so that a reader who wants nothing else need not look at the type.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum StreamEvent {
    Text {
        text: String,
    },
    Reasoning {
        text: &'static str,
        reasoning: String,
    },
    Refusal {
        text: &'static str,
        refusal: String,
    },
    ToolCall {
        text: &'static str,
        #[serde(rename = "toolCall")]
        tool_call: ToolCallDelta,
    },
    Restart {
        text: &'static str,
        target: String,
    },
    Continue {
        text: &'static str,
        target: String,
    },
    Finish {
        text: &'static str,
        target: String,
        reply: Box<Reply>,
    },
    Other {
        text: &'static str,
    },
}

impl From<types::StreamEvent> for StreamEvent {
    fn from(event: types::StreamEvent) -> Self {
        let text = "";
        match event {
            types::StreamEvent::Text { text } => Self::Text { text },
            types::StreamEvent::Reasoning { reasoning } => Self::Reasoning { text, reasoning },
            types::StreamEvent::Refusal { refusal } => Self::Refusal { text, refusal },
            types::StreamEvent::ToolCall(types::ToolCallDelta {
                index,
                id,
                name,
                arguments,
            }) => Self::ToolCall {
                text,
                tool_call: ToolCallDelta {
                    index,
                    id,
                    name,
                    arguments,
                },
            },
            types::StreamEvent::Restart { target } => Self::Restart { text, target },
            types::StreamEvent::Continue { target } => Self::Continue { text, target },
            types::StreamEvent::Finish { reply } => Self::Finish {
                text,
                target: reply.target.clone(),
                reply: Box::new(Reply::from(*reply)),
            },
            // The core's enum may grow; a test holds that it has not.
            _ => Self::Other { text },
        }
    }
}

/// The fields of a `HotspareError`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failed {
    exception: &'static str,
    message: String,
    code: &'static str,
    class: Option<&'static str>,
    status: Option<u16>,
    retry_after: Option<f64>,
    target: Option<String>,
    phase: Option<Phase>,
    maybe_sent: bool,
    vendor_code: Option<String>,
    request_id: Option<String>,
    cost_min_usd: f64,
    cost_max_usd: Option<f64>,
    trail: Vec<Attempt>,
    partial: Option<Completion>,
    last: Option<Box<Failed>>,
}

impl From<ErrorRecord> for Failed {
    fn from(record: ErrorRecord) -> Self {
        let ErrorRecord {
            kind: _,
            class,
            code,
            exception,
            message,
            status,
            retry_after,
            target,
            phase,
            maybe_sent,
            vendor_code,
            request_id,
            cost_min_usd,
            cost_max_usd,
            trail,
            partial,
            last,
        } = record;
        Self {
            exception,
            message,
            code,
            class,
            status,
            retry_after,
            target,
            phase,
            maybe_sent,
            vendor_code,
            request_id,
            cost_min_usd,
            cost_max_usd,
            trail: attempts(trail),
            partial: partial.map(Completion::from),
            last: last.map(|last| Box::new(Self::from(*last))),
        }
    }
}
