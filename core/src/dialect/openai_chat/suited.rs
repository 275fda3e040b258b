//! The request as OpenAI takes it, where it came in words that others take.

use std::borrow::Cow;

use crate::dialect::fit::Fit;
use crate::types::{ChatRequest, Content, Message, Part, PartBody, Role};

/// The request with what tools showed in a message of the user's, right after the run of results: OpenAI takes only text
/// from a tool. Borrowed where no tool showed anything.
pub(super) fn suited<'a>(request: &'a ChatRequest, fit: &mut Fit) -> Cow<'a, ChatRequest> {
    let shows = |message: &Message| message.role == Role::Tool && has_media(&message.content);
    if !request.messages.iter().any(shows) {
        return Cow::Borrowed(request);
    }
    let mut messages = Vec::with_capacity(request.messages.len().saturating_add(1));
    let mut shown: Vec<Part> = Vec::new();
    for (i, message) in request.messages.iter().enumerate() {
        if message.role != Role::Tool {
            show(&mut messages, &mut shown);
        }
        let mut message = message.clone();
        if shows(&message)
            && let Content::Parts(parts) = &mut message.content
        {
            fit.note(format!(
                "messages[{i}].content: what is not text moved to a message behind the tools' results, since the vendor takes only text from a tool"
            ));
            shown.extend(parts.extract_if(.., |part| is_media(&part.body)));
            if parts.is_empty() {
                message.content = Content::Text("See the next message.".to_owned());
            }
        }
        messages.push(message);
    }
    show(&mut messages, &mut shown);
    Cow::Owned(ChatRequest {
        messages,
        ..request.clone()
    })
}

fn show(messages: &mut Vec<Message>, shown: &mut Vec<Part>) {
    if !shown.is_empty() {
        let mut message = Message::new(Role::User, "");
        message.content = Content::Parts(std::mem::take(shown));
        messages.push(message);
    }
}

fn has_media(content: &Content) -> bool {
    match content {
        Content::Text(_) => false,
        Content::Parts(parts) => parts.iter().any(|part| is_media(&part.body)),
    }
}

const fn is_media(body: &PartBody) -> bool {
    matches!(
        body,
        PartBody::ImageUrl { .. } | PartBody::InputAudio { .. } | PartBody::File { .. }
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_tools_show_follows_their_results() {
        let image =
            |n: u8| json!({"type": "image_url", "image_url": {"url": format!("https://x.example/{n}.png")}});
        let text = json!({"type": "text", "text": "two"});
        let result =
            |id: &str, content: Value| json!({"role": "tool", "tool_call_id": id, "content": content});
        let request = json!({"messages": [
            {"role": "user", "content": "look"},
            result("a", json!([text, image(1)])), result("b", json!([image(2)])), result("c", json!("plain")),
            {"role": "assistant", "content": "ok"},
            result("d", json!([image(3)])),
        ]});
        let request: ChatRequest = serde_json::from_value(request).unwrap();
        let mut fit = Fit::new(false);
        let sent = serde_json::to_value(suited(&request, &mut fit).as_ref()).unwrap();
        let next = "See the next message.";
        assert_eq!(
            sent["messages"],
            json!([
                {"role": "user", "content": "look"},
                result("a", json!([text])), result("b", json!(next)), result("c", json!("plain")),
                {"role": "user", "content": [image(1), image(2)]},
                {"role": "assistant", "content": "ok"},
                result("d", json!(next)),
                {"role": "user", "content": [image(3)]},
            ])
        );
        let said: Vec<_> = fit
            .adapted
            .iter()
            .map(|line| line.split(':').next().unwrap())
            .collect();
        assert_eq!(
            said,
            [
                "messages[1].content",
                "messages[2].content",
                "messages[5].content"
            ]
        );
    }
}
