use std::time::SystemTime;

use http::StatusCode;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::BEDROCK_CONVERSE;
use super::event;
use crate::catalog::Quirks;
use crate::dialect::testing::{fold, headers};
use crate::dialect::{Dialect as _, Framing, StreamDecoder};
use crate::types::{
    Completion, Delta, DialectId, Failure, FailureClass, FinishReason, ReasoningBlock, Usage,
};

fn decode(body: &Value) -> Result<Completion, Failure> {
    BEDROCK_CONVERSE.decode(body.to_string().as_bytes())
}

/// Streams bytes to the end in pieces: the deltas, and how it ended.
fn stream(pieces: &[&[u8]]) -> (Vec<Delta>, Result<(), Failure>) {
    let mut decoder = StreamDecoder::new(&BEDROCK_CONVERSE, &Quirks::default());
    let mut deltas = Vec::new();
    let pushed = pieces
        .iter()
        .try_for_each(|piece| decoder.push(piece, &mut deltas));
    let ended = pushed.and_then(|()| decoder.finish(&mut deltas));
    (deltas, ended)
}

fn start(index: u32, start: Value) -> Vec<u8> {
    event(
        "event",
        "contentBlockStart",
        &json!({"contentBlockIndex": index, "start": start, "p": "abc"}),
    )
}

fn piece(index: u32, delta: Value) -> Vec<u8> {
    event(
        "event",
        "contentBlockDelta",
        &json!({"contentBlockIndex": index, "delta": delta, "p": "a"}),
    )
}

fn close(index: u32) -> Vec<u8> {
    event("event", "contentBlockStop", &json!({"contentBlockIndex": index}))
}

fn stop(reason: &str) -> Vec<u8> {
    event("event", "messageStop", &json!({"stopReason": reason}))
}

fn metadata() -> Vec<u8> {
    event(
        "event",
        "metadata",
        &json!({"usage": usage(), "metrics": {"latencyMs": 1},
            "trace": {"promptRouter": {"invokedModelId": "arn:model"}}}),
    )
}

fn usage() -> Value {
    json!({"inputTokens": 10, "outputTokens": 20, "totalTokens": 35, "cacheReadInputTokens": 3,
        "cacheWriteInputTokens": 2, "cacheDetails": [{"ttl": "1h", "inputTokens": 1}, {"ttl": "5m", "inputTokens": 1}]})
}

fn whole_body() -> Value {
    json!({
        "output": {"message": {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
            {"reasoningContent": {"redactedContent": "eHl6"}},
            {"type": "text", "text": "hel"},
            {"citationsContent": {"content": [{"text": "l"}, {"text": "o"}], "citations": [{"title": "t"}]}},
            {"toolUse": {"toolUseId": "s", "name": "python", "input": {"a": 1}, "type": "server_tool_use"}},
            {"toolResult": {"toolUseId": "s", "content": [{"json": {"b": 2}}], "type": "python_result"}},
            {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}, "type": "tool_use"}},
            {"toolUse": {"toolUseId": "t2", "name": "g", "input": {}}},
            {"ofTomorrow": {}},
        ]}},
        "stopReason": "tool_use",
        "usage": usage(),
        "trace": {"promptRouter": {"invokedModelId": "arn:model"}},
    })
}

