use serde_json::{Value, json};

use crate::catalog::Quirks;
use crate::dialect::openai_responses::OPENAI_RESPONSES;
use crate::dialect::testing::{self, fold};
use crate::dialect::{Dialect as _, StreamDecoder};
use crate::types::{
    Completion, Delta, DialectId, Failure, FailureClass, FinishReason, ReasoningBlock, ToolCall, Usage,
};

fn decode(body: &Value) -> Result<Completion, Failure> {
    OPENAI_RESPONSES.decode(body.to_string().as_bytes())
}

fn stream(events: &[Value]) -> (Vec<Delta>, Result<(), Failure>) {
    testing::stream(&OPENAI_RESPONSES, events)
}

fn reply(status: &str, output: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "model": "gpt", "status": status, "output": output})
}

fn output() -> Value {
    json!([
        {"type": "reasoning", "id": "rs", "encrypted_content": "enc",
         "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then."}]},
        {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"query": "q"}},
        {"type": "message", "id": "m", "role": "assistant", "status": "completed",
         "content": [{"type": "output_text", "text": "hel", "annotations": []}, {"type": "output_text", "text": "lo"}]},
        {"type": "function_call", "id": "fc1", "call_id": "c1", "name": "f", "arguments": "{\"a\": 1}", "status": "completed"},
        {"type": "function_call", "id": "fc2", "call_id": "c2", "name": "g", "arguments": "", "status": "completed"},
        {"type": "custom_tool_call", "id": "ct", "call_id": "c3", "name": "h", "input": "free text", "status": "completed"},
    ])
}

fn events() -> Vec<Value> {
    let mut done = reply("completed", output());
    done["usage"] = usage();
    let output = output();
    let item = |kind: &str, at: usize, item: Value| json!({"type": kind, "output_index": at, "item": item});
    let mut events = vec![
        json!({"type": "response.created", "response": reply("in_progress", json!([]))}),
        item(
            "response.output_item.added",
            0,
            json!({"type": "reasoning", "id": "rs", "summary": []}),
        ),
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "First."}),
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 1, "delta": "The"}),
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 1, "delta": "n."}),
        json!({"type": "response.web_search_call.searching", "output_index": 1}),
        item(
            "response.output_item.added",
            2,
            json!({"type": "message", "content": []}),
        ),
        json!({"type": "response.output_text.delta", "output_index": 2, "content_index": 0, "delta": "hel"}),
        json!({"type": "response.output_text.delta", "output_index": 2, "content_index": 1, "delta": "lo"}),
        json!({"type": "response.output_text.done", "output_index": 2, "content_index": 1, "text": "lo"}),
        json!({"type": "response.something_new", "delta": "never text"}),
        item(
            "response.output_item.added",
            3,
            json!({"type": "function_call", "call_id": "c1", "name": "f", "arguments": "", "status": "in_progress"}),
        ),
        json!({"type": "response.function_call_arguments.delta", "output_index": 3, "delta": "{\"a\":"}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 3, "delta": " 1}"}),
        json!({"type": "response.function_call_arguments.done", "output_index": 3, "arguments": "{\"a\": 1}"}),
        item(
            "response.output_item.added",
            5,
            json!({"type": "custom_tool_call", "call_id": "c3", "name": "h", "input": ""}),
        ),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 5, "delta": "free"}),
    ];
    // The second call comes with its end only, and the last one ends with what its pieces left out.
    let at = |i: usize| item("response.output_item.done", i, output[i].clone());
    events.splice(15..15, [at(4)]);
    events.extend([at(0), at(1), at(2), at(3), at(5)]);
    events.push(json!({"type": "response.completed", "response": done}));
    events
}

