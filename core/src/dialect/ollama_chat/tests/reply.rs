use std::time::SystemTime;

use http::StatusCode;
use serde_json::{Value, json};

use crate::catalog::Quirks;
use crate::dialect::common::MAX_CALLS;
use crate::dialect::ollama_chat::OLLAMA_CHAT;
use crate::dialect::testing::{fold, headers};
use crate::dialect::{Dialect as _, StreamDecoder};
use crate::types::{
    Completion, Delta, DialectId, Failure, FailureClass, FinishReason, ReasoningBlock, ToolCall, Usage,
};

const MOMENT: &str = "2026-05-24T21:01:59.481632Z";

fn decode(body: &Value) -> Result<Completion, Failure> {
    OLLAMA_CHAT.decode(body.to_string().as_bytes())
}

fn run(pieces: &[&[u8]]) -> (Vec<Delta>, Result<(), Failure>) {
    let mut decoder = StreamDecoder::new(&OLLAMA_CHAT, &Quirks::default());
    let mut deltas = Vec::new();
    let ended = pieces
        .iter()
        .try_for_each(|piece| decoder.push(piece, &mut deltas))
        .and_then(|()| decoder.finish(&mut deltas));
    (deltas, ended)
}

fn text(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn stream(lines: &[Value]) -> (Vec<Delta>, Result<(), Failure>) {
    run(&[text(lines).as_bytes()])
}

fn line(message: Value) -> Value {
    json!({"model": "qwen3", "created_at": MOMENT, "message": message, "done": false})
}

fn end(reason: &str) -> Value {
    json!({"model": "qwen3", "created_at": MOMENT, "message": {"role": "assistant", "content": ""},
        "done": true, "done_reason": reason, "total_duration": 2_685_412_125u64,
        "prompt_eval_count": 17, "eval_count": 66})
}

fn calls() -> Value {
    json!([
        {"function": {"index": 0, "name": "f", "arguments": {"b": 1, "a": [null]}}},
        {"id": "call_x", "function": {"name": "g", "arguments": {}}},
    ])
}

fn lines() -> Vec<Value> {
    vec![
        line(json!({"role": "assistant", "content": "", "thinking": "h"})),
        line(json!({"role": "assistant", "content": "", "thinking": "m"})),
        line(json!({"role": "assistant", "content": "hel"})),
        line(json!({"role": "assistant", "content": "lo 😀"})),
        line(json!({"role": "assistant", "content": "", "tool_calls": calls()})),
        end("stop"),
    ]
}

#[test]
fn a_stream_says_what_the_whole_reply_says() {
    let mut body = end("stop");
    body["message"] =
        json!({"role": "assistant", "content": "hello 😀", "thinking": "hm", "tool_calls": calls()});
    let whole = decode(&body).unwrap();
    let (deltas, ended) = stream(&lines());
    assert_eq!(ended, Ok(()));
    assert_eq!(fold(&deltas), whole);
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        signature: None,
        ..ToolCall::default()
    };
    assert_eq!(
        whole,
        Completion {
            id: None,
            model: Some("qwen3".to_owned()),
            text: "hello 😀".to_owned(),
            reasoning: "hm".to_owned(),
            reasoning_blocks: vec![ReasoningBlock {
                dialect: DialectId::OllamaChat,
                id: None,
                text: "hm".to_owned(),
                signature: None,
                redacted: None,
            }],
            refusal: None,
            tool_calls: vec![
                call("call_2026-05-24T210159481632Z_0", "f", "{\"b\":1,\"a\":[null]}"),
                call("call_x", "g", "{}"),
            ],
            finish_reason: Some(FinishReason::ToolCalls),
            finish_raw: Some("stop".to_owned()),
            usage: Usage {
                reported: true,
                input_tokens: 17,
                output_tokens: 66,
                ..Usage::default()
            },
        }
    );
    // A stream where a whole reply was asked for.
    assert_eq!(OLLAMA_CHAT.decode(text(&lines()).as_bytes()).unwrap(), whole);
}

#[test]
fn every_split_gives_the_same() {
    let text = text(&lines());
    let bytes = text.as_bytes();
    let whole = run(&[bytes]);
    assert_eq!(whole.1, Ok(()));
    for cut in 0..bytes.len() {
        let (head, tail) = bytes.split_at(cut);
        assert_eq!(run(&[head, tail]), whole, "{cut}");
    }
    let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(run(&bytewise), whole);
    // The last line may lack its end.
    assert_eq!(run(&[text.trim_end().as_bytes()]), whole);
}

#[test]
fn replies_of_generate_are_read() {
    let body = json!({"model": "llama3", "response": "a niche topic", "thinking": "hm", "done": true,
        "done_reason": "stop", "context": [1, 2], "eval_count": 38});
    let done = decode(&body).unwrap();
    assert_eq!(
        (done.text.as_str(), done.reasoning.as_str()),
        ("a niche topic", "hm")
    );
    assert_eq!((done.usage.input_tokens, done.usage.output_tokens), (0, 38));
    assert!(done.usage.reported);
    let (deltas, ended) = stream(&[
        json!({"model": "llama3", "response": "", "thinking": "hm", "done": false}),
        json!({"model": "llama3", "response": "a niche", "done": false}),
        json!({"model": "llama3", "response": " topic", "done": false}),
        json!({"model": "llama3", "response": "", "done": true, "done_reason": "stop", "eval_count": 38}),
    ]);
    ended.unwrap();
    assert_eq!(fold(&deltas), done);
}