#[test]
fn a_stream_says_what_the_whole_reply_says() {
    let whole = decode(&whole_body()).unwrap();
    let bytes = [
        event("event", "messageStart", &json!({"role": "assistant", "p": "ab"})),
        piece(0, json!({"reasoningContent": {"text": "h"}})),
        piece(0, json!({"reasoningContent": {"text": "m"}})),
        piece(0, json!({"reasoningContent": {"signature": "sig"}})),
        close(0),
        piece(1, json!({"reasoningContent": {"redactedContent": "eA=="}})),
        piece(1, json!({"reasoningContent": {"redactedContent": "eXo="}})),
        close(1),
        piece(2, json!({"text": "hel"})),
        piece(2, json!({"citation": {"title": "t"}})),
        piece(2, json!({"text": "lo"})),
        close(2),
        start(
            3,
            json!({"toolUse": {"toolUseId": "s", "name": "python", "type": "server_tool_use"}}),
        ),
        piece(3, json!({"toolUse": {"input": "{\"a\":1}"}})),
        close(3),
        start(4, json!({"toolResult": {"toolUseId": "s", "status": "success"}})),
        piece(4, json!({"toolResult": [{"json": {"b": 2}}]})),
        close(4),
        start(5, json!({"toolUse": {"toolUseId": "t1", "name": "f"}})),
        piece(5, json!({"toolUse": {"input": ""}})),
        piece(5, json!({"toolUse": {"input": "{\"a\""}})),
        piece(5, json!({"toolUse": {"input": ":1}"}})),
        close(5),
        start(6, json!({"toolUse": {"toolUseId": "t2", "name": "g"}})),
        close(6),
        event("event", "ofTomorrow", &json!({})),
        stop("tool_use"),
        metadata(),
    ]
    .concat();
    let (deltas, ended) = stream(&[&bytes]);
    assert_eq!(ended, Ok(()));
    assert_eq!(fold(&deltas), whole);
    for cut in 0..bytes.len() {
        let (head, tail) = bytes.split_at(cut);
        assert_eq!(stream(&[head, tail]).0, deltas, "{cut}");
    }

    let block = |text: &str, signature: Option<&str>, redacted: Option<&str>| ReasoningBlock {
        dialect: DialectId::BedrockConverse,
        id: None,
        text: text.to_owned(),
        signature: signature.map(str::to_owned),
        redacted: redacted.map(str::to_owned),
    };
    assert_eq!(
        whole.reasoning_blocks,
        [block("hm", Some("sig"), None), block("", None, Some("eHl6"))]
    );
    assert_eq!((whole.text.as_str(), whole.reasoning.as_str()), ("hello", "hm"));
    assert_eq!(whole.model.as_deref(), Some("arn:model"));
    assert_eq!(whole.finish_reason, Some(FinishReason::ToolCalls));
    let calls: Vec<_> = whole
        .tool_calls
        .iter()
        .map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str()))
        .collect();
    assert_eq!(calls, [("t1", "f", "{\"a\":1}"), ("t2", "g", "{}")]);
    assert_eq!(
        whole.usage,
        Usage {
            reported: true,
            input_tokens: 15,
            output_tokens: 20,
            cache_read_tokens: 3,
            cache_write_tokens: 2,
            cache_write_1h_tokens: 1,
            reasoning_tokens: 0,
        }
    );
}

