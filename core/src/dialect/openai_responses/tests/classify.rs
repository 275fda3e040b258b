use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::catalog::Quirks;
use crate::dialect::openai_responses::OPENAI_RESPONSES;
use crate::dialect::testing::stream;
use crate::dialect::{Dialect as _, StreamDecoder};
use crate::types::{Delta, FailureClass};

fn failed(error: Value) -> Value {
    json!({"type": "response.failed", "response": {"id": "r", "status": "failed", "error": error, "output": [],
           "usage": {"input_tokens": 3, "output_tokens": 0}}})
}

#[test]
fn errors_by_status() {
    use FailureClass as C;
    for (status, body, class) in [
        (
            400,
            json!({"error": {"code": "model_not_found", "message": "x", "type": "invalid_request_error"}}),
            C::ModelNotFound,
        ),
        (
            429,
            json!({"error": {"code": "insufficient_quota", "message": "x"}}),
            C::QuotaExhausted,
        ),
        (
            400,
            json!({"code": "Client specified an invalid argument", "error": "Invalid request content"}),
            C::InvalidRequest,
        ),
        (
            400,
            json!({"error": {"code": null, "message": "Item 'rs' of type 'reasoning' was provided without its required following item."}}),
            C::InvalidRequest,
        ),
        (502, json!("x"), C::Server),
    ] {
        let failure = OPENAI_RESPONSES.classify(
            StatusCode::from_u16(status).unwrap(),
            &HeaderMap::new(),
            body.to_string().as_bytes(),
            SystemTime::UNIX_EPOCH,
            &Quirks::default(),
        );
        assert_eq!(failure.class, class, "{body}");
    }
}

#[test]
fn errors_inside_a_stream() {
    use FailureClass as C;
    let quota = json!({"type": "insufficient_quota", "code": "insufficient_quota", "message": "x"});
    for (event, class, code) in [
        (
            json!({"type": "error", "error": quota}),
            C::QuotaExhausted,
            Some("insufficient_quota"),
        ),
        (
            json!({"type": "error", "code": "server_is_overloaded", "message": "x", "param": null}),
            C::Overloaded,
            Some("server_is_overloaded"),
        ),
        (json!({"type": "error", "message": "what?"}), C::Malformed, None),
        (
            json!({"error": {"code": 503, "message": "x"}}),
            C::Overloaded,
            Some("503"),
        ),
        (
            failed(json!({"code": "server_error", "message": "x"})),
            C::Server,
            Some("server_error"),
        ),
        (
            failed(json!({"code": "vector_store_timeout", "message": "x"})),
            C::Server,
            Some("vector_store_timeout"),
        ),
        (
            failed(json!({"code": "bio_policy", "message": "x"})),
            C::ContentFiltered,
            Some("bio_policy"),
        ),
        (
            failed(json!({"code": "image_content_policy_violation", "message": "x"})),
            C::ContentFiltered,
            Some("image_content_policy_violation"),
        ),
        (
            failed(json!({"code": "image_too_large", "message": "x"})),
            C::InvalidRequest,
            Some("image_too_large"),
        ),
        (
            failed(json!({"code": "x", "message": "Your input exceeds the context window of this model."})),
            C::ContextLength,
            Some("x"),
        ),
        (failed(json!(null)), C::Server, Some("failed")),
    ] {
        let (_, ended) = stream(&OPENAI_RESPONSES, std::slice::from_ref(&event));
        let failure = ended.unwrap_err();
        assert_eq!((failure.class, failure.code.as_deref()), (class, code), "{event}");
    }
}

#[test]
fn a_failed_reply_says_how_long_to_wait_and_what_it_cost() {
    let event = failed(
        json!({"code": "rate_limit_exceeded", "message": "Rate limit reached. Please try again in 11.054s."}),
    );
    let (deltas, ended) = stream(&OPENAI_RESPONSES, std::slice::from_ref(&event));
    let failure = ended.unwrap_err();
    assert_eq!(failure.class, FailureClass::RateLimited);
    assert_eq!(failure.retry_after, Some(Duration::from_millis(11_054)));
    assert!(
        deltas
            .iter()
            .any(|delta| matches!(delta, Delta::Usage(usage) if usage.input_tokens == 3))
    );
    let whole = OPENAI_RESPONSES.decode(event["response"].to_string().as_bytes());
    assert_eq!(whole.unwrap_err(), failure);
}

#[test]
fn a_providers_own_meaning_of_a_code_wins() {
    let quirks = Quirks {
        codes: BTreeMap::from([("server_error".to_owned(), FailureClass::Overloaded)]),
        ..Quirks::default()
    };
    let mut decoder = StreamDecoder::new(&OPENAI_RESPONSES, &quirks);
    let event = format!(
        "data: {}\n\n",
        failed(json!({"code": "server_error", "message": "x"}))
    );
    let failure = decoder.push(event.as_bytes(), &mut Vec::new()).unwrap_err();
    assert_eq!(failure.class, FailureClass::Overloaded);
}
