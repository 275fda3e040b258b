use super::*;

/// The turn as a client hands it back: whole, or put together from a stream.
fn handed_back(content: &Value) -> (Vec<crate::types::Message>, Value) {
    let body = json!({"model": "claude", "max_tokens": 9, "messages": [
        {"role": "user", "content": "hi"}, {"role": "assistant", "content": content}]});
    let asked = ANTHROPIC_MESSAGES
        .decode_request("/v1/messages", body.to_string().as_bytes())
        .unwrap();
    let encoded = crate::dialect::encode(
        &ANTHROPIC_MESSAGES,
        &crate::dialect::Call {
            request: &asked.request,
            provider: "anthropic",
            model: "claude",
            facts: None,
            quirks: &Quirks::default(),
            lossy: false,
            stream: false,
        },
    )
    .unwrap();
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    (
        asked.request.messages[1..].to_vec(),
        sent["messages"][1]["content"].clone(),
    )
}

/// The content of a message whose events these are, as the vendor's SDKs put it together.
fn assembled(events: &[Value]) -> Value {
    let mut content: Vec<Value> = Vec::new();
    let mut input = String::new();
    for event in events {
        let at = event["index"]
            .as_u64()
            .map(|index| usize::try_from(index).unwrap());
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!(at, Some(content.len()));
                content.push(event["content_block"].clone());
                input.clear();
            }
            "content_block_delta" => {
                let block = &mut content[at.unwrap()];
                for field in ["text", "thinking"] {
                    if let Some(said) = event["delta"][field].as_str() {
                        block[field] = json!(block[field].as_str().unwrap().to_owned() + said);
                    }
                }
                input.push_str(event["delta"]["partial_json"].as_str().unwrap_or_default());
                if !input.is_empty() {
                    block["input"] = serde_json::from_str(&input).unwrap_or_default();
                }
            }
            _ => {}
        }
    }
    Value::Array(content)
}

/// Whether it came whole or as a stream, another vendor's reasoning finds its way back to that vendor, and to no other.
#[test]
fn reasoning_of_others_comes_back_as_it_was() {
    let mut done = full();
    done.tool_calls[0].arguments = r#"{"n":1}"#.to_owned();
    done.tool_calls[1].arguments = "{}".to_owned();
    done.reasoning = "first".to_owned();
    let events = [
        reasoning("fir"),
        reasoning("st"),
        text("hello"),
        call(0, Some(("a", "f")), r#"{"n":1}"#),
        call(1, Some(("b", "g")), "{}"),
    ];
    for content in [
        whole(&done)["content"].clone(),
        assembled(&blocks(&events, done.clone())),
    ] {
        let (messages, sent) = handed_back(&content);
        assert_eq!(messages.len(), 1, "{content}");
        assert_eq!(messages[0].reasoning, done.reasoning_blocks, "{content}");
        assert_eq!(messages[0].tool_calls, done.tool_calls);
        assert_eq!(
            messages[0].content,
            crate::types::Content::Text("hello".to_owned())
        );
        assert_eq!(
            sent,
            json!([{"type": "text", "text": "hello"}, {"type": "tool_use", "id": "a", "name": "f", "input": {"n": 1}},
                {"type": "tool_use", "id": "b", "name": "g", "input": {}}])
        );
    }
}

/// Reasoning that nobody signed stays readable, for vendors that want it back; this one never gets it.
#[test]
fn unsigned_reasoning_is_not_sent_to_the_vendor() {
    let done = Completion {
        reasoning: "hm".to_owned(),
        reasoning_blocks: vec![block(DialectId::Gemini, "", Some("sig"), None)],
        text: "hello".to_owned(),
        ..Completion::default()
    };
    let (messages, sent) = handed_back(&whole(&done)["content"]);
    assert_eq!(
        messages[0].reasoning,
        [
            done.reasoning_blocks[0].clone(),
            block(DialectId::AnthropicMessages, "hm", None, None)
        ]
    );
    assert_eq!(sent, json!([{"type": "text", "text": "hello"}]));
}

/// A stream may be put together of two vendors' answers, one of them this one's.
#[test]
fn the_vendors_own_blocks_come_back_from_a_stream_too() {
    let own = block(DialectId::AnthropicMessages, "hm", Some("sig"), None);
    let done = Completion {
        reasoning: "hm".to_owned(),
        reasoning_blocks: vec![own, block(DialectId::AnthropicMessages, "", None, Some("xyz"))],
        text: "hello".to_owned(),
        ..Completion::default()
    };
    let content = assembled(&blocks(&[reasoning("hm"), text("hello")], done));
    let (_, sent) = handed_back(&content);
    assert_eq!(
        sent,
        json!([{"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "xyz"}, {"type": "text", "text": "hello"}])
    );
}