#[test]
fn finish_reasons() {
    use FinishReason as R;
    for (raw, call, reason) in [
        ("end_turn", false, R::Stop),
        ("end_turn", true, R::ToolCalls),
        ("tool_use", true, R::ToolCalls),
        ("stop_sequence", false, R::StopSequence),
        ("max_tokens", true, R::Length),
        ("model_context_window_exceeded", false, R::ContextExceeded),
        ("guardrail_intervened", false, R::ContentFilter),
        ("content_filtered", false, R::ContentFilter),
        ("malformed_model_output", false, R::Error),
        ("malformed_tool_use", false, R::Error),
        ("of_tomorrow", false, R::Other),
    ] {
        let block = match call {
            true => json!({"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}),
            false => json!({"text": "a"}),
        };
        let done = decode(&json!({"output": {"message": {"content": [block]}}, "stopReason": raw})).unwrap();
        assert_eq!(
            (done.finish_reason, done.finish_raw.as_deref()),
            (Some(reason), Some(raw))
        );
        assert!(!done.usage.reported);
    }
}

#[test]
fn counts_come_before_or_after_the_end() {
    let told = |frames: &[Vec<u8>]| {
        let mut decoder = StreamDecoder::new(&BEDROCK_CONVERSE, &Quirks::default());
        frames
            .iter()
            .map(|frame| {
                decoder.push(frame, &mut Vec::new()).unwrap();
                (decoder.complete(), decoder.finished())
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        told(&[piece(0, json!({"text": "a"})), stop("end_turn"), metadata()]),
        [(false, false), (true, false), (true, true)]
    );
    assert_eq!(
        told(&[metadata(), stop("end_turn")]),
        [(false, false), (true, true)]
    );
}

#[test]
fn blocks_without_an_end_and_pieces_after_the_end() {
    let bytes = [
        piece(0, json!({"reasoningContent": {"text": "hm", "signature": "s"}})),
        // Pieces of a call that never began.
        piece(1, json!({"toolUse": {"input": "{}"}})),
        stop("end_turn"),
        piece(2, json!({"text": "late"})),
        metadata(),
    ]
    .concat();
    let (deltas, ended) = stream(&[&bytes]);
    assert_eq!(ended, Ok(()));
    let done = fold(&deltas);
    assert_eq!(done.reasoning_blocks.len(), 1);
    assert_eq!((done.text.as_str(), done.tool_calls.len()), ("", 0));
}

#[test]
fn a_number_given_twice_loses_no_block() {
    let bytes = [
        piece(0, json!({"reasoningContent": {"text": "hm", "signature": "s"}})),
        start(0, json!({"toolUse": {"toolUseId": "1", "name": "f"}})),
        piece(0, json!({"toolUse": {"input": "{}"}})),
        stop("tool_use"),
    ]
    .concat();
    let (deltas, ended) = stream(&[&bytes]);
    assert_eq!(ended, Ok(()));
    let done = fold(&deltas);
    assert_eq!((done.reasoning_blocks.len(), done.tool_calls.len()), (1, 1));
}

#[test]
fn calls_are_bounded() {
    let call = start(0, json!({"toolUse": {"toolUseId": "1", "name": "f"}}));
    let (_, ended) = stream(&[&call.repeat(1025)]);
    assert_eq!(ended.unwrap_err().class, FailureClass::Malformed);
}

#[test]
fn what_is_no_answer_is_malformed() {
    for body in [
        json!([]),
        json!({}),
        json!({"output": {}}),
        json!({"output": {"message": {"content": []}}}),
    ] {
        assert_eq!(
            decode(&body).unwrap_err().class,
            FailureClass::Malformed,
            "{body}"
        );
    }
    assert_eq!(
        BEDROCK_CONVERSE.decode(b"<html>").unwrap_err().class,
        FailureClass::Malformed
    );
    let text = piece(0, json!({"text": "a"}));
    for bytes in [
        text.clone(),
        [text.clone(), event("event", "messageStop", &json!({}))].concat(),
        [text.clone(), text[..20].to_vec()].concat(),
        b"data: {}\n\n".to_vec(),
    ] {
        let (_, ended) = stream(&[&bytes]);
        assert_eq!(ended.unwrap_err().class, FailureClass::Malformed);
    }
    // A frame cut off after the end takes nothing from the answer.
    let (_, ended) = stream(&[&[text, stop("end_turn"), metadata()[..30].to_vec()].concat()]);
    assert_eq!(ended, Ok(()));
}

#[test]
fn a_json_body_where_a_stream_was_asked() {
    assert_eq!(
        Framing::EventStream.media_type(),
        "application/vnd.amazon.eventstream"
    );
    let (deltas, ended) = stream(&[whole_body().to_string().as_bytes()]);
    assert_eq!(ended, Ok(()));
    assert_eq!(fold(&deltas), decode(&whole_body()).unwrap());
    let (_, ended) = stream(&[br#"{"message": "Input is too long for requested model."}"#]);
    assert_eq!(ended.unwrap_err().class, FailureClass::ContextLength);
}

#[test]
fn exceptions_in_a_stream() {
    use FailureClass as C;
    let text = |message: &str| json!({"message": message, "p": "ab"});
    for (name, payload, class) in [
        (
            "throttlingException",
            text("Too many tokens, please wait"),
            C::RateLimited,
        ),
        ("internalServerException", text("a"), C::Server),
        ("serviceUnavailableException", text("a"), C::Overloaded),
        ("modelStreamErrorException", text("a"), C::Server),
        (
            "modelStreamErrorException",
            json!({"message": "a", "originalStatusCode": 429}),
            C::RateLimited,
        ),
        (
            "modelStreamErrorException",
            json!({"message": "a", "originalStatusCode": 403}),
            C::Server,
        ),
        ("validationException", text("a"), C::InvalidRequest),
        (
            "validationException",
            text("Input is too long for requested model."),
            C::ContextLength,
        ),
        ("ofTomorrowException", json!({}), C::Malformed),
    ] {
        let bytes = [
            piece(0, json!({"text": "a"})),
            event("exception", name, &payload),
            stop("end_turn"),
        ]
        .concat();
        let (deltas, ended) = stream(&[&bytes]);
        let failure = ended.unwrap_err();
        assert_eq!(failure.class, class, "{name}");
        assert_eq!(deltas, [Delta::Text("a".to_owned())]);
        assert_eq!(
            failure.code.unwrap(),
            format!("{}{}", name[..1].to_ascii_uppercase(), &name[1..])
        );
    }
}

#[test]
fn classifies() {
    use FailureClass as C;
    let message = |message: &str| json!({"message": message});
    let cases: Vec<(u16, &str, Value, C)> = vec![
        (
            429,
            "ThrottlingException",
            message("Too many tokens, please wait before trying again."),
            C::RateLimited,
        ),
        (
            429,
            "ThrottlingException",
            message("Too many tokens per day, please wait"),
            C::QuotaExhausted,
        ),
        (429, "ModelNotReadyException", message("a"), C::Overloaded),
        (
            400,
            "ServiceQuotaExceededException",
            message("a"),
            C::QuotaExhausted,
        ),
        (
            400,
            "ValidationException:http://internal/coral/",
            message("The provided model identifier is invalid."),
            C::ModelNotFound,
        ),
        (
            400,
            "ValidationException",
            message(
                "Invocation of model ID x with on-demand throughput isn’t supported. Retry with an inference profile",
            ),
            C::ModelNotFound,
        ),
        (
            400,
            "ValidationException",
            message("Input is too long for requested model."),
            C::ContextLength,
        ),
        (
            400,
            "ValidationException",
            message("Malformed input request"),
            C::InvalidRequest,
        ),
        (
            400,
            "",
            message("This model doesn't support the video content block"),
            C::InvalidRequest,
        ),
        (
            403,
            "AccessDeniedException",
            message("You don't have access to the model with the specified model ID."),
            C::ModelNotFound,
        ),
        (
            403,
            "AccessDeniedException",
            message("User: x is not authorized to perform: bedrock:InvokeModel"),
            C::Authentication,
        ),
        (
            403,
            "UnrecognizedClientException",
            message("The security token included in the request is invalid."),
            C::Authentication,
        ),
        (
            403,
            "",
            json!({"__type": "com.amazon.coral.service#ExpiredTokenException", "Message": "expired"}),
            C::Authentication,
        ),
        (
            400,
            "",
            json!({"__type": "ExpiredTokenException"}),
            C::Authentication,
        ),
        (
            404,
            "ResourceNotFoundException",
            message("This model version has reached the end of its life."),
            C::ModelNotFound,
        ),
        (408, "ModelTimeoutException", message("a"), C::Timeout),
        (
            424,
            "ModelErrorException",
            json!({"message": "a", "originalStatusCode": 500}),
            C::Server,
        ),
        (
            424,
            "ModelErrorException",
            json!({"message": "a", "originalStatusCode": 400}),
            C::InvalidRequest,
        ),
        (500, "InternalServerException", message("a"), C::Server),
        (503, "ServiceUnavailableException", message("a"), C::Overloaded),
        (503, "", Value::Null, C::Overloaded),
    ];
    for (status, kind, body, class) in cases {
        let mut headers = headers(&[("x-amzn-requestid", "r-1")]);
        if !kind.is_empty() {
            headers.insert("x-amzn-errortype", kind.parse().unwrap());
        }
        let failure = BEDROCK_CONVERSE.classify(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            body.to_string().as_bytes(),
            SystemTime::UNIX_EPOCH,
            &Quirks::default(),
        );
        assert_eq!(failure.class, class, "{kind} {body}");
        assert_eq!(failure.request_id.as_deref(), Some("r-1"));
        let code = kind.split(':').next().unwrap();
        if !code.is_empty() {
            assert_eq!(failure.code.as_deref(), Some(code));
        }
    }
    let html = BEDROCK_CONVERSE.classify(
        StatusCode::FORBIDDEN,
        &headers(&[]),
        b"<html>",
        SystemTime::UNIX_EPOCH,
        &Quirks::default(),
    );
    assert_eq!(html.class, C::Malformed);
    let mut quirks = Quirks::default();
    quirks
        .codes
        .insert("ThrottlingException".to_owned(), C::QuotaExhausted);
    let renamed = BEDROCK_CONVERSE.classify(
        StatusCode::TOO_MANY_REQUESTS,
        &headers(&[("x-amzn-errortype", "ThrottlingException")]),
        b"{}",
        SystemTime::UNIX_EPOCH,
        &quirks,
    );
    assert_eq!(renamed.class, C::QuotaExhausted);
}

/// Events in any order, and what no server should send.
fn any_event() -> impl Strategy<Value = Vec<u8>> {
    let index = 0u32..3;
    let delta = prop::sample::select(vec![
        json!({"text": "a"}),
        json!({"toolUse": {"input": "{"}}),
        json!({"reasoningContent": {"text": "h", "signature": "s"}}),
        json!({"reasoningContent": {"redactedContent": "!"}}),
        json!({"toolUse": 1}),
        json!({"text": null}),
        json!([]),
    ]);
    let begin = prop::sample::select(vec![
        json!({"toolUse": {"toolUseId": "t", "name": "f"}}),
        json!({"toolUse": {"type": "server_tool_use"}}),
        json!({"image": {}}),
        Value::Null,
    ]);
    prop_oneof![
        4 => (index.clone(), delta).prop_map(|(index, delta)| piece(index, delta)),
        2 => (index.clone(), begin).prop_map(|(index, begin)| start(index, begin)),
        1 => index.prop_map(close),
        1 => prop::sample::select(vec!["end_turn", "?"]).prop_map(stop),
        1 => Just(metadata()),
        1 => Just(event("event", "metadata", &json!({"usage": {"inputTokens": -1, "cacheDetails": 1}}))),
        1 => Just(event("event", "contentBlockDelta", &json!([{"contentBlockIndex": "0"}]))),
    ]
}

proptest! {
    #[test]
    fn any_events_in_any_split_come_to_the_same(
        events in prop::collection::vec(any_event(), 0..12),
        split in 1usize..200,
    ) {
        let bytes = events.concat();
        let whole = stream(&[&bytes]);
        let pieces: Vec<&[u8]> = bytes.chunks(split).collect();
        prop_assert_eq!(&stream(&pieces), &whole);
        let mut calls = 0;
        for delta in &whole.0 {
            if let Delta::ToolCall { index, name, .. } = delta {
                prop_assert!(*index < calls || (*index == calls && name.is_some()));
                calls = calls.max(index + 1);
            }
        }
        let stopped = whole.0.iter().any(|delta| matches!(delta, Delta::Finish { .. }));
        prop_assert_eq!(whole.1.is_ok(), stopped);
    }
}
