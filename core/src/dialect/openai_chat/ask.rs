//! A client's request: our own requests have this shape, so that little is left to do.

use serde_json::{Value, json};

use crate::dialect::Asked;
use crate::dialect::asked::{Fields, wrong_at};
use crate::types::{ChatRequest, DialectId, Failure, JsonMap};

pub(super) fn ask(body: &[u8]) -> Result<Asked, Failure> {
    let mut fields = Fields::of_body(body)?;
    let model = fields.read("model")?;
    let stream = fields.read("stream")?.unwrap_or_default();
    // OpenRouter's, where ours is the caller's way to name a plan.
    let route = fields.take("route");
    let mut body = fields.rest();
    spell_out(&mut body);
    let mut request: ChatRequest = serde_path_to_error::deserialize(Value::Object(body))
        .map_err(|error| wrong_at(error.path(), error.inner()))?;
    if let Some(route) = route {
        let own = request
            .provider_options
            .entry(DialectId::OpenaiChat.as_str().to_owned());
        own.or_default().insert("route".to_owned(), route);
    }
    Ok(Asked {
        request,
        model,
        stream,
    })
}

/// Mistral's short forms: an image that is a bare URL, and a tool that does not say that it is a function.
fn spell_out(body: &mut JsonMap) {
    let messages = body.get_mut("messages").and_then(Value::as_array_mut);
    let contents = messages
        .into_iter()
        .flatten()
        .filter_map(|message| message.get_mut("content")?.as_array_mut());
    for url in contents.flatten().filter_map(|part| part.get_mut("image_url")) {
        if url.is_string() {
            *url = json!({"url": url.take()});
        }
    }
    let tools = body.get_mut("tools").and_then(Value::as_array_mut);
    for tool in tools.into_iter().flatten().filter_map(Value::as_object_mut) {
        if tool.contains_key("function") && !tool.contains_key("type") {
            tool.insert("type".to_owned(), json!("function"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::FailureClass;

    #[test]
    fn reads_a_request() {
        let body = json!({"model": "gpt-4o", "stream": true, "route": "fallback", "service_tier": "flex",
            "max_completion_tokens": 5, "tools": [{"function": {"name": "f"}}],
            "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "https://a/b.png"}]}]});
        let asked = ask(body.to_string().as_bytes()).unwrap();
        assert_eq!((asked.model.as_deref(), asked.stream), (Some("gpt-4o"), true));
        assert_eq!(
            serde_json::to_value(&asked.request).unwrap(),
            json!({"max_tokens": 5, "service_tier": "flex",
                "tools": [{"type": "function", "function": {"name": "f"}}],
                "messages": [{"role": "user", "content": [
                    {"type": "image_url", "image_url": {"url": "https://a/b.png"}}]}],
                "provider_options": {"openai_chat": {"route": "fallback"}}})
        );
    }

    #[test]
    fn names_what_is_wrong() {
        for (body, at) in [
            ("{", "body"),
            (r#"{"messages": "hi", "model": 3}"#, "model"),
            (r#"{"messages": [{"role": "cook"}]}"#, "messages[0]"),
            (r#"{"messages": "hi", "tools": [{"type": "function"}]}"#, "tools"),
        ] {
            let failure = ask(body.as_bytes()).unwrap_err();
            assert_eq!(failure.class, FailureClass::InvalidRequest, "{body}");
            assert!(failure.code.as_deref().unwrap().starts_with(at), "{failure:?}");
        }
    }
}