#[test]
fn finish_reasons() {
    use FinishReason as R;
    for (reason, called, expected, raw) in [
        (json!("stop"), false, R::Stop, Some("stop")),
        (json!("stop"), true, R::ToolCalls, Some("stop")),
        (json!("length"), false, R::Length, Some("length")),
        (json!("load"), false, R::Other, Some("load")),
        (json!(""), false, R::Stop, None),
        (Value::Null, false, R::Stop, None),
    ] {
        let mut body = json!({"message": {"content": "a"}, "done": true, "done_reason": reason});
        if called {
            body["message"]["tool_calls"] = json!([{"function": {"name": "f"}}]);
        }
        let done = decode(&body).unwrap();
        assert_eq!(done.finish_reason, Some(expected), "{reason}");
        assert_eq!(done.finish_raw.as_deref(), raw);
        assert_eq!(done.usage, Usage::default());
    }
}

#[test]
fn calls_of_other_shapes_are_read() {
    let body = json!({"message": {"tool_calls": [
        {"function": {"name": "f", "arguments": "{\"a\": 1}"}},
        {"function": {"name": "g", "arguments": null}},
        {},
    ]}, "done": true});
    let calls: Vec<_> = decode(&body)
        .unwrap()
        .tool_calls
        .into_iter()
        .map(|call| (call.id, call.name, call.arguments))
        .collect();
    let expected = [
        ("call_0", "f", "{\"a\": 1}"),
        ("call_1", "g", "{}"),
        ("call_2", "", "{}"),
    ];
    assert_eq!(
        calls,
        expected.map(|(id, name, arguments)| (id.to_owned(), name.to_owned(), arguments.to_owned()))
    );
}

#[test]
fn what_goes_wrong_in_a_200() {
    use FailureClass as C;
    let said = line(json!({"content": "a"}));
    for (last, class) in [
        (Value::Null, C::Malformed),
        (json!({}), C::Malformed),
        (json!([1]), C::Malformed),
        (
            json!({"error": "an error was encountered while running the model"}),
            C::Server,
        ),
        (
            json!({"error": {"message": "the input length exceeds the context length"}}),
            C::ContextLength,
        ),
        (
            json!({"error": "you have reached your weekly usage limit"}),
            C::QuotaExhausted,
        ),
        (json!({"error": 7}), C::Server),
    ] {
        let (deltas, ended) = stream(&[said.clone(), last.clone()]);
        assert_eq!(ended.unwrap_err().class, class, "{last}");
        assert_eq!(fold(&deltas).text, "a");
    }
    for body in [
        "<html>",
        "{\"done\": false}",
        "",
        "{\"done\": true} x",
        "[{\"done\": true}]",
    ] {
        let class = OLLAMA_CHAT.decode(body.as_bytes()).unwrap_err().class;
        assert_eq!(class, C::Malformed, "{body}");
    }
    // What follows the end does not count.
    let (deltas, ended) = stream(&[said, end("stop"), json!({"error": "late"})]);
    ended.unwrap();
    assert_eq!(fold(&deltas).finish_reason, Some(FinishReason::Stop));
}

#[test]
fn classifies_errors() {
    use FailureClass as C;
    for (status, error, class) in [
        (400, "missing request body", C::InvalidRequest),
        (
            400,
            "the input length exceeds the context length",
            C::ContextLength,
        ),
        (401, "unauthorized", C::Authentication),
        (404, "model 'llama3.2' not found", C::ModelNotFound),
        (
            429,
            "you (ann) have reached your session usage limit, please wait or upgrade to continue",
            C::QuotaExhausted,
        ),
        (429, "too many concurrent requests", C::RateLimited),
        (500, "model requires more system memory", C::Server),
        (502, "upstream cannot be reached", C::Server),
        (
            503,
            "server busy, please try again. maximum pending requests exceeded",
            C::Overloaded,
        ),
    ] {
        let body = json!({"error": error}).to_string();
        let failure = OLLAMA_CHAT.classify(
            StatusCode::from_u16(status).unwrap(),
            &headers(&[]),
            body.as_bytes(),
            SystemTime::UNIX_EPOCH,
            &Quirks::default(),
        );
        assert_eq!(failure.class, class, "{error}");
        assert_eq!(failure.message, error);
    }
    let failure = OLLAMA_CHAT.classify(
        StatusCode::NOT_FOUND,
        &headers(&[]),
        b"404 page not found",
        SystemTime::UNIX_EPOCH,
        &Quirks::default(),
    );
    assert_eq!(failure.class, C::ModelNotFound);
}

#[test]
fn calls_are_bounded() {
    let calls = vec![json!({"function": {"name": "f"}}); MAX_CALLS as usize + 1];
    let failure = decode(&json!({"message": {"tool_calls": calls}, "done": true})).unwrap_err();
    assert_eq!(failure.class, FailureClass::Malformed);
}
