use super::*;

#[test]
fn a_whole_reply_is_the_vendors_message() {
    let done = full();
    let first = pack(&block(DialectId::BedrockConverse, "", Some("sig"), None));
    let second = pack(&done.reasoning_blocks[1]);
    let mark = pack_mark(&done.tool_calls[0]).unwrap();
    let body = ANTHROPIC_MESSAGES.write_reply(&reply(done), &heard(&[]));
    // Arguments go as they came, for the sake of what is in them.
    let body = String::from_utf8(body).unwrap();
    assert!(
        body.contains(r#""input":{"n": 12345678901234567890123, "s": "é"}"#),
        "{body}"
    );
    let mut body: Value = serde_json::from_str(&body).unwrap();
    body["content"][5]["input"] = json!({});
    let expected = json!({
        "id": "msg_chatcmpl-9x", "type": "message", "role": "assistant", "model": "gpt-4o-2024",
        "content": [
            {"type": "thinking", "thinking": "first", "signature": first},
            {"type": "redacted_thinking", "data": second},
            {"type": "thinking", "thinking": ", then second", "signature": ""},
            {"type": "redacted_thinking", "data": mark},
            {"type": "text", "text": "hello"},
            {"type": "tool_use", "id": "a", "name": "f", "input": {}},
            {"type": "tool_use", "id": "b", "name": "g", "input": {}},
        ],
        "stop_reason": "tool_use", "stop_sequence": null, "stop_details": null, "usage": full_usage(),
    });
    assert_eq!(body, expected);
}

/// What is the vendor's own is not wrapped.
#[test]
fn the_vendors_own_reasoning_stays_as_it_is() {
    let own = DialectId::AnthropicMessages;
    let done = Completion {
        reasoning: "hm".to_owned(),
        reasoning_blocks: vec![
            block(own, "hm", Some("sig"), None),
            block(own, "", None, Some("xyz")),
        ],
        ..Completion::default()
    };
    assert_eq!(
        whole(&done)["content"],
        json!([{"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "xyz"}])
    );
}

#[test]
fn ids_and_models_are_never_missing() {
    let named = |id: &str| {
        whole(&Completion {
            id: Some(id.to_owned()),
            ..Completion::default()
        })
    };
    assert_eq!(named("msg_01")["id"], "msg_01");
    assert_eq!(named("resp_1\"\n")["id"], "msg_resp_1");
    let bare = whole(&Completion::default());
    assert_eq!(bare["id"], "msg_6ab13b803fe0000000000000");
    assert_eq!(bare["model"], "gpt-4o");
    assert_eq!(bare["content"], json!([]));
    assert_eq!(bare["usage"]["input_tokens"], 0);
}

/// Arguments that are no object are not lost, and what is written is JSON.
#[test]
fn odd_arguments_are_wrapped() {
    for (arguments, input) in [
        ("", json!({})),
        (" ", json!({})),
        ("{}", json!({})),
        (r#"{"a": "#, json!({"INVALID_JSON": r#"{"a": "#})),
        ("[1]", json!({"INVALID_JSON": "[1]"})),
        ("null", json!({"INVALID_JSON": "null"})),
        (
            r#"{"a": "\ud800"}"#,
            json!({"INVALID_JSON": r#"{"a": "\ud800"}"#}),
        ),
    ] {
        let done = Completion {
            tool_calls: vec![made_call("a", "f", arguments, None)],
            ..Completion::default()
        };
        assert_eq!(whole(&done)["content"][0]["input"], input, "{arguments}");
    }
}

#[test]
fn every_end_has_the_vendors_word() {
    use FinishReason as F;
    let refused = json!({"type": "refusal", "category": null, "explanation": "no"});
    let unexplained = json!({"type": "refusal", "category": null, "explanation": null});
    for (finish, refusal, called, reason, details) in [
        (Some(F::Stop), None, false, "end_turn", Value::Null),
        (Some(F::Stop), None, true, "tool_use", Value::Null),
        (Some(F::ToolCalls), None, true, "tool_use", Value::Null),
        (Some(F::StopSequence), None, false, "stop_sequence", Value::Null),
        (Some(F::Length), None, true, "max_tokens", Value::Null),
        (
            Some(F::ContextExceeded),
            None,
            false,
            "model_context_window_exceeded",
            Value::Null,
        ),
        (
            Some(F::ContentFilter),
            None,
            false,
            "refusal",
            unexplained.clone(),
        ),
        (Some(F::Refusal), Some(""), false, "refusal", unexplained),
        (Some(F::Refusal), Some("no"), false, "refusal", refused.clone()),
        (Some(F::Stop), Some("no"), false, "refusal", refused),
        (Some(F::Pause), None, false, "pause_turn", Value::Null),
        (Some(F::Error), None, false, "end_turn", Value::Null),
        (Some(F::Other), None, false, "end_turn", Value::Null),
        (None, None, false, "end_turn", Value::Null),
    ] {
        let mut done = Completion {
            finish_reason: finish,
            refusal: refusal.map(str::to_owned),
            ..Completion::default()
        };
        if called {
            done.tool_calls.push(made_call("a", "f", "{}", None));
        }
        let sequence = (reason == "stop_sequence").then_some("END");
        let said = json!({"stop_reason": reason, "stop_sequence": sequence, "stop_details": details});
        let body = whole(&done);
        for (field, value) in said.as_object().unwrap() {
            assert_eq!(&body[field], value, "{finish:?} {refusal:?}");
        }
        let events = streamed(&[], done);
        assert_eq!(events[1]["delta"], said, "{finish:?} {refusal:?}");
    }
    // Which of several stop texts it was, nobody knows.
    let done = Completion {
        finish_reason: Some(F::StopSequence),
        ..Completion::default()
    };
    let body = ANTHROPIC_MESSAGES.write_reply(&reply(done), &heard(&["a", "b"]));
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&body["stop_reason"], &body["stop_sequence"]),
        (&json!("stop_sequence"), &Value::Null)
    );
}
