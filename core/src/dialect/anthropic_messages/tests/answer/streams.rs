use super::*;

#[test]
fn a_stream_begins_and_ends_as_the_vendors() {
    let all = streamed(
        &[text("he"), text(""), text("l\nlo")],
        Completion {
            reasoning_blocks: Vec::new(),
            tool_calls: Vec::new(),
            finish_reason: Some(FinishReason::Stop),
            ..full()
        },
    );
    let mut expected = vec![json!({"type": "message_start", "message": {
        "id": "msg_01AbC", "type": "message", "role": "assistant", "model": "gpt-4o", "content": [],
        "stop_reason": null, "stop_sequence": null, "stop_details": null,
        "usage": {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 0}}})];
    expected.extend(text_block(0, &["he", "l\nlo"]));
    expected.push(json!({"type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": null, "stop_details": null}, "usage": full_usage()}));
    expected.push(json!({"type": "message_stop"}));
    assert_eq!(all, expected);
}

#[test]
fn blocks_follow_one_another() {
    let done = full();
    let events = [
        reasoning("fir"),
        reasoning("st"),
        text("hello"),
        call(0, Some(("a", "f")), ""),
        call(0, None, "{\"a\": \"}\\\""),
        call(0, None, "\"}"),
        text("and"),
        reasoning("hm"),
        call(1, Some(("b", "g")), ""),
    ];
    let expected = [
        thinking_block(0, &["fir", "st"]),
        text_block(1, &["hello"]),
        call_block(2, "a", "f", &["{\"a\": \"}\\\"", "\"}"]),
        text_block(3, &["and"]),
        thinking_block(4, &["hm"]),
        call_block(5, "b", "g", &[]),
        hidden_block(6, &pack(&done.reasoning_blocks[0])),
        hidden_block(7, &pack(&done.reasoning_blocks[1])),
        hidden_block(8, &pack_mark(&done.tool_calls[0]).unwrap()),
    ];
    assert_eq!(blocks(&events, done), expected.concat());
}

/// What comes for a later block waits until the open call is whole, and no longer.
#[test]
fn mixed_calls_are_put_in_order() {
    let mixed = [
        call(0, Some(("a", "f")), "{"),
        call(1, Some(("b", "g")), "{\"x\""),
        text("so"),
        call(2, Some(("c", "h")), ""),
        call(1, None, ": [1]}"),
        text(" it is"),
        call(0, None, "}"),
        call(0, None, "\n"),
        call(1, None, " "),
        text("!"),
        call(2, None, "{}"),
        text("?"),
    ];
    let expected = [
        call_block(0, "a", "f", &["{", "}"]),
        call_block(1, "b", "g", &["{\"x\": [1]}"]),
        text_block(2, &["so"]),
        call_block(3, "c", "h", &["{}"]),
        text_block(4, &[" it is!", "?"]),
    ];
    assert_eq!(blocks(&mixed, Completion::default()), expected.concat());
    // It is told as soon as it can be.
    let mut writer = ANTHROPIC_MESSAGES.writer(opening(), &heard(&[]));
    let mut told = Vec::new();
    for event in &mixed {
        let mut out = Vec::new();
        writer.event(event, &mut out);
        told.push(read(&out).len());
    }
    assert_eq!(told, [3, 0, 0, 0, 0, 0, 9, 0, 0, 0, 4, 1]);
}

/// What is still waiting when the answer ends is told then.
#[test]
fn a_call_that_is_cut_off_keeps_nothing_back() {
    let events = [
        call(0, Some(("a", "f")), "{\"x"),
        text("so"),
        call(1, Some(("b", "g")), "{"),
    ];
    let expected = [
        call_block(0, "a", "f", &["{\"x"]),
        text_block(1, &["so"]),
        call_block(2, "b", "g", &["{"]),
    ];
    assert_eq!(blocks(&events, Completion::default()), expected.concat());
}

#[test]
fn what_says_nothing_writes_nothing() {
    let events = [
        StreamEvent::Continue {
            target: "a/b".to_owned(),
        },
        StreamEvent::Refusal {
            refusal: "no".to_owned(),
        },
        reasoning(""),
    ];
    assert_eq!(blocks(&events, Completion::default()), Vec::<Value>::new());
}