fn usage() -> Value {
    json!({"input_tokens": 30, "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 5},
           "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 8}, "total_tokens": 50})
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        signature: None,
        ..ToolCall::default()
    }
}

#[test]
fn whole_and_streamed_say_the_same() {
    let expected = Completion {
        id: Some("resp_1".to_owned()),
        model: Some("gpt".to_owned()),
        text: "hello".to_owned(),
        reasoning: "First.\n\nThen.".to_owned(),
        reasoning_blocks: vec![ReasoningBlock {
            dialect: DialectId::OpenaiResponses,
            id: Some("rs".to_owned()),
            text: "First.\n\nThen.".to_owned(),
            signature: None,
            redacted: Some("enc".to_owned()),
        }],
        refusal: None,
        tool_calls: vec![
            call("c1", "f", "{\"a\": 1}"),
            call("c2", "g", "{}"),
            call("c3", "h", "free text"),
        ],
        finish_reason: Some(FinishReason::ToolCalls),
        finish_raw: Some("completed".to_owned()),
        usage: Usage {
            reported: true,
            input_tokens: 30,
            output_tokens: 20,
            cache_read_tokens: 10,
            cache_write_tokens: 5,
            cache_write_1h_tokens: 0,
            reasoning_tokens: 8,
        },
    };
    let mut whole = reply("completed", output());
    whole["usage"] = usage();
    assert_eq!(decode(&whole), Ok(expected.clone()));
    let (deltas, ended) = stream(&events());
    assert_eq!(ended, Ok(()));
    assert_eq!(fold(&deltas), expected);
    // A server that only sends the last event.
    let (deltas, ended) = stream(&[json!({"type": "response.completed", "response": whole})]);
    assert_eq!((fold(&deltas), ended), (expected, Ok(())));
}

#[test]
fn every_split_gives_the_same() {
    let text: String = events()
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
        .collect();
    let read = |pieces: &[&[u8]]| {
        let mut decoder = StreamDecoder::new(&OPENAI_RESPONSES, &Quirks::default());
        let mut out = Vec::new();
        for piece in pieces {
            decoder.push(piece, &mut out).unwrap();
        }
        assert!(decoder.finished());
        decoder.finish(&mut out).unwrap();
        out
    };
    let whole = read(&[text.as_bytes()]);
    for at in 0..text.len() {
        let (head, tail) = text.as_bytes().split_at(at);
        assert_eq!(read(&[head, tail]), whole, "{at}");
    }
}

#[test]
fn a_stream_ends_by_its_last_event_only() {
    let mut cut = events();
    cut.pop();
    let (_, ended) = stream(&cut);
    assert_eq!(ended.unwrap_err().class, FailureClass::Malformed);
    let mut with_marker: String = events()
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    with_marker.push_str("data: [DONE]\n\n");
    let mut decoder = StreamDecoder::new(&OPENAI_RESPONSES, &Quirks::default());
    let mut out = Vec::new();
    decoder.push(with_marker.as_bytes(), &mut out).unwrap();
    assert_eq!(decoder.finish(&mut out), Ok(()));
    assert_eq!(fold(&out), fold(&stream(&events()).0));
}

#[test]
fn finish_reasons() {
    use FinishReason as F;
    let text = json!([{"type": "message", "content": [{"type": "output_text", "text": "a"}]}]);
    let refusal = json!([{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}]);
    let call = |arguments: &str, status: &str| json!([{"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments, "status": status}]);
    for (status, why, output, expected, raw) in [
        ("completed", json!(null), text.clone(), F::Stop, "completed"),
        ("completed", json!(null), refusal, F::Refusal, "completed"),
        ("completed", json!(null), json!([]), F::Stop, "completed"),
        (
            "incomplete",
            json!({"reason": "max_output_tokens"}),
            text.clone(),
            F::Length,
            "max_output_tokens",
        ),
        (
            "incomplete",
            json!({"reason": "content_filter"}),
            text.clone(),
            F::ContentFilter,
            "content_filter",
        ),
        (
            "incomplete",
            json!({"reason": "fatigue"}),
            text.clone(),
            F::Other,
            "fatigue",
        ),
        ("incomplete", json!(null), text.clone(), F::Other, "incomplete"),
        ("asleep", json!(null), text, F::Other, "asleep"),
        (
            "incomplete",
            json!({"reason": "max_output_tokens"}),
            call("{\"a\"", ""),
            F::Length,
            "max_output_tokens",
        ),
        (
            "incomplete",
            json!({"reason": "max_output_tokens"}),
            call("{}", "incomplete"),
            F::Length,
            "max_output_tokens",
        ),
        (
            "incomplete",
            json!({"reason": "max_output_tokens"}),
            call("{}", "completed"),
            F::ToolCalls,
            "max_output_tokens",
        ),
    ] {
        let mut whole = reply(status, output);
        whole["incomplete_details"] = why;
        let done = decode(&whole).unwrap();
        assert_eq!(done.finish_reason, Some(expected), "{whole}");
        assert_eq!(done.finish_raw.as_deref(), Some(raw));
        let (deltas, ended) = stream(&[json!({"type": "response.incomplete", "response": whole})]);
        assert_eq!((fold(&deltas), ended), (done, Ok(())));
    }
}

#[test]
fn refusals_and_readable_reasoning_stream() {
    let item = json!({"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]});
    let (deltas, ended) = stream(&[
        json!({"type": "response.reasoning_text.delta", "output_index": 0, "delta": "hm"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.refusal.delta", "output_index": 1, "delta": "I "}),
        json!({"type": "response.refusal.delta", "output_index": 1, "delta": "won't"}),
        json!({"type": "response.completed", "response": reply("completed", json!([]))}),
    ]);
    assert_eq!(ended, Ok(()));
    let done = fold(&deltas);
    assert_eq!(done.reasoning, "hm");
    assert_eq!(done.refusal.as_deref(), Some("I won't"));
    assert_eq!(done.finish_reason, Some(FinishReason::Refusal));
    let block = &done.reasoning_blocks[0];
    assert_eq!(
        (block.text.as_str(), block.signature.as_deref()),
        ("hm", Some("reasoning_text"))
    );
    // Nothing that the vendor would know again without having stored it.
    let whole = reply(
        "completed",
        json!([{"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "s"}]}]),
    );
    let done = decode(&whole).unwrap();
    assert_eq!((done.reasoning.as_str(), done.reasoning_blocks.len()), ("s", 0));
}

#[test]
fn what_is_no_reply_is_malformed() {
    for body in [
        "",
        "  ",
        "<html>",
        "{",
        "[]",
        "{}",
        "\"a\"",
        r#"{"output": 5}"#,
        r#"{"output": [], "status": "queued"}"#,
    ] {
        let failure = OPENAI_RESPONSES.decode(body.as_bytes()).unwrap_err();
        assert_eq!(failure.class, FailureClass::Malformed, "{body}");
        assert!(!failure.message.is_empty());
    }
    let odd = json!([5, null, {"type": "message", "content": 3}, {"type": "function_call"}, {"type": "message", "content": [null, {"text": 1}]}]);
    let done = decode(&reply("completed", odd)).unwrap();
    assert_eq!(done.tool_calls, [call("call_resp_1_0", "", "{}")]);
    let (_, ended) = stream(&[json!({"type": "response.completed"})]);
    assert_eq!(ended.unwrap_err().class, FailureClass::Malformed);
}

#[test]
fn calls_are_bounded() {
    let calls: Vec<Value> = (0..1025)
        .map(|at| {
            json!({"type": "response.output_item.added", "output_index": at,
                "item": {"type": "function_call", "call_id": "c", "name": "f"}})
        })
        .collect();
    assert!(stream(&calls).1.unwrap_err().message.contains("1024"));
    let output: Vec<&Value> = calls.iter().map(|call| &call["item"]).collect();
    let failure = decode(&reply("completed", json!(output))).unwrap_err();
    assert!(failure.message.contains("1024"));
}
