//! The formats that clients may speak, and what each can say.

use hotspare::types::{
    ChatRequest, Completion, Content, DialectId, FailureClass, PartBody, ReasoningBlock, Role, ToolCall,
    Usage,
};
use serde_json::Value;

/// A format.
pub(crate) struct Format {
    pub(crate) id: DialectId,
    pub(crate) path: &'static str,
    /// A client's request for a stream, with all its counts.
    pub(crate) asks: fn() -> Value,
    /// What of a reply is read again.
    pub(crate) reads: fn(Completion) -> Completion,
    /// The client's next request, which has the written reply as a turn, as its SDK hands it back.
    pub(crate) sends_back: fn(&Value) -> Value,
    /// What of a reply is in a turn that was sent back.
    pub(crate) keeps: fn(Completion) -> Completion,
    /// Whether reasoning that goes on after something else is a paragraph of its own.
    pub(crate) paragraphs: bool,
    /// The class that an error of a class is read as; `true` in a stream.
    pub(crate) class: fn(FailureClass, bool) -> FailureClass,
}

/// Every format that has a writer.
pub(crate) const FORMATS: &[Format] = &[
    crate::anthropic_messages::FORMAT,
    crate::openai_chat::FORMAT,
    crate::openai_responses::FORMAT,
];

/// What a turn says, whatever it was made of.
#[derive(Debug, PartialEq)]
pub(crate) struct Turn {
    text: String,
    refusal: String,
    calls: Vec<ToolCall>,
    reasoning: Vec<ReasoningBlock>,
}

/// What a reply says as a turn.
pub(crate) fn turn(done: &Completion) -> Turn {
    Turn {
        text: done.text.clone(),
        refusal: done.refusal.clone().unwrap_or_default(),
        calls: done.tool_calls.iter().map(spaced_alike).collect(),
        reasoning: done.reasoning_blocks.clone(),
    }
}

/// What the turns of the model in a request say, together.
pub(crate) fn sent_back(request: &ChatRequest) -> Turn {
    let mut turn = turn(&Completion::default());
    for message in request
        .messages
        .iter()
        .filter(|message| message.role == Role::Assistant)
    {
        match &message.content {
            Content::Text(text) => turn.text.push_str(text),
            Content::Parts(parts) => {
                for part in parts {
                    match &part.body {
                        PartBody::Text { text } => turn.text.push_str(text),
                        PartBody::Refusal { refusal } => turn.refusal.push_str(refusal),
                        other => panic!("{other:?} in a turn"),
                    }
                }
            }
        }
        turn.refusal
            .push_str(message.refusal.as_deref().unwrap_or_default());
        turn.calls.extend(message.tool_calls.iter().map(spaced_alike));
        turn.reasoning.extend(message.reasoning.iter().cloned());
    }
    turn
}

/// The call with its arguments as every writer of JSON has them, and without what stands around those that are no object
/// where a format takes objects only.
fn spaced_alike(call: &ToolCall) -> ToolCall {
    let mut call = call.clone();
    if let Ok(value) = serde_json::from_str::<Value>(&call.arguments) {
        let odd = value.get("INVALID_JSON").and_then(Value::as_str);
        call.arguments = odd.map_or_else(|| value.to_string(), str::to_owned);
    }
    call
}

/// A reply without what is another in each format: the names of reply and model, and the vendor's words.
pub(crate) fn plain(mut done: Completion) -> Completion {
    done.id = None;
    done.model = None;
    done.finish_raw = None;
    if !done.usage.reported {
        done.usage = Usage::default();
    }
    done.tool_calls = done.tool_calls.iter().map(spaced_alike).collect();
    done
}

/// The class of an HTTP error where every vendor has words for the same.
pub(crate) fn usual(class: FailureClass) -> FailureClass {
    use FailureClass as C;
    match class {
        C::Connect | C::Reset | C::Malformed => C::Server,
        C::Unsupported => C::InvalidRequest,
        C::BudgetExceeded => C::QuotaExhausted,
        C::Cancelled => C::Timeout,
        class => class,
    }
}
