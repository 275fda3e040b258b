//! The one piece of a reply that the hosts hand back, made alike for all of them.

use hotspare::types::Completion;
use serde_json::{Map, Value, json};

/// The assistant message to append to the history: OpenAI's shape, with what vendors want handed back.
#[must_use]
pub fn assistant_message(completion: &Completion) -> Value {
    let mut map = Map::new();
    map.insert("role".to_owned(), json!("assistant"));
    let silent =
        completion.text.is_empty() && (!completion.tool_calls.is_empty() || completion.refusal.is_some());
    let content = if silent {
        Value::Null
    } else {
        json!(completion.text)
    };
    map.insert("content".to_owned(), content);
    if let Some(refusal) = &completion.refusal {
        map.insert("refusal".to_owned(), json!(refusal));
    }
    if !completion.tool_calls.is_empty() {
        map.insert("tool_calls".to_owned(), json!(completion.tool_calls));
    }
    if !completion.reasoning_blocks.is_empty() {
        map.insert("reasoning_details".to_owned(), json!(completion.reasoning_blocks));
    }
    Value::Object(map)
}
